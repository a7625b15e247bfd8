/* test_gradcheck.cc - every gradient against the slope of the loss: no false alarm, and an error of 1 % is found. */
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "lenet/gradcheck.h"
#include "lenet/topology.h"
#include "support/planted.h"

namespace {

using Options = std::vector<std::string>;

lenet_config Config(const Options &options) {
    lenet_config config;
    lenet_error err = {};
    std::vector<char *> argv;
    for (const std::string &option : options) argv.push_back(const_cast<char *>(option.c_str()));
    lenet_config_init(&config);
    EXPECT_EQ(lenet_options_parse(LENET_CMD_GRADCHECK, (int)argv.size(), argv.data(), &config, &err), LENET_OK)
        << err.text;
    return config;
}

Options With(Options options, const Options &more) {
    options.insert(options.end(), more.begin(), more.end());
    return options;
}

/* Every combination of what the slopes depend on. */
std::vector<Options> EveryNetwork() {
    std::vector<Options> networks;
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++) {
        const bool has_rbf = std::string(arch->name) == "lenet5-1998", has_maps = arch->layers[0].kind == LENET_CONV;
        for (const char *activation : {"tanh", "relu", "squash"})
            for (const char *pooling : {"average", "max", "sum"})
                for (const char *init : {"standard", "printed", "printed-average", "root", "root-average"})
                    for (const char *loss : {"cross-entropy", "mse", "map"})
                        if (has_rbf != (loss == std::string("cross-entropy")) &&
                            (has_maps || pooling == std::string("max")))
                            networks.push_back({"--arch", arch->name, "--activation", activation, "--pooling", pooling,
                                                "--init", init, "--loss", loss});
    }
    return networks;
}

std::string Text(const Options &options) {
    std::string text;
    for (const std::string &option : options) text += option + " ";
    return text;
}

TEST(Gradcheck, NoNetworkGivesAFalseAlarm) {
    lenet_gradcheck result;
    lenet_error err = {};
    int seed = 1;
    for (const Options &network : EveryNetwork()) {
        const Options options = With(network, {"--entries", "1", "--seed", std::to_string(seed++)});
        const lenet_config config = Config(options);
        EXPECT_EQ(lenet_gradcheck_run(&config, &result, &err), LENET_OK) << Text(options) << err.text;
        for (int i = 0; i < result.n; i++) EXPECT_EQ(result.checks[i].entries, 1u) << result.checks[i].tensor;
    }
}

/* Outputs of tens: the loss's rounding, over the step, is more than a small slope's share. */
TEST(Gradcheck, TheRoundingOfALargeLossIsNoError) {
    lenet_gradcheck result;
    lenet_error err = {};
    for (const char *arch : {"lenet5", "lenet4", "lenet1"})
        for (int seed = 1; seed <= 20; seed++) {
            const lenet_config config = Config({"--arch", arch, "--pooling", "sum", "--init", "root", "--entries", "1",
                                                "--seed", std::to_string(seed)});
            EXPECT_EQ(lenet_gradcheck_run(&config, &result, &err), LENET_OK)
                << arch << ", " << seed << ": " << err.text;
        }
}

/* With this seed a unit is 1e-9 from its kink, and every weight of S2 moves it. */
TEST(Gradcheck, WhatIsNextToAKinkIsCheckedWithOtherImages) {
    lenet_gradcheck result;
    lenet_error err = {};
    for (const char *loss : {"mse", "map"}) {
        const lenet_config config =
            Config({"--arch", "lenet5-1998", "--activation", "relu", "--pooling", "sum", "--init", "root-average",
                    "--loss", loss, "--entries", "1", "--seed", "1139"});
        EXPECT_EQ(lenet_gradcheck_run(&config, &result, &err), LENET_OK) << err.text;
        EXPECT_STREQ(result.checks[2].tensor, "S2.weight");
        EXPECT_EQ(result.checks[2].entries, 1u);
    }
}

/* The gradients that a network computes, each 1 % too large. */
TEST(Gradcheck, AnErrorOfOnePercentInAnyGradientIsFound) {
    const lenet_backend faulty = FaultyBackend(*lenet_backend_cpu64());
    const std::vector<Options> networks = {
        {}, /* lenet5 with ReLU and maximum */
        {"--activation", "relu", "--pooling", "sum", "--init", "root"},
        {"--arch", "lenet5-1998", "--loss", "mse"},
        {"--arch", "lenet5-1998", "--activation", "relu", "--pooling", "average", "--init", "printed"},
        {"--arch", "mlp-300", "--activation", "tanh"}};
    lenet_gradcheck result;
    lenet_error err = {};
    for (const Options &network : networks) {
        const lenet_config config = Config(With(network, {"--entries", "10", "--seed", "5"}));
        int planted = 0;
        fault = {lenet_backend_cpu64(), "", 0, 1.01, ""};
        EXPECT_EQ(lenet_gradcheck_backend(&faulty, &config, &result, &err), LENET_OK) << Text(network) << err.text;
#define X(op)                                                                                                          \
    for (fault.operation = #op, fault.output = 0; fault.operation.find("forward") == std::string::npos;                \
         fault.output++) {                                                                                             \
        fault.name = "";                                                                                               \
        const lenet_status status = lenet_gradcheck_backend(&faulty, &config, &result, &err);                          \
        if (fault.name.empty()) break;                                                                                 \
        EXPECT_EQ(status, LENET_ERR_CHECK) << Text(network) << fault.operation << ", " << fault.name;                  \
        planted++;                                                                                                     \
    }
        LENET_OPS(X)
#undef X
        EXPECT_GE(planted, 5) << Text(network);
    }
}

TEST(Gradcheck, NanFailsWithItsReason) {
    lenet_config config = Config({"--arch", "linear", "--entries", "1", "--seed", "1"});
    lenet_gradcheck result;
    lenet_error err = {};
    config.init_scale = NAN;
    EXPECT_EQ(lenet_gradcheck_run(&config, &result, &err), LENET_ERR_CHECK);
    EXPECT_NE(std::string(err.text).find("NaN"), std::string::npos) << err.text;
}

TEST(Gradcheck, Seed0DrawsOne) {
    const lenet_config config = Config({"--arch", "linear", "--entries", "1", "--seed", "0"});
    lenet_gradcheck result;
    lenet_error err = {};
    EXPECT_EQ(lenet_gradcheck_run(&config, &result, &err), LENET_OK) << err.text;
    EXPECT_GT(result.seed, 0);
}

} // namespace
