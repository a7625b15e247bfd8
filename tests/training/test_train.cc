/* test_train.cc - training learns, gives the same bytes every time, and goes on where it was stopped. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "lenet/sweep.h"
#include "lenet/train.h"
#include "ops/draw.h"
#include "support/fill.h"
#include "support/idx.h"
#include "support/rewrite.h"
#include "train/checkpoint.h"
#include "train/run_dir.h"
#include "train/settings.h"

namespace {

namespace fs = std::filesystem;

/* ---- files --------------------------------------------------------------------------------- */

std::string Read(const fs::path &path) { return ReadFile(path); }

/* Every file below a directory with its contents and its time. */
using Snapshot = std::map<std::string, std::pair<std::string, fs::file_time_type>>;
Snapshot Contents(const fs::path &directory) {
    Snapshot files;
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(directory))
        files[entry.path().string()] = {entry.is_directory() ? "" : Read(entry.path()), entry.last_write_time()};
    return files;
}

std::string Untimed(const fs::path &run) { return WithoutTimes(Read(run / "metrics.jsonl")); }

std::vector<float> WeightsOf(const fs::path &path) {
    lenet_model model;
    lenet_error err = {};
    float *w = nullptr;
    if (lenet_model_read(path.c_str(), &model, &w, &err) != LENET_OK) throw std::runtime_error(err.text);
    const std::vector<float> weights(w, w + model.topology.stride);
    free(w);
    return weights;
}

/* ---- a run -------------------------------------------------------------------------------------- */

/* Watches a run, and stops it where its test wants. */
class Watcher {
  public:
    std::vector<lenet_metrics> epochs;
    uint64_t first_step = 0;
    int begins = 0;
    volatile sig_atomic_t stop = 0;
    std::function<void(const lenet_metrics &)> on_epoch;
    uint64_t stop_at_step = UINT64_MAX; /* in the middle of an epoch, but not of the first one of a process */

    std::string notes;

    lenet_observer Observer() { return {Begin, Progress, Epoch, this, Note}; }

  private:
    static Watcher &Of(void *self) { return *static_cast<Watcher *>(self); }
    static void Note(void *self, const char *text) { Of(self).notes += text; }
    static void Begin(void *self, const lenet_config *, const lenet_model *, const lenet_device *,
                      const lenet_dataset *, uint64_t first_step) {
        Of(self).begins++;
        Of(self).first_step = first_step;
    }
    static void Epoch(void *self, const lenet_metrics *metrics, uint64_t) {
        Watcher &w = Of(self);
        w.epochs.push_back(*metrics);
        if (w.on_epoch) w.on_epoch(*metrics);
        if (w.stop_at_step != UINT64_MAX) UntilProgressIsDue();
    }
    static void Progress(void *self, const lenet_progress *progress) {
        Watcher &w = Of(self);
        if (progress->step >= w.stop_at_step)
            w.stop = 1;
        else if (w.stop_at_step != UINT64_MAX)
            UntilProgressIsDue();
    }
    /* Progress is told ten times a second: after a longer pause it is told at the next step, whatever the machine. */
    static void UntilProgressIsDue() { std::this_thread::sleep_for(std::chrono::milliseconds(110)); }
};

class Train : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_train_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        lenet_error err = {};
        ASSERT_EQ(lenet_dataset_read(kSample.c_str(), &sample_, &err), LENET_OK) << err.text;
        WriteHalf(directory_ / "few", "train", sample_.train, 300, 28, 28);
        WriteHalf(directory_ / "few", "t10k", sample_.test, 20, 28, 28); /* an epoch is for training, mostly */
    }
    void TearDown() override {
        lenet_dataset_free(&sample_);
        fs::current_path("/");
        fs::remove_all(directory_);
    }

    /* A short run on 300 real digits. */
    lenet_config Config(const char *run, const std::map<std::string, std::string> &options = {}) const {
        lenet_config config;
        lenet_config_init(&config);
        snprintf(config.data, sizeof config.data, "%s", (directory_ / "few").c_str());
        snprintf(config.run, sizeof config.run, "%s", Run(run).c_str());
        Set(config, {{"device", "cpu"}, {"threads", "1"}, {"checkpoint-seconds", "1e9"}});
        Set(config, options);
        return config;
    }
    static void Set(lenet_config &config, const std::map<std::string, std::string> &options) {
        for (const auto &[name, value] : options) {
            lenet_error err = {};
            ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name.c_str()), value.c_str(), &err), LENET_OK)
                << err.text;
        }
    }
    fs::path Run(const char *name) const { return directory_ / name; }

    lenet_status Start(lenet_config config, Watcher &watcher) {
        const lenet_observer observer = watcher.Observer();
        err_ = {};
        ending_ = LENET_ENDED;
        return lenet_train(&config, &observer, &watcher.stop, &ending_, &err_);
    }
    Watcher Finish(const lenet_config &config, lenet_ending want = LENET_ENDED) {
        Watcher watcher;
        EXPECT_EQ(Start(config, watcher), LENET_OK) << err_.text;
        EXPECT_EQ(ending_, want);
        return watcher;
    }
    /* The same configuration, for a run that is there. */
    static lenet_config Resumed(lenet_config config, const fs::path &run) {
        config.run[0] = '\0';
        snprintf(config.resume, sizeof config.resume, "%s", run.c_str());
        return config;
    }
    void ExpectSameRun(const fs::path &want, const fs::path &got) const {
        EXPECT_EQ(Untimed(want), Untimed(got));
        for (const char *file : {"last.safetensors", "best.safetensors"}) {
            ASSERT_EQ(fs::exists(want / file), fs::exists(got / file)) << file;
            EXPECT_TRUE(Read(want / file) == Read(got / file)) << got << " has another " << file;
        }
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }

    const std::string kSample = std::string(LENET_SOURCE_DIR) + "/data/sample";
    lenet_dataset sample_ = {};
    fs::path directory_;
    lenet_ending ending_ = LENET_ENDED;
    lenet_error err_ = {};
};

/* ---- learning -------------------------------------------------------------------------------------- */

TEST_F(Train, TwoEpochsOfTheSampleTellMostDigitsApart) {
    lenet_config config = Config("run", {{"epochs", "2"}, {"lr", "0.04"}, {"warmup", "0.5"}, {"threads", "2"}});
    snprintf(config.data, sizeof config.data, "%s", kSample.c_str());
    const Watcher run = Finish(config);
    ASSERT_EQ(run.epochs.size(), 2u);
    EXPECT_GT(run.epochs[1].test_accuracy, 0.8) << "of 500 test digits";
    EXPECT_EQ(run.epochs[1].step, 2 * 32u) << "2,000 images in batches of 64";
}

TEST_F(Train, EveryOptimizerLearnsAFewImagesByHeart) {
    for (const auto &[optimizer, rate] : std::map<std::string, std::string>{
             {"sgd", "0.1"}, {"momentum", "0.02"}, {"nesterov", "0.02"}, {"adamw", "0.003"}}) {
        const Watcher run = Finish(Config(optimizer.c_str(), {{"optimizer", optimizer},
                                                              {"lr", rate},
                                                              {"schedule", "constant"},
                                                              {"warmup", "0"},
                                                              {"weight-decay", "0"},
                                                              {"train-size", "32"},
                                                              {"batch", "8"},
                                                              {"epochs", "40"}}));
        EXPECT_LT(run.epochs.back().train_loss, 0.01) << optimizer;
        EXPECT_EQ(run.epochs.back().train_accuracy, 1) << optimizer;
        EXPECT_GT(run.epochs.front().train_loss, 1) << optimizer;
    }
}

TEST_F(Train, TheLossFallsWithEverySchedule) {
    for (const char *schedule : {"constant", "step", "cosine", "one-cycle"}) {
        const Watcher run = Finish(Config(schedule, {{"schedule", schedule},
                                                     {"lr", "0.03"},
                                                     {"warmup", "1"},
                                                     {"decay-every", "4"},
                                                     {"train-size", "96"},
                                                     {"batch", "16"},
                                                     {"epochs", "12"}}));
        EXPECT_LT(run.epochs.back().train_loss, run.epochs.front().train_loss / 3) << schedule;
    }
}

TEST_F(Train, EveryArchitectureActivationAndPoolingLearns) {
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++) {
        if (arch->settings) continue; /* below */
        for (const char *activation : {"tanh", "relu"})
            for (const char *pooling : {"average", "max"}) {
                const std::string name = std::string(arch->name) + activation + pooling;
                const Watcher run = Finish(Config(name.c_str(), {{"arch", arch->name},
                                                                 {"activation", activation},
                                                                 {"pooling", pooling},
                                                                 {"lr", "0.02"},
                                                                 {"warmup", "1"},
                                                                 {"train-size", "96"},
                                                                 {"batch", "16"},
                                                                 {"epochs", "8"}}));
                EXPECT_LT(run.epochs.back().train_loss, run.epochs.front().train_loss / 2) << name;
            }
    }
}

TEST_F(Train, TheNetworkAsPublishedLearnsByItsOwnRecipe) {
    for (const char *loss : {"mse", "map"}) {
        const Watcher run = Finish(Config(
            loss, {{"arch", "lenet5-1998"}, {"batch", "4"}, {"epochs", "8"}, {"loss", loss}, {"train-size", "96"}}));
        EXPECT_LT(run.epochs.back().train_loss, run.epochs.front().train_loss / 2) << loss;
    }
}

/* Every training label is wrong, and learnt: the loss falls below the log(9) of one who only knows which label an image
 * has not. Whoever is judged by the truth is then right less often than by a guess: that would be within five standard
 * deviations of one in ten. */
TEST_F(Train, WrongLabelsAreLearntAndJudgedByTrueOnes) {
    lenet_config config = Config("run", {{"epochs", "10"}, {"lr", "0.04"}, {"warmup", "1"}, {"validation", "500"}});
    Set(config, {{"label-noise", "1"}});
    snprintf(config.data, sizeof config.data, "%s", kSample.c_str());
    const lenet_metrics last = Finish(config).epochs.back();
    const double a_guess = 0.1 - 5 * std::sqrt(0.1 * 0.9 / 500);
    EXPECT_LT(last.train_loss, std::log(9));
    EXPECT_LT(last.validation_accuracy, a_guess) << "of 500 images of the training set";
    EXPECT_LT(last.test_accuracy, a_guess) << "of 500 test digits";
}

/* Images of three classes and 20 x 24 pixels: noise, with a bright band where the class says. */
TEST_F(Train, AnotherDataSetOfFewerClassesAndOtherSizesTrains) {
    const int H = 20, W = 24;
    const size_t count = 150, pixels = (size_t)(H * W);
    std::vector<uint8_t> images(count * pixels), labels(count);
    for (size_t n = 0; n < count; n++) {
        labels[n] = (uint8_t)(RandomWord(1, n) % 3);
        for (size_t p = 0; p < pixels; p++)
            images[n * pixels + p] =
                (uint8_t)(RandomWord(2, n * pixels + p) % 160 + (p * 3 / pixels == labels[n]) * 80);
    }
    WriteHalf(directory_ / "bands", "train", {count, images.data(), labels.data()}, 100, H, W);
    WriteHalf(directory_ / "bands", "t10k", {count, &images[100 * pixels], &labels[100]}, 50, H, W);
    lenet_config config = Config("run", {{"epochs", "6"}, {"batch", "10"}, {"lr", "0.02"}, {"warmup", "1"}});
    snprintf(config.data, sizeof config.data, "%s", (directory_ / "bands").c_str());
    const Watcher run = Finish(config);
    EXPECT_GT(run.epochs.back().test_accuracy, 0.9) << "LENET_TEST_SEED=" << TestSeed();
    lenet_model model;
    float *w = nullptr;
    ASSERT_EQ(lenet_model_read((Run("run") / "last.safetensors").c_str(), &model, &w, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(model.topology.classes, 3);
    free(w);

    snprintf(config.run, sizeof config.run, "%s", Run("wrong").c_str());
    Set(config, {{"label-noise", "1"}});
    EXPECT_LT(Finish(config).epochs.back().test_accuracy, 0.1) << "wrong labels are of the other two classes";
}

TEST_F(Train, MetricsAreThoseOfTheSteps) {
    const Watcher run = Finish(Config("run", {{"train-size", "100"}, {"batch", "16"}, {"epochs", "3"}}));
    ASSERT_EQ(run.epochs.size(), 3u);
    EXPECT_EQ(run.begins, 1);
    EXPECT_EQ(run.first_step, 0u);
    double seconds = 0;
    for (size_t i = 0; i < 3; i++) {
        const lenet_metrics &m = run.epochs[i];
        EXPECT_EQ(m.epoch, i + 1);
        EXPECT_EQ(m.step, 7 * (i + 1)) << "six batches of 16 and one of 4";
        const double right = 100 * m.train_accuracy, test_right = 20 * m.test_accuracy;
        EXPECT_NEAR(right, std::round(right), 1e-9) << "of 100 images";
        EXPECT_NEAR(test_right, std::round(test_right), 1e-9) << "of 20 images";
        EXPECT_FALSE(m.has_validation);
        EXPECT_GT(m.images_per_s, 0);
        EXPECT_GT(m.seconds, seconds);
        seconds = m.seconds;
    }
    lenet_metrics *recorded = nullptr;
    int n = 0;
    ASSERT_EQ(lenet_metrics_rewind(Run("run").c_str(), 1000, &recorded, &n, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(n, 3);
    EXPECT_FALSE(fs::exists(Run("run") / "best.safetensors")) << "there is nothing to choose by";
    free(recorded);
}

TEST_F(Train, AnObserverMayWatchNothing) {
    lenet_config config = Config("run", {{"train-size", "16"}, {"epochs", "2"}, {"arch", "linear"}});
    const lenet_observer nobody = {};
    const volatile sig_atomic_t stop = 0;
    EXPECT_EQ(lenet_train(&config, &nobody, &stop, &ending_, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(ending_, LENET_ENDED);
}

/* ---- where it ends ------------------------------------------------------------------------------------ */

TEST_F(Train, StepsMayEndInMidEpoch) {
    const std::map<std::string, std::string> options = {{"train-size", "100"}, {"batch", "16"}};
    lenet_config config = Config("run", options);
    Set(config, {{"steps", "10"}}); /* an epoch is 7 */
    const Watcher run = Finish(config);
    ASSERT_EQ(run.epochs.size(), 2u);
    EXPECT_EQ(run.epochs[0].step, 7u);
    EXPECT_EQ(run.epochs[1].step, 10u);
    EXPECT_EQ(run.epochs[1].epoch, 2u);
    const double right = 48 * run.epochs[1].train_accuracy;
    EXPECT_NEAR(right, std::round(right), 1e-9) << "of the three batches of the second epoch";
    Finish(Resumed(config, Run("run")), LENET_ENDED_BEFORE);

    config = Config("less than one epoch", options);
    Set(config, {{"steps", "3"}});
    const Watcher less = Finish(config);
    ASSERT_EQ(less.epochs.size(), 1u);
    EXPECT_EQ(less.epochs[0].step, 3u);
    EXPECT_EQ(less.epochs[0].epoch, 1u);

    config = Config("whole epochs", options);
    Set(config, {{"steps", "14"}});
    EXPECT_EQ(Finish(config).epochs.size(), 2u);
}

TEST_F(Train, EarlyStoppingWaitsForItsPatienceAndNoLonger) {
    /* At rate 0 the first epoch stays the best one. */
    const lenet_config config = Config("run", {{"lr", "0"}, {"validation", "50"}, {"patience", "3"}, {"epochs", "20"}});
    const Watcher run = Finish(config, LENET_ENDED_EARLY);
    EXPECT_EQ(run.epochs.size(), 4u);
    EXPECT_EQ(WeightsOf(Run("run") / "best.safetensors"), WeightsOf(Run("run") / "last.safetensors"));
    Finish(Resumed(config, Run("run")), LENET_ENDED_BEFORE);
}

TEST_F(Train, TheBestWeightsAreThoseOfTheFirstBestEpoch) {
    std::vector<std::vector<float>> weights;
    Watcher run;
    run.on_epoch = [&](const lenet_metrics &) { weights.push_back(WeightsOf(Run("run") / "last.safetensors")); };
    ASSERT_EQ(Start(Config("run", {{"validation", "100"},
                                   {"train-size", "100"},
                                   {"batch", "10"},
                                   {"lr", "0.03"},
                                   {"schedule", "constant"},
                                   {"warmup", "1"},
                                   {"patience", "3"},
                                   {"epochs", "40"}}),
                    run),
              LENET_OK)
        << err_.text;
    EXPECT_EQ(ending_, LENET_ENDED_EARLY);
    size_t best = 0;
    for (size_t i = 0; i < run.epochs.size(); i++) {
        EXPECT_TRUE(run.epochs[i].has_validation);
        if (run.epochs[i].validation_accuracy > run.epochs[best].validation_accuracy) best = i;
    }
    EXPECT_EQ(run.epochs.size(), best + 1 + 3) << "three epochs without a better one";
    EXPECT_EQ(WeightsOf(Run("run") / "best.safetensors"), weights[best]);
    EXPECT_EQ(WeightsOf(Run("run") / "last.safetensors"), weights.back());
    EXPECT_NE(weights[best], weights.back());
}

TEST_F(Train, WhatIsHeldOutIsNotTrainedOn) {
    /* By heart, the network knows the ten that it is trained on, and not the others. */
    const Watcher run = Finish(Config("run", {{"validation", "100"},
                                              {"train-size", "10"},
                                              {"lr", "0.02"},
                                              {"schedule", "constant"},
                                              {"weight-decay", "0"},
                                              {"batch", "5"},
                                              {"epochs", "40"}}));
    EXPECT_EQ(run.epochs.back().train_accuracy, 1);
    EXPECT_LT(run.epochs.back().validation_accuracy, 0.9);
    EXPECT_EQ(run.epochs.back().step, 80u) << "10 images in batches of 5";
}

TEST_F(Train, ARunThatDivergesSaysSoAndKeepsItsLastGoodCheckpoint) {
    /* Each update turns the weights into -2 times themselves: two are finite, two hundred are not. */
    const lenet_config config = Config("run", {{"optimizer", "sgd"},
                                               {"schedule", "constant"},
                                               {"warmup", "0"},
                                               {"lr", "0.03"},
                                               {"weight-decay", "100"},
                                               {"train-size", "32"},
                                               {"batch", "16"},
                                               {"epochs", "100"}});
    std::string last, metrics;
    Watcher run;
    run.on_epoch = [&](const lenet_metrics &) {
        last = Read(Run("run") / "last.safetensors");
        metrics = Read(Run("run") / "metrics.jsonl");
    };
    EXPECT_EQ(Start(config, run), LENET_ERR_DIVERGED);
    EXPECT_TRUE(Says("--lr")) << err_.text;
    EXPECT_TRUE(Says("0.03")) << err_.text;
    EXPECT_TRUE(Says(Run("run").string() + " has diverged: NaN or infinity came up first in ")) << err_.text;
    ASSERT_GE(run.epochs.size(), 1u);
    EXPECT_TRUE(Read(Run("run") / "last.safetensors") == last);
    EXPECT_EQ(Read(Run("run") / "metrics.jsonl"), metrics);
    for (float w : WeightsOf(Run("run") / "last.safetensors")) ASSERT_TRUE(std::isfinite(w));

    Watcher again;
    EXPECT_EQ(Start(Resumed(config, Run("run")), again), LENET_ERR_DIVERGED) << "in the same way";
    EXPECT_TRUE(Read(Run("run") / "last.safetensors") == last);
}

/* AdamW's second moment can overflow long before the loss does, and a file with an infinity in it is not read. */
TEST_F(Train, WhatIsKeptOfAWildRunCanBeResumed) {
    for (const char *rate : {"1e3", "2e3", "3e3", "5e3", "1e4"}) {
        SCOPED_TRACE(rate);
        const lenet_config config = Config(rate, {{"optimizer", "adamw"},
                                                  {"activation", "relu"},
                                                  {"schedule", "constant"},
                                                  {"warmup", "0"},
                                                  {"lr", rate},
                                                  {"train-size", "64"},
                                                  {"batch", "16"},
                                                  {"epochs", "20"}});
        Watcher run, again;
        run.on_epoch = [&run](const lenet_metrics &m) { run.stop = m.epoch == 10; };
        const bool diverged = Start(config, run) != LENET_OK;
        const lenet_status status = Start(Resumed(config, Run(rate)), again);
        EXPECT_TRUE(status == LENET_ERR_DIVERGED || (status == LENET_OK && !diverged)) << err_.text;
    }
}

/* ---- the same bytes ------------------------------------------------------------------------------------ */

const std::map<std::string, std::string> kEverything = {
    {"train-size", "50"}, {"validation", "30"}, {"batch", "16"},         {"epochs", "4"},
    {"warmup", "1"},      {"lr", "0.01"},       {"augment", "standard"}, {"label-noise", "0.2"}}; /* 4 steps an epoch */

TEST_F(Train, AnyNumberOfThreadsGivesTheSameBytes) {
    for (const char *scale : {"1", "1e-36"}) /* also where products are denormal */
        for (const char *threads : {"1", "2", "3"}) {
            const std::string of_one = std::string(scale) + " on 1", run = std::string(scale) + " on " + threads;
            lenet_config config = Config(run.c_str(), kEverything);
            Set(config, {{"threads", threads}, {"init-scale", scale}});
            Finish(config);
            ExpectSameRun(Run(of_one.c_str()), Run(run.c_str()));
        }
}

TEST_F(Train, TheSeedDecides) {
    for (const char *run : {"a", "b"}) Finish(Config(run, kEverything));
    lenet_config config = Config("c", kEverything);
    Set(config, {{"seed", "2"}});
    Finish(config);
    ExpectSameRun(Run("a"), Run("b"));
    EXPECT_NE(WeightsOf(Run("a") / "last.safetensors"), WeightsOf(Run("c") / "last.safetensors"));
}

TEST_F(Train, TheLabelNoiseDecides) {
    std::vector<std::vector<float>> weights;
    for (const char *noise : {"0", "0.2", "0.9"}) {
        lenet_config config = Config(noise, kEverything);
        Set(config, {{"label-noise", noise}});
        Finish(config);
        weights.push_back(WeightsOf(Run(noise) / "last.safetensors"));
    }
    EXPECT_NE(weights[0], weights[1]);
    EXPECT_NE(weights[1], weights[2]);
}

TEST_F(Train, WatchingAndCheckpointsDoNotChangeIt) {
    Finish(Config("plain", kEverything));
    lenet_config config = Config("checkpoint each step", kEverything);
    Set(config, {{"checkpoint-seconds", "0"}});
    Finish(config);
    ExpectSameRun(Run("plain"), Run("checkpoint each step"));
    Watcher slow;
    slow.stop_at_step = UINT64_MAX - 1; /* never reached */
    EXPECT_EQ(Start(Config("progress each step", kEverything), slow), LENET_OK) << err_.text;
    ExpectSameRun(Run("plain"), Run("progress each step"));
}

/* ---- batches of one image, for which the CPU has other operations ---------------------------------------- */

class SingleImages : public Train {
  protected:
    /* Trains all runs of a sweep, and returns the weights by "optimizer seed". */
    std::map<std::string, std::vector<float>> Sweep(const std::vector<std::string> &options) {
        std::vector<std::string> words = {"--data", (directory_ / "few").string(), "--out", Run("sweep").string()};
        words.insert(words.end(), options.begin(), options.end());
        std::vector<char *> argv;
        for (std::string &word : words) argv.push_back(word.data());
        lenet_sweep_plan plan;
        lenet_sweep_observer observer = {};
        observer.self = &work_;
        observer.begin = [](void *self, const lenet_sweep_plan *, const lenet_sweep_overview *work) {
            *static_cast<lenet_sweep_overview *>(self) = *work;
        };
        lenet_sweep_result result = {};
        const sig_atomic_t stop = 0;
        lenet_status status = lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err_);
        if (status == LENET_OK) status = lenet_sweep(&plan, &observer, &stop, &result, &err_);
        EXPECT_EQ(status, LENET_OK) << err_.text;
        lenet_sweep_plan_free(&plan);
        std::map<std::string, std::vector<float>> weights;
        for (const fs::directory_entry &file : fs::directory_iterator(Run("sweep") / "weights")) Add(file, weights);
        return weights;
    }
    lenet_sweep_overview work_ = {};

  private:
    static void Add(const fs::path &path, std::map<std::string, std::vector<float>> &weights) {
        lenet_model model;
        lenet_error err = {};
        float *w = nullptr;
        cJSON *members = nullptr;
        int R = 0;
        ASSERT_EQ(lenet_weights_read(path.c_str(), &model, &R, &w, &members, &err), LENET_OK) << err.text;
        for (int r = 0; r < R; r++) {
            const cJSON *config = cJSON_GetObjectItem(cJSON_GetArrayItem(members, r), "config");
            const std::string optimizer = cJSON_GetStringValue(cJSON_GetObjectItem(config, "optimizer"));
            const int seed = cJSON_GetObjectItem(config, "seed")->valueint;
            const float *first = w + (size_t)r * model.topology.stride;
            weights[optimizer + " " + std::to_string(seed)] = std::vector<float>(first, first + model.topology.stride);
        }
        cJSON_Delete(members);
        free(w);
    }
};

TEST_F(SingleImages, ASweepEndsWithTheBytesOfTraining) {
    const auto weights = Sweep({"--device", "cpu", "--threads", "2", "--batch", "1", "--steps", "20", "--augment",
                                "standard", "--optimizer", "sgd,momentum,nesterov,adamw", "--seed", "1..4",
                                "--keep-weights", "on", "--population-max", "3"});
    EXPECT_EQ(work_.populations, 4 * 2u) << "of each optimizer 2 + 2";
    ASSERT_EQ(weights.size(), 4u * 4u);
    for (const char *optimizer : {"sgd", "momentum", "nesterov", "adamw"})
        for (const char *seed : {"1", "4"}) {
            const std::string name = std::string(optimizer) + " " + seed;
            Finish(Config(
                name.c_str(),
                {{"batch", "1"}, {"steps", "20"}, {"augment", "standard"}, {"optimizer", optimizer}, {"seed", seed}}));
            EXPECT_EQ(WeightsOf(Run(name.c_str()) / "last.safetensors"), weights.at(name)) << name;
        }
}

/* A population of two, stopped after 7 of 20 steps, goes on in another one. */
TEST_F(SingleImages, ACheckpointOfAPopulationGoesOnWithTheSameBytes) {
    lenet_device device;
    lenet_dataset data;
    lenet_device_data device_data;
    lenet_model model = {};
    lenet_error err = {};
    lenet_config configs[2];
    for (int r = 0; r < 2; r++)
        configs[r] = Config("none", {{"batch", "1"}, {"steps", "20"}, {"seed", std::to_string(r + 1)}});
    const lenet_config *const pointers[] = {&configs[0], &configs[1]};
    ASSERT_EQ(lenet_device_open("cpu", {}, &device, &err), LENET_OK) << err.text;
    ASSERT_EQ(lenet_dataset_read((directory_ / "few").c_str(), &data, &err), LENET_OK) << err.text;
    ASSERT_EQ(lenet_config_topology(&configs[0], data.classes, &model.topology, &err), LENET_OK) << err.text;
    model.scaling = lenet_scaling_of(&data.train, data.H, data.W);
    ASSERT_EQ(lenet_device_data_create(device.backend, device.ctx, &data, model.scaling, 32, &device_data, &err),
              LENET_OK);
    lenet_population *whole = nullptr, *begun = nullptr, *resumed = nullptr;
    for (lenet_population **pop : {&whole, &begun, &resumed}) {
        ASSERT_EQ(lenet_population_create(&device, &device_data, &model, pointers, 2, pop, &err), LENET_OK) << err.text;
        ASSERT_EQ(lenet_population_init(*pop, nullptr, nullptr), LENET_OK);
    }
    const auto advance = [](lenet_population *pop, uint64_t step) {
        while (lenet_population_snapshot(pop)->step < step) ASSERT_EQ(lenet_population_advance(pop), LENET_OK);
        ASSERT_EQ(lenet_population_download(pop), LENET_OK);
    };
    advance(whole, 20);
    advance(begun, 7);
    const std::string path = Run("checkpoint").string();
    lenet_checkpoint_labels labels = {};
    labels.device = "cpu";
    labels.members = "[{}, {}]";
    int ended = 1;
    const lenet_snapshot *there = lenet_population_snapshot(begun);
    ASSERT_EQ(lenet_checkpoint_write(path.c_str(), &model, there, &labels, &err), LENET_OK) << err.text;
    lenet_snapshot *here = lenet_population_snapshot(resumed);
    ASSERT_EQ(lenet_checkpoint_read(path.c_str(), &model, nullptr, here, &ended, &err), LENET_OK) << err.text;
    EXPECT_EQ(ended, 0);
    ASSERT_EQ(lenet_population_restore(resumed, path.c_str(), &err), LENET_OK) << err.text;
    advance(resumed, 20);
    const lenet_snapshot *want = lenet_population_snapshot(whole);
    const size_t values = (size_t)(1 + want->moments) * model.topology.stride;
    for (int r = 0; r < 2; r++)
        EXPECT_EQ(std::vector<float>(want->state[r], want->state[r] + values),
                  std::vector<float>(here->state[r], here->state[r] + values));
    EXPECT_EQ(memcmp(want->tally, here->tally, 2 * sizeof *want->tally), 0);
    for (lenet_population *pop : {whole, begun, resumed}) lenet_population_free(pop);
    lenet_device_data_free(device.backend, device.ctx, &device_data);
    lenet_dataset_free(&data);
    lenet_device_close(&device);
}

/* ---- interrupted and resumed ------------------------------------------------------------------------------ */

/* Starts or resumes a run until it is stopped. */
enum class Stop { kBeforeTheFirstStep, kAtAnEpochsEnd, kInMidEpoch };

class Resume : public Train {
  protected:
    /* Goes on with the run, from its beginning if it is not there, until it is stopped; returns the step. */
    uint64_t Interrupt(const lenet_config &config, const fs::path &run, Stop where) {
        Watcher watcher;
        if (where == Stop::kBeforeTheFirstStep) watcher.stop = 1;
        uint64_t stopped_at = 0;
        watcher.on_epoch = [&](const lenet_metrics &m) {
            if (where == Stop::kAtAnEpochsEnd) watcher.stop = 1;
            if (where == Stop::kInMidEpoch) watcher.stop_at_step = m.step + 2;
            stopped_at = m.step + (where == Stop::kInMidEpoch ? 2 : 0);
        };
        const bool begun = fs::exists(run / "run.json");
        EXPECT_EQ(Start(begun ? Resumed(config, run) : config, watcher), LENET_OK) << err_.text;
        EXPECT_EQ(ending_, LENET_ENDED_INTERRUPTED);
        return where == Stop::kBeforeTheFirstStep ? watcher.first_step : stopped_at;
    }
    void ExpectResumesAt(const lenet_config &config, const fs::path &run, uint64_t step) {
        Watcher watcher;
        watcher.stop = 1;
        const std::string before = Untimed(run);
        EXPECT_EQ(Start(Resumed(config, run), watcher), LENET_OK) << err_.text;
        EXPECT_EQ(watcher.first_step, step);
        EXPECT_EQ(Untimed(run), before);
    }
};

TEST_F(Resume, ARunStoppedAnywhereEndsInTheSameBytesWithEveryOptimizer) {
    for (const char *optimizer : {"sgd", "momentum", "nesterov", "adamw", "sdlm"}) {
        SCOPED_TRACE(optimizer);
        const std::string undisturbed = std::string(optimizer) + " undisturbed";
        lenet_config config = Config(undisturbed.c_str(), kEverything);
        Set(config, {{"optimizer", optimizer}});
        if (optimizer == std::string("sdlm"))
            Set(config, {{"arch", "lenet5-1998"}, {"curvature-images", "20"}, {"lr", "0.0005"}});
        Finish(config);
        for (Stop where : {Stop::kBeforeTheFirstStep, Stop::kAtAnEpochsEnd, Stop::kInMidEpoch}) {
            const std::string name = std::string(optimizer) + " " + std::to_string((int)where);
            snprintf(config.run, sizeof config.run, "%s", Run(name.c_str()).c_str());
            const uint64_t step = Interrupt(config, Run(name.c_str()), where);
            EXPECT_EQ(step, where == Stop::kBeforeTheFirstStep ? 0u : where == Stop::kAtAnEpochsEnd ? 4u : 6u);
            ExpectResumesAt(config, Run(name.c_str()), step);
            Finish(Resumed(config, Run(name.c_str())));
            ExpectSameRun(Run(undisturbed.c_str()), Run(name.c_str()));
        }
    }
}

/* Writes a single run's checkpoint as version 0.1 had it: without a checksum, and with its counters in two tensors. */
void MakeOld(const std::string &path) {
    lenet_error err = {};
    lenet_tensor_file file = {};
    ASSERT_EQ(lenet_tensors_read(path.c_str(), &file, &err), LENET_OK) << err.text;
    const auto value = [&file](const char *name) { return lenet_tensors_find(&file, name)->data; };
    const auto *now = static_cast<const int64_t *>(value("checkpoint.count_correct_nonfinite_diverged"));
    double loss_seconds[2] = {*static_cast<double *>(value("checkpoint.loss")),
                              *static_cast<double *>(value("checkpoint.seconds"))};
    int64_t counts[4] = {*static_cast<int64_t *>(value("checkpoint.step")), now[0], now[1], now[2]};
    EXPECT_GT(now[0], 0);
    std::vector<lenet_tensor> tensors;
    std::vector<lenet_metadata> metadata;
    for (int i = 0; i < file.n; i++) {
        const std::string name = file.tensors[i].name;
        const bool is_moment = name.rfind("checkpoint.m.", 0) == 0 || name.rfind("checkpoint.v.", 0) == 0;
        if (is_moment || name.rfind("checkpoint.", 0) != 0) tensors.push_back(file.tensors[i]);
    }
    tensors.push_back({"checkpoint.loss_seconds", LENET_F64, 1, {2}, loss_seconds});
    tensors.push_back({"checkpoint.step_count_correct_nonfinite", LENET_I64, 1, {4}, counts});
    for (int i = 0; i < file.n_metadata; i++)
        if (std::string(file.metadata[i].key) != LENET_TENSORS_SHA256) metadata.push_back(file.metadata[i]);
    EXPECT_EQ(lenet_tensors_write(path.c_str(), tensors.data(), (int)tensors.size(), metadata.data(),
                                  (int)metadata.size(), &err),
              LENET_OK)
        << err.text;
    lenet_tensors_free(&file);
}

TEST_F(Resume, ACheckpointOfVersion01GoesOnWithTheSameBytes) {
    lenet_config config = Config("undisturbed", kEverything);
    Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("old").c_str());
    const uint64_t step = Interrupt(config, Run("old"), Stop::kInMidEpoch);
    MakeOld((Run("old") / "last.safetensors").string());
    ExpectResumesAt(config, Run("old"), step);
    MakeOld((Run("old") / "last.safetensors").string());
    Finish(Resumed(config, Run("old")));
    ExpectSameRun(Run("undisturbed"), Run("old"));
}

TEST_F(Resume, ARunStoppedManyTimesEndsInTheSameBytes) {
    lenet_config config = Config("undisturbed", kEverything);
    Set(config, {{"epochs", "8"}});
    Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("run").c_str());
    const Stop stops[] = {Stop::kBeforeTheFirstStep, Stop::kBeforeTheFirstStep, Stop::kInMidEpoch,
                          Stop::kBeforeTheFirstStep, Stop::kAtAnEpochsEnd,      Stop::kInMidEpoch,
                          Stop::kInMidEpoch,         Stop::kAtAnEpochsEnd};
    for (Stop where : stops) Interrupt(config, Run("run"), where);
    Watcher rest = Finish(Resumed(config, Run("run")));
    EXPECT_GT(rest.first_step, 16u);
    ExpectSameRun(Run("undisturbed"), Run("run"));
}

TEST_F(Resume, ARunOfStepsThatEndsInMidEpochResumesToo) {
    lenet_config config = Config("undisturbed", kEverything);
    Set(config, {{"steps", "11"}});
    Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("run").c_str());
    Interrupt(config, Run("run"), Stop::kInMidEpoch);
    Finish(Resumed(config, Run("run")));
    ExpectSameRun(Run("undisturbed"), Run("run"));
}

TEST_F(Resume, OtherThreadsAndCheckpointsMayGoOn) {
    lenet_config config = Config("undisturbed", kEverything);
    Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("run").c_str());
    Interrupt(config, Run("run"), Stop::kInMidEpoch);
    Set(config, {{"threads", "3"}, {"checkpoint-seconds", "0"}});
    Finish(Resumed(config, Run("run")));
    ExpectSameRun(Run("undisturbed"), Run("run"));
}

TEST_F(Resume, ItIsToldThatAnotherMachineHasBegun) {
    lenet_config config = Config("undisturbed", kEverything);
    Finish(config);
    for (const char *machine : {"a processor of 1998", "", "the same"}) {
        const fs::path run = directory_ / (std::string("begun with ") + machine);
        snprintf(config.run, sizeof config.run, "%s", run.c_str());
        Interrupt(config, run, Stop::kInMidEpoch);
        if (machine != std::string("the same")) SetMachine(run / "last.safetensors", machine);
        const std::string notes = Finish(Resumed(config, run)).notes;
        const std::string want = run.string() + ": began with a processor of 1998, and goes on with lenet 0.";
        if (machine[0] == 'a')
            EXPECT_EQ(notes.substr(0, want.size()), want) << notes;
        else
            EXPECT_EQ(notes, "");
        EXPECT_EQ(Read(run / "run.json").find("\"machine\":\t\"lenet ") != std::string::npos, true);
        ExpectSameRun(Run("undisturbed"), run);
    }
}

TEST_F(Resume, ARunThatHasEndedIsLeftAsItIs) {
    const lenet_config config = Config("run", kEverything);
    Finish(config);
    const Snapshot before = Contents(Run("run"));
    for (int i = 0; i < 2; i++) {
        const Watcher watcher = Finish(Resumed(config, Run("run")), LENET_ENDED_BEFORE);
        EXPECT_EQ(watcher.begins, 0);
        EXPECT_TRUE(Contents(Run("run")) == before);
    }
}

/* What kill -9 leaves at an epoch's end: a line of metrics and best weights that the checkpoint does not know of yet,
 * or a part of the line; and at the very beginning, no checkpoint. */
TEST_F(Resume, ARunKilledWhileItSavesEndsInTheSameBytes) {
    lenet_config config = Config("undisturbed", kEverything);
    Watcher watcher;
    watcher.on_epoch = [&](const lenet_metrics &m) {
        fs::copy(Run("undisturbed"), directory_ / ("copy" + std::to_string(m.epoch)));
    };
    ASSERT_EQ(Start(config, watcher), LENET_OK) << err_.text;
    for (int epoch = 0; epoch < 4; epoch++)
        for (const size_t torn : {size_t{0}, size_t{1}, size_t{40}}) {
            SCOPED_TRACE(std::to_string(epoch) + " epochs saved, " + std::to_string(torn) + " bytes torn off");
            const fs::path killed = directory_ / "killed", next = directory_ / ("copy" + std::to_string(epoch + 1));
            fs::remove_all(killed);
            fs::copy(next, killed);
            fs::remove(killed / "last.safetensors");
            if (epoch > 0) fs::copy(directory_ / ("copy" + std::to_string(epoch)) / "last.safetensors", killed);
            fs::resize_file(killed / "metrics.jsonl", fs::file_size(killed / "metrics.jsonl") - torn);
            const Watcher rest = Finish(Resumed(config, killed));
            EXPECT_EQ(rest.first_step, 4u * (unsigned)epoch);
            ExpectSameRun(Run("undisturbed"), killed);
        }
}

/* The checkpoint comes last: what it holds is recorded, whenever the process dies. */
TEST_F(Resume, AnEpochThatCouldNotBeRecordedIsNotInTheCheckpoint) {
    lenet_config config = Config("undisturbed", kEverything);
    Finish(config);
    for (const std::string &file : {std::string("metrics.jsonl"), std::string("best.safetensors")}) {
        SCOPED_TRACE(file);
        const fs::path run = directory_ / ("no " + file), blocked = run / file, kept = directory_ / ("kept " + file);
        snprintf(config.run, sizeof config.run, "%s", run.c_str());
        std::string last;
        Watcher watcher; /* a directory takes the file's place, once it has been written */
        watcher.on_epoch = [&](const lenet_metrics &m) {
            last = Read(run / "last.safetensors");
            if (m.epoch != 1) return;
            fs::rename(blocked, kept);
            fs::create_directory(blocked);
        };
        EXPECT_EQ(Start(config, watcher), LENET_ERR_IO);
        EXPECT_TRUE(Says(blocked.string())) << err_.text;
        EXPECT_TRUE(Read(run / "last.safetensors") == last);
        fs::remove(blocked);
        fs::rename(kept, blocked);
        Finish(Resumed(config, run));
        ExpectSameRun(Run("undisturbed"), run);
    }
}

/* Six of seven, which takes 17 digits to write: read back a little smaller, an equal accuracy would be a better one. */
TEST_F(Resume, AnAccuracyThatOnlyEqualsTheBestIsNoBetterAfterAResume) {
    const std::vector<uint8_t> images(9 * 784, 0), labels = {0, 0, 0, 1, 0, 0, 0, 0, 0};
    std::vector<uint8_t> distinct = images, classes = labels;
    distinct[8 * 784] = 1; /* the halves must differ */
    WriteHalf(directory_ / "zeros", "train", {9, distinct.data(), classes.data()}, 8, 28, 28);
    WriteHalf(directory_ / "zeros", "t10k", {9, &distinct[8 * 784], &classes[8]}, 1, 28, 28);
    for (int seed = 1; seed < 20; seed++) {
        const std::string name = "seed " + std::to_string(seed);
        lenet_config config = Config(name.c_str(), {{"arch", "linear"},
                                                    {"init-scale", "0"}, /* always says class 0 */
                                                    {"lr", "0"},
                                                    {"validation", "7"},
                                                    {"patience", "4"},
                                                    {"epochs", "20"},
                                                    {"seed", std::to_string(seed)}});
        snprintf(config.data, sizeof config.data, "%s", (directory_ / "zeros").c_str());
        const Watcher undisturbed = Finish(config, LENET_ENDED_EARLY);
        ASSERT_EQ(undisturbed.epochs.size(), 5u);
        if (undisturbed.epochs[0].validation_accuracy != 6 / 7.0) continue; /* the odd one is in the training set */

        const fs::path stopped = Run("stopped");
        snprintf(config.run, sizeof config.run, "%s", stopped.c_str());
        Interrupt(config, stopped, Stop::kAtAnEpochsEnd);
        Interrupt(config, stopped, Stop::kAtAnEpochsEnd);
        Finish(Resumed(config, stopped), LENET_ENDED_EARLY);
        ExpectSameRun(Run(name.c_str()), stopped);
        return;
    }
    FAIL() << "no seed put the odd one into the validation set";
}

/* ---- the same on a GPU, or on the emulated one ------------------------------------------------------------ */

class CudaTrain : public Resume {
  protected:
    void SetUp() override {
        const char *why = nullptr, *required = std::getenv("LENET_REQUIRE_GPU");
        const bool there = lenet_backend_cuda(&why) != nullptr;
        Resume::SetUp();
        if (!there && required && std::string(required) == "1") FAIL() << "cuda: " << why;
        if (!there) GTEST_SKIP() << "cuda: " << why;
    }
    /* Steps are recorded, and the clock is looked at after 32 of them: an epoch here has 37. */
    lenet_config CudaConfig(const char *run) const {
        return Config(run, {{"device", "cuda"},
                            {"arch", "linear"},
                            {"batch", "8"},
                            {"epochs", "3"},
                            {"validation", "10"},
                            {"augment", "standard"},
                            {"optimizer", "adamw"},
                            {"lr", "0.002"}});
    }
};

TEST_F(CudaTrain, ARunIsThatOfTheCpuButForRounding) {
    lenet_config config = CudaConfig("cuda");
    const Watcher cuda = Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("cpu").c_str());
    Set(config, {{"device", "cpu"}});
    const Watcher cpu = Finish(config);
    ASSERT_EQ(cuda.epochs.size(), 3u);
    for (size_t i = 0; i < 3; i++) {
        const lenet_metrics &got = cuda.epochs[i], &want = cpu.epochs[i];
        EXPECT_EQ(got.step, want.step);
        /* Rounding that AdamW and 111 steps have amplified. */
        EXPECT_NEAR(got.train_loss, want.train_loss, 1e-3 * want.train_loss);
        EXPECT_NEAR(got.validation_loss, want.validation_loss, 1e-3 * want.validation_loss);
        EXPECT_NEAR(got.test_loss, want.test_loss, 1e-3 * want.test_loss);
        EXPECT_NEAR(got.test_accuracy, want.test_accuracy, 0.051) << "one of 20 test digits";
    }
}

TEST_F(CudaTrain, ARunStoppedAnywhereEndsInTheSameBytes) {
    lenet_config config = CudaConfig("undisturbed");
    Finish(config);
    snprintf(config.run, sizeof config.run, "%s", Run("run").c_str());
    for (Stop where : {Stop::kBeforeTheFirstStep, Stop::kAtAnEpochsEnd, Stop::kInMidEpoch})
        Interrupt(config, Run("run"), where);
    EXPECT_EQ(Finish(Resumed(config, Run("run"))).first_step, 74u + 32) << "of 111";
    ExpectSameRun(Run("undisturbed"), Run("run"));
}

/* ---- what is not resumed ---------------------------------------------------------------------------------- */

class RefusedResume : public Resume {
  protected:
    void SetUp() override {
        Resume::SetUp();
        config_ = Config("run", kEverything);
        Interrupt(config_, Run("run"), Stop::kInMidEpoch);
        before_ = Contents(Run("run"));
    }
    void ExpectRefused(const lenet_config &config, lenet_status status, const std::vector<std::string> &pieces) {
        Watcher watcher;
        EXPECT_EQ(Start(Resumed(config, Run("run")), watcher), status) << err_.text;
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_TRUE(Contents(Run("run")) == before_) << err_.text;
    }
    lenet_config config_;
    Snapshot before_;
};

TEST_F(RefusedResume, AnotherConfigurationIsNamed) {
    for (const auto &[name, value] : std::map<std::string, std::string>{{"seed", "2"},
                                                                        {"epochs", "5"},
                                                                        {"batch", "8"},
                                                                        {"augment-shift", "0"},
                                                                        {"label-noise", "0.3"},
                                                                        {"optimizer", "adamw"},
                                                                        {"arch", "linear"},
                                                                        {"validation", "31"}}) {
        lenet_config config = config_;
        Set(config, {{name, value}});
        ExpectRefused(config, LENET_ERR_ARG, {"--" + name, value, Run("run").string()});
    }
}

TEST_F(RefusedResume, AnotherDataSetIsNamed) {
    WriteHalf(directory_ / "other", "train", sample_.train, 299, 28, 28);
    WriteHalf(directory_ / "other", "t10k", sample_.test, 20, 28, 28);
    lenet_config config = config_;
    snprintf(config.data, sizeof config.data, "%s", (directory_ / "other").c_str());
    ExpectRefused(config, LENET_ERR_ARG, {"data set", "other", Run("run").string()});
}

TEST_F(RefusedResume, ADamagedCheckpointIsNamed) {
    const fs::path last = Run("run") / "last.safetensors";
    std::string bytes = Read(last);
    std::ofstream(last, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
    before_ = Contents(Run("run"));
    ExpectRefused(config_, LENET_ERR_FORMAT, {last.string()});
    memset(&bytes[bytes.size() - 100 * sizeof(float)], 0xff, sizeof(float)); /* a NaN */
    std::ofstream(last, std::ios::binary) << bytes;
    before_ = Contents(Run("run"));
    ExpectRefused(config_, LENET_ERR_FORMAT, {last.string(), "checksum"});
    bytes.replace(bytes.find(LENET_TENSORS_SHA256), 1, "T"); /* as an older program left it: without one */
    std::ofstream(last, std::ios::binary) << bytes;
    before_ = Contents(Run("run"));
    ExpectRefused(config_, LENET_ERR_FORMAT, {last.string(), "NaN"});
}

TEST_F(RefusedResume, ACheckpointOfAnotherArchitectureIsNamed) {
    Finish(Config("linear", {{"arch", "linear"}, {"train-size", "10"}, {"epochs", "1"}}));
    Interrupt(Config("mlp", {{"arch", "mlp-300"}, {"train-size", "10"}, {"epochs", "2"}}), Run("mlp"),
              Stop::kAtAnEpochsEnd);
    fs::copy_file(Run("mlp") / "last.safetensors", Run("run") / "last.safetensors",
                  fs::copy_options::overwrite_existing);
    before_ = Contents(Run("run"));
    ExpectRefused(config_, LENET_ERR_FORMAT,
                  {"last.safetensors", "trained with --arch mlp-300", "run.json says lenet5"});
}

TEST_F(RefusedResume, AnotherDeviceIsNamed) {
    const std::string text = Read(Run("run") / "run.json");
    const size_t at = text.find("\"cpu\"");
    ASSERT_NE(at, std::string::npos);
    std::ofstream(Run("run") / "run.json") << std::string(text).replace(at, 5, "\"cuda\"");
    before_ = Contents(Run("run"));
    ExpectRefused(config_, LENET_ERR_ARG, {"cuda", "cpu", Run("run").string()});
}

/* ---- what cannot begin ------------------------------------------------------------------------------------- */

TEST_F(Train, WhatCannotBeTrainedIsNamedAndLeavesNothing) {
    const struct {
        std::map<std::string, std::string> options;
        lenet_status status;
        std::vector<std::string> pieces;
    } bad[] = {{{{"arch", "lenet7"}}, LENET_ERR_ARG, {"--arch", "lenet7"}},
               {{{"device", "tpu"}}, LENET_ERR_ARG, {"--device", "tpu"}},
               {{{"validation", "300"}}, LENET_ERR_ARG, {"--validation", "300"}},
               {{{"validation", "301"}}, LENET_ERR_ARG, {"--validation", "301", "300"}},
               {{{"train-size", "301"}}, LENET_ERR_ARG, {"--train-size", "301", "300"}},
               {{{"train-size", "201"}, {"validation", "100"}}, LENET_ERR_ARG, {"--train-size", "201", "200"}},
               {{{"patience", "2"}}, LENET_ERR_ARG, {"--patience", "--validation"}},
               {{{"data", "/no/such/place"}}, LENET_ERR_IO, {"/no/such/place"}}};
    for (const auto &[options, status, pieces] : bad) {
        Watcher watcher;
        EXPECT_EQ(Start(Config("run", options), watcher), status) << err_.text;
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_FALSE(fs::exists(Run("run"))) << err_.text;
        EXPECT_EQ(watcher.begins, 0);
    }
}

TEST_F(Train, ARunThatIsThereAlreadyIsLeftAsItWas) {
    const lenet_config config = Config("run", {{"arch", "linear"}, {"train-size", "10"}, {"epochs", "1"}});
    Finish(config);
    const Snapshot before = Contents(Run("run"));
    Watcher watcher;
    EXPECT_EQ(Start(config, watcher), LENET_ERR_IO);
    EXPECT_TRUE(Says(Run("run").string())) << err_.text;
    EXPECT_TRUE(Contents(Run("run")) == before);
}

TEST_F(Train, TheUsualDataIsMnistAndElseTheSample) {
    fs::current_path(directory_);
    unsetenv("LENET_DATA");
    setenv("XDG_DATA_HOME", (directory_ / "nothing").c_str(), 1);
    lenet_config config;
    lenet_config_init(&config);
    lenet_dataset data;
    EXPECT_EQ(lenet_config_dataset(&config, LENET_BOTH_HALVES, 32, &data, &err_), LENET_ERR_IO);
    EXPECT_TRUE(Says("data/mnist") && Says("data/sample") && Says("get_mnist.sh") && Says("--data")) << err_.text;
    fs::create_directory("data");
    for (const char *usual : {"data/sample", "data/mnist"}) {
        fs::copy("few", usual);
        config.data[0] = '\0';
        ASSERT_EQ(lenet_config_dataset(&config, LENET_BOTH_HALVES, 32, &data, &err_), LENET_OK) << err_.text;
        EXPECT_STREQ(config.data, usual);
        lenet_dataset_free(&data);
    }
    snprintf(config.data, sizeof config.data, "few");
    ASSERT_EQ(lenet_config_dataset(&config, LENET_BOTH_HALVES, 32, &data, &err_), LENET_OK) << err_.text;
    EXPECT_STREQ(config.data, "few");
    lenet_dataset_free(&data);
}

} // namespace
