// test_weights.cc - claims about safetensors files: exact bytes out, and nothing but clean errors
// or valid tensors from whatever is read in.
#include "lenet/weights.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

testing::AssertionResult says(const lenet_error &err, const std::string &part) {
    if (std::string(err.text).find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the error \"" << err.text << "\" does not say \"" << part << "\"";
}

lenet_tensor tensor(const char *name, lenet_dtype dtype, std::vector<size_t> shape, void *data) {
    lenet_tensor result = {};
    strncpy(result.name, name, sizeof result.name - 1);
    result.dtype = dtype;
    result.rank = static_cast<int>(shape.size());
    for (size_t i = 0; i < shape.size() && i < LENET_MAX_RANK; i++) result.shape[i] = shape[i];
    result.data = data;
    return result;
}

// The header's length word, the header, the data.
std::string file_of(const std::string &header, const std::string &data) {
    std::string bytes(8, '\0');
    const uint64_t size = header.size();
    for (int i = 0; i < 8; i++) bytes[static_cast<size_t>(i)] = static_cast<char>(size >> 8 * i & 0xff);
    return bytes + header + data;
}

bool is_zero(const lenet_tensor_file &file) {
    return file.n == 0 && !file.tensors && file.n_metadata == 0 && !file.metadata && !file.buffer && !file.header;
}

// Touches every byte that a valid read promises, so that AddressSanitizer sees one that is not there.
unsigned sum_of(const lenet_tensor_file &file) {
    unsigned sum = 0;
    for (int i = 0; i < file.n; i++) {
        const std::map<lenet_dtype, size_t> sizes = {
            {LENET_U8, 1}, {LENET_F16, 2}, {LENET_F32, 4}, {LENET_F64, 8}, {LENET_I64, 8}};
        const size_t alignment = sizes.at(file.tensors[i].dtype);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(file.tensors[i].data) % alignment, 0u) << file.tensors[i].name;
        const unsigned char *bytes = static_cast<const unsigned char *>(file.tensors[i].data);
        for (size_t k = 0; k < lenet_tensor_bytes(&file.tensors[i]); k++) sum += bytes[k];
    }
    for (int i = 0; i < file.n_metadata; i++)
        sum += static_cast<unsigned>(strlen(file.metadata[i].key) + strlen(file.metadata[i].value));
    return sum;
}

class Weights : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "lenet_weights_XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory = name;
        path = directory + "/w.safetensors";
    }
    void TearDown() override {
        lenet_tensors_free(&file);
        if (!directory.empty()) fs::remove_all(directory);
    }

    lenet_status write(const std::vector<lenet_tensor> &tensors, const std::vector<lenet_metadata> &metadata = {}) {
        return lenet_tensors_write(path.c_str(), tensors.data(), static_cast<int>(tensors.size()), metadata.data(),
                                   static_cast<int>(metadata.size()), &err);
    }
    lenet_status read() {
        lenet_tensors_free(&file);
        err.text[0] = '\0';
        memset(static_cast<void *>(&file), 0x55, sizeof file); // an output: what was there must not matter
        const lenet_status status = lenet_tensors_read(path.c_str(), &file, &err);
        if (status != LENET_OK) {
            EXPECT_TRUE(is_zero(file));
            EXPECT_TRUE(says(err, path));
            memset(static_cast<void *>(&file), 0, sizeof file);
        }
        return status;
    }
    lenet_status read(const std::string &bytes) {
        std::ofstream(path, std::ios::binary) << bytes;
        return read();
    }
    std::string written() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    std::string directory, path;
    lenet_tensor_file file = {};
    lenet_error err = {};
};

// ---- writing ----

TEST_F(Weights, ATinyFileHasTheseBytes) {
    float values[2] = {1.0f, -2.0f};
    uint8_t byte = 7;
    ASSERT_EQ(write({tensor("w", LENET_F32, {2, 1}, values), tensor("step", LENET_U8, {}, &byte)}, {{"net", "a\"b"}}),
              LENET_OK)
        << err.text;
    const std::string header = R"({"__metadata__":{"net":"a\"b"},)"
                               R"("w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                               R"("step":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})";
    ASSERT_EQ(header.size(), 140u); // padded with 4 spaces to 144 = 0x90
    const std::string expected =
        std::string("\x90\0\0\0\0\0\0\0", 8) + header + "    " + std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x07", 9);
    EXPECT_EQ(written(), expected);
}

TEST_F(Weights, AFileWithoutAnythingIsAnEmptyObject) {
    ASSERT_EQ(write({}), LENET_OK) << err.text;
    EXPECT_EQ(written(), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
    ASSERT_EQ(read(), LENET_OK) << err.text;
    EXPECT_EQ(file.n, 0);
    EXPECT_EQ(file.n_metadata, 0);
    EXPECT_EQ(lenet_tensors_find(&file, "w"), nullptr);
    EXPECT_EQ(lenet_metadata_find(&file, "net"), nullptr);
}

TEST_F(Weights, TheDataBeginsAtAMultipleOf8WhateverTheHeadersLength) {
    float value = 0.5f;
    for (size_t length = 1; length < 20; length++) {
        const std::string name(length, 'n');
        ASSERT_EQ(write({tensor(name.c_str(), LENET_F32, {1}, &value)}), LENET_OK) << err.text;
        EXPECT_EQ(written().size() % 8, 4u) << length; // 8 k bytes and one float
    }
}

TEST_F(Weights, TheSameInputGivesTheSameBytes) {
    std::vector<double> values(1000, 1.0 / 3.0);
    const std::vector<lenet_tensor> tensors = {tensor("b", LENET_F64, {10, 50}, values.data()),
                                               tensor("a", LENET_F64, {500}, values.data() + 500)};
    ASSERT_EQ(write(tensors, {{"z", "1"}, {"y", "2"}}), LENET_OK) << err.text;
    const std::string first = written();
    ASSERT_EQ(write(tensors, {{"z", "1"}, {"y", "2"}}), LENET_OK) << err.text;
    EXPECT_EQ(written(), first);
}

TEST_F(Weights, BytesAreTheShapesProductAndNeverWrapAround) {
    const size_t half = size_t{1} << 32;
    lenet_tensor t = tensor("w", LENET_F64, {3, 5}, nullptr);
    EXPECT_EQ(lenet_tensor_bytes(&t), 120u);
    t = tensor("w", LENET_U8, {}, nullptr);
    EXPECT_EQ(lenet_tensor_bytes(&t), 1u) << "a scalar";
    t = tensor("w", LENET_I64, {4, 0, 3}, nullptr);
    EXPECT_EQ(lenet_tensor_bytes(&t), 0u);
    t = tensor("w", LENET_U8, {half, half}, nullptr);
    EXPECT_EQ(lenet_tensor_bytes(&t), SIZE_MAX);
}

TEST_F(Weights, WriteRefusesWhatCouldNotBeReadBack) {
    float values[4] = {};
    const size_t half = size_t{1} << 32;
    lenet_tensor long_name = tensor("w", LENET_F32, {1}, values), bad_dtype = long_name, bad_rank = long_name;
    memset(long_name.name, 'n', sizeof long_name.name); // no zero byte
    bad_dtype.dtype = static_cast<lenet_dtype>(9);
    bad_rank.rank = LENET_MAX_RANK + 1;
    const lenet_tensor w = tensor("w", LENET_F32, {1}, values);
    const struct {
        std::vector<lenet_tensor> tensors;
        std::vector<lenet_metadata> metadata;
        const char *says;
    } cases[] = {
        {{long_name}, {}, "at most 63"},
        {{bad_dtype}, {}, "dtype"},
        {{bad_rank}, {}, "rank"},
        {{tensor("", LENET_F32, {1}, values)}, {}, "empty name"},
        {{tensor("a\nb", LENET_F32, {1}, values)}, {}, "control character"},
        {{tensor("__metadata__", LENET_F32, {1}, values)}, {}, "metadata"},
        {{tensor("w", LENET_F32, {1}, nullptr)}, {}, "no data"},
        {{tensor("w", LENET_U8, {half, half}, values)}, {}, "10^15"},
        {{tensor("w", LENET_U8, {0, half * (half / 2)}, values)}, {}, "10^15"},
        {{w, tensor("v", LENET_F32, {1}, values), w}, {}, "\"w\" occurs twice"},
        {{w}, {{"k", "1"}, {"k", "2"}}, "\"k\" occurs twice"},
    };
    for (const auto &c : cases) {
        EXPECT_EQ(write(c.tensors, c.metadata), LENET_ERR_ARG) << c.says;
        EXPECT_TRUE(says(err, c.says));
        EXPECT_TRUE(says(err, path));
        EXPECT_TRUE(fs::is_empty(directory)) << c.says;
    }
}

TEST_F(Weights, WriteHandsUpTheSystemsReason) {
    path = directory + "/missing/w.safetensors";
    EXPECT_EQ(write({}), LENET_ERR_IO);
    EXPECT_TRUE(says(err, path));
}

// ---- round trips ----

TEST_F(Weights, EveryDtypeAndRankComesBackTheSame) {
    double f64[6] = {0.1, -0.0, 1e308, 5e-324, 3, 4};
    int64_t i64[2] = {INT64_MIN, INT64_MAX};
    float f32[3] = {1.5f, -1e-45f, 3e38f};
    uint16_t f16[4] = {0, 0x3c00, 0xfc00, 0x7e01};
    uint8_t u8[5] = {0, 1, 127, 128, 255};
    const std::vector<lenet_tensor> tensors = {tensor("f64", LENET_F64, {1, 1, 2, 1, 3, 1}, f64),
                                               tensor("i64", LENET_I64, {2}, i64),
                                               tensor("none", LENET_I64, {0, 7}, nullptr),
                                               tensor("f32", LENET_F32, {3}, f32),
                                               tensor("nothing", LENET_F32, {0}, nullptr),
                                               tensor("f16", LENET_F16, {1, 4}, f16),
                                               tensor("scalar", LENET_U8, {}, u8),
                                               tensor(std::string(63, 'u').c_str(), LENET_U8, {5}, u8)};
    ASSERT_EQ(write(tensors, {{"net", "lenet5"}, {"empty", ""}, {"odd \"\\\n\xc3\xa9", "\t/\x01{}"}}), LENET_OK)
        << err.text;
    ASSERT_EQ(read(), LENET_OK) << err.text;
    ASSERT_EQ(file.n, static_cast<int>(tensors.size()));
    for (size_t i = 0; i < tensors.size(); i++) {
        const lenet_tensor &want = tensors[i], &got = file.tensors[i];
        ASSERT_STREQ(got.name, want.name) << "in the order of their offsets";
        EXPECT_EQ(lenet_tensors_find(&file, want.name), &got);
        EXPECT_EQ(got.dtype, want.dtype);
        ASSERT_EQ(got.rank, want.rank);
        for (int k = 0; k < want.rank; k++) EXPECT_EQ(got.shape[k], want.shape[k]);
        if (want.data) {
            EXPECT_EQ(memcmp(got.data, want.data, lenet_tensor_bytes(&want)), 0) << want.name;
        }
    }
    ASSERT_EQ(file.n_metadata, 3);
    EXPECT_STREQ(lenet_metadata_find(&file, "net"), "lenet5");
    EXPECT_STREQ(lenet_metadata_find(&file, "empty"), "");
    EXPECT_STREQ(lenet_metadata_find(&file, "odd \"\\\n\xc3\xa9"), "\t/\x01{}");
    EXPECT_EQ(lenet_metadata_find(&file, "f64"), nullptr);
    EXPECT_EQ(lenet_tensors_find(&file, "__metadata__"), nullptr);
    sum_of(file);
    const std::string first = written();
    ASSERT_EQ(lenet_tensors_write(path.c_str(), file.tensors, file.n, file.metadata, file.n_metadata, &err), LENET_OK);
    EXPECT_EQ(written(), first) << "what was read can be written";
}

TEST_F(Weights, AChangedByteDoesNotFitTheChecksum) {
    float floats[3] = {1, 2, 3};
    uint8_t odd[3] = {4, 5, 6};
    int64_t whole[1] = {7};
    const std::vector<lenet_tensor> tensors = {{"whole", LENET_I64, 0, {}, whole},
                                               {"odd", LENET_U8, 1, {3}, odd},
                                               {"none", LENET_F64, 1, {0}, nullptr},
                                               {"floats", LENET_F32, 1, {3}, floats}};
    char sum[65];
    ASSERT_EQ(lenet_tensors_sha256(tensors.data(), (int)tensors.size(), sum, &err), LENET_OK) << err.text;
    ASSERT_EQ(write(tensors, {{LENET_TENSORS_SHA256, sum}}), LENET_OK) << err.text;
    ASSERT_EQ(read(), LENET_OK) << err.text;
    const std::string good = written();
    for (size_t left = 1; left <= 8 + 3 + 12; left++)
        for (int bit = 0; bit < 8; bit++) {
            std::string bytes = good;
            bytes[bytes.size() - left] ^= (char)(1 << bit);
            ASSERT_EQ(read(bytes), LENET_ERR_FORMAT) << left;
            ASSERT_TRUE(says(err, "checksum")) << err.text;
        }
    ASSERT_EQ(write(tensors, {{LENET_TENSORS_SHA256, "1234"}}), LENET_OK) << err.text;
    EXPECT_EQ(read(), LENET_ERR_FORMAT);
    ASSERT_EQ(write(tensors, {{"sha256", "1234"}}), LENET_OK) << err.text;
    EXPECT_EQ(read(), LENET_OK) << "of another program: " << err.text;
}

TEST_F(Weights, AFloatBehindAnOddByteIsAlignedAgain) {
    uint8_t u8[3] = {1, 2, 3};
    float f32[2] = {4.5f, 5.5f};
    ASSERT_EQ(write({tensor("u8", LENET_U8, {3}, u8), tensor("f32", LENET_F32, {2}, f32)}), LENET_OK) << err.text;
    ASSERT_EQ(read(), LENET_OK) << err.text;
    ASSERT_EQ(sum_of(file), 6u + 0x40 + 0x90 + 0x40 + 0xb0); // 4.5f is 0x40900000, 5.5f 0x40b00000
    EXPECT_EQ(static_cast<const float *>(file.tensors[1].data)[1], 5.5f);
}

TEST_F(Weights, AForeignFileMayBeginItsDataAnywhereAndOrderItsHeaderAnyhow) {
    const std::string data("\x07\0\0\x80\x3f", 5);
    for (size_t padding = 0; padding < 8; padding++) {
        const std::string header = R"({ "w":{"shape":[1],"data_offsets":[1,5],"dtype":"F32","extra":[1]} ,)"
                                   R"("u\u0038":{"dtype":"U8","shape":[1],"data_offsets":[0,1]} })" +
                                   std::string(padding, ' ');
        ASSERT_EQ(read(file_of(header, data)), LENET_OK) << err.text;
        sum_of(file);
        ASSERT_EQ(file.n, 2);
        EXPECT_STREQ(file.tensors[0].name, "u8");
        EXPECT_EQ(*static_cast<const float *>(file.tensors[1].data), 1.0f);
    }
}

TEST_F(Weights, DataThatBeginsWithSpacesIsNotPadding) {
    ASSERT_EQ(read(file_of(R"({"s":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "  ")), LENET_OK) << err.text;
    EXPECT_EQ(sum_of(file), 64u);
}

TEST_F(Weights, TensorsWithoutBytesMayShareAPlace) {
    ASSERT_EQ(read(file_of(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                           R"("z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                           R"("y":{"dtype":"F64","shape":[3,0],"data_offsets":[1,1]}})",
                           "!")),
              LENET_OK)
        << err.text;
    EXPECT_EQ(file.n, 3);
    EXPECT_STREQ(file.tensors[0].name, "z");
}

TEST_F(Weights, FreeingTwiceOrNothingIsHarmless) {
    ASSERT_EQ(read(file_of("{}", "")), LENET_OK) << err.text;
    lenet_tensors_free(&file);
    EXPECT_TRUE(is_zero(file));
    lenet_tensors_free(&file);
}

// ---- damage ----

struct damage {
    const char *claim;
    std::string bytes;
    const char *says;
};

// A header with one tensor "w" of these properties, before 8 bytes of data.
std::string with(const std::string &properties) { return file_of("{\"w\":{" + properties + "}}", "01234567"); }

// The same, with two tensors' offsets.
std::string places(const std::string &v, const std::string &w) {
    return file_of(R"({"v":{"dtype":"U8","shape":[4],"data_offsets":)" + v +
                       R"(},"w":{"dtype":"U8","shape":[4],"data_offsets":)" + w + "}}",
                   "01234567");
}

std::string shaped(const std::string &shape) { return with(R"("dtype":"U8","data_offsets":[0,8],"shape":)" + shape); }

std::string offset(const std::string &offsets) { return with(R"("dtype":"U8","shape":[8],"data_offsets":)" + offsets); }

std::vector<damage> damages() {
    const std::string w = R"("dtype":"U8","shape":[8],"data_offsets":[0,8])", eight = "01234567";
    const std::string word(7, '\0'), long_name(64, 'n');
    return {
        {"an empty file", "", "0 bytes"},
        {"half a length word", "\x02", "1 bytes"},
        {"a header longer than the file", file_of("{}", "").substr(0, 9), "truncated"},
        {"a header of 100,000,001 bytes", std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10), "not a safetensors file"},
        {"a length word of ones", std::string(8, '\xff') + "{}", "not a safetensors file"},
        {"a web page", "<!DOCTYPE html><html></html>", "not a safetensors file"},
        {"no header", std::string(8, '\0'), "'{'"},
        {"no header, but data", std::string(8, '\0') + "{}", "'{'"},
        {"an array", file_of("[]", ""), "'{'"},
        {"a space first", file_of(" {}", ""), "'{'"},
        {"not JSON", file_of("{nonsense}", ""), "not JSON"},
        {"an open object", file_of("{\"w\":", ""), "not JSON"},
        {"an object closed by the data", file_of("{", "}"), "not JSON"},
        {"two objects", file_of("{}{}", ""), "not JSON"},
        {"zero bytes as padding", file_of(std::string("{}\0\0", 4), ""), "not JSON"},
        {"objects 2000 deep", file_of("{\"w\":" + std::string(2000, '['), ""), "not JSON"},
        {"a tensor that is a number", file_of("{\"w\":1}", ""), "not an object"},
        {"a tensor that is an array", file_of("{\"w\":[0,8]}", eight), "not an object"},
        {"a tensor without a name", file_of("{\"\":{" + w + "}}", eight), "empty name"},
        {"a name of 64 bytes", file_of("{\"" + long_name + "\":{" + w + "}}", eight), "at most 63"},
        {"a control character in a name", file_of("{\"a\\u001bb\":{" + w + "}}", eight), "control character"},
        {"no dtype", with(R"("shape":[8],"data_offsets":[0,8])"), "\"w\" is not of dtype F32"},
        {"an unknown dtype", with(R"("dtype":"BF16","shape":[4],"data_offsets":[0,8])"), "BF16"},
        {"a dtype that is a number", with(R"("dtype":8,"shape":[8],"data_offsets":[0,8])"), "dtype"},
        {"a dtype in small letters", with(R"("dtype":"u8","shape":[8],"data_offsets":[0,8])"), "dtype"},
        {"no shape", with(R"("dtype":"U8","data_offsets":[0,8])"), "bad shape"},
        {"a shape that is a number", shaped("8"), "bad shape"},
        {"a shape that is an object", shaped("{\"a\":8}"), "bad shape"},
        {"a shape with a string", shaped("[\"8\"]"), "bad shape"},
        {"a negative size", shaped("[-8]"), "bad shape"},
        {"negative sizes", shaped("[-2,-4]"), "bad shape"},
        {"half a size", shaped("[7.5]"), "bad shape"},
        {"an infinite size", shaped("[1e999]"), "bad shape"},
        {"a size of 2^64", shaped("[18446744073709551616]"), "bad shape"},
        {"a null in a shape", shaped("[null]"), "bad shape"},
        {"seven dimensions", shaped("[1,1,1,1,1,1,8]"), "at most 6"},
        {"too small a product", shaped("[7]"), "do not make the bytes"},
        {"too large a product", shaped("[3,3]"), "do not make the bytes"},
        {"a product that is right modulo 2^64", shaped("[274177,67280421310721,8]"), "do not make the bytes"},
        {"a product of 0", shaped("[0]"), "do not make the bytes"},
        {"no offsets", with(R"("dtype":"U8","shape":[8])"), "bad data_offsets"},
        {"one offset", offset("[0]"), "bad data_offsets"},
        {"three offsets", offset("[0,8,8]"), "bad data_offsets"},
        {"reversed offsets", offset("[8,0]"), "bad data_offsets"},
        {"a negative offset", offset("[-1,7]"), "bad data_offsets"},
        {"a fraction as an offset", offset("[0.5,8.5]"), "bad data_offsets"},
        {"offsets that are strings", offset("[\"0\",\"8\"]"), "bad data_offsets"},
        {"an offset outside the file", offset("[1,9]"), "outside the file"},
        {"offsets far outside the file", offset("[900000000000000,900000000000008]"), "outside the file"},
        {"an overlap", places("[0,4]", "[3,7]"), "overlap"},
        {"one place used twice", places("[0,4]", "[0,4]"), "overlap"},
        {"a gap before the first", file_of(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", eight), "gap"},
        {"a gap between two",
         file_of(R"({"v":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                 R"("w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                 eight),
         "gap"},
        {"bytes after the last tensor", offset("[0,8]") + "9", "9 bytes of data"},
        {"bytes without a tensor", file_of("{}", "x"), "1 bytes of data"},
        {"a name twice", file_of("{\"w\":{" + w + "},\"w\":{" + w + "}}", eight), "\"w\" occurs twice"},
        {"a shape twice", with(w + ",\"shape\":[8]"), "\"shape\" occurs twice"},
        {"metadata that is a string", file_of(R"({"__metadata__":"x"})", ""), "not an object"},
        {"metadata that is null", file_of(R"({"__metadata__":null})", ""), "not an object"},
        {"a number in the metadata", file_of(R"({"__metadata__":{"step":3}})", ""), "\"step\" is not a string"},
        {"a metadata key twice", file_of(R"({"__metadata__":{"k":"1","k":"2"}})", ""), "\"k\" occurs twice"},
        {"metadata twice", file_of(R"({"__metadata__":{},"__metadata__":{}})", ""), "occurs twice"},
    };
}

TEST_F(Weights, EveryKindOfDamageIsNamed) {
    ASSERT_EQ(read(offset("[0,8]")), LENET_OK) << "what the cases below damage is valid: " << err.text;
    ASSERT_EQ(read(places("[0,4]", "[4,8]")), LENET_OK) << err.text;
    for (const damage &d : damages()) {
        EXPECT_EQ(read(d.bytes), LENET_ERR_FORMAT) << d.claim;
        EXPECT_TRUE(says(err, d.says)) << d.claim;
    }
}

TEST_F(Weights, NoMoreIsReadOfAFileThanItsHeaderSays) {
    for (const std::string &begin : {offset("[0,8]"), std::string(100, '\0'), std::string("{}"), file_of("{}", "")}) {
        std::ofstream(path, std::ios::binary) << begin;
        std::filesystem::resize_file(path, size_t{1} << 40);
        EXPECT_EQ(read(), LENET_ERR_FORMAT);
        EXPECT_TRUE(says(err, path)) << err.text;
    }
}

TEST_F(Weights, AMissingFileAndADirectoryAreIoErrors) {
    EXPECT_EQ(read(), LENET_ERR_IO);
    path = directory;
    EXPECT_EQ(read(), LENET_ERR_IO);
    EXPECT_EQ(lenet_tensors_read(directory.c_str(), &file, nullptr), LENET_ERR_IO);
}

TEST_F(Weights, AMessageAboutALongEntryStaysShort) {
    std::string shape = "[1";
    for (int i = 0; i < 10000; i++) shape += ",1";
    EXPECT_EQ(read(shaped(shape + "]")), LENET_ERR_FORMAT);
    EXPECT_TRUE(says(err, "8 bytes of data")) << "the end of the line is there";
}

class DamagedWeights : public Weights {
  protected:
    void SetUp() override {
        Weights::SetUp();
        float f32[3] = {1, 2, 3};
        int64_t step = 42;
        uint8_t u8[3] = {1, 2, 3};
        ASSERT_EQ(write({tensor("step", LENET_I64, {}, &step), tensor("c1.w", LENET_F32, {1, 3}, f32),
                         tensor("mask", LENET_U8, {3}, u8)},
                        {{"net", "lenet5"}, {"seed", "1"}}),
                  LENET_OK)
            << err.text;
        valid = written();
    }
    std::string valid;
};

TEST_F(DamagedWeights, AFileCutAnywhereIsRefused) {
    for (size_t size = 0; size < valid.size(); size++) {
        EXPECT_EQ(read(valid.substr(0, size)), LENET_ERR_FORMAT) << "cut to " << size << " bytes";
        EXPECT_STRNE(err.text, "");
    }
    EXPECT_EQ(read(valid), LENET_OK) << err.text;
}

TEST_F(DamagedWeights, AChangedByteOfTheHeaderGivesAnErrorOrValidTensors) {
    const size_t header_end = valid.size() - 8 - 12 - 3;
    int refused = 0, accepted = 0;
    std::vector<unsigned char> masks;
    for (int bit = 0; bit < 8; bit++) masks.push_back(static_cast<unsigned char>(1 << bit));
    masks.push_back(0xff);
    for (size_t i = 0; i < header_end; i++) {
        for (const unsigned char mask : masks) {
            std::string bytes = valid;
            bytes[i] = static_cast<char>(bytes[i] ^ mask);
            const lenet_status status = read(bytes);
            ASSERT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << "byte " << i << ": " << err.text;
            if (status == LENET_OK) sum_of(file);
            (status == LENET_OK ? accepted : refused)++;
        }
        for (const char other : {'\0', '"', '{', '}', '[', ']', ',', ':', '-', '9', 'e', '\\', ' '}) {
            std::string bytes = valid;
            bytes[i] = other;
            const lenet_status status = read(bytes);
            ASSERT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << "byte " << i << ": " << err.text;
            if (status == LENET_OK) sum_of(file);
        }
    }
    EXPECT_GT(refused, 0);
    EXPECT_GT(accepted, 0) << "a letter of a name may change";
}

TEST_F(DamagedWeights, TwoBytesTakenOutAnywhereGiveAnErrorOrValidTensors) {
    for (size_t i = 8; i + 2 <= valid.size(); i++) {
        const std::string bytes = valid.substr(0, i) + valid.substr(i + 2);
        EXPECT_EQ(read(bytes), LENET_ERR_FORMAT) << "at " << i;
    }
}

} // namespace
