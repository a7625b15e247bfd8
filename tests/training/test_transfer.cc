/* test_transfer.cc - training begins from trained weights, and frozen layers keep their bytes. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "lenet/sweep.h"
#include "lenet/train.h"
#include "support/fill.h"
#include "support/idx.h"
#include "train/run_dir.h"
#include "train/settings.h"

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using Options = std::map<std::string, std::string>;

/* The tensors of a network, by name, as bytes. */
using Weights = std::map<std::string, std::string>;
Weights TensorsOf(const lenet_topology &topology, float *w) {
    lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    Weights all;
    const int n = lenet_topology_tensors(&topology, "", w, tensors);
    for (int i = 0; i < n; i++)
        all[tensors[i].name] = std::string(static_cast<char *>(tensors[i].data), lenet_tensor_bytes(&tensors[i]));
    return all;
}
std::string LayerOf(const std::string &tensor) { return tensor.substr(0, tensor.find('.')); }

class Transfer : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_transfer_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        const char *moved = std::getenv("LENET_SOURCE_DIR"); /* as in test_sweep.cc */
        const std::string sample = std::string(moved ? moved : LENET_SOURCE_DIR) + "/data/sample";
        ASSERT_EQ(lenet_dataset_read(sample.c_str(), &sample_, &err_), LENET_OK) << err_.text;
        WriteHalf(Path("few"), "train", sample_.train, 100, 28, 28);
        WriteHalf(Path("few"), "t10k", sample_.test, 20, 28, 28);
    }
    void TearDown() override {
        lenet_dataset_free(&sample_);
        fs::remove_all(directory_);
    }
    fs::path Path(const std::string &name) const { return directory_ / name; }

    lenet_config Config(const std::string &run, const Options &options) {
        lenet_config config;
        lenet_config_init(&config);
        Set(config, {{"data", Path("few").string()},
                     {"run", Path(run).string()},
                     {"device", device_},
                     {"threads", "1"},
                     {"checkpoint-seconds", "1e9"},
                     {"schedule", "constant"},
                     {"warmup", "0"},
                     {"batch", "8"}});
        Set(config, options);
        return config;
    }
    void Set(lenet_config &config, const Options &options) {
        for (const auto &[name, value] : options)
            ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name.c_str()), value.c_str(), &err_), LENET_OK)
                << err_.text;
    }
    /* Some of the digits, which are only called by their remainder. */
    void WriteFour() const {
        std::vector<uint8_t> labels(sample_.train.labels, sample_.train.labels + 100);
        lenet_samples four = sample_.train;
        for (uint8_t &label : labels) label %= 4;
        four.labels = labels.data();
        WriteHalf(Path("four"), "train", four, 100, 28, 28);
        WriteHalf(Path("four"), "t10k", four, 10, 28, 28);
        fs::resize_file(Path("four") / "t10k-images-idx3-ubyte", 16 + 10 * 784);
        { /* other test images: the same would be refused */
            std::fstream file(Path("four") / "t10k-images-idx3-ubyte", std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(16);
            file.put('\x01');
        }
    }
    /* Trains until the end, or so many epochs. */
    lenet_status Start(lenet_config config, int stop_after = 0) {
        struct Self {
            volatile sig_atomic_t stop;
            int epochs_left;
            std::string notes;
        } self = {0, stop_after, ""};
        const lenet_observer observer = {nullptr, nullptr,
                                         [](void *s, const lenet_metrics *, uint64_t) {
                                             Self &that = *static_cast<Self *>(s);
                                             if (--that.epochs_left == 0) that.stop = 1;
                                         },
                                         &self,
                                         [](void *s, const char *text) { static_cast<Self *>(s)->notes += text; }};
        if (stop_after < 0) self.stop = 1; /* before the first step */
        err_ = {};
        lenet_ending ending;
        const lenet_status status = lenet_train(&config, &observer, &self.stop, &ending, &err_);
        notes_ = self.notes;
        return status;
    }
    void Finish(const lenet_config &config) { ASSERT_EQ(Start(config), LENET_OK) << err_.text; }
    static lenet_config Resumed(lenet_config config) {
        strcpy(config.resume, config.run);
        config.run[0] = '\0';
        return config;
    }
    std::string File(const std::string &run) const { return (Path(run) / "last.safetensors").string(); }

    Weights After(const std::string &run) {
        lenet_model model;
        float *w = nullptr;
        if (lenet_model_read(File(run).c_str(), &model, &w, &err_) != LENET_OK) throw std::runtime_error(err_.text);
        const Weights weights = TensorsOf(model.topology, w);
        free(w);
        return weights;
    }
    Weights Drawn(const lenet_config &config, int classes = 10) {
        lenet_topology topology;
        if (lenet_config_topology(&config, classes, &topology, &err_) != LENET_OK) throw std::runtime_error(err_.text);
        std::vector<float> w(topology.stride);
        lenet_topology_init(&topology, (lenet_init)config.init, (uint64_t)config.seed, (float)config.init_scale,
                            w.data());
        return TensorsOf(topology, w.data());
    }
    std::string LastOf(const std::string &run, const std::string &key) const {
        const std::string text = ReadFile(Path(run) / "metrics.jsonl");
        const size_t at = text.rfind("\"" + key + "\":") + key.size() + 3;
        return text.substr(at, text.find_first_of(",}", at) - at);
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }
    void ExpectRefused(const lenet_config &config, lenet_status status, const Strings &pieces) {
        EXPECT_EQ(Start(config), status);
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
    }

    /* Trains with these layers frozen and with none: those keep the bytes they began with, and after the first step the
     * others have the bytes that they have without it. */
    void ExpectFrozen(const Options &options, const Strings &lists) {
        Options first = options;
        first["steps"] = "1";
        const std::string name = std::to_string(++count_);
        const lenet_config none = Config(name, first);
        const Weights drawn = Drawn(none);
        Finish(none);
        const Weights stepped = After(name);
        for (const std::string &list : lists) {
            SCOPED_TRACE(list);
            for (const char *steps : {"1", "5"}) {
                const std::string run = std::to_string(++count_);
                lenet_config config = Config(run, options);
                Set(config, {{"steps", steps}, {"freeze", list}});
                Finish(config);
                for (const auto &[tensor, bytes] : After(run)) {
                    const bool frozen = lenet_layers_have(list.c_str(), LayerOf(tensor).c_str());
                    EXPECT_EQ(bytes == drawn.at(tensor), frozen) << tensor << " after " << steps;
                    if (!frozen && steps == std::string("1")) {
                        EXPECT_TRUE(bytes == stepped.at(tensor)) << tensor;
                    }
                }
            }
        }
    }

    std::string device_ = "cpu", notes_;
    lenet_dataset sample_ = {};
    fs::path directory_;
    lenet_error err_ = {};
    int count_ = 0;
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

/* ---- frozen layers ----------------------------------------------------------------------------------- */

const Options kHeavy = {{"weight-decay", "0.1"}, {"lr", "0.05"}, {"momentum", "0.9"}};
Options With(Options options, const Options &more) {
    for (const auto &[name, value] : more) options[name] = value;
    return options;
}

TEST_F(Transfer, FrozenLayersKeepTheirBytesWithEveryOptimizer) {
    for (const char *optimizer : {"sgd", "momentum", "nesterov", "adamw"})
        for (const char *batch : {"8", "1"}) {
            SCOPED_TRACE(std::string(optimizer) + " " + batch);
            ExpectFrozen(With(kHeavy, {{"optimizer", optimizer}, {"batch", batch}}),
                         {"C1", "C3", "C1,C3", "C1+C5", "C1,C3,C5,F6", "C3,C5,F6,output"});
        }
}

TEST_F(Transfer, FrozenLayersKeepTheirBytesWithTheRecipeOf1998) {
    ExpectFrozen({{"arch", "lenet5-1998"}, {"weight-decay", "0.1"}, {"curvature-images", "20"}, {"batch", "8"}},
                 {"C1", "S2", "C1,S2,C3,S4", "C3,F6", "C5"});
}

TEST_F(Transfer, ARunWithFrozenLayersStoppedAnywhereEndsInTheSameBytes) {
    for (const char *optimizer : {"nesterov", "adamw"}) {
        const Options options = With(kHeavy, {{"optimizer", optimizer}, {"freeze", "C1+C5"}, {"epochs", "3"}});
        const std::string whole = std::string(optimizer) + "-whole", cut = std::string(optimizer) + "-cut";
        Finish(Config(whole, options));
        ASSERT_EQ(Start(Config(cut, options), 1), LENET_OK) << err_.text;
        Finish(Resumed(Config(cut, options)));
        EXPECT_TRUE(ReadFile(File(whole)) == ReadFile(File(cut)));
        Finish(Resumed(Config(cut, With(options, {{"freeze", "C5,C1"}}))));
        ExpectRefused(Resumed(Config(cut, With(options, {{"freeze", "C1"}}))), LENET_ERR_ARG,
                      {"--freeze", "C1+C5", "C1"});
    }
}

/* ---- trained weights ------------------------------------------------------------------------------------ */

TEST_F(Transfer, TrainingFromTrainedWeightsBeginsAtTheirLoss) {
    Finish(Config("first", With(kHeavy, {{"epochs", "2"}})));
    for (const char *seed : {"1", "2"}) {
        const std::string run = std::string("second") + seed;
        Finish(Config(run, {{"from", File("first")}, {"lr", "0"}, {"epochs", "1"}, {"seed", seed}}));
        EXPECT_TRUE(After(run) == After("first"));
        for (const char *key : {"test_loss", "test_accuracy"}) EXPECT_EQ(LastOf(run, key), LastOf("first", key)) << key;
        EXPECT_EQ(notes_, "");
    }
    Finish(Config("third", With(kHeavy, {{"from", File("first")}, {"epochs", "2"}, {"lr", "0.01"}})));
    EXPECT_LT(std::stod(LastOf("third", "train_loss")), std::stod(LastOf("first", "train_loss")));
}

TEST_F(Transfer, WhatItBeganFromIsRecorded) {
    Finish(Config("first", {{"steps", "2"}}));
    Finish(Config("second", {{"steps", "2"}, {"from", File("first")}}));
    const std::string run = ReadFile(Path("second") / "run.json"), bytes = ReadFile(File("first"));
    char hash[65];
    const lenet_piece piece = {bytes.data(), bytes.size()};
    ASSERT_EQ(lenet_sha256(&piece, 1, hash, &err_), LENET_OK);
    EXPECT_NE(run.find("\"" + File("first") + "\""), std::string::npos) << run;
    EXPECT_NE(run.find("\"from-sha256\":\t\"" + std::string(hash) + "\""), std::string::npos) << run;
    EXPECT_EQ(ReadFile(Path("first") / "run.json").find("from"), std::string::npos)
        << "as before there was this option";
    Finish(Config("third", {{"steps", "2"}, {"from", File("first")}, {"from-sha256", hash}}));
    EXPECT_TRUE(After("third") == After("second"));
    Finish(Config("short", {{"steps", "2"}, {"from", File("first")}, {"from-sha256", std::string(hash, 10)}}));
    Finish(Resumed(Config("short", {{"steps", "2"}, {"from", File("first")}, {"from-sha256", std::string(hash, 10)}})));
    std::string capitals = hash;
    for (char &c : capitals) c = (char)toupper(c);
    Finish(Config("capitals", {{"steps", "2"}, {"from", File("first")}, {"from-sha256", capitals}}));
    EXPECT_EQ(ReadFile(Path("short") / "run.json").find(std::string(hash) + "\""), run.find(std::string(hash) + "\""));
    ExpectRefused(Config("fourth", {{"from", File("second")}, {"from-sha256", hash}}), LENET_ERR_ARG,
                  {"--from", File("second"), std::string(hash).substr(0, 12)});
    ExpectRefused(Config("fourth", {{"from-sha256", hash}}), LENET_ERR_ARG, {"--from FILE"});
    EXPECT_FALSE(fs::exists(Path("fourth")));
}

TEST_F(Transfer, OtherClassesGetANewLastLayer) {
    Finish(Config("first", With(kHeavy, {{"epochs", "2"}})));
    WriteFour();
    const lenet_config config =
        Config("second",
               {{"data", Path("four").string()}, {"from", File("first")}, {"lr", "0"}, {"steps", "1"}, {"seed", "7"}});
    Finish(config);
    EXPECT_NE(notes_.find("10 classes"), std::string::npos) << notes_;
    const Weights drawn = Drawn(config, 4), first = After("first");
    for (const auto &[tensor, bytes] : After("second"))
        EXPECT_TRUE(bytes == (LayerOf(tensor) == "output" ? drawn : first).at(tensor)) << tensor;
    /* and it learns with the rest frozen */
    Finish(Config("third", With(kHeavy, {{"data", Path("four").string()},
                                         {"from", File("first")},
                                         {"freeze", "C1,C3,C5,F6"},
                                         {"epochs", "4"},
                                         {"lr", "0.01"}})));
    EXPECT_GT(std::stod(LastOf("third", "train_accuracy")), 0.5) << "of four classes";
}

TEST_F(Transfer, WeightsOfAnotherArchitectureLeaveNothing) {
    Finish(Config("first", {{"steps", "1"}}));
    ExpectRefused(Config("second", {{"arch", "lenet1"}, {"from", File("first")}}), LENET_ERR_FORMAT,
                  {File("first"), "C1.weight", "[6, 1, 5, 5]", "[4, 1, 5, 5]"});
    EXPECT_FALSE(fs::exists(Path("second")));
}

TEST_F(Transfer, ARunIsResumedWithoutTheFileItBeganFrom) {
    const Options more = With(kHeavy, {{"epochs", "3"}, {"from", File("first")}, {"freeze", "C1"}});
    Finish(Config("first", With(kHeavy, {{"epochs", "1"}})));
    Finish(Config("other", {{"steps", "1"}}));
    Finish(Config("whole", more));
    ASSERT_EQ(Start(Config("cut", more), 1), LENET_OK) << err_.text;
    ASSERT_EQ(Start(Config("early", more), -1), LENET_OK) << err_.text;
    fs::remove(File("early")); /* killed before the first checkpoint */

    fs::copy(File("first"), Path("copy"));
    ExpectRefused(Resumed(Config("cut", With(more, {{"from", File("other")}}))), LENET_ERR_ARG,
                  {"--from", File("other"), "another file"});
    ASSERT_EQ(Start(Resumed(Config("cut", With(more, {{"from", Path("copy").string()}}))), 1), LENET_OK)
        << "it is the same file: " << err_.text;
    fs::remove(File("first"));
    Finish(Resumed(Config("cut", more)));
    EXPECT_TRUE(ReadFile(File("whole")) == ReadFile(File("cut")));

    ExpectRefused(Resumed(Config("early", more)), LENET_ERR_IO, {File("first")});
    fs::copy(File("other"), File("first"));
    ExpectRefused(Resumed(Config("early", more)), LENET_ERR_ARG, {"--from", File("first"), "another file"});
    fs::copy(Path("copy"), File("first"), fs::copy_options::overwrite_existing);
    Finish(Resumed(Config("early", more)));
    EXPECT_TRUE(ReadFile(File("whole")) == ReadFile(File("early")));
}

TEST_F(Transfer, ARunThatBeganFromDrawnWeightsIsNotResumedFromOthers) {
    Finish(Config("first", {{"steps", "1"}}));
    ASSERT_EQ(Start(Config("cut", {{"epochs", "3"}}), 1), LENET_OK) << err_.text;
    ExpectRefused(Resumed(Config("cut", {{"epochs", "3"}, {"from", File("first")}})), LENET_ERR_ARG,
                  {"--from-sha256", "none"});
}

/* ---- sweeps ----------------------------------------------------------------------------------------------- */

class TransferSweep : public Transfer {
  protected:
    lenet_status Sweep(const std::string &out, const Strings &more) {
        Strings words = {"--data", Path("few").string(), "--out", Path(out).string(), "--device",
                         device_,  "--threads",          "1",     "--keep-weights",   "--batch",
                         "8"};
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char *> argv;
        for (std::string &word : words) argv.push_back(word.data());
        lenet_sweep_plan plan;
        err_ = {};
        lenet_sweep_result result;
        const auto add_note = [](void *self, const char *text) { *static_cast<std::string *>(self) += text; };
        const lenet_sweep_observer observer = {nullptr, nullptr, nullptr, nullptr, nullptr, &notes_, add_note, nullptr};
        notes_.clear();
        const volatile sig_atomic_t stop = 0;
        lenet_status status = lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err_);
        if (status == LENET_OK) status = lenet_sweep(&plan, &observer, &stop, &result, &err_);
        lenet_sweep_plan_free(&plan);
        done_ = result.done;
        return status;
    }
    /* The configuration of each run, by its id. */
    std::map<std::string, std::string> Recorded(const std::string &out) const {
        std::map<std::string, std::string> runs;
        std::ifstream in(Path(out) / "runs.jsonl");
        for (std::string line; std::getline(in, line);) {
            cJSON *json = cJSON_Parse(line.c_str());
            char *config = cJSON_PrintUnformatted(cJSON_GetObjectItem(json, "config"));
            runs[cJSON_GetStringValue(cJSON_GetObjectItem(json, "id"))] = config;
            free(config);
            cJSON_Delete(json);
        }
        return runs;
    }
    std::map<std::string, Weights> Kept(const std::string &out) {
        std::map<std::string, Weights> kept;
        for (const fs::directory_entry &entry : fs::directory_iterator(Path(out) / "weights")) {
            lenet_model model;
            int R;
            float *w;
            cJSON *members;
            if (lenet_weights_read(entry.path().c_str(), &model, &R, &w, &members, &err_) != LENET_OK)
                throw std::runtime_error(err_.text);
            for (int r = 0; r < R; r++)
                kept[cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(members, r), "id"))] =
                    TensorsOf(model.topology, w + (size_t)r * model.topology.stride);
            cJSON_Delete(members);
            free(w);
        }
        return kept;
    }
    size_t done_ = 0;
};

TEST_F(TransferSweep, EveryRunIsThatOfTrain) {
    Finish(Config("first", {{"steps", "5"}}));
    for (const char *most : {"1", "4"}) {
        SCOPED_TRACE(most);
        ASSERT_EQ(Sweep(most, {"--from", File("first"), "--freeze", "none,C1+C3", "--seed", "1,2", "--lr", "0.01,0.02",
                               "--steps", "7", "--population-max", most}),
                  LENET_OK)
            << err_.text;
        EXPECT_EQ(done_, 8u);
        const auto kept = Kept(most);
        for (const auto &[id, text] : Recorded(most)) {
            const std::string run = std::string(most) + "-" + id;
            lenet_config config = Config(run, {});
            cJSON *json = cJSON_Parse(text.c_str());
            ASSERT_EQ(lenet_config_from_json("the line", json, &config, &err_), LENET_OK) << err_.text;
            cJSON_Delete(json);
            Set(config, {{"from", File("first")}});
            Finish(config);
            EXPECT_TRUE(After(run) == kept.at(id)) << text;
        }
    }
}

TEST_F(TransferSweep, RunsAreKnownByTheContentsOfTheFile) {
    Finish(Config("first", {{"steps", "5"}}));
    Finish(Config("other", {{"steps", "6"}}));
    fs::copy(File("first"), Path("copy"));
    const Strings few = {"--seed", "1..2", "--steps", "2"};
    const auto sweep = [&](const std::string &from) {
        Strings words = few;
        if (!from.empty()) words.insert(words.end(), {"--from", from});
        EXPECT_EQ(Sweep("run", words), LENET_OK) << err_.text;
        return done_;
    };
    EXPECT_EQ(sweep(File("first")), 2u);
    EXPECT_EQ(sweep(Path("copy").string()), 0u) << "the same under another name";
    EXPECT_EQ(sweep(File("other")), 2u);
    EXPECT_EQ(sweep(""), 2u) << "from drawn weights";
    EXPECT_EQ(Recorded("run").size(), 6u);
}

TEST_F(TransferSweep, HowWeightsWouldBeDrawnMakesNoOtherRunWhereNoneIs) {
    Finish(Config("first", {{"steps", "2"}}));
    const Strings axes = {"--init", "standard,root", "--init-scale", "1,2", "--steps", "2"};
    const auto begun_with = [&](const std::string &out, const std::string &from) {
        Strings words = axes;
        words.insert(words.end(), {"--from", from});
        EXPECT_EQ(Sweep(out, words), LENET_OK) << err_.text;
        return done_;
    };
    EXPECT_EQ(begun_with("whole", File("first")), 1u);
    EXPECT_NE(notes_.find("--init and --init-scale have no effect"), std::string::npos) << notes_;
    EXPECT_EQ(begun_with("whole", File("first")), 0u) << "it has ended";
    Finish(Config("again", {{"from", File("first")}, {"init", "root"}, {"steps", "1"}}));
    EXPECT_NE(notes_.find("--init has no effect"), std::string::npos) << notes_;

    WriteFour();
    ASSERT_EQ(Sweep("four", {"--init", "standard,root", "--steps", "2", "--from", File("first"), "--data",
                             Path("four").string()}),
              LENET_OK)
        << err_.text;
    EXPECT_EQ(done_, 2u) << "their last layers are drawn";
    EXPECT_EQ(notes_.find("no effect"), std::string::npos) << notes_;
}

TEST_F(TransferSweep, OfADirectoryAFileInItIsProposed) {
    ASSERT_EQ(Sweep("kept", {"--steps", "1"}), LENET_OK) << err_.text;
    const std::string id = Recorded("kept").begin()->first, file = "weights/" + id + ".safetensors?";
    ASSERT_EQ(Sweep("bare", {"--steps", "1", "--keep-weights", "off"}), LENET_OK) << err_.text;
    Finish(Config("run", {{"steps", "1"}}));
    for (const auto &[name, piece] : Options{{"kept", "--from " + (Path("kept") / file).string()},
                                             {"kept/weights", "--from " + (Path("kept") / file).string()},
                                             {"run", "--from " + File("run") + "?"},
                                             {"bare", "of a sweep without --keep-weights"},
                                             {"few", "a directory; wanted a weights file"}})
        ExpectRefused(Config("second", {{"from", Path(name).string()}}), LENET_ERR_IO,
                      {"--from " + Path(name).string(), piece});
}

TEST_F(TransferSweep, TheOrderOfFrozenLayersMakesNoOtherRun) {
    ASSERT_EQ(Sweep("run", {"--freeze", "C1+C3,C3+C1,C3+C1+C3,none", "--steps", "2"}), LENET_OK) << err_.text;
    EXPECT_EQ(done_, 2u);
    ASSERT_EQ(Sweep("run", {"--freeze", "C3+C1", "--seed", "2", "--steps", "2"}), LENET_OK) << err_.text;
    int frozen = 0;
    for (const auto &[id, line] : Recorded("run")) frozen += line.find("\"freeze\":\"C1+C3\"") != std::string::npos;
    EXPECT_EQ(frozen, 2) << "they are reported together";
    EXPECT_EQ(Sweep("run", {"--freeze", "C1,C3", "--steps", "2"}), LENET_ERR_ARG);
    EXPECT_TRUE(Says("C1+C3 for one") && Says("C1,C3+C3 for two")) << err_.text;
    EXPECT_EQ(Sweep("other", {"--freeze", "C1,C2+C3", "--steps", "2"}), LENET_ERR_ARG);
    EXPECT_TRUE(Says("--freeze") && Says("'C2'")) << err_.text;
    for (const char *list : {"+", "C1+", "C1++C3"}) {
        EXPECT_EQ(Sweep("other", {"--freeze", list, "--steps", "2"}), LENET_ERR_ARG) << list;
        EXPECT_TRUE(Says("--freeze: ''")) << err_.text;
    }
    EXPECT_FALSE(fs::exists(Path("other")));
}

/* ---- the same on a GPU, or on the emulated one -------------------------------------------------------------- */

class CudaTransfer : public Transfer {
  protected:
    void SetUp() override {
        const char *why = nullptr, *required = std::getenv("LENET_REQUIRE_GPU");
        const bool there = lenet_backend_cuda(&why) != nullptr;
        Transfer::SetUp();
        device_ = "cuda";
        if (!there && required && std::string(required) == "1") FAIL() << "cuda: " << why;
        if (!there) GTEST_SKIP() << "cuda: " << why;
    }
};

TEST_F(CudaTransfer, FrozenLayersKeepTheirBytes) {
    const Options few = {{"batch", "4"}, {"train-size", "20"}, {"eval-every", "100"}, {"curvature-images", "4"}};
    ExpectFrozen(With(With(kHeavy, few), {{"arch", "mlp-300-100"}, {"optimizer", "adamw"}}), {"hidden1,output"});
    ExpectFrozen(With(kHeavy, few), {"C1,C5"});
    ExpectFrozen(With(few, {{"arch", "lenet5-1998"}, {"batch", "4"}, {"weight-decay", "0.1"}}), {"C3,F6"});
}

TEST_F(CudaTransfer, TrainingFromTrainedWeightsBeginsThere) {
    Finish(Config("first", {{"arch", "linear"}, {"steps", "4"}}));
    Finish(Config("second", {{"arch", "linear"}, {"from", File("first")}, {"lr", "0"}, {"steps", "2"}}));
    EXPECT_TRUE(After("second") == After("first"));
}

} // namespace
