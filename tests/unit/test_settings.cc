/* test_settings.cc - options become the hyper-parameters, batches, threads and populations that they mean. */
#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <string>

#include "base/processors.h"
#include "train/settings.h"

namespace {

class Settings : public ::testing::Test {
  protected:
    void SetUp() override { lenet_config_init(&config_); }
    const lenet_settings &Make(size_t train_images) {
        EXPECT_EQ(lenet_settings_make(&config_, train_images, &settings_, &err_), LENET_OK) << err_.text;
        return settings_;
    }
    std::string Key(size_t train_images) {
        char key[LENET_POPULATION_KEY];
        Make(train_images);
        lenet_population_key(&config_, &settings_, key);
        return key;
    }

    lenet_config config_;
    lenet_settings settings_ = {};
    lenet_error err_ = {};
};

TEST_F(Settings, EpochsAreCountedInStepsOfTheirBatches) {
    config_.batch = 64;
    config_.epochs = 10;
    config_.warmup = 2.5;
    config_.decay_every = 3;
    config_.eval_every = 2;
    const lenet_hyper &h = Make(60000).hyper;
    EXPECT_EQ(h.train_first, 0u);
    EXPECT_EQ(h.train_count, 60000u);
    EXPECT_EQ(h.total_steps, 9380u) << "937 batches of 64 and one of 32, ten times";
    EXPECT_EQ(h.warmup_steps, 2345u);
    EXPECT_EQ(h.decay_every, 2814u);
    EXPECT_EQ(settings_.steps_per_epoch, 938u);
    EXPECT_EQ(settings_.interval, 1876u);
    config_.validation = 10000;
    Make(60000);
    EXPECT_EQ(h.train_first, 10000u);
    EXPECT_EQ(h.train_count, 50000u);
    config_.train_size = 1;
    config_.steps = 7;
    Make(60000);
    EXPECT_EQ(h.train_first, 10000u);
    EXPECT_EQ(h.train_count, 1u);
    EXPECT_EQ(h.total_steps, 7u);
}

/* By which a sweep knows them. */
TEST_F(Settings, EqualRunsAreReducedToTheSameValues) {
    config_.batch = 60000;
    config_.eval_every = 15;
    EXPECT_EQ(lenet_config_reduce(&config_, 60000, lenet_backend_cpu(), 1), 0);
    lenet_config larger = config_;
    larger.batch = 65536;
    larger.eval_every = 16;
    larger.tf32 = 1;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu(), 1), 1);
    EXPECT_EQ(memcmp(&larger, &config_, sizeof config_), 0);
    larger.own_dense = 1;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu(), 1), 1);
    EXPECT_EQ(larger.own_dense, 0);
    larger.tf32 = 1;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 0) << "where it is no CPU's float";
    EXPECT_EQ(larger.tf32, 1);
    larger.train_size = 500;
    larger.steps = 7;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 1);
    EXPECT_EQ(larger.batch, 500);
    EXPECT_EQ(larger.eval_every, 7) << "steps of an epoch each";
    larger.init = LENET_INIT_ROOT;
    larger.init_scale = 2;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 0);
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 0), 1);
    EXPECT_EQ(larger.init, config_.init) << "of weights that are not drawn";
    EXPECT_EQ(larger.init_scale, config_.init_scale);
    larger.curvature_images = 1000000000;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 0) << "which only sdlm looks at";
    larger.optimizer = LENET_SDLM;
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 1);
    EXPECT_EQ(larger.curvature_images, 500);
    EXPECT_EQ(lenet_config_reduce(&larger, 60000, lenet_backend_cpu64(), 1), 0);
}

TEST_F(Settings, TheCurvatureIsOfNoMoreImagesThanThereAre) {
    config_.optimizer = LENET_SDLM;
    config_.batch = 64;
    config_.curvature_images = 500;
    EXPECT_EQ(Make(60000).curvature_batches, 8);
    EXPECT_EQ(Make(500).curvature_batches, 8);
    EXPECT_EQ(Make(100).curvature_batches, 2);
    config_.curvature_images = 1000000000;
    EXPECT_EQ(Make(60000).curvature_batches, 938) << "as many as an epoch has";
    config_.validation = 59000;
    EXPECT_EQ(Make(60000).curvature_batches, 16);
    config_.batch = 1;
    EXPECT_EQ(Make(60000).curvature_batches, 1000);
}

TEST_F(Settings, WhatIsOddIsToldWhereItWasGiven) {
    const auto odd = [&](size_t train_images) {
        Make(train_images);
        return lenet_settings_oddities(&config_, &settings_);
    };
    const auto set = [&](const char *name, const char *text) {
        ASSERT_EQ(lenet_option_set(&config_, lenet_option_find(name), text, &err_), LENET_OK) << err_.text;
    };
    const auto is = [](int i, const char *name) { return std::string(lenet_oddities[i].option) == name; };
    ASSERT_TRUE(is(0, "batch") && is(1, "warmup") && is(2, "curvature-images"));
    EXPECT_EQ(odd(63), 0) << "the initial batch of 64 is nobody's mistake";
    set("batch", "64");
    EXPECT_EQ(odd(64), 0);
    EXPECT_EQ(odd(63), 1);
    for (const char *epochs : {"14.9", "15", "16", "1e6"}) {
        set("warmup", epochs);
        EXPECT_EQ(odd(64000), std::stod(epochs) >= 15 ? 2 : 0) << epochs;
    }
    set("schedule", "published");
    EXPECT_EQ(odd(64000), 0) << "it has no warm-up";
    set("schedule", "constant");
    set("steps", "2000");
    set("warmup", "1.9");
    EXPECT_EQ(odd(64000), 0);
    set("warmup", "2");
    EXPECT_EQ(odd(64000), 2);
    EXPECT_EQ(odd(63), 1) << "2000 epochs";
    set("warmup", "auto");
    for (const char *steps : {"1", "2", "3", "4", "5"}) {
        set("steps", steps);
        EXPECT_EQ(odd(64000), 0) << steps;
    }
    set("curvature-images", "501");
    EXPECT_EQ(odd(500), 0) << "of no account";
    set("optimizer", "sdlm");
    EXPECT_EQ(odd(501), 0);
    EXPECT_EQ(odd(500), 4);
}

TEST_F(Settings, TheWarmUpIsAFifthOfTheRunUnlessItIsGiven) {
    config_.batch = 100;
    config_.warmup = -1; /* auto */
    for (const int epochs : {1, 2, 3, 5, 15, 40}) {
        config_.epochs = epochs;
        EXPECT_EQ(Make(10000).hyper.warmup_steps, (uint64_t)(20 * epochs)) << "of " << 100 * epochs << " steps";
    }
    for (const int steps : {1, 4, 5, 500, 12345}) {
        config_.steps = steps;
        EXPECT_NEAR((double)Make(10000).hyper.warmup_steps, steps / 5.0, 0.5) << "of " << steps << " steps";
    }
    config_.warmup = 3;
    EXPECT_EQ(Make(10000).hyper.warmup_steps, 300u);
}

TEST_F(Settings, AResolvedConfigurationSaysWhatItDependsOn) {
    config_.warmup = -1;
    config_.epochs = 15;
    lenet_config resolved = config_;
    ASSERT_EQ(lenet_config_resolve(&resolved, 60000, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(resolved.warmup, 3) << "as it always was for 15 epochs";
    config_.steps = 500;
    resolved = config_;
    ASSERT_EQ(lenet_config_resolve(&resolved, 60000, &err_), LENET_OK) << err_.text;
    const uint64_t open = Make(60000).hyper.warmup_steps;
    config_ = resolved;
    EXPECT_EQ(Make(60000).hyper.warmup_steps, open);
}

TEST_F(Settings, ABatchIsNoLargerThanTheTrainingSet) {
    config_.batch = 60000;
    EXPECT_EQ(Make(400).B, 400);
    EXPECT_EQ(settings_.steps_per_epoch, 1u);
    config_.validation = 100;
    EXPECT_EQ(Make(400).B, 300);
    config_.train_size = 7;
    EXPECT_EQ(Make(400).B, 7);
    config_.batch = 3;
    EXPECT_EQ(Make(400).B, 3);
}

TEST_F(Settings, NetworksTrainTogetherOnlyWithBatchesOfOneSize) {
    config_.batch = 500;
    config_.steps = 10;
    const std::string all = Key(1000);
    config_.train_size = 700;
    EXPECT_EQ(Key(1000), all) << "700 images still fill a batch";
    config_.train_size = 300;
    const std::string fewer = Key(1000);
    EXPECT_NE(fewer, all);
    config_.train_size = 200;
    EXPECT_NE(Key(1000), fewer);
}

TEST_F(Settings, WhatComputesFullyConnectedLayersIsToldTheDevice) {
    config_.tf32 = 1;
    EXPECT_EQ(lenet_open_options_of(&config_).tf32, 1);
    EXPECT_EQ(lenet_open_options_of(&config_).own_dense, 0);
    config_.own_dense = 1;
    EXPECT_EQ(lenet_open_options_of(&config_).own_dense, 1);
}

TEST_F(Settings, ABatchOfOneImageTakesOneThread) {
    config_.threads = 8;
    EXPECT_EQ(lenet_open_options_of(&config_).threads, 8);
    config_.batch = 1;
    EXPECT_EQ(lenet_open_options_of(&config_).threads, 1);
}

TEST_F(Settings, DataThatDoesNotSufficeIsNamed) {
    const auto refused = [&](const char *piece) {
        EXPECT_EQ(lenet_settings_make(&config_, 100, &settings_, &err_), LENET_ERR_ARG);
        EXPECT_NE(std::string(err_.text).find(piece), std::string::npos) << err_.text;
        lenet_config_init(&config_);
    };
    config_.validation = 100;
    refused("--validation 100");
    config_.train_size = 101;
    refused("--train-size 101");
    config_.validation = 50, config_.train_size = 51;
    refused("beside the validation set");
    config_.patience = 3;
    refused("--patience 3");
}

/* ---- processors --------------------------------------------------------------------------------- */

TEST(Processors, AQuotaIsRoundedUpToWholeOnes) {
    const struct {
        const char *quota, *period;
        int processors;
    } cases[] = {{"max", "100000", 0}, {"-1", "100000", 0},     {"100000", "100000", 1}, {"50000", "100000", 1},
                 {"0", "100000", 0},   {"150000", "100000", 2}, {"400000", "100000", 4}, {"", "", 0}};
    for (const auto &c : cases) EXPECT_EQ(lenet_quota_processors(c.quota, c.period), c.processors) << c.quota;
}

TEST(Processors, AProcessBoundToOneHasOne) {
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    EXPECT_GE(lenet_processors(), 1);
    EXPECT_LE(lenet_processors(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(lenet_processors(), 1);
    sched_setaffinity(0, sizeof all, &all);
}

} // namespace
