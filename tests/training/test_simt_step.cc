/* test_simt_step.cc - a recorded training step on the emulated GPU, whose branches may run early or late. */
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"
#include "support/fill.h"
#include "support/simt/simt_test.h"

namespace {

class Step : public Simt {
  protected:
    /* A network without weights. */
    void Open(const char *arch, lenet_optimizer optimizer, bool own_dense = false) {
        lenet_error err = {};
        EXPECT_EQ(lenet_device_open("cuda", {0, 1, 0, own_dense}, &device_, &err), LENET_OK) << err.text;
        EXPECT_EQ(lenet_dataset_random(TestSeed(), 40, 28, &data_), LENET_OK);
        lenet_topology topology;
        EXPECT_EQ(lenet_topology_make(lenet_arch_find(arch), LENET_RELU, LENET_POOL_MAX, 10, &topology, &err),
                  LENET_OK);
        if (optimizer == LENET_SDLM) topology.loss = LENET_MAP;
        const lenet_network_options options = {&topology, optimizer, 1, 20, 0, 0};
        EXPECT_EQ(lenet_device_data_create(device_.backend, device_.ctx, &data_, lenet_scaling_of(&data_.train, 28, 28),
                                           topology.arch->field, &on_device_, &err),
                  LENET_OK);
        EXPECT_EQ(lenet_network_create(device_.backend, device_.ctx, &options, &net_, &err), LENET_OK) << err.text;
        lenet_hyper hyper = {};
        hyper.seed = TestSeed();
        hyper.train_count = 40;
        hyper.learning_rate = 0.01f;
        hyper.momentum = 0.9f;
        hyper.epsilon = 0.02f;
        hyper.total_steps = 9;
        EXPECT_EQ(device_.backend->upload(device_.ctx, net_.hyper, &hyper, sizeof hyper), LENET_OK);
    }
    void Close() {
        lenet_network_free(&net_);
        lenet_device_data_free(device_.backend, device_.ctx, &on_device_);
        lenet_device_close(&device_);
        lenet_dataset_free(&data_);
        Renew();
    }
    void PutWeights() {
        Floats weights(net_.topology.stride), moments(net_.topology.stride);
        lenet_topology_init(&net_.topology, LENET_INIT_STANDARD, TestSeed(), 1, weights.data());
        EXPECT_EQ(lenet_network_put(&net_, net_.w, 0, weights.data()), LENET_OK);
        for (void *m : {net_.m, net_.v})
            if (m) {
                EXPECT_EQ(lenet_network_put(&net_, m, 0, moments.data()), LENET_OK);
            }
        if (net_.optimizer == LENET_SDLM) {
            EXPECT_EQ(lenet_network_curvature(&net_, &on_device_.train, 1), LENET_OK);
        }
    }
    void Steps(int count) {
        EXPECT_EQ(lenet_network_steps(&net_, &on_device_.train, count), LENET_OK)
            << device_.backend->message(device_.ctx);
    }
    Floats Weights() {
        Floats weights(net_.topology.stride);
        EXPECT_EQ(lenet_network_get(&net_, net_.w, 0, weights.data()), LENET_OK);
        return weights;
    }
    std::vector<uint64_t> StepAndTally() {
        lenet_tally tally;
        uint64_t step;
        EXPECT_EQ(device_.backend->download(device_.ctx, &tally, net_.tally, sizeof tally), LENET_OK);
        EXPECT_EQ(device_.backend->download(device_.ctx, &step, net_.step, sizeof step), LENET_OK);
        uint64_t loss;
        memcpy(&loss, &tally.loss, sizeof loss);
        return {step, loss, tally.count, tally.correct, tally.nonfinite};
    }
    /* The weights after so many steps, the first of which is not recorded. */
    Floats Train(const char *arch, lenet_optimizer optimizer, int steps, bool own_dense = false) {
        Open(arch, optimizer, own_dense);
        PutWeights();
        Steps(steps);
        return Weights();
    }

    lenet_device device_;
    lenet_network net_;
    lenet_dataset data_;
    lenet_device_data on_device_;
};

/* What a branch must not overwrite too early, and what nobody may read before a branch has written it. The first step
 * is not recorded, then come a graph of 16, in which batches are drawn ahead, and one of a single step. */
TEST_F(Step, DoesNotDependOnWhenItsBranchesRun) {
    struct {
        const char *arch;
        lenet_optimizer optimizer;
        int steps;
        uint64_t graphs;
        bool own_dense;
    } const cases[] = {{"lenet1", LENET_NESTEROV, 18, 2, false},
                       {"lenet5-1998", LENET_SDLM, 2, 1, false},
                       {"lenet5", LENET_NESTEROV, 3, 2, true}};
    for (const auto &c : cases) {
        const Floats late = Train(c.arch, c.optimizer, c.steps, c.own_dense);
        EXPECT_EQ(simt::counters().graph_launches, c.graphs);
        Close();
        simt::set_early_branches(true);
        EXPECT_TRUE(Train(c.arch, c.optimizer, c.steps, c.own_dense) == late) << c.arch;
        Close();
    }
}

/* The graph of 16 steps does what 16 graphs of one do, in which nothing is drawn ahead. */
TEST_F(Step, IsTheSameInAGraphOfManyAsAlone) {
    const Floats many = Train("lenet1", LENET_ADAMW, 17);
    EXPECT_EQ(simt::counters().graph_launches, 1u);
    const std::vector<uint64_t> tally = StepAndTally();
    Close();
    Open("lenet1", LENET_ADAMW);
    PutWeights();
    for (int i = 0; i < 17; i++) Steps(1);
    EXPECT_EQ(simt::counters().graph_launches, 16u);
    EXPECT_TRUE(Weights() == many);
    EXPECT_EQ(StepAndTally(), tally);
    Close();
}

/* Where a network is prepared even its first step is recorded, and what comes of it is the same. */
TEST_F(Step, IsTheSameWhereTheNetworkWasPrepared) {
    for (lenet_optimizer optimizer : {LENET_ADAMW, LENET_SGD}) {
        const Floats want = Train("lenet1", optimizer, 5);
        const std::vector<uint64_t> tally = StepAndTally();
        Close();
        Open("lenet1", optimizer);
        EXPECT_EQ(lenet_network_prepare(&net_, &on_device_.train), LENET_OK);
        EXPECT_EQ(StepAndTally(), (std::vector<uint64_t>{0, 0, 0, 0, 0}));
        PutWeights();
        Steps(5);
        EXPECT_EQ(simt::counters().graph_launches, 5u);
        EXPECT_TRUE(Weights() == want);
        EXPECT_EQ(StepAndTally(), tally);
        Close();
    }
}

/* Of a part of the images, whose last batch is a smaller one, in their own order and in the network's. */
TEST_F(Step, AnEvaluationIsTheSameRecordedOrNot) {
    Train("lenet1", LENET_NESTEROV, 2);
    const std::vector<uint64_t> tally = StepAndTally();
    for (const lenet_hyper *hyper : {(const lenet_hyper *)nullptr, (const lenet_hyper *)net_.hyper}) {
        lenet_tally plain = {}, recorded = {};
        const auto evaluate = [&](lenet_tally *to) {
            return lenet_network_evaluate(&net_, &on_device_.train, hyper, 3, 38, to, nullptr);
        };
        EXPECT_EQ(evaluate(&plain), LENET_OK);
        EXPECT_EQ(lenet_network_prepare_evaluation(&net_, &on_device_.train, hyper, 3, 38), LENET_OK);
        EXPECT_EQ(StepAndTally(), tally);
        const uint64_t launches = simt::counters().graph_launches;
        EXPECT_EQ(evaluate(&recorded), LENET_OK);
        EXPECT_EQ(simt::counters().graph_launches, launches + 1);
        EXPECT_EQ(memcmp(&plain, &recorded, sizeof plain), 0);
        EXPECT_EQ(recorded.count, 35u);
        EXPECT_EQ(StepAndTally(), tally);
    }
    Close();
}

/* A backend that notes the scratch of gradients of convolutions: on the branch, and beside it. */
struct Spy {
    const lenet_backend *real;
    bool on_branch;
    std::set<const void *> scratch[2];
} spy;

lenet_backend SpyOn(const lenet_backend *real) {
    spy = {real, false, {}};
    lenet_backend backend = *real;
    backend.branch = [](lenet_ctx *ctx) {
        spy.on_branch = true;
        return spy.real->branch(ctx);
    };
    backend.back = [](lenet_ctx *ctx) {
        spy.on_branch = false;
        spy.real->back(ctx);
    };
    backend.conv_backward_params = [](lenet_ctx *ctx, const conv_backward_params *a) {
        spy.scratch[!spy.on_branch].insert(a->scratch);
        return spy.real->conv_backward_params(ctx, a);
    };
    backend.conv_maxpool_backward_params = [](lenet_ctx *ctx, const conv_maxpool_backward_params *a) {
        spy.scratch[!spy.on_branch].insert(a->scratch);
        return spy.real->conv_maxpool_backward_params(ctx, a);
    };
    return backend;
}

/* C3's gradient is on the branch, C1's beside it; both with the maxima that are fused and with the sums that are not.
 */
TEST_F(Step, HasAScratchOnTheBranchAndOneBesideIt) {
    for (const char *arch : {"lenet5", "lenet5-1998"}) {
        Open(arch, LENET_SGD);
        PutWeights();
        const lenet_backend backend = SpyOn(device_.backend);
        net_.backend = &backend;
        Steps(1);
        net_.backend = device_.backend;
        EXPECT_EQ(spy.scratch[0].size(), 1u) << arch;
        EXPECT_EQ(spy.scratch[1].size(), 1u) << arch;
        EXPECT_NE(spy.scratch[0], spy.scratch[1]) << arch;
        Close();
    }
}

/* What a single network's step waits for: kernels and products of cuBLAS, which are one piece of work here. Of a step
 * in the graph of 16, but for the first one, whose batch was not drawn ahead. */
TEST_F(Step, HasSoManyKernelsInARow) {
    struct {
        const char *arch;
        bool own_dense;
        size_t kernels, in_a_row;
    } const cases[] = {{"lenet5", false, 29, 19}, {"lenet1", false, 17, 11}, {"lenet5", true, 21, 14}};
    for (const auto &c : cases) {
        Train(c.arch, LENET_NESTEROV, 1, c.own_dense);
        ASSERT_EQ(simt::graph_sizes().size(), 2u);
        const simt::GraphSize many = simt::graph_sizes()[0], one = simt::graph_sizes()[1];
        EXPECT_EQ(one.work, c.kernels) << c.arch;
        EXPECT_EQ(many.work, 16 * c.kernels) << c.arch;
        EXPECT_EQ(one.in_a_row, c.in_a_row + 1) << c.arch;
        EXPECT_EQ(many.in_a_row, 16 * c.in_a_row + 1) << c.arch;
        Close();
    }
}

} // namespace
