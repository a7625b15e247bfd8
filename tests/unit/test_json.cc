// test_json.cc - claims about JSON: what is written is whole or nothing, and what is read is JSON, damaged or, without
// memory, unknown.
#include "base/json.h"

#include <cerrno>
#include <cjson/cJSON.h>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

int left = -1; // allocations of cJSON until one fails; below 0: none does

void *FailingMalloc(size_t size) {
    if (left-- != 0) return malloc(size);
    errno = ENOMEM;
    return nullptr;
}

class Json : public ::testing::Test {
  protected:
    void SetUp() override {
        cJSON_Hooks hooks = {FailingMalloc, free};
        cJSON_InitHooks(&hooks);
    }
    void TearDown() override {
        left = -1;
        cJSON_InitHooks(nullptr);
    }
    static void Fill(lenet_json *json) {
        lenet_json_open_object(json, nullptr);
        lenet_json_add_string(json, "string", "a \"b\"");
        lenet_json_add_text(json, "text", "\xFF!");
        lenet_json_add_bool(json, "bool", 1);
        lenet_json_add_null(json, "null");
        lenet_json_open_array(json, "array");
        lenet_json_add_number(json, nullptr, 1e15);
        lenet_json_add_real(json, nullptr, 0.1 + 0.2);
        lenet_json_add_real(json, nullptr, NAN);
        lenet_json_open_object(json, nullptr);
        lenet_json_close(json);
        lenet_json_close(json);
        lenet_json_add_ints(json, "ints", (const int[]){1, 2, 3}, 3);
        lenet_json_add_raw(json, "raw", "[7]");
        cJSON *read = Read("{\"a\": 1, \"b\": {\"c\": [\"d\"]}}");
        lenet_json_add_all(json, read);
        lenet_json_free(read);
        lenet_json_close(json);
    }
    static cJSON *Read(const std::string &text) {
        cJSON *read;
        const int kept = left;
        left = -1; // only what is written fails
        EXPECT_EQ(lenet_json_parse("it", text.data(), text.size(), nullptr, &read, nullptr), LENET_OK);
        left = kept;
        return read;
    }
    lenet_error err_ = {};
};

const char kWhole[] = "{\"string\":\"a \\\"b\\\"\",\"text\":\"\xEF\xBF\xBD!\",\"bool\":true,\"null\":null,"
                      "\"array\":[1e+15,0.30000000000000004,null,{}],\"ints\":[1,2,3],\"raw\":[7],\"a\":1,"
                      "\"b\":{\"c\":[\"d\"]}}";

TEST_F(Json, IsWholeOrNothingWhicheverAllocationFails) {
    int failed = 0;
    for (int n = 0;; n++) {
        lenet_json json = {};
        char *text;
        left = n;
        Fill(&json);
        const lenet_status status = lenet_json_print(&json, LENET_JSON_LINE, &text, &err_);
        const bool none_failed = left >= 0;
        left = -1;
        EXPECT_EQ(status, none_failed ? LENET_OK : LENET_ERR_MEMORY) << n;
        EXPECT_STREQ(text, none_failed ? kWhole : nullptr) << n;
        free(text);
        if (none_failed) break;
        failed++;
    }
    EXPECT_GT(failed, 30);
}

TEST_F(Json, AFileStaysAsItWasWhereMemoryIsShort) {
    const std::string path = testing::TempDir() + "lenet_json_" + std::to_string(getpid());
    std::ofstream(path) << "old";
    lenet_json json = {};
    left = 5;
    Fill(&json);
    EXPECT_EQ(lenet_json_write(path.c_str(), &json, &err_), LENET_ERR_MEMORY);
    std::ifstream in(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "old");
    fs::remove(path);
}

TEST_F(Json, WhatWasNotClosedIsNotPrinted) {
    lenet_json json = {};
    char *text;
    lenet_json_open_object(&json, nullptr);
    lenet_json_open_array(&json, "open");
    EXPECT_NE(lenet_json_print(&json, LENET_JSON_LINE, &text, &err_), LENET_OK);
    for (int i = 0; i <= LENET_JSON_DEPTH; i++) lenet_json_open_array(&json, nullptr);
    lenet_json_add_null(&json, nullptr);
    for (int i = 0; i <= LENET_JSON_DEPTH; i++) lenet_json_close(&json);
    EXPECT_NE(lenet_json_print(&json, LENET_JSON_LINE, &text, &err_), LENET_OK) << "deeper than it may be";
}

TEST_F(Json, AFailedAllocationIsNotADamagedText) {
    const std::string text = kWhole;
    int failed = 0;
    for (int n = 0;; n++) {
        cJSON *read;
        size_t used;
        left = n;
        const lenet_status status = lenet_json_parse("it", text.data(), text.size(), &used, &read, &err_);
        const bool none_failed = left >= 0;
        left = -1;
        EXPECT_EQ(status, none_failed ? LENET_OK : LENET_ERR_MEMORY) << n << ": " << err_.text;
        EXPECT_EQ(read != nullptr, none_failed) << n;
        lenet_json_free(read);
        if (none_failed) {
            EXPECT_EQ(used, text.size());
            break;
        }
        failed++;
    }
    EXPECT_GT(failed, 20);
}

TEST_F(Json, ADamagedTextIsNotAFailedAllocation) {
    const std::string text = kWhole;
    for (size_t size = 0; size < text.size(); size++) {
        cJSON *read;
        errno = ENOMEM; // of another call
        EXPECT_EQ(lenet_json_parse("it", text.data(), size, nullptr, &read, &err_), LENET_ERR_FORMAT) << size;
        EXPECT_EQ(read, nullptr);
    }
}

/* In memory each would take forty times what it takes in the text. */
TEST_F(Json, ATextOfTooManyValuesIsRefusedBeforeItTakesMemory) {
    std::string text = "[0";
    for (int i = 1; i < LENET_JSON_MOST_VALUES + 1; i++) text += ",0";
    text += "]";
    cJSON *read = nullptr;
    left = 0;
    EXPECT_EQ(lenet_json_parse("it", text.data(), text.size(), nullptr, &read, &err_), LENET_ERR_FORMAT);
    EXPECT_EQ(read, nullptr);
    EXPECT_NE(std::string(err_.text).find("it: JSON of more than 16000000 values"), std::string::npos) << err_.text;
}

TEST_F(Json, ALineThatIsNotReadForMemoryIsNotDamaged) {
    const std::string path = testing::TempDir() + "lenet_lines_" + std::to_string(getpid());
    std::ofstream(path) << "{\"a\":1}\n{\"a\":2}\n";
    const auto count = [](void *self, const lenet_json_line *, lenet_error *) {
        ++*static_cast<int *>(self);
        return LENET_OK;
    };
    for (int n = 0; n < 6; n++) {
        int lines = 0;
        size_t torn;
        left = n;
        EXPECT_EQ(lenet_json_lines(path.c_str(), 100, count, &lines, &torn, &err_), LENET_ERR_MEMORY) << n;
        EXPECT_LE(lines, 1) << n;
    }
    int lines = 0;
    size_t torn;
    left = -1;
    EXPECT_EQ(lenet_json_lines(path.c_str(), 100, count, &lines, &torn, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(lines, 2);
    fs::remove(path);
}

TEST(JsonRule, NothingElseCallsCJson) {
    int files = 0;
    for (const char *root : {"src", "cuda", "include"})
        for (const auto &entry : fs::recursive_directory_iterator(fs::path(LENET_SOURCE_DIR) / root)) {
            if (!entry.is_regular_file() || entry.path().filename() == "json.c") continue;
            std::ifstream in(entry.path());
            const std::string text(std::istreambuf_iterator<char>(in), {});
            EXPECT_EQ(text.find("cJSON_"), std::string::npos) << entry.path();
            EXPECT_EQ(text.find("cJSON.h"), std::string::npos) << entry.path();
            files++;
        }
    EXPECT_GT(files, 100);
}

} // namespace
