/* test_crosscheck.cc - `lenet gradcheck`'s comparison with the CPU in double: it passes for every network, and an error
 * of 1 % in any output of any operation makes it fail. On the CPU in float, its operations for single images, and
 * the cuda backend. */
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "lenet/crosscheck.h"
#include "support/backends.h"
#include "support/planted.h"

namespace {

class Crosscheck : public BackendTest {
  protected:
    static lenet_config Config(const std::vector<std::string> &options) {
        lenet_config config;
        lenet_error err = {};
        std::vector<char *> argv;
        for (const std::string &option : options) argv.push_back(const_cast<char *>(option.c_str()));
        lenet_config_init(&config);
        EXPECT_EQ(lenet_options_parse(LENET_CMD_GRADCHECK, (int)argv.size(), argv.data(), &config, &err), LENET_OK)
            << err.text;
        return config;
    }
    lenet_status Check(const lenet_backend &backend, const lenet_config &config, int steps) {
        const lenet_device opened = {&backend, device().ctx(), ""};
        return lenet_crosscheck_run(&opened, &config, steps, &result_, &err_);
    }

    lenet_crosscheck result_ = {};
    lenet_error err_ = {};
};
/* Of the bounds alone, which are the same for each backend and would take the emulated GPU minutes; and of TF32. */
class CrosscheckOfCpus : public Crosscheck {};
class CrosscheckOfGpus : public Crosscheck {};

TEST_P(Crosscheck, EveryNetworkPasses) {
    const std::vector<std::vector<std::string>> settings = {
        {"--activation", "relu", "--pooling", "max", "--optimizer", "nesterov"},
        {"--activation", "tanh", "--pooling", "average", "--optimizer", "adamw"},
        {"--arch", "mlp-300", "--optimizer", "momentum"},
        {"--arch", "linear", "--optimizer", "sgd"},
        {"--arch", "lenet5-1998", "--loss", "mse", "--optimizer", "nesterov"},
        {"--arch", "lenet5-1998", "--init", "printed", "--seed", "3"},
        {"--arch", "lenet5-1998"}};
    for (const auto &options : settings) {
        if (IsCuda() && options.size() > 4 && options[1] == "lenet5-1998") continue; /* the other one is enough */
        /* The fifth batch is a smaller one, the sixth of another epoch; an emulated GPU is too slow for them. */
        EXPECT_EQ(Check(device().backend(), Config(options), IsCuda() ? options.size() == 2 ? 1 : 2 : 6), LENET_OK)
            << err_.text;
        EXPECT_GT(result_.n, 8);
        for (int i = 0; i < result_.n; i++) EXPECT_TRUE(result_.rows[i].passed) << result_.rows[i].tensor;
    }
}

TEST_P(Crosscheck, EveryTensorIsCompared) {
    ASSERT_EQ(Check(device().backend(), Config({"--seed", "3"}), 1), LENET_OK) << err_.text;
    EXPECT_EQ(result_.seed, 3);
    const auto has = [&](const std::string &tensor, const std::string &quantity) {
        for (int i = 0; i < result_.n; i++)
            if (result_.rows[i].tensor == tensor && result_.rows[i].quantity == quantity) return true;
        return false;
    };
    for (const char *tensor : {"input", "C1", "S2", "C3", "S4", "C5", "C5 activated", "F6", "F6 activated", "output"}) {
        EXPECT_TRUE(has(tensor, "value")) << tensor;
        EXPECT_TRUE(has(tensor, "gradient")) << tensor;
    }
    for (const std::string layer : {"C1", "C3", "C5", "F6", "output"})
        for (const std::string part : {".weight", ".bias"}) {
            EXPECT_TRUE(has(layer + part, "gradient")) << layer;
            EXPECT_TRUE(has(layer + part, "after update")) << layer;
            EXPECT_TRUE(has("m of " + layer + part, "after update")) << layer;
        }
}

/* A sum next to zero may be on either side of relu's kink in float and in double: nobody's error. */
TEST_P(CrosscheckOfCpus, AKinkIsNoErrorOfTheCurvature) {
    for (const char *seed : {"1", "2", "3", "4", "5"})
        EXPECT_EQ(
            Check(device().backend(), Config({"--arch", "lenet5-1998", "--activation", "relu", "--seed", seed}), 1),
            LENET_OK)
            << err_.text;
    EXPECT_EQ(std::count_if(result_.rows, result_.rows + result_.n,
                            [](const lenet_crosscheck_row &row) { return row.quantity == std::string("curvature"); }),
              12)
        << "weights and biases of C1, S2, C3, S4, C5 and F6";
}

/* Also shows that each operation of training is part of what is compared. */
TEST_P(Crosscheck, AnErrorOfOnePercentInAnyOutputFails) {
    const lenet_backend faulty = FaultyBackend(device().backend());
    const lenet_config lenet5 = Config({"--seed", "7"}), mlp = Config({"--seed", "7", "--arch", "mlp-300"}),
                       published = Config({"--seed", "7", "--arch", "lenet5-1998"});
    const std::set<std::string> of_published = {
        "scale_forward",      "scale_backward_input", "scale_backward_params", "rbf_forward",
        "rbf_backward_input", "rbf_backward_second",  "distance_loss",         "square",
        "accumulate"};
    int planted = 0;
    fault = {&device().backend(), "", 0, 1.01, ""};
    for (const lenet_config *config : {&lenet5, &mlp, &published})
        ASSERT_EQ(Check(faulty, *config, 1), LENET_OK) << err_.text;
#define X(op)                                                                                                          \
    for (fault.operation = #op, fault.output = 0;; fault.output++) {                                                   \
        fault.name = "";                                                                                               \
        if (IsCuda() && (of_published.count(#op) || (fault.operation.find("backward") == std::string::npos &&          \
                                                     fault.operation.find("max") == std::string::npos)))               \
            break; /* as on the CPU */                                                                                 \
        const bool is_map = std::string("conv sub max").find(fault.operation.substr(0, 3)) != std::string::npos;       \
        const lenet_config &config = of_published.count(#op) ? published : is_map ? lenet5 : mlp; /* the faster one */ \
        const lenet_status status = Check(faulty, config, 1);                                                          \
        if (fault.name.empty()) break;                                                                                 \
        EXPECT_EQ(status, LENET_ERR_CHECK) << fault.operation << ", " << fault.name;                                   \
        planted++;                                                                                                     \
    }
    LENET_OPS(X)
#undef X
    EXPECT_EQ(planted, IsCuda() ? 13 : 27) << "of 23 operations, seven of lenet5's gradients; four have two outputs; "
                                              "a GPU has three more, of four outputs, which stand for others";
}

/* Networks whose sums all but cancel, and whose units saturate or die: gradients that are rounding for the most part,
 * of which AdamW makes whole steps; and weights so small
 * that what follows from them is denormal, and zero in float. */
const std::vector<std::vector<std::string>> hard_cases = {
    {"--activation", "squash", "--pooling", "sum", "--optimizer", "adamw", "--seed", "3"},
    {"--activation", "squash", "--pooling", "sum", "--optimizer", "adamw", "--seed", "3", "--inputs", "published",
     "--init", "root"},
    {"--activation", "relu", "--pooling", "sum", "--optimizer", "momentum", "--seed", "1", "--init", "root"},
    {"--arch", "lenet5-1998", "--activation", "relu", "--pooling", "average", "--init", "printed", "--loss", "mse",
     "--seed", "1"},
    {"--arch", "lenet5-1998", "--activation", "tanh", "--pooling", "max", "--optimizer", "adamw", "--seed", "2"},
    {"--init-scale", "1e-9", "--seed", "3"},
    {"--init-scale", "1e-38", "--seed", "3"}};

TEST_P(Crosscheck, RoundingIsNoErrorHoweverTheSumsCancel) {
    for (const auto &options : hard_cases)
        EXPECT_EQ(Check(device().backend(), Config(options), IsCuda() ? 1 : 4), LENET_OK)
            << options[1] << " " << options[3] << ": " << err_.text;
}

TEST_P(CrosscheckOfCpus, AnErrorOfOnePercentFailsHoweverTheSumsCancel) {
    if (GetParam() != std::string("cpu")) GTEST_SKIP() << "the bounds are the same";
    const lenet_backend faulty = FaultyBackend(device().backend());
    for (const auto &options : {hard_cases[1], hard_cases[3]}) {
        int planted = 0;
#define X(op)                                                                                                          \
    for (fault = {&device().backend(), #op, 0, 1.01, ""};; fault.output++) {                                           \
        fault.name = "";                                                                                               \
        const lenet_status status = Check(faulty, Config(options), 1);                                                 \
        if (fault.name.empty()) break;                                                                                 \
        EXPECT_EQ(status, LENET_ERR_CHECK) << options[1] << " " << options[3] << ": " << #op << ", " << fault.name;    \
        planted++;                                                                                                     \
    }
        LENET_OPS(X)
#undef X
        EXPECT_GE(planted, 17);
    }
}

/* sdlm's steps are small here, but not so small that a wrong rate or curvature would pass. */
TEST_P(CrosscheckOfCpus, AnErrorOfOnePercentInTheStepOf1998Fails) {
    const lenet_backend faulty = FaultyBackend(device().backend());
    for (const char *operation : {"schedule_step", "accumulate"})
        for (const char *seed : {"1", "2", "3"}) {
            fault = {&device().backend(), operation, 0, 1.01, ""};
            const lenet_config config = Config({"--arch", "lenet5-1998", "--seed", seed});
            EXPECT_EQ(Check(faulty, config, LENET_CROSSCHECK_STEPS), LENET_ERR_CHECK) << operation << ", seed " << seed;
        }
}

TEST_P(CrosscheckOfGpus, Tf32HasABoundOfItsOwn) {
    lenet_device tf32;
    ASSERT_EQ(lenet_device_open("cuda", {0, 2, 1, 0}, &tf32, &err_), LENET_OK) << err_.text;
    EXPECT_EQ(lenet_crosscheck_run(&tf32, &(const lenet_config &)Config({"--tf32"}), 1, &result_, &err_), LENET_OK)
        << err_.text;
    EXPECT_EQ(lenet_crosscheck_run(&tf32, &(const lenet_config &)Config({"--arch", "mlp-300"}), 1, &result_, &err_),
              LENET_ERR_CHECK)
        << "by the bound of float it shows";
    lenet_device_close(&tf32);
}

TEST_P(CrosscheckOfGpus, OwnKernelsForFullyConnectedLayersHoldTheBoundsOfFloat) {
    lenet_device own;
    ASSERT_EQ(lenet_device_open("cuda", {0, 2, 0, 1}, &own, &err_), LENET_OK) << err_.text;
    const std::vector<std::vector<std::string>> settings = {
        {"--dense", "own", "--tf32"}, /* which has no effect, so that it does not widen the bounds */
        {"--dense", "own", "--activation", "tanh", "--pooling", "average", "--optimizer", "adamw"},
        {"--dense", "own", "--arch", "mlp-300"},
        {"--dense", "own", "--arch", "lenet5-1998"}};
    for (const auto &options : settings)
        EXPECT_EQ(lenet_crosscheck_run(&own, &(const lenet_config &)Config(options), 1, &result_, &err_), LENET_OK)
            << err_.text;
    lenet_device_close(&own);
}

/* What stands for several operations in a whole step is held against these, down to the place of a single maximum: in
 * the middle of the first image, where pixels are not all alike. */
TEST_P(CrosscheckOfCpus, AWrongPlaceOfAMaximumFails) {
    if (GetParam() != std::string("cpu")) GTEST_SKIP() << "the comparison is the same";
    const lenet_config config = Config({"--seed", "7", "--activation", "tanh"});
    lenet_backend fusing = device().backend(), wrong = fusing;
    fusing.fuses = wrong.fuses = 1;
    wrong.conv_maxpool_forward = [](lenet_ctx *ctx, const struct conv_maxpool_forward *a) {
        LENET_TRY(lenet_backend_cpu()->conv_maxpool_forward(ctx, a));
        LENET_TRY(lenet_backend_cpu()->join(ctx)); /* it is done */
        const size_t rows = (size_t)(a->H - a->K + 1) / 2, columns = (size_t)(a->W - a->K + 1) / 2;
        uint8_t &place = a->place[lenet_value_at(lenet_backend_cpu(), a->N, (size_t)a->O * rows * columns,
                                                 rows / 2 * columns + columns / 2, 0)];
        place = (uint8_t)((place + 1) % 4);
        return LENET_OK;
    };
    EXPECT_EQ(Check(fusing, config, 2), LENET_OK) << err_.text;
    EXPECT_EQ(Check(wrong, config, 1), LENET_ERR_CHECK);
    EXPECT_NE(std::string(err_.text).find("whole step"), std::string::npos) << err_.text;
}

TEST_P(Crosscheck, NanFails) {
    lenet_config config = Config({"--arch", "linear"});
    config.init_scale = NAN;
    EXPECT_EQ(Check(device().backend(), config, 1), LENET_ERR_CHECK);
}

/* In the first network alone: that the second one is right must not make up for it. */
TEST_P(Crosscheck, ASingleNanFails) {
    const lenet_backend faulty = FaultyBackend(device().backend());
    fault = {&device().backend(), "conv_backward_params", 0, NAN, ""};
    EXPECT_EQ(Check(faulty, Config({"--seed", "7"}), 1), LENET_ERR_CHECK);
    EXPECT_EQ(fault.name, "dw");
    EXPECT_NE(std::string(err_.text).find("nan"), std::string::npos) << err_.text;
}

INSTANTIATE_TEST_SUITE_P(Backends, Crosscheck, ::testing::Values("cpu", "single", "cuda"), BackendName);
INSTANTIATE_TEST_SUITE_P(Backends, CrosscheckOfCpus, ::testing::Values("cpu", "single"), BackendName);
INSTANTIATE_TEST_SUITE_P(Backends, CrosscheckOfGpus, ::testing::Values("cuda"), BackendName);

} // namespace
