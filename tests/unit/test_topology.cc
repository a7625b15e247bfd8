/* test_topology.cc - the architectures have the shapes and counts that are published, and start as they should. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "lenet/topology.h"
#include "support/fill.h"

namespace {

lenet_topology Plan(const char *arch, lenet_activation activation = LENET_RELU, int classes = 10) {
    lenet_topology topology = {};
    lenet_error err = {};
    EXPECT_EQ(lenet_topology_make(lenet_arch_find(arch), activation, LENET_POOL_MAX, classes, &topology, &err),
              LENET_OK)
        << err.text;
    return topology;
}

std::vector<lenet_topology> AllPlans() {
    std::vector<lenet_topology> plans;
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++)
        for (lenet_activation activation : {LENET_TANH, LENET_RELU})
            for (int classes : {1, 3, 10, 62})
                if (classes <= 10 || arch->layers[arch->layer_count - 1].kind != LENET_RBF)
                    plans.push_back(Plan(arch->name, activation, classes));
    return plans;
}

std::string Name(const lenet_topology &topology) {
    return std::string(topology.arch->name) + (topology.activation == LENET_RELU ? ", relu, " : ", tanh, ") +
           std::to_string(topology.classes) + " classes";
}

std::vector<lenet_tensor> Tensors(const lenet_topology &topology, std::vector<float> &data, const char *prefix = "") {
    std::vector<lenet_tensor> tensors(2 * LENET_MAX_LAYERS);
    data.resize(topology.stride);
    tensors.resize((size_t)lenet_topology_tensors(&topology, prefix, data.data(), tensors.data()));
    return tensors;
}

/* ---- shapes and counts ------------------------------------------------------------- */

TEST(Nets, Lenet5HasThePapersShapes) {
    const struct {
        const char *name;
        int C, H, W, O, OH, OW;
        size_t parameters;
    } want[] = {
        {"C1", 1, 32, 32, 6, 28, 28, 156},  {"S2", 6, 28, 28, 6, 14, 14, 0},    {"C3", 6, 14, 14, 16, 10, 10, 2416},
        {"S4", 16, 10, 10, 16, 5, 5, 0},    {"C5", 16, 5, 5, 120, 1, 1, 48120}, {"", 120, 1, 1, 120, 1, 1, 0},
        {"F6", 120, 1, 1, 84, 1, 1, 10164}, {"", 84, 1, 1, 84, 1, 1, 0},        {"output", 84, 1, 1, 10, 1, 1, 850}};
    const lenet_topology topology = Plan("lenet5");
    ASSERT_EQ(topology.layer_count, (int)std::size(want));
    for (int l = 0; l < topology.layer_count; l++) {
        const lenet_layer &layer = topology.layers[l];
        EXPECT_STREQ(layer.spec.name, want[l].name);
        EXPECT_EQ(std::vector<int>({layer.C, layer.H, layer.W, layer.O, layer.OH, layer.OW}),
                  std::vector<int>({want[l].C, want[l].H, want[l].W, want[l].O, want[l].OH, want[l].OW}))
            << "layer " << l << " " << want[l].name;
        EXPECT_EQ(layer.w_count + layer.b_count, want[l].parameters) << "layer " << l << " " << want[l].name;
    }
    EXPECT_EQ(topology.parameters, 61706u);
}

/* Section II.B of LeCun et al. 1998. */
TEST(Nets, TheNetworkAsPublishedHasThePapersParametersAndConnections) {
    const struct {
        const char *name;
        size_t parameters;
        double connections;
    } paper[] = {{"C1", 156, 122304},  {"S2", 12, 5880},     {"C3", 1516, 151600}, {"S4", 32, 2000},
                 {"C5", 48120, 48120}, {"F6", 10164, 10164}, {"output", 0, 840}};
    const lenet_topology topology = Plan("lenet5-1998");
    size_t found = 0;
    double connections = 0;
    for (int l = 0; l < topology.layer_count; l++) {
        const lenet_layer &layer = topology.layers[l];
        connections += lenet_layer_connections(&layer);
        for (const auto &row : paper) {
            if (row.name != std::string(layer.spec.name) || layer.spec.kind == LENET_SUBSAMPLE) continue;
            EXPECT_EQ(layer.w_count - layer.absent + layer.b_count, row.parameters) << row.name;
            EXPECT_EQ(lenet_layer_connections(&layer), row.connections) << row.name;
            found++;
        }
    }
    EXPECT_EQ(found, 7u);
    EXPECT_EQ(topology.parameters, 60000u);
    EXPECT_EQ(connections, 340908);
}

/* Table I: each row of S2's maps is used by ten maps of C3, and no two maps of C3 look at the same ones. */
TEST(Nets, TheConnectionTableIsThePapers) {
    const lenet_topology topology = Plan("lenet5-1998");
    const std::string table[] = {"012",  "123",  "234",  "345",  "045",  "015",  "0123", "1234",
                                 "2345", "0345", "0145", "0125", "0134", "1245", "0235", "012345"};
    for (int l = 0; l < topology.layer_count; l++) {
        const lenet_layer &layer = topology.layers[l];
        if (layer.spec.name != std::string("C3")) continue;
        for (int o = 0; o < 16; o++) {
            std::string maps;
            for (int c = 0; c < 6; c++)
                if (lenet_parameter_exists(&topology, layer.w + (size_t)(o * 6 + c) * 25 + 7)) maps += (char)('0' + c);
            EXPECT_EQ(maps, table[o]) << "map " << o;
        }
    }
}

TEST(Nets, TheTargetsAreTenDifferentDigitsOfSevenByTwelve) {
    const rbf_targets targets = lenet_digit_targets();
    for (int a = 0; a < 10; a++) {
        EXPECT_EQ(targets.plus[a][2] >> (84 - 64), 0u) << "84 pixels";
        for (int b = 0; b < a; b++) {
            int differing = 0;
            for (int i = 0; i < 84; i++)
                differing += (targets.plus[a][i / 32] >> i % 32 & 1) != (targets.plus[b][i / 32] >> i % 32 & 1);
            EXPECT_GE(differing, 4) << a << " and " << b;
        }
    }
}

TEST(Nets, AnActivationBeforeASubsamplingIsAPartOfIt) {
    for (const lenet_activation activation : {LENET_RELU, LENET_TANH}) {
        const lenet_topology topology = Plan("lenet5", activation);
        for (int l = 0; l < topology.layer_count; l++) {
            const lenet_layer &layer = topology.layers[l];
            EXPECT_EQ(layer.activation, layer.spec.kind == LENET_SUBSAMPLE ? activation : LENET_LINEAR)
                << "layer " << l;
            if (layer.spec.kind == LENET_ACTIVATION) {
                EXPECT_EQ(topology.layers[l - 1].spec.kind, LENET_DENSE);
            }
        }
    }
}

TEST(Nets, TheOthersHaveTheirCountsOfParameters) {
    EXPECT_EQ(Plan("mlp-300").parameters, 784 * 300 + 300 + 300 * 10 + 10u);
    EXPECT_EQ(Plan("linear").parameters, 7850u);
    EXPECT_EQ(Plan("linear", LENET_RELU, 3).parameters, 3 * 785u);
    EXPECT_EQ(Plan("lenet5", LENET_RELU, 3).parameters, 61706u - 7 * 85) << "the output alone depends on the classes";
}

/* Of each layer 2 for every weight at every place: C1 2*150*784, C3 2*2400*100, C5 2*48000, F6 2*10080, output 2*840.
 */
TEST(Nets, Lenet5NeedsItsCountOfOperations) {
    lenet_topology topology = Plan("lenet5");
    EXPECT_EQ(lenet_topology_flops(&topology, 0), 235200 + 480000 + 96000 + 20160 + 1680);
    EXPECT_EQ(lenet_topology_flops(&topology, 0), 833040);
    EXPECT_EQ(lenet_topology_flops(&topology, 1), 3 * 833040 - 235200) << "C1 needs no gradient of its input";
    ASSERT_EQ(lenet_topology_freeze(&topology, "C1,C3", nullptr), LENET_OK);
    EXPECT_EQ(lenet_topology_flops(&topology, 0), 833040);
    EXPECT_EQ(lenet_topology_flops(&topology, 1), 833040 + 96000 + 2 * (20160 + 1680)) << "nor does C5 then";
    const lenet_topology linear = Plan("linear");
    EXPECT_EQ(lenet_topology_flops(&linear, 0), 2 * 7840);
    EXPECT_EQ(lenet_topology_flops(&linear, 1), 2 * 2 * 7840);
}

std::string Frozen(const lenet_topology &topology) {
    std::string names;
    for (int l = 0; l < topology.layer_count; l++)
        if (topology.layers[l].frozen) names += std::string(topology.layers[l].spec.name) + " ";
    return names;
}

TEST(Freeze, TakesNamesOfLayersWithParametersInAnyOrder) {
    const struct {
        const char *arch, *list, *want;
    } cases[] = {{"lenet5", "none", ""},           {"lenet5", "", ""},
                 {"lenet5", "C1", "C1 "},          {"lenet5", "C1,C3", "C1 C3 "},
                 {"lenet5", "C3+C1", "C1 C3 "},    {"lenet5", "C1+C1,output", "C1 output "},
                 {"mlp-300", "hidden", "hidden "}, {"lenet5-1998", "S2,F6", "S2 F6 "}};
    for (const auto &[arch, list, want] : cases) {
        lenet_topology topology = Plan(arch);
        lenet_error err = {};
        EXPECT_EQ(lenet_topology_freeze(&topology, list, &err), LENET_OK) << list << ": " << err.text;
        EXPECT_EQ(Frozen(topology), want) << list;
    }
    const lenet_topology published = Plan("lenet5-1998");
    EXPECT_EQ(Frozen(published), "");
}

TEST(Freeze, WhatIsNoSuchLayerIsRefusedWithThoseThatAre) {
    const struct {
        const char *arch, *list, *naming, *wanted;
    } cases[] = {{"lenet5", "C2", "'C2'", "C1, C3, C5, F6, output"},
                 {"lenet5", "c1", "'c1'", "C1, C3, C5, F6, output"},
                 {"lenet5", "C1,S2", "'S2'", "C1, C3, C5, F6, output"},
                 {"lenet5", "C", "'C'", "C1"},
                 {"lenet5", "C1 C3", "'C1 C3'", "C1"},
                 {"lenet5", "none,C1", "'none'", "C1"},
                 {"lenet5", ",C1", "''", "C1"},
                 {"lenet5", "C1+", "''", "C1"},
                 {"lenet5", "C1,+C3", "''", "C1"},
                 {"lenet5", "+", "''", "C1"},
                 {"lenet5", "C1,C3,C5,F6,output", "nothing to train", "C1"},
                 {"lenet5-1998", "output", "'output'", "C1, S2, C3, S4, C5, F6"},
                 {"linear", "output", "nothing to train", "output"}};
    for (const auto &[arch, list, naming, wanted] : cases) {
        lenet_topology topology = Plan(arch);
        lenet_error err = {};
        EXPECT_EQ(lenet_topology_freeze(&topology, list, &err), LENET_ERR_ARG) << list;
        for (const char *piece : {"--freeze", naming, wanted})
            EXPECT_NE(std::string(err.text).find(piece), std::string::npos) << piece << ": " << err.text;
    }
}

TEST(Nets, EachLayerTakesWhatTheOneBeforeGives) {
    for (const lenet_topology &topology : AllPlans()) {
        SCOPED_TRACE(Name(topology));
        EXPECT_EQ(lenet_layer_inputs(&topology.layers[0]), (size_t)topology.arch->field * topology.arch->field);
        for (int l = 1; l < topology.layer_count; l++) {
            const lenet_layer &before = topology.layers[l - 1], &layer = topology.layers[l];
            EXPECT_EQ(layer.C, before.O);
            EXPECT_EQ(layer.H, before.OH);
            EXPECT_EQ(layer.W, before.OW);
            EXPECT_EQ(lenet_layer_inputs(&layer), lenet_layer_outputs(&before));
        }
        EXPECT_EQ(lenet_layer_outputs(&topology.layers[topology.layer_count - 1]), (size_t)topology.classes);
    }
}

TEST(Nets, ArchitecturesAreFoundByTheirWholeName) {
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++) {
        EXPECT_EQ(lenet_arch_find(arch->name), arch) << arch->name;
        EXPECT_STRNE(arch->description, "");
    }
    for (const char *name : {"", "lenet", "lenet5 ", "LENET5", "lenet55"})
        EXPECT_EQ(lenet_arch_find(name), nullptr) << name;
}

/* ---- what does not fit --------------------------------------------------------------- */

TEST(Nets, ALayerThatDoesNotFitIsRefusedByName) {
    const uint32_t table[LENET_TABLE_MAPS + 1] = {};
    const struct {
        const char *what;
        lenet_arch arch;
    } bad[] = {
        {"no kernel", {"x", "", 4, 1, {{LENET_CONV, "none", 6, 0, nullptr}}, nullptr}},
        {"no window", {"x", "", 4, 1, {{LENET_SUBSAMPLE, "none", 0, 0, nullptr}}, nullptr}},
        {"more maps than an operation takes",
         {"x", "", 4, 1, {{LENET_CONV, "many", LENET_MAX_MAPS + 1, 1, nullptr}}, nullptr}},
        {"more maps than a connection table has",
         {"x", "", 4, 1, {{LENET_CONV, "wide", LENET_TABLE_MAPS + 1, 1, table}}, nullptr}},
        {"more input maps than a connection table has",
         {"x",
          "",
          4,
          2,
          {{LENET_CONV, "C", LENET_TABLE_INPUTS + 1, 1, nullptr}, {LENET_CONV, "deep", 2, 1, table}},
          nullptr}},
        {"a kernel wider than its input", {"x", "", 4, 1, {{LENET_CONV, "wide", 6, 5, nullptr}}, nullptr}},
        {"a kernel wider than any",
         {"x", "", 32, 1, {{LENET_CONV, "huge", 6, LENET_MAX_KERNEL + 1, nullptr}}, nullptr}},
        {"windows that do not divide", {"x", "", 7, 1, {{LENET_SUBSAMPLE, "uneven", 0, 2, nullptr}}, nullptr}},
        {"a second layer",
         {"x", "", 8, 2, {{LENET_SUBSAMPLE, "S", 0, 2, nullptr}, {LENET_CONV, "second", 1, 5, nullptr}}, nullptr}},
    };
    for (const auto &[what, arch] : bad) {
        lenet_topology topology;
        lenet_error err = {};
        EXPECT_EQ(lenet_topology_make(&arch, LENET_TANH, LENET_POOL_MAX, 10, &topology, &err), LENET_ERR_ARG) << what;
        const std::string name = arch.layers[arch.layer_count - 1].name;
        EXPECT_NE(std::string(err.text).find(name), std::string::npos) << what << ": " << err.text;
    }
}

TEST(Nets, RbfOutputsAreRefusedForMoreThanTheTenDigits) {
    int refused = 0;
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++) {
        lenet_topology topology = {};
        lenet_error err = {};
        const bool is_rbf = arch->layers[arch->layer_count - 1].kind == LENET_RBF;
        const lenet_status status = lenet_topology_make(arch, LENET_SQUASH, LENET_POOL_AVERAGE, 11, &topology, &err);
        EXPECT_EQ(status, is_rbf ? LENET_ERR_ARG : LENET_OK) << arch->name;
        if (!is_rbf) continue;
        refused++;
        for (const char *piece : {arch->name, "RBF", "10 digits", "11 classes", "--arch"})
            EXPECT_NE(std::string(err.text).find(piece), std::string::npos) << err.text;
    }
    EXPECT_GT(refused, 0);
}

TEST(Nets, ALayerThatJustFitsIsTaken) {
    const lenet_arch kernel = {"x", "", 5, 1, {{LENET_CONV, "C", 2, 5, nullptr}}, nullptr};
    lenet_topology topology;
    ASSERT_EQ(lenet_topology_make(&kernel, LENET_TANH, LENET_POOL_MAX, 10, &topology, nullptr), LENET_OK);
    EXPECT_EQ(lenet_layer_outputs(&topology.layers[0]), 2u);
    const lenet_arch windows = {"x", "", 6, 1, {{LENET_SUBSAMPLE, "S", 0, 3, nullptr}}, nullptr};
    ASSERT_EQ(lenet_topology_make(&windows, LENET_TANH, LENET_POOL_MAX, 10, &topology, nullptr), LENET_OK);
    EXPECT_EQ(lenet_layer_outputs(&topology.layers[0]), 4u);
}

/* ---- tensors ---------------------------------------------------------------------------- */

TEST(Nets, TensorsAreAlignedDisjointAndAllThatIsTrained) {
    for (const lenet_topology &topology : AllPlans()) {
        SCOPED_TRACE(Name(topology));
        std::vector<float> data;
        size_t end = 0, values = 0, absent = 0;
        for (int l = 0; l < topology.layer_count; l++) absent += topology.layers[l].absent;
        std::set<std::string> names;
        for (const lenet_tensor &t : Tensors(topology, data)) { /* in the order of memory */
            const size_t at = (size_t)((float *)t.data - data.data()), count = lenet_tensor_bytes(&t) / sizeof(float);
            EXPECT_EQ(at % 64, 0u) << t.name << ": 256 bytes";
            EXPECT_GE(at, end) << t.name;
            EXPECT_EQ(t.dtype, LENET_F32);
            EXPECT_TRUE(names.insert(t.name).second) << t.name << " twice";
            end = at + count;
            values += count;
        }
        EXPECT_EQ(values, topology.parameters + absent);
        EXPECT_LE(end, topology.stride);
        EXPECT_EQ(topology.stride % 64, 0u);
    }
}

TEST(Nets, TensorsHaveThePapersNamesAndPytorchsShapes) {
    const lenet_topology topology = Plan("lenet5");
    std::vector<float> data;
    std::vector<std::string> names;
    std::vector<std::vector<size_t>> shapes;
    for (const lenet_tensor &t : Tensors(topology, data, "checkpoint.m.")) {
        names.push_back(t.name);
        shapes.emplace_back(t.shape, t.shape + t.rank);
    }
    const std::vector<std::string> layers = {"C1", "C3", "C5", "F6", "output"};
    std::vector<std::string> want;
    for (const std::string &layer : layers)
        for (const char *part : {".weight", ".bias"}) want.push_back("checkpoint.m." + layer + part);
    EXPECT_EQ(names, want);
    const std::vector<std::vector<size_t>> want_shapes = {{6, 1, 5, 5}, {6},       {16, 6, 5, 5}, {16},     {120, 400},
                                                          {120},        {84, 120}, {84},          {10, 84}, {10}};
    EXPECT_EQ(shapes, want_shapes);
}

/* ---- initial weights -------------------------------------------------------------------- */

std::vector<float> Init(const lenet_topology &topology, uint64_t seed, float scale = 1,
                        lenet_init init = LENET_INIT_STANDARD) {
    std::vector<float> w(topology.stride, NAN); /* what is not written stays NaN */
    lenet_topology_init(&topology, init, seed, scale, w.data());
    return w;
}

class NetsInit : public ::testing::Test {
  protected:
    const uint64_t seed_ = TestSeed();

  private:
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

TEST_F(NetsInit, WeightsFillTheRangeThatTheFanInAsksFor) {
    const double fan_in[] = {25, 150, 400, 120, 84};
    for (const lenet_activation activation : {LENET_RELU, LENET_TANH}) {
        const lenet_topology topology = Plan("lenet5", activation);
        const std::vector<float> w = Init(topology, seed_);
        int tensor = 0;
        for (int l = 0; l < topology.layer_count; l++) {
            const lenet_layer &layer = topology.layers[l];
            if (layer.w_count == 0) continue;
            const double limit = std::sqrt(3 / fan_in[tensor++]), n = (double)layer.w_count;
            double sum = 0, squares = 0, largest = 0;
            for (size_t i = 0; i < layer.w_count; i++) {
                const double value = w[layer.w + i];
                sum += value;
                squares += value * value;
                largest = std::max(largest, std::fabs(value));
            }
            const std::string name = Name(topology) + ", " + layer.spec.name;
            EXPECT_LE(largest, limit * (1 + 0x1p-22)) << name << ": rounded to float twice";
            /* All n of them below 1 - 14/n of the limit: once in e^14, a million seeds. */
            EXPECT_GE(largest, limit * (1 - 14 / n)) << name;
            /* Five deviations: of a mean, limit/sqrt(3 n); of a mean square, limit^2 sqrt(4/45 /n). */
            EXPECT_LE(std::fabs(sum / n), 5 * limit / std::sqrt(3 * n)) << name;
            EXPECT_LE(std::fabs(squares / n - limit * limit / 3), 5 * limit * limit * std::sqrt(4 / 45.0 / n)) << name;
        }
    }
}

TEST_F(NetsInit, BiasesAndTheRoomBetweenTensorsAreZero) {
    for (const lenet_topology &topology : AllPlans()) {
        std::vector<float> w = Init(topology, seed_);
        for (int l = 0; l < topology.layer_count; l++)
            std::fill_n(&w[topology.layers[l].w], topology.layers[l].w_count, 0.0f);
        EXPECT_EQ(w, std::vector<float>(topology.stride, 0)) << Name(topology);
    }
}

TEST_F(NetsInit, OneSeedGivesOneNetworkAndAnotherSeedAnother) {
    const lenet_topology topology = Plan("lenet5");
    const std::vector<float> w = Init(topology, seed_);
    EXPECT_EQ(w, Init(topology, seed_));
    for (uint64_t other : {seed_ + 1, seed_ ^ (uint64_t)1 << 32, seed_ ^ (uint64_t)1 << 63}) {
        const std::vector<float> v = Init(topology, other);
        size_t same = 0;
        for (int l = 0; l < topology.layer_count; l++)
            for (size_t i = 0; i < topology.layers[l].w_count; i++)
                same += w[topology.layers[l].w + i] == v[topology.layers[l].w + i];
        EXPECT_LE(same, 2u) << "of 61,470 values on a grid of 2^24";
    }
}

TEST_F(NetsInit, NoTwoWeightsAreDrawnFromOneNumber) {
    const lenet_topology topology = Plan("lenet5");
    std::vector<float> w = Init(topology, seed_);
    /* Back to the 24-bit numbers they were made of: 61,470 of 2^24 collide about 113 times by chance. */
    std::vector<float> units;
    for (int l = 0; l < topology.layer_count; l++) {
        const lenet_layer &layer = topology.layers[l];
        if (layer.w_count == 0) continue;
        const bool output = l + 1 == topology.layer_count;
        const double limit = std::sqrt(3.0 * (output ? 1 : 2) / (double)(layer.w_count / layer.b_count));
        for (size_t i = 0; i < layer.w_count; i++)
            units.push_back((float)std::round(w[layer.w + i] / (float)limit * 0x1p23));
    }
    std::sort(units.begin(), units.end());
    size_t twice = 0;
    for (size_t i = 1; i < units.size(); i++) twice += units[i] == units[i - 1];
    EXPECT_LT(twice, 113 + 6 * 11u);
}

TEST_F(NetsInit, TheScaleMultiplies) {
    const lenet_topology topology = Plan("lenet5");
    const std::vector<float> w = Init(topology, seed_), twice = Init(topology, seed_, 2);
    for (size_t i = 0; i < w.size(); i++) ASSERT_EQ(twice[i], 2 * w[i]) << i;
    for (float v : Init(topology, seed_, 0)) ASSERT_EQ(v, 0);
}

TEST_F(NetsInit, ThePublishedRulesFillTheirRanges) {
    for (const lenet_init init :
         {LENET_INIT_PRINTED, LENET_INIT_PRINTED_AVERAGE, LENET_INIT_ROOT, LENET_INIT_ROOT_AVERAGE}) {
        const bool by_root = init == LENET_INIT_ROOT || init == LENET_INIT_ROOT_AVERAGE,
                   average = init == LENET_INIT_PRINTED_AVERAGE || init == LENET_INIT_ROOT_AVERAGE;
        lenet_topology topology = Plan("lenet5-1998");
        topology.pooling = LENET_POOL_SUM;
        const std::vector<float> w = Init(topology, seed_, 1, init);
        for (int l = 0; l < topology.layer_count; l++) {
            const lenet_layer &layer = topology.layers[l];
            const std::string name = layer.spec.name;
            if (layer.w_count == 0) continue;
            double most = 0;
            for (size_t i = 0; i < layer.w_count; i++) most = std::max(most, (double)std::fabs(w[layer.w + i]));
            if (layer.spec.kind == LENET_SCALE && average) {
                EXPECT_EQ(most, 0.25) << name;
                EXPECT_EQ(w[layer.b], 0) << name;
                continue;
            }
            /* the smallest fan-in of the layer: of C3, three maps of 25 */
            const double fan_in = layer.spec.kind == LENET_SCALE ? 4
                                  : name == "C1"                 ? 25
                                  : name == "C3"                 ? 75
                                  : name == "C5"                 ? 400
                                                                 : 120;
            const bool root = by_root && layer.spec.kind != LENET_SCALE;
            const double limit = 2.4 / (root ? std::sqrt(fan_in) : fan_in);
            EXPECT_LE(most, limit * (1 + 1e-6)) << name; /* one rounding to float */
            EXPECT_GE(most, limit * (layer.w_count < 20 ? 0.4 : 0.95)) << name;
            EXPECT_NE(w[layer.b], 0) << name;
        }
    }
}

} // namespace
