/* test_run_dir.cc - a run directory gives back what was put in, and what is damaged is refused by name. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/json.h"
#include "train/run_dir.h"

namespace {

namespace fs = std::filesystem;

const char kHash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

lenet_dataset Dataset() {
    lenet_dataset data = {};
    data.H = data.W = 28;
    data.classes = 10;
    data.train.count = 100;
    data.test.count = 20;
    snprintf(data.name, sizeof data.name, "some digits");
    snprintf(data.hash, sizeof data.hash, "%s", kHash);
    return data;
}

std::vector<const lenet_option *> IdentityOptions() {
    std::vector<const lenet_option *> options;
    for (const lenet_option *option = lenet_options; option->name; option++)
        if (option->identity) options.push_back(option);
    return options;
}

/* A value that the option does not have at first. */
std::string OtherValue(const lenet_option *option) {
    switch (option->type) {
    case LENET_OPTION_TEXT: return "linear";
    case LENET_OPTION_CHOICE: {
        const std::string choices = option->choices, first = choices.substr(0, choices.find('|'));
        return first == option->initial ? choices.substr(choices.rfind('|') + 1) : first;
    }
    case LENET_OPTION_INTEGER: return "7";
    default: return std::strcmp(option->initial, "0.1") == 0 ? "0.2" : "0.1";
    }
}

std::string Get(const lenet_config &config, const lenet_option *option) {
    char text[LENET_MAX_PATH];
    lenet_option_get(&config, option, text, sizeof text);
    return text;
}

class RunDir : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_run_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        lenet_config_init(&config_);
        run_ = (directory_ / "run").string();
        snprintf(config_.run, sizeof config_.run, "%s", run_.c_str());
        snprintf(config_.data, sizeof config_.data, "some/where");
    }
    void TearDown() override {
        lenet_lock_release(&lock_);
        fs::current_path("/");
        fs::remove_all(directory_);
    }

    std::string Path(const char *name) const { return run_ + "/" + name; }
    std::string Contents(const char *name) const {
        std::ifstream in(Path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    void Write(const char *name, const std::string &bytes) const {
        fs::create_directories(run_);
        fs::remove(Path(name)); /* ext4 waits for the disk where an old file is cut to nothing and written again */
        std::ofstream(Path(name), std::ios::binary) << bytes;
    }
    lenet_status Create() {
        lenet_lock_release(&lock_); /* of the run before */
        return lenet_run_create(&config_, "cpu", "this machine", &data_, &lock_, &err_);
    }
    lenet_status Read() {
        lenet_config_init(&read_);
        memset(hash_, 0, sizeof hash_);
        err_ = {};
        return lenet_run_read(run_.c_str(), &read_, hash_, &err_);
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }

    lenet_dataset data_ = Dataset();
    fs::path directory_;
    std::string run_;
    lenet_config config_, read_;
    char hash_[65];
    lenet_lock lock_ = {};
    lenet_error err_ = {};
};

/* ---- run.json ------------------------------------------------------------------------------ */

TEST_F(RunDir, EveryOptionThatMakesARunComesBack) {
    for (const lenet_option *option : IdentityOptions()) {
        ASSERT_EQ(lenet_option_set(&config_, option, OtherValue(option).c_str(), &err_), LENET_OK) << err_.text;
        ASSERT_NE(Get(config_, option), option->initial) << option->name;
    }
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    for (const lenet_option *option : IdentityOptions())
        EXPECT_EQ(Get(read_, option), Get(config_, option)) << option->name;
    EXPECT_STREQ(hash_, kHash);
    EXPECT_STREQ(read_.data, "some/where");
    EXPECT_STREQ(read_.device, "cpu");
    EXPECT_EQ(lenet_run_same(&read_, &config_, &err_), LENET_OK) << err_.text;
}

TEST_F(RunDir, NumbersComeBackToTheLastBit) {
    config_.learning_rate = 0.1 + 0.2;
    config_.weight_decay = std::nextafter(5e-4, 1);
    config_.epsilon = 1e-30;
    config_.warmup = 1 / 3.0;
    config_.seed = 9007199254740991;
    config_.steps = 1000000000000;
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(read_.learning_rate, config_.learning_rate);
    EXPECT_EQ(read_.weight_decay, config_.weight_decay);
    EXPECT_EQ(read_.epsilon, config_.epsilon);
    EXPECT_EQ(read_.warmup, config_.warmup);
    EXPECT_EQ(read_.seed, config_.seed);
    EXPECT_EQ(read_.steps, config_.steps);
}

TEST_F(RunDir, PathsWithAnyCharacterComeBack) {
    const std::string odd = "a \"b\"\\ \xc3\xa9\t{}";
    snprintf(config_.data, sizeof config_.data, "%s", odd.c_str());
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(read_.data, odd);
}

/* Names of files are bytes, and JSON is UTF-8. */
TEST_F(RunDir, PathsThatAreNoUtf8ComeBackFromAFileThatIs) {
    for (const std::string odd : {"caf\xe9", "\xff", "\xc3", "a\xed\xa0\x80/\xc3\xa9"}) {
        snprintf(config_.data, sizeof config_.data, "%s", odd.c_str());
        snprintf(config_.from, sizeof config_.from, "from/%s", odd.c_str());
        snprintf(data_.name, sizeof data_.name, "%s", odd.c_str());
        fs::remove_all(run_);
        ASSERT_EQ(Create(), LENET_OK) << err_.text;
        const std::string text = Contents("run.json");
        for (size_t i = 0, n; i < text.size(); i += n)
            ASSERT_GT(n = lenet_utf8_length(&text[i], text.size() - i), 0u) << text.substr(i, 20);
        ASSERT_EQ(Read(), LENET_OK) << err_.text;
        EXPECT_EQ(read_.data, odd);
        EXPECT_EQ(read_.from, "from/" + odd);
    }
    const std::string text = Contents("run.json"), key = "directory_bytes\":\t\"";
    for (const char *bytes : {"6", "6g", "00zz", "-1", " 1"}) {
        std::string damaged = text;
        Write("run.json", damaged.insert(damaged.find(key) + key.size(), bytes));
        EXPECT_EQ(Read(), LENET_ERR_FORMAT) << bytes;
    }
}

TEST_F(RunDir, ARunJsonHasALimit) {
    Write("run.json", "");
    fs::resize_file(Path("run.json"), size_t{1} << 40);
    EXPECT_EQ(Read(), LENET_ERR_FORMAT);
    EXPECT_TRUE(Says("run.json: has 1099511627776 bytes; a run.json has at most 1048576")) << err_.text;
}

TEST_F(RunDir, OptionsThatDoNotMakeARunAreNotTouched) {
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    lenet_config_init(&read_);
    read_.threads = 3;
    read_.checkpoint_seconds = 7;
    snprintf(read_.resume, sizeof read_.resume, "%s", run_.c_str());
    ASSERT_EQ(lenet_run_read(run_.c_str(), &read_, hash_, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(read_.threads, 3);
    EXPECT_EQ(read_.checkpoint_seconds, 7);
    EXPECT_EQ(read_.resume, run_);
}

TEST_F(RunDir, ANewRunMakesItsDirectoryAndItsParents) {
    run_ = (directory_ / "a" / "b" / "c").string();
    snprintf(config_.run, sizeof config_.run, "%s", run_.c_str());
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    EXPECT_EQ(Read(), LENET_OK) << err_.text;
}

TEST_F(RunDir, ADirectoryWithoutARunMayBeThere) {
    Write("notes.txt", "mine");
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    EXPECT_EQ(Contents("notes.txt"), "mine");
}

TEST_F(RunDir, ARunThatIsThereAlreadyIsLeftAsItWas) {
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    const std::string before = Contents("run.json");
    config_.epochs = 99;
    EXPECT_EQ(Create(), LENET_ERR_IO);
    EXPECT_TRUE(Says(run_)) << err_.text;
    EXPECT_TRUE(Says("--resume")) << err_.text;
    EXPECT_EQ(Contents("run.json"), before);
}

TEST_F(RunDir, WithoutANameTheFirstFreeOneIsTaken) {
    fs::current_path(directory_);
    for (const char *want : {"runs/lenet5-1", "runs/lenet5-2", "runs/lenet5-3"}) {
        config_.run[0] = '\0';
        ASSERT_EQ(Create(), LENET_OK) << err_.text;
        EXPECT_STREQ(config_.run, want);
        EXPECT_TRUE(fs::exists(directory_ / want / "run.json"));
    }
}

TEST_F(RunDir, ADirectoryOfThatNameIsNotFree) {
    fs::current_path(directory_);
    fs::create_directories("runs/lenet5-1"); /* of a process that has not written its run.json yet */
    config_.run[0] = '\0';
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    EXPECT_STREQ(config_.run, "runs/lenet5-2");
}

TEST_F(RunDir, StartsAtOnceWithoutANameTakeADirectoryEach) {
    fs::current_path(directory_);
    const int n = 16;
    std::vector<lenet_config> configs(n, config_);
    std::vector<lenet_lock> locks(n, lenet_lock{});
    std::vector<lenet_status> statuses(n, LENET_ERR_CHECK);
    std::vector<std::thread> starts;
    for (int i = 0; i < n; i++)
        starts.emplace_back([&, i] {
            configs[i].run[0] = '\0';
            statuses[i] = lenet_run_create(&configs[i], "cpu", "this machine", &data_, &locks[i], nullptr);
        });
    std::set<std::string> names;
    for (int i = 0; i < n; i++) {
        starts[i].join();
        EXPECT_EQ(statuses[i], LENET_OK);
        names.insert(configs[i].run);
        lenet_lock_release(&locks[i]);
    }
    EXPECT_EQ(names.size(), (size_t)n);
}

TEST_F(RunDir, OfStartsAtOnceInOneDirectoryOneGoesOn) {
    for (int round = 0; round < 20; round++) {
        const int n = 8;
        snprintf(config_.run, sizeof config_.run, "%s", Path(("round " + std::to_string(round)).c_str()).c_str());
        std::vector<lenet_config> configs(n, config_);
        std::vector<lenet_lock> locks(n, lenet_lock{});
        std::vector<lenet_error> errors(n, lenet_error{});
        std::vector<lenet_status> statuses(n, LENET_ERR_CHECK);
        std::vector<std::thread> starts;
        for (int i = 0; i < n; i++) {
            configs[i].seed = i + 1;
            starts.emplace_back([&, i] {
                statuses[i] = lenet_run_create(&configs[i], "cpu", "this machine", &data_, &locks[i], &errors[i]);
            });
        }
        int winner = -1;
        for (int i = 0; i < n; i++) {
            starts[i].join();
            if (statuses[i] == LENET_OK) {
                EXPECT_EQ(winner, -1);
                winner = i;
            } else {
                EXPECT_EQ(statuses[i], LENET_ERR_IO);
                const std::string who = "process " + std::to_string(getpid()) + " on ";
                EXPECT_NE(std::string(errors[i].text).find(who), std::string::npos) << errors[i].text;
            }
        }
        ASSERT_GE(winner, 0);
        ASSERT_EQ(lenet_run_read(config_.run, &read_, hash_, &err_), LENET_OK) << err_.text;
        EXPECT_EQ(read_.seed, winner + 1);
        for (lenet_lock &lock : locks) lenet_lock_release(&lock);
        EXPECT_FALSE(fs::exists(fs::path(config_.run) / "lock"));
    }
}

TEST_F(RunDir, ARunAtWorkKeepsOutASecondOne) {
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    lenet_lock second = {};
    EXPECT_EQ(lenet_run_lock(run_.c_str(), &second, &err_), LENET_ERR_IO);
    EXPECT_TRUE(Says(run_ + ": process " + std::to_string(getpid()) + " on ")) << err_.text;
    lenet_lock_release(&lock_);
    EXPECT_EQ(lenet_run_lock(run_.c_str(), &second, &err_), LENET_OK) << err_.text;
    lenet_lock_release(&second);
    EXPECT_EQ(Contents("lock"), "") << "nothing of it stays";
}

TEST_F(RunDir, TheIndexOfAGpuIsRecorded) {
    for (const auto &[want, backend] :
         {std::pair("cuda:1", "cuda"), std::pair("cuda", "cuda"), std::pair("cpu", "cpu")}) {
        fs::remove_all(run_);
        lenet_lock_release(&lock_);
        ASSERT_EQ(lenet_run_create(&config_, want, "this machine", &data_, &lock_, &err_), LENET_OK) << err_.text;
        ASSERT_EQ(Read(), LENET_OK) << err_.text;
        EXPECT_STREQ(read_.device, want);
        snprintf(config_.resume, sizeof config_.resume, "%s", run_.c_str());
        lenet_run_origin was = {read_, {0}};
        snprintf(was.hash, sizeof was.hash, "%s", hash_);
        EXPECT_EQ(lenet_run_check_machine(&was, &config_, kHash, backend, &err_), LENET_OK)
            << "another index may go on";
        EXPECT_EQ(lenet_run_check_machine(&was, &config_, kHash, "other", &err_), LENET_ERR_ARG);
        EXPECT_TRUE(Says(std::string("began on ") + want)) << err_.text;
    }
}

TEST_F(RunDir, DataThatAreNotFoundFromHereAreThoseTheRunBeganWith) {
    ASSERT_EQ(Create(), LENET_OK) << err_.text;
    lenet_run_origin was;
    snprintf(config_.resume, sizeof config_.resume, "%s", run_.c_str());
    EXPECT_EQ(lenet_run_check_options(&was, &config_, &err_), LENET_ERR_IO);
    EXPECT_TRUE(Says("began with --data some/where")) << err_.text;
    snprintf(config_.data, sizeof config_.data, "else/where"); /* which is its own error */
    EXPECT_EQ(lenet_run_check_options(&was, &config_, &err_), LENET_OK) << err_.text;
    snprintf(config_.data, sizeof config_.data, "%s", directory_.c_str());
    EXPECT_EQ(lenet_run_check_options(&was, &config_, &err_), LENET_OK) << err_.text;
    EXPECT_STREQ(was.config.data, "some/where");
}

TEST_F(RunDir, ADirectoryThatCannotBeMadeIsNamed) {
    Write("file", "");
    run_ = Path("file") + "/below";
    snprintf(config_.run, sizeof config_.run, "%s", run_.c_str());
    EXPECT_EQ(Create(), LENET_ERR_IO);
    EXPECT_TRUE(Says("run/file")) << err_.text;
}

TEST_F(RunDir, APathThatIsTooLongIsRefused) {
    char path[LENET_MAX_PATH];
    const std::string longest(LENET_MAX_PATH - 1 - 2, 'x'); /* with "/a" */
    EXPECT_EQ(lenet_run_path(longest.c_str(), "a", path, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(path, longest + "/a");
    EXPECT_EQ(lenet_run_path((longest + "x").c_str(), "a", path, &err_), LENET_ERR_ARG);
    EXPECT_TRUE(Says("1023")) << err_.text;
}

/* ---- run.json, damaged ----------------------------------------------------------------------- */

class DamagedRun : public RunDir {
  protected:
    void SetUp() override {
        RunDir::SetUp();
        for (const lenet_option *option : IdentityOptions()) /* those that are recorded only so */
            if (option->later) lenet_option_set(&config_, option, OtherValue(option).c_str(), nullptr);
        ASSERT_EQ(Create(), LENET_OK) << err_.text;
        valid_ = Contents("run.json");
    }
    std::string Replaced(const std::string &what, const std::string &with) const {
        const size_t at = valid_.find(what);
        EXPECT_NE(at, std::string::npos) << what << " is not in " << valid_;
        return std::string(valid_).replace(at, what.size(), with);
    }
    void ExpectRefused(const std::string &text, const std::string &naming = "") {
        Write("run.json", text);
        EXPECT_EQ(Read(), LENET_ERR_FORMAT) << text << "\n" << err_.text;
        EXPECT_TRUE(Says(Path("run.json"))) << err_.text << "\n" << text;
        EXPECT_TRUE(Says(naming)) << "wanted " << naming << ": " << err_.text;
        EXPECT_EQ(std::string(err_.text).find('\n'), std::string::npos) << err_.text;
    }
    std::string valid_;
};

TEST_F(DamagedRun, AFileCutAnywhereIsRefused) {
    for (size_t size = 0; size < valid_.size(); size++) ExpectRefused(valid_.substr(0, size));
    Write("run.json", valid_);
    EXPECT_EQ(Read(), LENET_OK) << err_.text;
}

TEST_F(DamagedRun, AChangedByteGivesAnErrorOrAValidConfiguration) {
    for (size_t i = 0; i < valid_.size(); i++)
        for (const char other : {char(valid_[i] ^ 1), char(valid_[i] ^ 0x80), '\0', '"', '}', '9'}) {
            std::string text = valid_;
            text[i] = other;
            Write("run.json", text);
            const lenet_status status = Read();
            ASSERT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << "byte " << i << ": " << err_.text;
            if (status != LENET_OK) {
                ASSERT_TRUE(Says("run.json")) << "byte " << i << ": " << err_.text;
            }
        }
}

TEST_F(DamagedRun, WhatIsNotARunIsRefused) {
    for (const char *text :
         {"", " ", "{}", "[]", "null", "3", "\"config\"", "{\"config\": {}}", "<html>", "{\"config\": 3,",
          "\x7f"
          "ELF",
          "{\"data\": {}, \"config\": {}, \"device\": \"cpu\"}"})
        ExpectRefused(text);
}

TEST_F(DamagedRun, EveryMissingOptionIsNamed) {
    for (const lenet_option *option : IdentityOptions())
        if (!option->later) ExpectRefused(Replaced("\"" + std::string(option->name) + "\":", "\"x\":"), option->name);
}

TEST_F(DamagedRun, ARecordThatIsOlderThanAnOptionHasItsInitialValue) {
    for (const lenet_option *option : IdentityOptions()) {
        if (!option->later) continue;
        Write("run.json", Replaced("\"" + std::string(option->name) + "\":", "\"x\":"));
        EXPECT_EQ(Read(), LENET_OK) << err_.text;
        EXPECT_EQ(Get(read_, option), option->initial) << option->name;
    }
}

/* The same of any option as if it had come later. */
TEST_F(RunDir, AnOptionThatCameLaterIsInitialWhereItIsNotRecorded) {
    cJSON *empty = cJSON_CreateObject();
    for (const lenet_option *option : IdentityOptions()) {
        lenet_option older = *option, later = *option;
        older.later = 0;
        later.later = 1;
        char number[32];
        EXPECT_EQ(lenet_option_from_json(empty, &older, number), nullptr) << option->name;
        EXPECT_STREQ(lenet_option_from_json(empty, &later, number), option->initial) << option->name;
        EXPECT_TRUE(lenet_option_is_recorded(&config_, &older)) << option->name;
        EXPECT_FALSE(lenet_option_is_recorded(&config_, &later)) << option->name;
        lenet_config other = config_;
        lenet_option_set(&other, option, OtherValue(option).c_str(), nullptr);
        EXPECT_TRUE(lenet_option_is_recorded(&other, &later)) << option->name;
        lenet_json json = {};
        lenet_json_open_object(&json, nullptr);
        lenet_option_add_json(&json, &other, &later);
        char *text;
        ASSERT_EQ(lenet_json_print(&json, LENET_JSON_LINE, &text, &err_), LENET_OK) << err_.text;
        cJSON *read = cJSON_Parse(text);
        EXPECT_EQ(lenet_option_from_json(read, &later, number), Get(other, option)) << option->name;
        free(text);
        cJSON_Delete(read);
    }
    cJSON_Delete(empty);
}

TEST_F(DamagedRun, EveryOptionOfAnotherTypeOrRangeIsNamed) {
    for (const lenet_option *option : IdentityOptions()) {
        const std::string key = "\"" + std::string(option->name) + "\":";
        const size_t at = valid_.find(key) + key.size(), length = valid_.find_first_of(",\n", at) - at;
        std::vector<std::string> values = {"null", "true", "[1]", "{}", "\"\""};
        if (option->type == LENET_OPTION_TEXT || option->type == LENET_OPTION_ARCH)
            values = {"null", "[]", "\"" + std::string(1000, 'x') + "\""};
        if (option->type == LENET_OPTION_INTEGER) values.insert(values.end(), {"1.5", "-1", "1e300", "\"x\""});
        if (option->type == LENET_OPTION_REAL) values.insert(values.end(), {"-1", "1e300", "\"nan\"", "\"x\""});
        if (option->type == LENET_OPTION_CHOICE) values.insert(values.end(), {"0", "\"x\""});
        for (const std::string &value : values)
            ExpectRefused(std::string(valid_).replace(at, length, value), option->name);
    }
}

TEST_F(DamagedRun, DataAndDeviceAreNeeded) {
    ExpectRefused(Replaced("\"hash\":", "\"x\":"), "data");
    ExpectRefused(Replaced(kHash, "0123"), "data");
    ExpectRefused(Replaced(kHash, std::string(kHash) + "0"), "data");
    ExpectRefused(Replaced("\"directory\":", "\"x\":"), "data");
    ExpectRefused(Replaced("\"device\":\t\"cpu\"", "\"device\":\t3"), "device");
    ExpectRefused(Replaced("\"device\":", "\"x\":"), "device");
}

TEST_F(DamagedRun, TextsThatAreTooLongAreTheFilesFault) {
    ExpectRefused(Replaced("\"cpu\"", "\"" + std::string(300, 'x') + "\""));
    ExpectRefused(Replaced("some/where", std::string(LENET_MAX_PATH, 'x')));
}

TEST_F(DamagedRun, WhatIsMissingIsNamed) {
    fs::remove(Path("run.json"));
    EXPECT_EQ(Read(), LENET_ERR_IO);
    EXPECT_TRUE(Says(Path("run.json"))) << err_.text;
    fs::create_directory(Path("run.json"));
    EXPECT_EQ(Read(), LENET_ERR_IO);
    EXPECT_TRUE(Says(Path("run.json"))) << err_.text;
    fs::remove_all(run_);
    EXPECT_EQ(Read(), LENET_ERR_IO);
    EXPECT_TRUE(Says(run_)) << err_.text;
}

/* ---- the same run ------------------------------------------------------------------------------ */

TEST_F(RunDir, AnotherValueOfAnOptionThatMakesARunIsNamed) {
    snprintf(config_.resume, sizeof config_.resume, "%s", run_.c_str());
    EXPECT_EQ(lenet_run_same(&config_, &config_, &err_), LENET_OK) << err_.text;
    for (const lenet_option *option : IdentityOptions()) {
        lenet_config was = config_;
        lenet_option_set(&was, option, OtherValue(option).c_str(), nullptr);
        EXPECT_EQ(lenet_run_same(&was, &config_, &err_), LENET_ERR_ARG) << option->name;
        EXPECT_TRUE(Says("--" + std::string(option->name) + " is " + Get(was, option) + " there")) << err_.text;
        EXPECT_TRUE(Says(Get(config_, option) + " here")) << err_.text;
        EXPECT_TRUE(Says(run_)) << err_.text;
    }
}

TEST_F(RunDir, ARecipeIsRefusedWhereARunGoesOn) {
    lenet_config now = config_;
    ASSERT_EQ(lenet_option_set(&now, lenet_option_find("recipe"), "standard", nullptr), LENET_OK);
    EXPECT_EQ(lenet_run_same(&config_, &now, &err_), LENET_ERR_ARG);
    EXPECT_TRUE(Says("--recipe has no effect on a run that goes on as it began")) << err_.text;
}

TEST_F(RunDir, TheMachineMayDiffer) {
    lenet_config was = config_;
    for (const lenet_option *option = lenet_options; option->name; option++)
        if (!option->identity && option->type != LENET_OPTION_AUGMENT)
            lenet_option_set(&was, option, option->type == LENET_OPTION_TEXT ? "x" : "3", nullptr);
    EXPECT_EQ(lenet_run_same(&was, &config_, &err_), LENET_OK) << err_.text;
}

/* What a checkpoint keeps tells of every option that was edited in run.json. */
TEST_F(RunDir, ACheckpointKnowsWhichRunItIsOf) {
    const auto identity = [](const lenet_config &config, const std::string &hash) {
        char *text = nullptr;
        EXPECT_EQ(lenet_run_identity(&config, hash.c_str(), &text, nullptr), LENET_OK);
        const std::string copy = text;
        free(text);
        return copy;
    };
    const std::string was = identity(config_, kHash);
    const auto check = [&](const std::string &was_text, const std::string &now) {
        err_ = {};
        return lenet_run_check_identity("last", was_text.c_str(), now.c_str(), &err_);
    };
    EXPECT_EQ(check(was, was), LENET_OK) << err_.text;
    EXPECT_EQ(lenet_run_check_identity("last", nullptr, was.c_str(), &err_), LENET_OK) << "of an older program";
    for (const lenet_option *option : IdentityOptions()) {
        lenet_config edited = config_;
        lenet_option_set(&edited, option, OtherValue(option).c_str(), nullptr);
        EXPECT_EQ(check(was, identity(edited, kHash)), LENET_ERR_FORMAT) << option->name;
        EXPECT_TRUE(Says("last: was trained with --" + std::string(option->name) + " " + Get(config_, option)))
            << err_.text;
        EXPECT_TRUE(Says("says " + Get(edited, option))) << err_.text;
    }
    EXPECT_EQ(check(was, identity(config_, std::string(64, '0'))), LENET_ERR_FORMAT);
    EXPECT_TRUE(Says("another data set")) << err_.text;
    for (const char *damaged : {"", "{}", "[]", "3", "{\"config\":3,\"data\":\"\"}", "{\"config\":{\"lr\":\"x\"}}",
                                "{\"config\":{\"lr\":[1]},\"data\":\"\"}", "{\"config\":{},\"data\":\"\"}"}) {
        EXPECT_EQ(check(damaged, was), LENET_ERR_FORMAT) << damaged;
        EXPECT_TRUE(Says("last: ")) << err_.text;
    }
    EXPECT_EQ(check(std::string("{\"config\":{\"gone\":1},\"data\":\"") + kHash + "\"}", was), LENET_OK)
        << "a program that had other options";
}

/* ---- metrics.jsonl ------------------------------------------------------------------------------ */

class Metrics : public RunDir {
  protected:
    void SetUp() override {
        RunDir::SetUp();
        fs::create_directory(run_);
    }
    void TearDown() override {
        free(metrics_);
        RunDir::TearDown();
    }
    static lenet_metrics Line(uint64_t epoch, bool validation = true) {
        lenet_metrics m = {};
        const auto t = (double)epoch;
        m.epoch = epoch;
        m.step = 10 * epoch;
        m.train_loss = 8.5 / t;
        m.train_accuracy = 0.125;
        m.test_loss = t + 0.25;
        m.test_accuracy = 1;
        m.has_validation = validation;
        m.validation_loss = validation ? 2 * t : 0;
        m.validation_accuracy = validation ? 0.75 : 0;
        m.images_per_s = 12345 * t;
        m.seconds = 100 * t;
        return m;
    }
    static std::vector<double> Fields(const lenet_metrics &m) {
        return {(double)m.epoch, (double)m.step,           m.train_loss,      m.train_accuracy,      m.test_loss,
                m.test_accuracy, (double)m.has_validation, m.validation_loss, m.validation_accuracy, m.images_per_s,
                m.seconds};
    }
    void AppendLines(uint64_t first, uint64_t last, bool validation = true) {
        for (uint64_t epoch = first; epoch <= last; epoch++) {
            const lenet_metrics m = Line(epoch, validation);
            ASSERT_EQ(lenet_metrics_append(run_.c_str(), &m, &err_), LENET_OK) << err_.text;
        }
    }
    lenet_status Rewind(uint64_t step) {
        free(metrics_);
        return lenet_metrics_rewind(run_.c_str(), step, &metrics_, &n_, &err_);
    }
    void ExpectLines(uint64_t last, bool validation = true) {
        ASSERT_EQ(n_, (int)last);
        for (int i = 0; i < n_; i++)
            EXPECT_EQ(Fields(metrics_[i]), Fields(Line((uint64_t)i + 1, validation))) << "line " << i;
    }
    std::string File() const { return Contents("metrics.jsonl"); }
    static cJSON *Parsed(const lenet_metrics &m) {
        lenet_json json = {};
        lenet_metrics_add_json(&json, &m);
        char *text;
        EXPECT_EQ(lenet_json_print(&json, LENET_JSON_INDENTED, &text, nullptr), LENET_OK);
        cJSON *parsed = cJSON_Parse(text);
        free(text);
        return parsed;
    }

    lenet_metrics *metrics_ = nullptr;
    int n_ = -1;
};

TEST_F(Metrics, LinesComeBackAsTheyWent) {
    for (bool validation : {true, false}) {
        fs::remove(Path("metrics.jsonl"));
        AppendLines(1, 5, validation);
        const std::string before = File();
        ASSERT_EQ(Rewind(50), LENET_OK) << err_.text;
        ExpectLines(5, validation);
        EXPECT_EQ(File(), before);
        EXPECT_EQ(before.find("validation") != std::string::npos, validation);
    }
}

/* A resumed run holds its validation accuracies against those of the file: one that came back smaller would make an
 * equal one the best. 6/7 in 15 digits is another number. */
TEST_F(Metrics, NumbersComeBackToTheLastBit) {
    for (const double value : {6 / 7.0, 8 / 9.0, 6999 / 7000.0, 0.1 + 0.2, std::nextafter(1, 0), std::nextafter(0.5, 1),
                               1e-300 / 3, 1e6 / 7, 0.1, 1e22}) {
        fs::remove(Path("metrics.jsonl"));
        lenet_metrics m = Line(1);
        m.train_loss = m.test_loss = m.validation_loss = m.images_per_s = m.seconds = value;
        m.train_accuracy = m.test_accuracy = m.validation_accuracy = value > 1 ? 1 / value : value; /* fractions */
        ASSERT_EQ(lenet_metrics_append(run_.c_str(), &m, &err_), LENET_OK) << err_.text;
        ASSERT_EQ(Rewind(10), LENET_OK) << err_.text;
        ASSERT_EQ(n_, 1);
        EXPECT_EQ(Fields(metrics_[0]), Fields(m)) << File();
    }
}

TEST_F(Metrics, ANumberThatIsNotFiniteComesBackAsNaN) {
    lenet_metrics m = Line(1);
    m.test_loss = INFINITY;
    m.validation_loss = NAN;
    cJSON *json = Parsed(m);
    lenet_metrics back = {};
    EXPECT_TRUE(lenet_metrics_from_json(json, &back));
    EXPECT_TRUE(std::isnan(back.test_loss));
    EXPECT_TRUE(std::isnan(back.validation_loss));
    back.test_loss = m.test_loss = back.validation_loss = m.validation_loss = 0;
    EXPECT_EQ(Fields(back), Fields(m));
    cJSON_Delete(json);
}

/* Of an epoch's numbers none is made up. */
TEST_F(Metrics, AnEpochThatLacksANumberIsNone) {
    for (bool validation : {true, false}) {
        const lenet_metrics m = Line(1, validation);
        cJSON *json = Parsed(m);
        for (int i = 0; i < cJSON_GetArraySize(json); i++) {
            const std::string name = cJSON_GetArrayItem(json, i)->string;
            lenet_metrics back = {};
            cJSON *lacking = cJSON_Duplicate(json, 1);
            cJSON_DeleteItemFromArray(lacking, i);
            /* Without its accuracy there was no validation. */
            EXPECT_EQ(lenet_metrics_from_json(lacking, &back), name == "validation_accuracy") << name;
            cJSON_AddStringToObject(lacking, name.c_str(), "1");
            EXPECT_FALSE(lenet_metrics_from_json(lacking, &back)) << name;
            cJSON_Delete(lacking);
        }
        cJSON_Delete(json);
    }
}

TEST_F(Metrics, NothingRecordedIsNoLines) {
    ASSERT_EQ(Rewind(100), LENET_OK) << err_.text;
    EXPECT_EQ(n_, 0);
    EXPECT_FALSE(fs::exists(Path("metrics.jsonl"))) << "no file appears";
    Write("metrics.jsonl", "");
    ASSERT_EQ(Rewind(100), LENET_OK) << err_.text;
    EXPECT_EQ(n_, 0);
}

TEST_F(Metrics, LinesPastTheCheckpointAreDropped) {
    AppendLines(1, 3);
    const std::string three = File();
    AppendLines(4, 6);
    ASSERT_EQ(Rewind(39), LENET_OK) << err_.text;
    ExpectLines(3);
    EXPECT_EQ(File(), three);
    AppendLines(4, 4);
    ASSERT_EQ(Rewind(40), LENET_OK) << err_.text;
    ExpectLines(4);
    ASSERT_EQ(Rewind(0), LENET_OK) << err_.text;
    ExpectLines(0);
    EXPECT_EQ(File(), "");
}

TEST_F(Metrics, AFileThatIsRightIsNotWritten) {
    AppendLines(1, 3);
    struct stat before = {}, after = {};
    ASSERT_EQ(stat(Path("metrics.jsonl").c_str(), &before), 0);
    ASSERT_EQ(Rewind(30), LENET_OK) << err_.text;
    ASSERT_EQ(stat(Path("metrics.jsonl").c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

TEST_F(Metrics, ATornLastLineIsRepairedWhereverItIsTorn) {
    AppendLines(1, 2);
    const std::string two = File();
    AppendLines(3, 3);
    const std::string three = File();
    for (size_t size = two.size(); size < three.size(); size++) {
        Write("metrics.jsonl", three.substr(0, size));
        ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
        ExpectLines(2);
        ASSERT_EQ(File(), two) << "torn after " << size - two.size() << " bytes";
    }
    AppendLines(3, 3);
    EXPECT_EQ(File(), three);
}

/* What was recorded after it would be lost. */
TEST_F(Metrics, ADamagedLineIsNamedAndNothingIsCut) {
    AppendLines(1, 2);
    const std::string two = File();
    AppendLines(3, 3);
    const std::string third = File().substr(two.size());
    for (const std::string &line :
         {std::string("x\n"), std::string("{}\n"), std::string("[]\n"), std::string("{\"step\":30}\n"),
          std::string("{\"step\":\"1\"}\n"), std::string("{\"step\":null}\n"), std::string("\0\0\0\n", 4),
          third.substr(0, 20) + "\n", std::string(5000, '{') + "\n", third.substr(0, third.size() - 1) + third,
          std::string(third).insert(third.find(',') + 1, 2, '\0'),
          two.substr(two.find('\n') + 1) /* an epoch twice, as two processes at once would record it */}) {
        Write("metrics.jsonl", two + line + third);
        for (uint64_t step : {1000, 20, 10}) {
            EXPECT_EQ(Rewind(step), LENET_ERR_FORMAT) << line;
            EXPECT_TRUE(Says(Path("metrics.jsonl") + " line 3: ")) << err_.text;
            EXPECT_EQ(metrics_, nullptr);
            EXPECT_EQ(File(), two + line + third) << line;
        }
    }
}

TEST_F(Metrics, LinesMayBeBlankAndEndInCrlf) {
    AppendLines(1, 2);
    const std::string two = File(), first = two.substr(0, two.find('\n')), second = two.substr(first.size() + 1);
    for (const std::string &text : {first + "\r\n" + second, "\n" + first + "\n \t\r\n" + second + "\n\r\n"}) {
        Write("metrics.jsonl", text);
        ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
        ExpectLines(2);
        EXPECT_EQ(File(), text);
        ASSERT_EQ(Rewind(10), LENET_OK) << err_.text;
        ExpectLines(1);
        AppendLines(2, 2);
        ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
        ExpectLines(2);
    }
}

TEST_F(Metrics, ALineHasALimitButNotTheFile) {
    AppendLines(1, 2);
    const std::string two = File(), first = two.substr(0, two.find('\n') + 1), second = two.substr(first.size());
    std::string blank;
    for (int i = 0; i < 40; i++) blank += std::string(65000 + 13 * i, ' ') + "\n"; /* a buffer may end anywhere */
    Write("metrics.jsonl", first + blank + second + blank);
    ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
    ExpectLines(2);
    ASSERT_EQ(Rewind(10), LENET_OK) << err_.text;
    EXPECT_EQ(File(), first + blank);
    for (const char *end : {"\n", ""}) {
        Write("metrics.jsonl", two + std::string(1 << 20, 'x') + end + second);
        EXPECT_EQ(Rewind(1000), LENET_ERR_FORMAT);
        EXPECT_TRUE(Says("a line of more than 65536 bytes from byte " + std::to_string(two.size()))) << err_.text;
    }
    fs::resize_file(Path("metrics.jsonl"), size_t{1} << 40);
    EXPECT_EQ(Rewind(1000), LENET_ERR_FORMAT);
}

/* An epoch is recorded before its checkpoint is written, so one may be there without any. */
TEST_F(Metrics, ARunOfSeveralEpochsDoesNotBeginAgain) {
    EXPECT_EQ(lenet_run_may_begin_again(run_.c_str(), "last", &err_), LENET_OK) << err_.text;
    AppendLines(1, 1);
    EXPECT_EQ(lenet_run_may_begin_again(run_.c_str(), "last", &err_), LENET_OK) << err_.text;
    AppendLines(2, 2);
    EXPECT_EQ(lenet_run_may_begin_again(run_.c_str(), "last", &err_), LENET_ERR_FORMAT);
    EXPECT_TRUE(Says(run_ + ": last is missing")) << err_.text;
    EXPECT_TRUE(Says("2 epochs")) << err_.text;
}

/* A file system may leave zeros where a block was not written before the power failed. */
TEST_F(Metrics, ZerosInTheFileEndIt) {
    AppendLines(1, 2);
    const std::string two = File();
    for (const std::string &tail : {std::string(1, '\0'), std::string(4096, '\0'), std::string("\0\n", 2)}) {
        Write("metrics.jsonl", two + tail);
        ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
        ExpectLines(2);
        EXPECT_EQ(File(), two);
    }
    std::string broken = two;
    broken[two.size() - 1] = '\0';
    Write("metrics.jsonl", broken + std::string("\0\n", 2));
    ASSERT_EQ(Rewind(1000), LENET_OK) << err_.text;
    EXPECT_EQ(File().find('\0'), std::string::npos);
}

TEST_F(Metrics, APlaceThatCannotBeWrittenIsNamed) {
    fs::create_directory(Path("metrics.jsonl"));
    const lenet_metrics m = Line(1);
    EXPECT_EQ(lenet_metrics_append(run_.c_str(), &m, &err_), LENET_ERR_IO);
    EXPECT_TRUE(Says("metrics.jsonl")) << err_.text;
    EXPECT_EQ(Rewind(1), LENET_ERR_IO);
    EXPECT_TRUE(Says("metrics.jsonl")) << err_.text;
    EXPECT_EQ(metrics_, nullptr);
}

} // namespace
