/* test_stop.cc - training that is stopped at any of the moments at which it looks for a stop goes on to the same end;
 * and it looks before every batch, of whatever it computes. */
#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/trainer.h"

namespace {

namespace fs = std::filesystem;
using Options = std::map<std::string, std::string>;

enum { R = 2, TRAIN = 40, TEST = 33 };

/* What has become of the networks: weights, and the metrics that do not depend on the clock. */
struct End {
    std::vector<float> weights;
    std::vector<double> metrics;
    std::vector<uint8_t> answers;
    bool operator==(const End &o) const { return weights == o.weights && metrics == o.metrics && answers == o.answers; }
};

class Stop : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_stop_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        ASSERT_EQ(lenet_dataset_random(5, TRAIN, 28, &data_), LENET_OK);
        data_.test.count = TEST; /* as many as there are for training, at most */
    }
    void TearDown() override {
        lenet_dataset_free(&data_);
        fs::remove_all(directory_);
    }

    void Open(const char *device, const Options &options) {
        for (int r = 0; r < R; r++) {
            lenet_config_init(&configs_[r]);
            for (const auto &[name, value] : options) Set(configs_[r], name, value);
            Set(configs_[r], "seed", std::to_string(r + 1));
        }
        ASSERT_EQ(lenet_trainer_open(&trainer_, device, {0, 2, 0, 0}, &err_), LENET_OK) << err_.text;
        ASSERT_EQ(lenet_device_data_create(trainer_.device.backend, trainer_.device.ctx, &data_, {1, 0}, 32,
                                           &device_data_, &err_),
                  LENET_OK)
            << err_.text;
    }
    void Close() {
        lenet_trainer_empty(&trainer_);
        lenet_device_data_free(trainer_.device.backend, trainer_.device.ctx, &device_data_);
        lenet_trainer_close(&trainer_);
    }
    void Set(lenet_config &config, const std::string &name, const std::string &value) {
        ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name.c_str()), value.c_str(), &err_), LENET_OK)
            << err_.text;
    }

    void Populate() {
        const lenet_config *const configs[R] = {&configs_[0], &configs_[1]};
        EXPECT_EQ(lenet_trainer_populate(&trainer_, configs, R, &data_, &device_data_, &err_), LENET_OK) << err_.text;
    }

    /* Trains from the beginning, or from the last checkpoint, until the given look. */
    int Train(bool resumed, int stop_at) {
        int ended = 0;
        looks_ = 0;
        stop_at_ = stop_at;
        Populate();
        if (resumed) {
            EXPECT_EQ(lenet_trainer_restore(&trainer_, Path().c_str(), nullptr, &ended, &err_), LENET_OK) << err_.text;
            for (int r = 0; r < R; r++) {
                for (const lenet_metrics &m : kept_[r]) lenet_population_append(trainer_.pop, r, &m);
                EXPECT_TRUE(lenet_population_history_fits(trainer_.pop, r));
            }
        } else {
            EXPECT_EQ(lenet_population_init(trainer_.pop, nullptr, &err_), LENET_OK) << err_.text;
        }
        lenet_sink sink = {};
        sink.self = this;
        sink.checkpoint_seconds = checkpoint_seconds_;
        sink.is_stopped = [](void *self) { return Of(self).looks_++ >= Of(self).stop_at_ ? 1 : 0; };
        sink.observe = [](void *self, lenet_error *) { return Of(self).Observe(); };
        sink.keep = [](void *self, lenet_error *err) { return Of(self).Keep(err); };
        sink.end = [](void *self, lenet_error *) { return Of(self).Answer(); };
        sink.progress = [](void *, lenet_error *) { return LENET_OK; };
        EXPECT_EQ(lenet_trainer_run(&trainer_, &sink, &ended, &err_), wanted_) << err_.text;
        EXPECT_EQ(ended, looks_ <= stop_at_ && wanted_ == LENET_OK);
        return ended;
    }

    End EndOf() {
        End end;
        const lenet_snapshot *snapshot = lenet_population_snapshot(trainer_.pop);
        for (int r = 0; r < R; r++) {
            const float *w = lenet_snapshot_state(snapshot, r);
            end.weights.insert(end.weights.end(), w, w + snapshot->stride);
            const lenet_member *member = lenet_population_member(trainer_.pop, r);
            for (const lenet_metrics &m : std::vector(member->metrics, member->metrics + member->measured))
                end.metrics.insert(end.metrics.end(), {(double)m.step, m.train_loss, m.train_accuracy,
                                                       m.validation_loss, m.validation_accuracy, m.test_loss});
        }
        end.answers = answers_;
        return end;
    }

    /* Stops at every look of the undisturbed training, of which there are to be so many. */
    void ExpectTheSameEndWhereverItIsStopped(const char *device, const Options &options, int looks) {
        Open(device, options);
        is_kept_ = false;
        ASSERT_EQ(Train(false, INT_MAX), 1);
        EXPECT_FALSE(is_kept_) << "nor is it time for a checkpoint";
        const End want = EndOf();
        EXPECT_EQ(looks_, looks) << "one before each batch, or what is recorded";
        for (int look = 0; look < looks && !HasFailure(); look++) {
            SCOPED_TRACE(look);
            ASSERT_EQ(Train(false, look), 0);
            ASSERT_EQ(Train(true, INT_MAX), 1);
            EXPECT_TRUE(EndOf() == want);
        }
        Close();
    }

    /* The second network diverges by these options. What is told of it stays told, as a sweep's lines do. */
    void ExpectTheSameIsToldWhereverItIsStopped(const Options &options, const Options &wild) {
        Open("cpu", options);
        for (const auto &[name, value] : wild) Set(configs_[1], name, value);
        ASSERT_EQ(Train(false, INT_MAX), 1);
        const std::vector<std::string> want = told_;
        const int looks = looks_;
        EXPECT_EQ(want[0], "");
        EXPECT_NE(want[1].find(" at step "), std::string::npos) << want[1];
        for (int look = 0; look < looks && !HasFailure(); look++) {
            SCOPED_TRACE(look);
            told_.assign(R, "");
            is_kept_ = false;
            ASSERT_EQ(Train(false, look), 0);
            ASSERT_EQ(Train(is_kept_, INT_MAX), 1);
            EXPECT_EQ(told_, want);
        }
        Close();
    }

    /* From the first look of a training that is told to stop there, a device gives nothing back. */
    void ExpectADeviceThatFailsThenToBeTold() {
        Open("cpu", {{"batch", "16"}, {"epochs", "1"}});
        const lenet_backend *const cpu = trainer_.device.backend;
        lenet_backend failing = *cpu;
        failing.download = [](lenet_ctx *, void *, const void *, size_t) { return LENET_ERR_DEVICE; };
        trainer_.device.backend = &failing;
        wanted_ = LENET_ERR_DEVICE;
        EXPECT_EQ(Train(false, 0), 0);
        EXPECT_FALSE(is_kept_);
        trainer_.device.backend = cpu;
        Close();
    }

    /* The first checkpoint of a training cannot be written. */
    void ExpectALostCheckpointToBeTold() {
        Open("cpu", {{"batch", "16"}, {"epochs", "1"}});
        checkpoint_seconds_ = 0;
        keep_fails_ = true;
        wanted_ = LENET_ERR_IO;
        EXPECT_EQ(Train(false, INT_MAX - 1), 0);
        Close();
    }

    /* How many steps an estimate takes. */
    uint64_t StepsOfAnEstimate(const Options &options) {
        double seconds = 0;
        Open("cpu", options);
        Populate();
        EXPECT_EQ(lenet_trainer_estimate(&trainer_, &seconds), LENET_OK);
        EXPECT_GT(seconds, 0);
        const uint64_t steps = lenet_population_snapshot(trainer_.pop)->step;
        Close();
        return steps;
    }

    /* Restores a checkpoint of `options` into networks of other ones. */
    void ExpectACheckpointOfOthersToBeRefused(const Options &options, const Options &others) {
        int ended = 0;
        Open("cpu", options);
        ASSERT_EQ(Train(false, 1), 0);
        Close();
        Open("cpu", others);
        Populate();
        EXPECT_EQ(lenet_trainer_restore(&trainer_, Path().c_str(), nullptr, &ended, &err_), LENET_ERR_FORMAT);
        EXPECT_NE(std::string(err_.text).find(Path()), std::string::npos) << err_.text;
        Close();
    }

  private:
    static Stop &Of(void *self) { return *static_cast<Stop *>(self); }
    std::string Path() const { return (directory_ / "checkpoint").string(); }

    lenet_status Observe() {
        for (int r = 0; r < R; r++) {
            char text[LENET_DIVERGENCE_TEXT];
            if (!lenet_population_snapshot(trainer_.pop)->diverged[r] || !told_[r].empty()) continue;
            lenet_divergence_text(&lenet_population_member(trainer_.pop, r)->divergence, text);
            told_[r] = text + (" of " + std::to_string(lenet_population_interval_end(trainer_.pop, r)));
        }
        return LENET_OK;
    }

    lenet_status Keep(lenet_error *err) {
        lenet_checkpoint_labels labels = {};
        is_kept_ = true;
        if (keep_fails_) return LENET_ERR_IO;
        labels.members = "[{}, {}]";
        for (int r = 0; r < R; r++) {
            const lenet_member *member = lenet_population_member(trainer_.pop, r);
            kept_[r].assign(member->metrics, member->metrics + member->measured);
        }
        return lenet_checkpoint_write(Path().c_str(), lenet_population_model(trainer_.pop),
                                      lenet_population_snapshot(trainer_.pop), &labels, err);
    }

    /* As a sweep does that keeps predictions. */
    lenet_status Answer() {
        lenet_answers answers = {};
        answers_.assign(R * TEST, 255);
        answers.predicted = answers_.data();
        return lenet_population_answer(trainer_.pop, 0, &answers);
    }

    fs::path directory_;
    lenet_dataset data_ = {};
    lenet_device_data device_data_ = {};
    lenet_trainer trainer_ = {};
    lenet_config configs_[R];
    std::vector<lenet_metrics> kept_[R];
    std::vector<uint8_t> answers_;
    lenet_error err_ = {};
    int looks_ = 0, stop_at_ = 0;
    bool is_kept_ = false;
    lenet_status wanted_ = LENET_OK;
    double checkpoint_seconds_ = 600; /* which no test takes */
    bool keep_fails_ = false;
    std::vector<std::string> told_ = std::vector<std::string>(R);
};

/* Batches of 16: 2 of 32 training images, 3 of 33 test images, of which one has 16 images on every backend. */
const Options kSecondDerivatives = {{"arch", "lenet5-1998"}, {"batch", "16"}, {"train-size", "32"},
                                    {"epochs", "2"},         {"warmup", "0"}, {"curvature-images", "1000000000"}};
/* Ends in mid-epoch, and its second epoch is not measured. 8 of 40 images are held out. */
const Options kValidation = {{"arch", "lenet1"}, {"batch", "16"}, {"validation", "8"},
                             {"steps", "5"},     {"warmup", "0"}, {"eval-every", "2"}};

TEST_F(Stop, AnywhereInARunWithSecondDerivativesItGoesOnToTheSameEnd) {
    const int curvature = 2 * 2, steps = 2 * 2, test = 2 * 3, answers = 3;
    ExpectTheSameEndWhereverItIsStopped("cpu", kSecondDerivatives, curvature + steps + test + answers);
}

TEST_F(Stop, AnywhereInARunThatEndsInMidEpochItGoesOnToTheSameEnd) {
    const int steps = 5, validation = 2, test = 2 * 3, answers = 3;
    ExpectTheSameEndWhereverItIsStopped("cpu", kValidation, steps + validation + test + answers);
}

TEST_F(Stop, AnywhereInARunThatDivergesItTellsTheSameOfIt) {
    ExpectTheSameIsToldWhereverItIsStopped(
        {{"batch", "8"}, {"optimizer", "sgd"}, {"schedule", "constant"}, {"warmup", "0"}, {"epochs", "2"}},
        {{"lr", "1000"}});
}

TEST_F(Stop, ACheckpointOfAnotherNetworkIsRefused) {
    ExpectACheckpointOfOthersToBeRefused({{"arch", "lenet1"}}, {{"arch", "lenet4"}});
    ExpectACheckpointOfOthersToBeRefused({{"optimizer", "sgd"}}, {{"optimizer", "adamw"}});
}

TEST_F(Stop, WhatCannotBeKeptIsTold) {
    ExpectADeviceThatFailsThenToBeTold();
    ExpectALostCheckpointToBeTold();
}

/* With sdlm the first step of each pass begins with an estimate of the curvature, so another one is timed, too. */
TEST_F(Stop, AnEstimateTakesTheStepsOfAPassAndBeginsNoOther) {
    EXPECT_EQ(StepsOfAnEstimate(kSecondDerivatives), 2u);
    Options longer = kSecondDerivatives;
    longer["batch"] =
        "4"; /* 8 steps a pass; as many as a fifth of a second takes, but three after the first at least */
    EXPECT_GE(StepsOfAnEstimate(longer), 4u);
    EXPECT_LE(StepsOfAnEstimate(longer), 8u);
}

/* A GPU's steps and evaluations are recorded: an epoch's steps are one call, and so is a small evaluation. */
class CudaStop : public Stop {};

TEST_F(CudaStop, AnywhereInARunThatEndsInMidEpochItGoesOnToTheSameEnd) {
    const char *why = nullptr;
    if (!lenet_backend_cuda(&why)) GTEST_SKIP() << "cuda: " << why;
    const int epochs = 3, validation = 2, test = 2, answers = 2;
    Options options = kValidation;
    options["arch"] = "linear"; /* on the emulated GPU every multiplication takes its time */
    ExpectTheSameEndWhereverItIsStopped("cuda", options, epochs + validation + test + answers);
}

} // namespace
