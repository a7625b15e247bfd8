/* test_divergence.cc - of a network that diverges it is told at which step its loss is NaN or infinite for the first
 * time, and which tensor such a value came up in first: as when every step is watched, and wherever one is planted. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "support/planted.h"
#include "train/population.h"

namespace {

using Options = std::map<std::string, std::string>;

/* ---- an infinity in one tensor ------------------------------------------------------------------------ */

/* The first value that the last network has of an output, at a step, in one of an operation's calls there. */
struct Infinity {
    const lenet_backend *inner;
    std::string operation;
    size_t output;
    uint64_t step; /* from 0 */
    int call;
    bool planted;
    uint64_t now; /* the step under way; calls in it so far */
    int calls;
};
Infinity infinity;

template <class Args> void BeginStep(const Args &) {}
void BeginStep(const batch_draw &a) { /* memory is the host's */
    infinity.now = *a.step;
    infinity.calls = 0;
}
template <class Args> auto Networks(const Args &a, int) -> decltype(a.R) { return a.R; }
template <class Args> int Networks(const Args &, long) { return 1; }

template <class Args> void PlantInfinity(const char *operation, const Args &args) {
    BeginStep(args);
    if (infinity.operation != operation || infinity.now != infinity.step || infinity.calls++ != infinity.call) return;
    const Output o = OutputsOf(args).at(infinity.output);
    const size_t R = (size_t)Networks(args, 0), apart = o.R == R ? o.apart : o.count / R;
    static_cast<float *>(o.p)[(R - 1) * apart] = std::numeric_limits<float>::infinity();
    infinity.planted = true;
}

#define X(op)                                                                                                          \
    lenet_status infinite_##op(lenet_ctx *ctx, const struct op *args) {                                                \
        LENET_TRY(infinity.inner->op(ctx, args));                                                                      \
        LENET_TRY(infinity.inner->join(ctx)); /* it is done */                                                         \
        PlantInfinity(#op, *args);                                                                                     \
        return LENET_OK;                                                                                               \
    }
LENET_OPS(X)
#undef X

/* ---- populations ---------------------------------------------------------------------------------------- */

class Divergence : public ::testing::Test {
  protected:
    void TearDown() override { Close(); }

    void Open(const lenet_backend *backend, const std::vector<Options> &networks) {
        lenet_model model = {};
        std::vector<const lenet_config *> pointers;
        Close();
        configs_.resize(networks.size());
        for (size_t r = 0; r < networks.size(); r++) {
            lenet_config_init(&configs_[r]);
            for (const auto &[name, value] : networks[r])
                ASSERT_EQ(lenet_option_set(&configs_[r], lenet_option_find(name.c_str()), value.c_str(), &err_),
                          LENET_OK)
                    << err_.text;
            pointers.push_back(&configs_[r]);
        }
        const lenet_open_options options = {0, 2, 0, 0};
        device_.backend = backend;
        ASSERT_EQ(backend->open(&device_.ctx, &options, &err_), LENET_OK) << err_.text;
        ASSERT_EQ(lenet_dataset_random(3, 60, 28, &data_), LENET_OK);
        ASSERT_EQ(lenet_device_data_create(backend, device_.ctx, &data_, {1, 0}, 32, &device_data_, &err_), LENET_OK);
        ASSERT_EQ(lenet_config_model(&configs_[0], &data_, lenet_scaling_of(&data_.train, 28, 28), &model, &err_),
                  LENET_OK)
            << err_.text;
        ASSERT_EQ(lenet_population_create(&device_, &device_data_, &model, pointers.data(), (int)pointers.size(), &pop_,
                                          &err_),
                  LENET_OK)
            << err_.text;
        ASSERT_EQ(lenet_population_init(pop_, nullptr, &err_), LENET_OK) << err_.text;
    }
    void Close() {
        if (!pop_) return;
        lenet_population_free(pop_);
        lenet_device_data_free(device_.backend, device_.ctx, &device_data_);
        lenet_device_close(&device_);
        lenet_dataset_free(&data_);
        pop_ = nullptr;
    }
    /* To the end, with a look at the weights after every so many steps, or at measurements only. */
    void Train(uint64_t look_every = UINT64_MAX) {
        const lenet_snapshot *now = lenet_population_snapshot(pop_);
        lenet_population_begin(pop_, nullptr, nullptr);
        while (!lenet_population_has_ended(pop_)) {
            ASSERT_EQ(lenet_population_advance(pop_), LENET_OK);
            const bool looks = now->step % look_every == 0, measures = lenet_population_is_due(pop_);
            ASSERT_EQ(looks ? lenet_population_download(pop_) : LENET_OK, LENET_OK);
            ASSERT_EQ(measures ? lenet_population_measure(pop_) : LENET_OK, LENET_OK);
        }
    }
    const lenet_divergence &Of(int r) const { return lenet_population_member(pop_, r)->divergence; }
    bool HasDiverged(int r) const { return lenet_population_snapshot(pop_)->diverged[r] != 0; }
    std::string Text(int r) const {
        char text[LENET_DIVERGENCE_TEXT];
        lenet_divergence_text(&Of(r), text);
        return text;
    }

    lenet_population *pop_ = nullptr;
    std::vector<lenet_config> configs_;
    lenet_device device_ = {};
    lenet_device_data device_data_ = {};
    lenet_dataset data_ = {};
    lenet_error err_ = {};
};

/* Four steps an epoch. */
const Options kTame = {{"lr", "0.01"}, {"warmup", "0"}, {"schedule", "constant"}, {"batch", "16"}, {"epochs", "3"}};
Options With(Options options, const Options &more) {
    for (const auto &[name, value] : more) options[name] = value;
    return options;
}

struct Planting {
    const char *operation;
    size_t output;
    int call;
    const char *tensor;
    const char *arch = "lenet5";
};

TEST_F(Divergence, APlantedInfinityIsFoundInItsTensorAndStep) {
    const Planting plantings[] = {
        {"batch_draw", 0, 0, "the input"},
        {"conv_forward", 0, 0, "the outputs of layer C1"},
        {"conv_forward", 0, 1, "the outputs of layer C3"},
        {"subsample_forward", 0, 0, "the outputs of layer S2"},
        {"dense_forward", 0, 1, "the outputs of layer F6"},
        {"activation_forward", 0, 0, "the outputs of layer S2 activated", "lenet5-1998"},
        {"softmax_loss", 0, 0, "the gradient of the outputs of layer output"},
        {"dense_backward_params", 0, 1, "the gradient of F6.weight"},
        {"dense_backward_params", 1, 0, "the gradient of output.bias"},
        {"dense_backward_input", 0, 0, "the gradient of the outputs of layer F6 activated"},
        {"activation_backward_input", 0, 0, "the gradient of the outputs of layer F6", "lenet5-1998"},
        {"conv_backward_params", 0, 0, "the gradient of C3.weight"},
        {"conv_backward_params", 1, 1, "the gradient of C1.bias"},
        {"conv_backward_input", 0, 0, "the gradient of the outputs of layer S2"},
        {"optimizer_step", 0, 0, "C1.weight"},
        {"optimizer_step", 1, 0, "the momentum of C1.weight"},
    };
    lenet_backend infinite = *lenet_backend_cpu();
#define X(op) infinite.op = infinite_##op;
    LENET_OPS(X)
#undef X
    for (const uint64_t step : {0, 5})
        for (const Planting &p : plantings) {
            SCOPED_TRACE(std::string(p.operation) + " at " + std::to_string(step));
            infinity = {lenet_backend_cpu(), p.operation, p.output, step, p.call, false, 0, 0};
            /* tanh hides an infinity in the forward pass, and ReLU may do so in the backward pass. */
            const char *activation = std::string(p.tensor).find("gradient") == 4 ? "tanh" : "relu";
            const Options options =
                With(kTame,
                     {{"arch", p.arch}, {"activation", activation}, {"optimizer", "nesterov"}, {"pooling", "average"}});
            Open(&infinite, {options, With(options, {{"seed", "2"}})});
            Train();
            EXPECT_TRUE(infinity.planted);
            EXPECT_FALSE(HasDiverged(0));
            ASSERT_TRUE(HasDiverged(1));
            EXPECT_EQ(Of(1).tensor, std::string(p.tensor));
            EXPECT_EQ(Of(1).step, step + 1);
        }
}

TEST_F(Divergence, ItIsFoundInTheSecondDerivativesToo) {
    lenet_backend infinite = *lenet_backend_cpu();
    infinite.batch_draw = infinite_batch_draw;
    infinite.scale_backward_params = infinite_scale_backward_params;
    /* At the begin of the second epoch, of 4 steps: two batches of the curvature come before the step. */
    infinity = {lenet_backend_cpu(), "scale_backward_params", 0, 4, 0, false, 0, 0};
    const Options options = With(kTame, {{"arch", "lenet5-1998"}, {"curvature-images", "32"}});
    Open(&infinite, {options});
    Train();
    ASSERT_TRUE(HasDiverged(0));
    EXPECT_EQ(Of(0).tensor, std::string("the curvature of S4.weight"));
    EXPECT_EQ(Of(0).step, 5u);
}

/* Weights double with every step, or more. */
const std::vector<Options> kWild = {With(kTame, {{"optimizer", "sgd"}, {"lr", "1000"}}),
                                    With(kTame, {{"optimizer", "sgd"}, {"seed", "2"}}),
                                    With(kTame, {{"optimizer", "sgd"}, {"seed", "3"}, {"lr", "3000"}})};

TEST_F(Divergence, ItsStepsAreThoseOfATrainingThatIsWatchedAtEveryStep) {
    Open(lenet_backend_cpu(), kWild);
    std::map<int, uint64_t> seen;
    lenet_population_begin(pop_, nullptr, nullptr);
    for (uint64_t step = 1; step <= 12; step++) {
        ASSERT_EQ(lenet_population_advance(pop_), LENET_OK);
        ASSERT_EQ(lenet_population_download_tallies(pop_), LENET_OK);
        for (int r = 0; r < 3; r++)
            if (lenet_population_snapshot(pop_)->tally[r].nonfinite && !seen.count(r)) seen[r] = step;
    }
    ASSERT_EQ(seen.size(), 2u);
    for (const uint64_t look_every : {UINT64_MAX, (uint64_t)3, (uint64_t)1}) {
        SCOPED_TRACE(look_every);
        Open(lenet_backend_cpu(), kWild);
        Train(look_every);
        EXPECT_FALSE(HasDiverged(1));
        for (const int r : {0, 2}) {
            ASSERT_TRUE(HasDiverged(r));
            EXPECT_EQ(Of(r).loss_step, seen[r]) << Text(r);
            EXPECT_LE(Of(r).step, seen[r]);
            EXPECT_GT(Of(r).step, 0u);
        }
    }
}

TEST_F(Divergence, OtherNetworksInAPopulationAndOtherLooksChangeNothingOfIt) {
    Open(lenet_backend_cpu(), kWild);
    Train();
    const std::string together[] = {Text(0), Text(2)};
    Open(lenet_backend_cpu(), kWild);
    Train(2);
    EXPECT_EQ(Text(0), together[0]);
    EXPECT_EQ(Text(2), together[1]);
    for (const int r : {0, 2}) {
        Open(lenet_backend_cpu(), {kWild[(size_t)r]});
        Train();
        EXPECT_EQ(Text(0), together[r / 2]);
    }
}

TEST_F(Divergence, WhatIsKeptOfANetworkThatHasDivergedIsItsLastFiniteState) {
    Open(lenet_backend_cpu(), kWild);
    Train(2);
    for (int r = 0; r < 3; r++) EXPECT_TRUE(lenet_snapshot_is_finite(lenet_population_snapshot(pop_), r));
}

TEST_F(Divergence, AStopEndsTheSearch) {
    Open(lenet_backend_cpu(), {kWild[0]});
    lenet_population_begin(
        pop_, [](void *) { return 1; }, nullptr);
    while (lenet_population_snapshot(pop_)->step < 4) ASSERT_EQ(lenet_population_advance(pop_), LENET_OK);
    EXPECT_EQ(lenet_population_download(pop_), LENET_STOPPED);
    EXPECT_FALSE(HasDiverged(0)) << "it is not known how";
    lenet_population_begin(pop_, nullptr, nullptr);
    EXPECT_EQ(lenet_population_download(pop_), LENET_OK);
    EXPECT_TRUE(HasDiverged(0));
    EXPECT_GT(Of(0).step, 0u);
}

/* ---- the same on a GPU, or on the emulated one ------------------------------------------------------------- */

class CudaDivergence : public Divergence {};

TEST_F(CudaDivergence, ItIsFoundWhereTheCpuFindsIt) {
    const char *why = nullptr;
    const lenet_backend *cuda = lenet_backend_cuda(&why);
    if (!cuda && std::getenv("LENET_REQUIRE_GPU")) FAIL() << "cuda: " << why;
    if (!cuda) GTEST_SKIP() << "cuda: " << why;
    std::vector<Options> networks;
    for (const Options &options : kWild)
        networks.push_back(With(options, {{"arch", "linear"}, {"weight-decay", "100"}}));
    Open(lenet_backend_cpu(), networks);
    Train();
    const std::string want[] = {Text(0), Text(2)};
    ASSERT_NE(Of(0).step, 0u);
    Open(cuda, networks);
    Train();
    EXPECT_FALSE(HasDiverged(1));
    EXPECT_EQ(Text(0), want[0]) << "each step multiplies weights by 100,000, so that rounding does not decide";
    EXPECT_EQ(Text(2), want[1]);
}

} // namespace
