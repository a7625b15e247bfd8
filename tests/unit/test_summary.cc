/* test_summary.cc - the runs of a sweep come to what they come to on paper; damage is refused by file and line. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "lenet/summary.h"
#include "lenet/sweep_plan.h"
#include "support/compare.h"
#include "train/run_dir.h"

namespace {

namespace fs = std::filesystem;

const char kHash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* ---- statistics -------------------------------------------------------------------------------- */

/* Tables print three digits: half of the last one, and what 12.706 itself is rounded by is in there. */
TEST(StudentT, IsThatOfPublishedTables) {
    const struct {
        size_t degrees;
        double want;
    } table[] = {{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},  {5, 2.571},   {9, 2.262},
                 {10, 2.228}, {29, 2.045}, {30, 2.042}, {60, 2.000}, {100, 1.984}, {120, 1.980}};
    for (const auto &[degrees, want] : table)
        EXPECT_LE(std::fabs(lenet_student_t(0.95, degrees) - want), 0.0005) << degrees;
    EXPECT_LE(std::fabs(lenet_student_t(0.99, 9) - 3.250), 0.0005);
    EXPECT_LE(std::fabs(lenet_student_t(0.90, 10) - 1.812), 0.0005);
}

/* Their distribution functions can be inverted by hand: 2/pi atan t, and t / sqrt(2 + t^2). The condition number of the
 * inverse is largest at 0.999 and 1 degree: t grows as 2 / (pi (1 - p)), so that an ulp of p becomes 1000 of t; its own
 * evaluation adds fewer than ten. */
TEST(StudentT, OfOneAndTwoDegreesIsTheClosedForm) {
    const double pi = std::acos(-1.0), ulps = 1e4 * 0x1p-52;
    for (double p : {0.1, 0.5, 0.8, 0.95, 0.99, 0.999}) {
        const double one = std::tan(pi * p / 2), two = p * std::sqrt(2 / ((1 - p) * (1 + p)));
        EXPECT_LE(std::fabs(lenet_student_t(p, 1) / one - 1), ulps) << p;
        EXPECT_LE(std::fabs(lenet_student_t(p, 2) / two - 1), ulps) << p;
    }
}

/* t exceeds the normal quantile z by (z^3 + z) / 4 / degrees to first order; the next term is below 3 / degrees^2. */
TEST(StudentT, OfManyDegreesIsNearlyNormal) {
    const double z = 1.959963984540054;
    for (size_t degrees : {1000, 1001, 100000}) {
        const double n = (double)degrees;
        EXPECT_LE(std::fabs(lenet_student_t(0.95, degrees) - (z + (z * z * z + z) / 4 / n)), 3 / (n * n) + 1e-10);
    }
}

/* Integers below 10: sums are exact, and what is left is the rounding of a division and a square root. */
TEST(Statistics, AreThoseOfTheDefinition) {
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    const lenet_statistics s = lenet_statistics_of(values, 8);
    EXPECT_EQ(s.mean, 5);
    EXPECT_EQ(s.min, 2);
    EXPECT_EQ(s.max, 9);
    EXPECT_LE(std::fabs(s.deviation - std::sqrt(32 / 7.0)), 0x1p-51);
    const double half = 2.365 * std::sqrt(32 / 7.0) / std::sqrt(8.0); /* t of 7 degrees, to half of 0.001 */
    EXPECT_LE(std::fabs(s.interval[0] - (5 - half)), 0.0005);
    EXPECT_LE(std::fabs(s.interval[1] - (5 + half)), 0.0005);
}

/* Of 0 and 2 %, the interval would reach from -11.7 to 13.7 %; of 0 and 100 %, beyond both ends. */
TEST(Statistics, AnIntervalHasNoValuesThatCannotBe) {
    const struct {
        lenet_metric metric;
        double values[2], low, high;
    } cases[] = {{LENET_TEST_ERROR, {0, 0.02}, 0, 0.01 + 0.1271},
                 {LENET_TRAIN_ERROR, {0, 1}, 0, 1},
                 {LENET_VALIDATION_ERROR, {0.98, 1}, 0.99 - 0.1271, 1},
                 {LENET_TEST_LOSS, {0, 2}, 0, 1 + 12.706},
                 {LENET_TRAIN_LOSS, {0, 2}, 0, 1 + 12.706},
                 {LENET_VALIDATION_LOSS, {0, 2}, 0, 1 + 12.706},
                 {LENET_SECONDS, {0, 2}, 0, 1 + 12.706},
                 {LENET_SECONDS, {99, 101}, 87.294, 112.706}};
    for (const auto &c : cases) {
        lenet_statistics s = lenet_statistics_of(c.values, 2);
        lenet_interval_cut(c.metric, s.interval);
        EXPECT_LE(std::fabs(s.interval[0] - c.low), 0.0005) << c.metric;
        EXPECT_LE(std::fabs(s.interval[1] - c.high), 0.0005) << c.metric;
    }
    double none[2] = {NAN, NAN};
    lenet_interval_cut(LENET_TEST_ERROR, none);
    EXPECT_TRUE(std::isnan(none[0]) && std::isnan(none[1])) << "of one value there is none still";
}

TEST(Statistics, OfOneValueHaveNoDeviation) {
    const double value = 0.25;
    const lenet_statistics s = lenet_statistics_of(&value, 1);
    EXPECT_EQ(s.mean, 0.25);
    EXPECT_EQ(s.min, 0.25);
    EXPECT_EQ(s.max, 0.25);
    for (double none : {s.deviation, s.interval[0], s.interval[1]}) EXPECT_TRUE(std::isnan(none));
}

TEST(Statistics, OfEqualValuesHaveAnIntervalOfNoWidth) {
    const double values[] = {0.1, 0.1, 0.1};
    const lenet_statistics s = lenet_statistics_of(values, 3);
    EXPECT_LE(s.interval[1] - s.interval[0], 1e-15) << "a rounding of the mean, times t";
}

TEST(Statistics, OfNothingOrOfWhatIsNotFiniteAreNone) {
    const double values[] = {1, NAN, 2}, infinite[] = {INFINITY, 1};
    for (const lenet_statistics &s :
         {lenet_statistics_of(values, 0), lenet_statistics_of(values, 3), lenet_statistics_of(infinite, 2)})
        for (double none : {s.mean, s.deviation, s.interval[0], s.interval[1], s.min, s.max})
            EXPECT_TRUE(std::isnan(none));
}

/* ---- records --------------------------------------------------------------------------------------- */

using Options = std::vector<std::pair<const char *, std::string>>;

class Summary : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_summary_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        lenet_config_init(&how_);
    }
    void TearDown() override {
        lenet_summary_free(&summary_);
        lenet_records_free(&records_);
        fs::remove_all(directory_);
    }

    std::string Path(const std::string &name) const { return (directory_ / name).string(); }
    void Write(const std::string &name, const std::string &text) const {
        fs::create_directories(fs::path(Path(name)).parent_path());
        fs::remove(Path(name)); /* ext4 waits for the disk where an old file is cut to nothing and written again */
        std::ofstream(Path(name), std::ios::binary) << text;
    }

    /* An epoch with this test accuracy; every other number is told from it. */
    static lenet_metrics Epoch(double accuracy, bool validation = false) {
        lenet_metrics m = {};
        m.epoch = m.step = 1;
        m.test_accuracy = accuracy;
        m.test_loss = 2 + accuracy;
        m.train_accuracy = accuracy / 2;
        m.train_loss = 3 + accuracy;
        m.has_validation = validation;
        m.validation_accuracy = accuracy / 4;
        m.validation_loss = 4 + accuracy;
        m.seconds = 5 + accuracy;
        return m;
    }
    static std::string Printed(lenet_json json) {
        char *text;
        EXPECT_EQ(lenet_json_print(&json, LENET_JSON_LINE, &text, nullptr), LENET_OK);
        const std::string printed = text;
        free(text);
        return printed;
    }
    std::string PrintedSummary() const {
        lenet_json json = {};
        lenet_summary_add_json(&json, &how_, &summary_);
        return Printed(json);
    }
    /* One line, with its end. */
    static std::string Line(const std::string &id, const Options &options, const std::vector<lenet_metrics> &epochs,
                            const char *status = "done") {
        lenet_config config;
        lenet_config_init(&config);
        for (const auto &[name, value] : options) {
            EXPECT_EQ(lenet_option_set(&config, lenet_option_find(name), value.c_str(), nullptr), LENET_OK)
                << name << " " << value;
        }
        lenet_json json = {};
        lenet_json_open_object(&json, nullptr);
        lenet_json_open_object(&json, "data");
        lenet_json_add_string(&json, "name", "MNIST");
        lenet_json_add_string(&json, "hash", kHash);
        lenet_json_close(&json);
        lenet_json_add_string(&json, "id", id.c_str());
        lenet_json_add_string(&json, "status", status);
        lenet_config_add_json(&json, "config", &config);
        lenet_json_open_array(&json, "metrics");
        for (const lenet_metrics &epoch : epochs) lenet_metrics_add_json(&json, &epoch);
        lenet_json_close(&json);
        return Printed(json) + "\n";
    }

    lenet_status Read(std::vector<std::string> paths) {
        std::vector<char *> names;
        for (std::string &path : paths) names.push_back(path.data());
        lenet_records_free(&records_);
        err_ = {};
        return lenet_records_read(names.data(), (int)names.size(), &records_, &err_);
    }
    lenet_status Read() { return Read({directory_.string()}); }
    lenet_status Summarize() {
        lenet_summary_free(&summary_);
        err_ = {};
        return lenet_summarize(&records_, &how_, &summary_, &err_);
    }
    void SummarizeBy(const char *by) {
        snprintf(how_.by, sizeof how_.by, "%s", by);
        ASSERT_EQ(Read(), LENET_OK) << err_.text;
        ASSERT_EQ(Summarize(), LENET_OK) << err_.text;
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }

    std::vector<std::string> By() const {
        std::vector<std::string> names;
        for (int i = 0; i < summary_.by_count; i++) names.push_back(summary_.by[i]->name);
        return names;
    }
    /* The groups in their order, as "0.05 relu: 3+1" (done and diverged). */
    std::vector<std::string> Groups() const {
        std::vector<std::string> groups;
        for (size_t i = 0; i < summary_.n; i++) {
            char text[LENET_MAX_PATH];
            std::string group;
            for (int k = 0; k < summary_.by_count; k++) {
                lenet_option_get(summary_.groups[i].config, summary_.by[k], text, sizeof text);
                group += (k ? " " : "") + std::string(text);
            }
            groups.push_back(group + ": " + std::to_string(summary_.groups[i].n) + "+" +
                             std::to_string(summary_.groups[i].diverged));
        }
        return groups;
    }
    std::vector<double> Values(size_t group) const {
        const lenet_group &g = summary_.groups[group];
        return {g.values, g.values + g.n};
    }
    std::map<std::string, double> Accuracies() const {
        std::map<std::string, double> found;
        for (size_t i = 0; i < records_.n; i++)
            found[records_.records[i]->id] =
                records_.records[i]->diverged ? -1 : records_.records[i]->last.test_accuracy;
        return found;
    }
    using Found = std::map<std::string, double>;
    using Names = std::vector<std::string>;

    fs::path directory_;
    lenet_config how_;
    lenet_records records_ = {};
    lenet_summary summary_ = {};
    lenet_error err_ = {};
};

TEST_F(Summary, ARecordComesBackAsItWent) {
    Write("runs.jsonl", Line("a", {{"lr", "0.3"}, {"seed", "7"}, {"augment", "standard"}, {"optimizer", "adamw"}},
                             {Epoch(0.25), Epoch(0.5)}));
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    ASSERT_EQ(records_.n, 1u);
    const lenet_record &record = *records_.records[0];
    EXPECT_STREQ(record.id, "a");
    EXPECT_EQ(record.diverged, 0);
    EXPECT_EQ(record.config.learning_rate, 0.3);
    EXPECT_EQ(record.config.seed, 7);
    EXPECT_EQ(record.config.optimizer, LENET_ADAMW);
    EXPECT_EQ(record.config.rotate, 8);
    EXPECT_EQ(record.last.test_accuracy, 0.5) << "of the last epoch";
    EXPECT_EQ(records_.torn_files, 0);
}

TEST_F(Summary, ADirectoryIsAllItsShards) {
    Write("runs.2-of-2.jsonl", Line("b", {}, {Epoch(0.5)}));
    Write("runs.1-of-2.jsonl", Line("a", {}, {Epoch(0.25)}));
    Write("runs.jsonl", Line("c", {}, {Epoch(0.75)}));
    Write("sweep.json", "no runs");
    Write("myruns.jsonl", "no runs");
    Write("runs.jsonl.bak", "no runs");
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(Accuracies(), Found({{"a", 0.25}, {"b", 0.5}, {"c", 0.75}}));
}

TEST_F(Summary, SeveralPathsAreReadTogether) {
    Write("x/runs.jsonl", Line("a", {}, {Epoch(0.25)}));
    Write("y/some name", Line("b", {}, {Epoch(0.5)}));
    Write("y/other", Line("c", {}, {Epoch(0.5)}));
    ASSERT_EQ(Read({Path("x"), Path("y/some name"), Path("x")}), LENET_OK) << err_.text;
    EXPECT_EQ(Accuracies(), Found({{"a", 0.25}, {"b", 0.5}}));
}

TEST_F(Summary, OfARepeatedRunTheLastThatIsDoneCounts) {
    const std::string bad = Line("a", {}, {}, "diverged");
    const auto done = [](double accuracy) { return Line("a", {}, {Epoch(accuracy)}); };
    const struct {
        std::string text;
        double want;
    } cases[] = {{bad, -1},
                 {bad + bad, -1},
                 {bad + done(0.25), 0.25},
                 {done(0.25) + bad, 0.25},
                 {done(0.25) + done(0.5), 0.5},
                 {done(0.25) + bad + done(0.5) + bad, 0.5}};
    for (const auto &c : cases) {
        Write("runs.jsonl", Line("0", {}, {Epoch(0.75)}) + c.text + Line("z", {}, {Epoch(0.75)}));
        ASSERT_EQ(Read(), LENET_OK) << err_.text;
        EXPECT_EQ(Accuracies(), Found({{"0", 0.75}, {"a", c.want}, {"z", 0.75}})) << c.text;
    }
}

TEST_F(Summary, FilesAreReadInTheOrderOfTheirNames) {
    Write("runs.b.jsonl", Line("a", {}, {Epoch(0.5)}));
    Write("runs.a.jsonl", Line("a", {}, {Epoch(0.25)}));
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(Accuracies(), Found({{"a", 0.5}}));
}

TEST_F(Summary, ATornLastLineIsLeftOutWhereverItIsTorn) {
    const std::string first = Line("a", {}, {Epoch(0.25)}), second = Line("b", {}, {Epoch(0.5)});
    for (size_t size = 1; size < second.size(); size++) {
        Write("runs.jsonl", first + second.substr(0, size));
        ASSERT_EQ(Read(), LENET_OK) << err_.text;
        ASSERT_EQ(Accuracies(), Found({{"a", 0.25}})) << size;
        ASSERT_EQ(records_.torn_files, 1);
        ASSERT_EQ(records_.torn, Path("runs.jsonl"));
    }
    Write("runs.2.jsonl", first + "{");
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(records_.torn_files, 2);
    EXPECT_EQ(records_.torn, Path("runs.2.jsonl")) << "the first";
}

TEST_F(Summary, LinesMayBeBlankAndEndInCrlf) {
    std::string a = Line("a", {}, {Epoch(0.25)}), b = Line("b", {}, {Epoch(0.5)});
    Write("runs.jsonl", "\r\n" + a.replace(a.size() - 1, 1, "\r\n") + "\n \t\n" + b + "\n\n");
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(Accuracies(), Found({{"a", 0.25}, {"b", 0.5}}));
    EXPECT_EQ(records_.torn_files, 0);
    Write("runs.jsonl", a + "\n\n{}\n");
    EXPECT_EQ(Read(), LENET_ERR_FORMAT);
    EXPECT_TRUE(Says("runs.jsonl line 4:")) << err_.text;
}

/* A hint at what was meant. */
TEST_F(Summary, APathWithoutRunsIsSaidToBeWhatItIs) {
    const struct {
        Names names;
        const char *says;
    } cases[] = {{{"run.json", "metrics.jsonl", "last.safetensors"}, "lenet eval --run"},
                 {{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}, "a data set's"},
                 {{"t10k-images-idx3-ubyte.gz"}, "a data set's"},
                 {{"0123.safetensors"}, "lenet eval --weights"},
                 {{"notes"}, "wanted the directory of a sweep"},
                 {{"sweep.json"}, "under way or was stopped"},
                 {{"sweep.json", "progress/a.safetensors", "progress/b.safetensors"}, "2 checkpoints"},
                 {{"sweep.json", "runs.jsonl", "progress/a.safetensors"}, "no run in it has ended yet; the sweep is"}};
    for (const auto &[names, says] : cases) {
        fs::remove_all(Path("d"));
        for (const std::string &name : names) Write("d/" + name, "");
        EXPECT_NE(Read({Path("d")}), LENET_OK);
        EXPECT_TRUE(Says(Path("d")) && Says(says)) << "wanted " << says << ": " << err_.text;
    }
}

TEST_F(Summary, ThousandsOfRunsAreFine) {
    std::string text;
    for (int i = 0; i < 3000; i++)
        text += Line(std::to_string(i), {{"seed", std::to_string(i)}, {"lr", std::to_string(i % 3 + 1)}},
                     {Epoch(0.25), Epoch(i % 2 ? 0.5 : 1)});
    Write("runs.jsonl", text);
    SummarizeBy("");
    ASSERT_EQ(Groups(), Names({"1: 1000+0", "2: 1000+0", "3: 1000+0"}));
    EXPECT_EQ(summary_.groups[2].statistics.mean, 0.25);
    EXPECT_EQ(summary_.groups[2].seeds[999], 2999);
}

/* ---- damage ------------------------------------------------------------------------------------------ */

class DamagedRecord : public Summary {
  protected:
    void SetUp() override {
        Summary::SetUp();
        good_ = Line("a", {{"validation", "10"}}, {Epoch(0.25, true), Epoch(0.5, true)});
    }
    std::string Replaced(const std::string &what, const std::string &with) const {
        const size_t at = good_.rfind(what);
        EXPECT_NE(at, std::string::npos) << what << " is not in " << good_;
        return std::string(good_).replace(at, what.size(), with);
    }
    /* As the second line of a file. */
    void ExpectRefused(const std::string &line, const std::string &naming = "") {
        Write("runs.jsonl", Line("0", {}, {Epoch(0.5)}) + line + good_);
        EXPECT_EQ(Read(), LENET_ERR_FORMAT) << line << "\n" << err_.text;
        EXPECT_TRUE(Says(Path("runs.jsonl") + " line 2")) << err_.text << "\n" << line;
        EXPECT_TRUE(Says(naming)) << "wanted " << naming << ": " << err_.text;
        EXPECT_EQ(std::string(err_.text).find('\n'), std::string::npos) << err_.text;
        EXPECT_EQ(records_.records, nullptr);
    }
    std::string good_;
};

TEST_F(DamagedRecord, WhatIsNoRecordIsRefused) {
    for (const std::string &line :
         {std::string("{}"), std::string("[]"), std::string("null"), std::string("3"), std::string("\"a\""),
          std::string("{"), std::string(5000, '{'), std::string("\0\0", 2), std::string("\xff\xfe"),
          good_.substr(0, good_.size() / 2), good_.substr(0, good_.size() - 1) + "x",
          good_.substr(0, good_.size() - 1) + good_.substr(0, good_.size() - 1)})
        ExpectRefused(line + "\n");
}

TEST_F(DamagedRecord, AChangedByteGivesAnErrorOrARecord) {
    for (size_t i = 0; i + 1 < good_.size(); i++)
        for (const char other : {char(good_[i] ^ 1), '\0', '"', '}', '9'}) {
            std::string text = good_;
            text[i] = other;
            Write("runs.jsonl", other ? text : text + good_); /* a last line with a zero would be a torn one */
            const lenet_status status = Read();
            ASSERT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << "byte " << i << ": " << err_.text;
            if (status != LENET_OK) {
                ASSERT_TRUE(Says("runs.jsonl line 1")) << "byte " << i << ": " << err_.text;
            }
        }
}

TEST_F(DamagedRecord, EveryMissingPartIsNamed) {
    for (const char *part : {"id", "status", "data", "metrics", "hash"})
        ExpectRefused(Replaced("\"" + std::string(part) + "\":", "\"x\":"), part);
    for (const lenet_option *option = lenet_options; option->name; option++)
        if (option->identity && !option->later)
            ExpectRefused(Replaced("\"" + std::string(option->name) + "\":", "\"x\":"), option->name);
    for (const char *number : {"epoch", "step", "train_loss", "train_accuracy", "validation_loss", "test_loss",
                               "test_accuracy", "images_per_s", "seconds"})
        ExpectRefused(Replaced("\"" + std::string(number) + "\":", "\"x\":"), "element 1 of metrics");
}

TEST_F(DamagedRecord, ValuesThatMakeNoSenseAreRefused) {
    ExpectRefused(Replaced("\"done\"", "\"running\""), "running");
    ExpectRefused(Replaced("\"done\"", "3"), "wanted done or diverged");
    ExpectRefused(Replaced("\"a\"", "\"\""), "id");
    ExpectRefused(Replaced("\"a\"", "\"" + std::string(LENET_MAX_ID, 'a') + "\""), "id");
    ExpectRefused(Replaced("\"a\"", "1"), "id");
    ExpectRefused(Replaced("\"lenet5\"", "\"lenet9\""), "'lenet9' is not known");
    ExpectRefused(Replaced("\"batch\":64", "\"batch\":-3"), "--batch");
    ExpectRefused(Replaced("\"relu\"", "\"sine\""), "sine");
    ExpectRefused(Replaced(kHash, "0123"), "hash");
    ExpectRefused(Replaced("\"metrics\":[", "\"metrics\":3,\"x\":["), "metrics");
    ExpectRefused(Line("b", {}, {}), "no epoch");
}

/* The id that the program gives, and a configuration that is not its own. */
TEST_F(DamagedRecord, AConfigurationThatWasEditedIsRefused) {
    lenet_config config;
    char id[LENET_RUN_ID];
    lenet_config_init(&config);
    ASSERT_EQ(lenet_run_id(&config, kHash, id, &err_), LENET_OK) << err_.text;
    good_ = Line(id, {}, {Epoch(0.5)});
    Write("runs.jsonl", good_);
    EXPECT_EQ(Read(), LENET_OK) << err_.text;
    ExpectRefused(Replaced("\"lr\":0.05", "\"lr\":0.06"), "its id " + std::string(id));
    ExpectRefused(Replaced("\"seed\":1", "\"seed\":2"), "its id");
    ExpectRefused(Replaced("\"relu\"", "\"tanh\""), "its id");
    ExpectRefused(Replaced(id, "0123456789abcdef"), "its id");
    std::string other = kHash;
    other[63] ^= 1;
    ExpectRefused(Replaced(kHash, other), "its id");
}

TEST_F(DamagedRecord, RunsOnOtherDataAreNotAveraged) {
    std::string other = kHash;
    other[63] ^= 1;
    ExpectRefused(Replaced(kHash, other), "other data");
}

TEST_F(DamagedRecord, WhatIsNotThereIsNamed) {
    EXPECT_EQ(Read({Path("nowhere")}), LENET_ERR_IO);
    EXPECT_TRUE(Says(Path("nowhere"))) << err_.text;
    EXPECT_EQ(Read(), LENET_ERR_IO) << "an empty directory";
    EXPECT_TRUE(Says(directory_.string())) << err_.text;
    EXPECT_TRUE(Says("runs*.jsonl")) << err_.text;
    for (const char *text : {"", "{\"id\":"}) {
        Write("runs.jsonl", text);
        EXPECT_EQ(Read(), LENET_ERR_FORMAT) << "no run";
        EXPECT_TRUE(Says(directory_.string())) << err_.text;
    }
    fs::create_directory(Path("runs.2.jsonl"));
    EXPECT_EQ(Read(), LENET_ERR_IO);
    EXPECT_TRUE(Says("runs.2.jsonl")) << err_.text;
    /* What was good before it is not kept. */
    Write("good.jsonl", good_);
    EXPECT_EQ(Read({Path("good.jsonl"), Path("nowhere")}), LENET_ERR_IO);
    EXPECT_EQ(records_.records, nullptr);
}

/* ---- groups ------------------------------------------------------------------------------------------- */

TEST_F(Summary, GroupsAreOfWhatVariesButTheSeed) {
    int id = 0;
    std::string text;
    for (const char *lr : {"0.1", "0.02", "1"})
        for (const char *activation : {"relu", "tanh"})
            for (const char *seed : {"2", "1"}) {
                text += Line(std::to_string(id), {{"lr", lr}, {"activation", activation}, {"seed", seed}},
                             {Epoch(id / 16.0)});
                id++;
            }
    Write("runs.jsonl", text);
    SummarizeBy("");
    EXPECT_EQ(By(), Names({"activation", "lr"})) << "in the table's order";
    EXPECT_EQ(Groups(), Names({"tanh 0.02: 2+0", "tanh 0.1: 2+0", "tanh 1: 2+0", "relu 0.02: 2+0", "relu 0.1: 2+0",
                               "relu 1: 2+0"}));
    SummarizeBy("lr,activation");
    EXPECT_EQ(By(), Names({"lr", "activation"}));
    EXPECT_EQ(Groups(), Names({"0.02 tanh: 2+0", "0.02 relu: 2+0", "0.1 tanh: 2+0", "0.1 relu: 2+0", "1 tanh: 2+0",
                               "1 relu: 2+0"}));
    SummarizeBy("activation");
    EXPECT_EQ(Groups(), Names({"tanh: 6+0", "relu: 6+0"}));
    SummarizeBy("seed");
    EXPECT_EQ(Groups(), Names({"1: 6+0", "2: 6+0"}));
}

TEST_F(Summary, IntegersSortAsNumbers) {
    std::string text;
    for (const char *batch : {"128", "16", "64", "1024"}) text += Line(batch, {{"batch", batch}}, {Epoch(0.5)});
    Write("runs.jsonl", text);
    SummarizeBy("");
    EXPECT_EQ(Groups(), Names({"16: 1+0", "64: 1+0", "128: 1+0", "1024: 1+0"}));
}

TEST_F(Summary, SeedsAloneMakeOneGroup) {
    Write("runs.jsonl", Line("a", {{"seed", "10"}}, {Epoch(0.25)}) + Line("b", {{"seed", "9"}}, {Epoch(0.5)}));
    SummarizeBy("");
    EXPECT_EQ(By(), Names());
    EXPECT_EQ(Groups(), Names({": 2+0"}));
    EXPECT_EQ(Values(0), std::vector<double>({0.5, 0.75})) << "in the order of the seeds";
    EXPECT_EQ(summary_.groups[0].seeds[0], 9);
}

TEST_F(Summary, AugmentationsAreOneColumn) {
    std::string text;
    for (const char *list : {"standard", "none", "shift=2,rotate=10", "rotate=10"})
        text += Line(list, {{"augment", list}}, {Epoch(0.5)});
    Write("runs.jsonl", text);
    SummarizeBy("");
    EXPECT_EQ(By(), Names({"augment"}));
    EXPECT_EQ(Groups(), Names({"none: 1+0", "rotate=10: 1+0", "shift=2+rotate=10: 1+0", "standard: 1+0"}));
    SummarizeBy("augment-rotate");
    EXPECT_EQ(Groups(), Names({"0: 1+0", "8: 1+0", "10: 2+0"}));
}

TEST_F(Summary, ARunThatDivergedIsCountedAndNotAveraged) {
    const std::string text =
        Line("a", {{"lr", "1"}}, {Epoch(0.25)}) + Line("b", {{"lr", "1"}, {"seed", "2"}}, {Epoch(0.9)}, "diverged") +
        Line("c", {{"lr", "2"}}, {}, "diverged") + Line("d", {{"lr", "2"}, {"seed", "2"}}, {}, "diverged");
    Write("runs.jsonl", text);
    SummarizeBy("");
    EXPECT_EQ(Groups(), Names({"1: 1+1", "2: 0+2"}));
    EXPECT_EQ(summary_.runs, 4u);
    EXPECT_EQ(summary_.diverged, 3u);
    EXPECT_EQ(summary_.groups[0].statistics.mean, 0.75);
    EXPECT_TRUE(std::isnan(summary_.groups[1].statistics.mean));
    EXPECT_EQ(lenet_summary_best(&summary_), &summary_.groups[0]);
    Write("runs.jsonl", Line("c", {}, {}, "diverged"));
    SummarizeBy("");
    EXPECT_EQ(lenet_summary_best(&summary_), nullptr);
}

TEST_F(Summary, EachMetricIsThatOfTheLastEpoch) {
    Write("runs.jsonl", Line("a", {}, {Epoch(0.75, true), Epoch(0.5, true)}));
    const std::map<int, double> want = {
        {LENET_TEST_ERROR, 0.5}, {LENET_TEST_LOSS, 2.5},          {LENET_TRAIN_ERROR, 0.75},
        {LENET_TRAIN_LOSS, 3.5}, {LENET_VALIDATION_ERROR, 0.875}, {LENET_VALIDATION_LOSS, 4.5},
        {LENET_SECONDS, 5.5}};
    for (const auto &[metric, value] : want) {
        how_.metric = metric;
        SummarizeBy("");
        EXPECT_EQ(Values(0), std::vector<double>({value})) << metric;
    }
}

TEST_F(Summary, ErrorsHaveNoMoreDigitsThanTheirAccuracies) {
    Write("runs.jsonl", Line("a", {}, {Epoch(0.9943)}));
    SummarizeBy("");
    EXPECT_EQ(Values(0), std::vector<double>({0.0057})) << "not 0.005700000000000038";
}

TEST_F(Summary, WithoutAValidationSetThereIsNoValidationError) {
    Write("runs.jsonl", Line("a", {}, {Epoch(0.5, true)}) + Line("b", {}, {Epoch(0.5)}));
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    for (int metric : {LENET_VALIDATION_ERROR, LENET_VALIDATION_LOSS}) {
        how_.metric = metric;
        EXPECT_EQ(Summarize(), LENET_ERR_ARG);
        EXPECT_TRUE(Says("--metric validation-")) << err_.text;
        EXPECT_TRUE(Says("run b")) << err_.text;
    }
    Write("runs.jsonl", Line("a", {}, {Epoch(0.5, true)}) + Line("b", {}, {}, "diverged"));
    SummarizeBy("");
    EXPECT_EQ(Groups(), Names({": 1+1"})) << "of a run that diverged nothing is wanted";
}

TEST_F(Summary, ALossThatIsNotFiniteLeavesNoMean) {
    lenet_metrics infinite = Epoch(0.5);
    infinite.test_loss = INFINITY;
    Write("runs.jsonl", Line("a", {}, {infinite}) + Line("b", {{"seed", "2"}}, {Epoch(0.5)}));
    how_.metric = LENET_TEST_LOSS;
    SummarizeBy("");
    EXPECT_EQ(Groups(), Names({": 2+0"}));
    EXPECT_TRUE(std::isnan(summary_.groups[0].statistics.mean));
    how_.metric = LENET_TEST_ERROR;
    SummarizeBy("");
    EXPECT_EQ(summary_.groups[0].statistics.mean, 0.5) << "its error is a number all the same";
}

TEST_F(Summary, TheBestComeFirstWhereTheyAreAskedFor) {
    std::string text = Line("x", {{"lr", "5"}}, {}, "diverged");
    for (const auto &[lr, accuracy] :
         {std::pair("1", 0.25), std::pair("2", 0.5), std::pair("3", 0.75), std::pair("4", 0.5)})
        text += Line(lr, {{"lr", lr}}, {Epoch(accuracy)});
    Write("runs.jsonl", text);
    const std::vector<Names> want = {{"1: 1+0", "2: 1+0", "3: 1+0", "4: 1+0", "5: 0+1"},
                                     {"3: 1+0"},
                                     {"3: 1+0", "2: 1+0"},
                                     {"3: 1+0", "2: 1+0", "4: 1+0"},
                                     {"3: 1+0", "2: 1+0", "4: 1+0", "1: 1+0"},
                                     {"3: 1+0", "2: 1+0", "4: 1+0", "1: 1+0", "5: 0+1"},
                                     {"3: 1+0", "2: 1+0", "4: 1+0", "1: 1+0", "5: 0+1"}};
    for (size_t best = 0; best < want.size(); best++) {
        how_.best = (int64_t)best;
        SummarizeBy("");
        EXPECT_EQ(Groups(), want[best]) << best;
        EXPECT_EQ(summary_.runs, 5u) << "of all groups";
        ASSERT_NE(lenet_summary_best(&summary_), nullptr);
        EXPECT_EQ(lenet_summary_best(&summary_)->statistics.mean, 0.25);
    }
}

TEST_F(Summary, TheOrderOfTheFilesDoesNotMatter) {
    const std::string a = Line("a", {{"lr", "1"}}, {Epoch(0.25)}), b = Line("b", {{"lr", "1"}}, {Epoch(0.5)}),
                      c = Line("c", {{"lr", "2"}}, {Epoch(0.75)});
    Names found;
    for (const std::string &text : {a + b + c, c + b + a, b + c + a}) {
        Write("runs.jsonl", text);
        SummarizeBy("");
        found.push_back(PrintedSummary());
        EXPECT_EQ(found.back(), found.front());
    }
}

TEST_F(Summary, WhatDoesNotMakeARunMakesNoGroup) {
    Write("runs.jsonl", Line("a", {}, {Epoch(0.5)}));
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    const struct {
        const char *by, *naming;
    } cases[] = {{"threads", "'threads'"}, {"lr,", "''"},      {",lr", "''"},
                 {"lr,batch,lr", "'lr'"},  {"rate", "'rate'"}, {"lr, batch", "' batch'"},
                 {"by", "'by'"},           {"--lr", "'--lr'"}};
    for (const auto &[by, naming] : cases) {
        snprintf(how_.by, sizeof how_.by, "%s", by);
        EXPECT_EQ(Summarize(), LENET_ERR_ARG) << by;
        EXPECT_TRUE(Says("--by")) << err_.text;
        EXPECT_TRUE(Says(naming)) << err_.text;
    }
}

TEST_F(Summary, EveryOptionThatMakesARunMayMakeGroups) {
    Write("runs.jsonl", Line("a", {}, {Epoch(0.5)}));
    std::string all = "augment";
    for (const lenet_option *option = lenet_options; option->name; option++)
        if (option->identity) all += "," + std::string(option->name);
    ASSERT_LT(all.size(), sizeof how_.by);
    SummarizeBy(all.c_str());
    EXPECT_EQ(summary_.n, 1u);
    EXPECT_LE(summary_.by_count, LENET_MAX_BY);
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

TEST_F(Summary, JsonHoldsAllOfIt) {
    Write("runs.jsonl", Line("a", {{"lr", "0.1"}, {"seed", "3"}}, {Epoch(0.25)}) +
                            Line("b", {{"lr", "0.1"}, {"seed", "1"}}, {Epoch(0.25)}) +
                            Line("c", {{"lr", "0.2"}, {"activation", "tanh"}}, {Epoch(0.5)}) +
                            Line("d", {{"lr", "0.3"}}, {}, "diverged"));
    SummarizeBy("lr,activation");
    EXPECT_EQ(PrintedSummary(),
              "{\"metric\":\"test-error\",\"by\":[\"lr\",\"activation\"],\"runs\":4,\"diverged\":1,\"groups\":["
              "{\"by\":{\"lr\":0.1,\"activation\":\"relu\"},\"n\":2,\"diverged\":0,\"mean\":0.75,\"deviation\":0,"
              "\"interval\":[0.75,0.75],\"min\":0.75,\"max\":0.75,\"values\":[0.75,0.75],\"seeds\":[1,3]},"
              "{\"by\":{\"lr\":0.2,\"activation\":\"tanh\"},\"n\":1,\"diverged\":0,\"mean\":0.5,\"deviation\":null,"
              "\"interval\":null,\"min\":0.5,\"max\":0.5,\"values\":[0.5],\"seeds\":[1]},"
              "{\"by\":{\"lr\":0.3,\"activation\":\"relu\"},\"n\":0,\"diverged\":1,\"mean\":null,\"deviation\":null,"
              "\"interval\":null,\"min\":null,\"max\":null,\"values\":[],\"seeds\":[]}]}");
}

} // namespace
