/* test_cuda.cc - whole training steps on the cuda backend (a GPU, or the emulated one) against the CPU. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"

namespace {

using Weights = std::vector<float>;

struct Setting {
    const char *arch;
    lenet_activation activation;
    lenet_pooling pooling;
    lenet_optimizer optimizer;
    int R, B;
    int by_layer = 0, own_dense = 0;
};

class Cuda : public ::testing::Test {
  protected:
    void SetUp() override {
        const char *why = nullptr;
        cuda_ = lenet_backend_cuda(&why);
        if (!cuda_ && std::getenv("LENET_REQUIRE_GPU")) FAIL() << "cuda: " << why;
        if (!cuda_) GTEST_SKIP() << "cuda: " << why;
        /* A build may have been carried to where the tree lies elsewhere; scripts/gpu_check.sh says where. */
        const char *moved = std::getenv("LENET_SOURCE_DIR");
        const std::string sample = std::string(moved ? moved : LENET_SOURCE_DIR) + "/data/sample";
        ASSERT_EQ(lenet_dataset_read(sample.c_str(), &data_, &err_), LENET_OK) << err_.text;
    }
    void TearDown() override { lenet_dataset_free(&data_); }

    /* The weights of every member after these steps; one tally of all their losses. sdlm looks at the curvature before
     * the first and the second half of them. */
    std::vector<Weights> Train(const lenet_backend *backend, const Setting &s, int steps, lenet_tally *tally,
                               bool recorded = true, int first_member = 0) {
        lenet_ctx *ctx = nullptr;
        lenet_topology topology;
        lenet_network net = {};
        lenet_device_data device_data = {};
        std::vector<Weights> result;
        const lenet_open_options open_options = {0, 2, 0, s.own_dense};
        EXPECT_EQ(backend->open(&ctx, &open_options, &err_), LENET_OK) << err_.text;
        EXPECT_EQ(
            lenet_topology_make(lenet_arch_find(s.arch), s.activation, s.pooling, data_.classes, &topology, &err_),
            LENET_OK);
        const bool is_sdlm = s.optimizer == LENET_SDLM;
        topology.loss = is_sdlm ? LENET_MAP : LENET_CROSS_ENTROPY;
        const lenet_network_options options = {&topology, s.optimizer, s.R, s.B, 0, s.by_layer};
        const lenet_scaling scaling = lenet_scaling_of(&data_.train, data_.H, data_.W);
        EXPECT_EQ(lenet_device_data_create(backend, ctx, &data_, scaling, topology.arch->field, &device_data, &err_),
                  LENET_OK)
            << err_.text;
        EXPECT_EQ(lenet_network_create(backend, ctx, &options, &net, &err_), LENET_OK) << err_.text;
        std::vector<lenet_hyper> hyper;
        for (int r = 0; r < s.R; r++) {
            const unsigned member = (unsigned)(first_member + r);
            lenet_hyper h = {};
            h.seed = 11 + member;
            h.train_first = 7 * member;
            h.train_count = 300 + member;
            h.learning_rate = is_sdlm ? 5e-4f : s.optimizer == LENET_ADAMW ? 0.002f : 0.02f;
            h.momentum = 0.9f;
            h.weight_decay = 1e-3f;
            h.beta2 = 0.999f;
            h.epsilon = is_sdlm ? 0.02f : 1e-5f;
            h.schedule = LENET_SCHEDULE_COSINE;
            h.warmup_steps = 3;
            h.total_steps = 40;
            h.shift = (float)member;
            h.elastic = 0.5f * (float)member;
            h.label_noise = 0.1f * (float)member;
            hyper.push_back(h);
            Weights w(topology.stride);
            lenet_topology_init(&topology, LENET_INIT_STANDARD, h.seed, 1, w.data());
            EXPECT_EQ(lenet_network_put(&net, net.w, r, w.data()), LENET_OK);
        }
        EXPECT_EQ(backend->upload(ctx, net.hyper, hyper.data(), hyper.size() * sizeof hyper[0]), LENET_OK);
        /* Twenty at a time have a recorded graph of many steps among them. */
        const std::vector<int> counts =
            is_sdlm ? std::vector<int>{steps / 2, steps - steps / 2} : std::vector<int>{steps};
        for (const int count : counts) {
            lenet_status status = LENET_OK;
            if (is_sdlm) status = lenet_network_curvature(&net, &device_data.train, 2);
            if (status == LENET_OK && recorded) status = lenet_network_steps(&net, &device_data.train, count);
            for (int i = 0; i < count && !recorded && status == LENET_OK; i++)
                status = lenet_network_step(&net, &device_data.train);
            EXPECT_EQ(status, LENET_OK) << backend->message(ctx);
        }
        for (int r = 0; r < s.R; r++) {
            result.emplace_back(topology.stride);
            EXPECT_EQ(lenet_network_get(&net, net.w, r, result.back().data()), LENET_OK) << backend->message(ctx);
        }
        std::vector<lenet_tally> tallies((size_t)s.R);
        EXPECT_EQ(backend->download(ctx, tallies.data(), net.tally, tallies.size() * sizeof tallies[0]), LENET_OK);
        *tally = {};
        for (const lenet_tally &t : tallies) {
            tally->loss += t.loss;
            tally->count += t.count;
            tally->correct += t.correct;
        }
        lenet_network_free(&net);
        lenet_device_data_free(backend, ctx, &device_data);
        backend->close(ctx);
        return result;
    }

    const lenet_backend *cuda_ = nullptr;
    lenet_dataset data_ = {};
    lenet_error err_ = {};
};

double RelativeError(const Weights &got, const Weights &want) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < want.size(); i++) {
        difference += std::pow((double)got[i] - want[i], 2);
        norm += std::pow((double)want[i], 2);
    }
    return std::sqrt(difference / norm);
}

/* Twenty steps in float of a smooth network. A step adds a rounding error of some 2^-24 * sqrt(terms of a sum), about
 * 1e-6 of the gradient, and the learning rate carries a few percent of that into the weights; steps before it are
 * amplified by training itself, a few times over so few steps. 2e-5 is four times what was seen, and a missing term,
 * a wrong rate or one wrong image gives more than 1e-3. */
const double SMOOTH = 2e-5;

TEST_F(Cuda, TwentyStepsEndWhereTheCpusDo) {
    const Setting setting = {"lenet5", LENET_TANH, LENET_POOL_AVERAGE, LENET_NESTEROV, 1, 20};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 20, &of_cpu);
    const std::vector<Weights> got = Train(cuda_, setting, 20, &of_cuda);
    EXPECT_LE(RelativeError(got[0], want[0]), SMOOTH);
    EXPECT_EQ(of_cuda.count, of_cpu.count);
    EXPECT_NEAR(of_cuda.loss, of_cpu.loss, 1e-4 * of_cpu.loss);
}

/* As above, over fewer steps, with an output for each of the most classes, and wrong labels in the second network. */
TEST_F(Cuda, SixtyTwoClassesEndWhereTheCpusDo) {
    data_.classes = LENET_MAX_CLASSES;
    for (size_t i = 0; i < data_.train.count; i++) data_.train.labels[i] = (uint8_t)(i % LENET_MAX_CLASSES);
    const Setting setting = {"lenet1", LENET_TANH, LENET_POOL_AVERAGE, LENET_NESTEROV, 2, 20};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 4, &of_cpu);
    const std::vector<Weights> got = Train(cuda_, setting, 4, &of_cuda);
    for (size_t r = 0; r < want.size(); r++) EXPECT_LE(RelativeError(got[r], want[r]), SMOOTH);
    EXPECT_EQ(of_cuda.count, of_cpu.count);
    EXPECT_NEAR(of_cuda.loss, of_cpu.loss, 1e-4 * of_cpu.loss);
}

/* ReLU and maximum have kinks: rounding may send one image's gradient another way. One step has few chances. */
TEST_F(Cuda, AStepOfTheRecipeEndsWhereTheCpusDoes) {
    const Setting setting = {"lenet5", LENET_RELU, LENET_POOL_MAX, LENET_NESTEROV, 1, 64};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 1, &of_cpu);
    EXPECT_LE(RelativeError(Train(cuda_, setting, 1, &of_cuda)[0], want[0]), SMOOTH);
    EXPECT_NEAR(of_cuda.loss, of_cpu.loss, 1e-5 * of_cpu.loss);
}

TEST_F(Cuda, StepsWithoutCublasEndWhereTheCpusDo) {
    const Setting setting = {"lenet5", LENET_TANH, LENET_POOL_AVERAGE, LENET_NESTEROV, 2, 20, 0, 1};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 5, &of_cpu);
    const std::vector<Weights> got = Train(cuda_, setting, 5, &of_cuda);
    for (size_t r = 0; r < want.size(); r++) EXPECT_LE(RelativeError(got[r], want[r]), SMOOTH) << "member " << r;
    EXPECT_NEAR(of_cuda.loss, of_cpu.loss, 1e-4 * of_cpu.loss);
}

/* cuBLAS picks its algorithm by all sizes, the number of networks among them; nothing else on a GPU does. */
TEST_F(Cuda, WithoutCublasAMemberOfAPopulationGetsTheBytesThatItGetsAlone) {
    Setting setting = {"lenet5", LENET_RELU, LENET_POOL_MAX, LENET_NESTEROV, 3, 20, 0, 1};
    lenet_tally tally;
    const std::vector<Weights> together = Train(cuda_, setting, 2, &tally);
    setting.R = 1;
    for (int r = 0; r < 3; r++)
        EXPECT_EQ(Train(cuda_, setting, 2, &tally, true, r)[0], together[(size_t)r]) << "member " << r;
}

TEST_F(Cuda, FusedLayersChangeNoByte) {
    lenet_tally tally;
    for (const Setting &fused : {Setting{"lenet1", LENET_RELU, LENET_POOL_MAX, LENET_NESTEROV, 1, 20},
                                 Setting{"lenet5", LENET_SQUASH, LENET_POOL_MAX, LENET_ADAMW, 2, 33}}) {
        Setting by_layer = fused;
        by_layer.by_layer = 1;
        EXPECT_EQ(Train(cuda_, fused, 2, &tally), Train(cuda_, by_layer, 2, &tally)) << fused.arch;
    }
}

TEST_F(Cuda, APopulationWithDistortionsAndWrongLabelsEndsWhereTheCpusDoes) {
    const Setting setting = {"lenet5", LENET_TANH, LENET_POOL_AVERAGE, LENET_NESTEROV, 3, 20};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 5, &of_cpu);
    const std::vector<Weights> got = Train(cuda_, setting, 5, &of_cuda);
    for (int r = 0; r < 3; r++) EXPECT_LE(RelativeError(got[(size_t)r], want[(size_t)r]), SMOOTH) << "member " << r;
}

TEST_F(Cuda, OtherArchitecturesAndOptimizersEndWhereTheCpusDo) {
    for (const lenet_optimizer optimizer : {LENET_SGD, LENET_MOMENTUM, LENET_ADAMW})
        for (const char *arch : {"mlp-300", "linear"}) {
            const Setting setting = {arch, LENET_TANH, LENET_POOL_AVERAGE, optimizer, 1, 32};
            lenet_tally of_cpu, of_cuda;
            const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 20, &of_cpu);
            EXPECT_LE(RelativeError(Train(cuda_, setting, 20, &of_cuda)[0], want[0]), SMOOTH)
                << arch << ", optimizer " << optimizer;
        }
}

TEST_F(Cuda, TheRecipeOf1998EndsWhereTheCpusDoes) {
    const Setting setting = {"lenet5-1998", LENET_SQUASH, LENET_POOL_SUM, LENET_SDLM, 1, 8};
    lenet_tally of_cpu, of_cuda;
    const std::vector<Weights> want = Train(lenet_backend_cpu(), setting, 4, &of_cpu);
    EXPECT_LE(RelativeError(Train(cuda_, setting, 4, &of_cuda)[0], want[0]), SMOOTH);
    EXPECT_EQ(of_cuda.count, of_cpu.count);
    EXPECT_NEAR(of_cuda.loss, of_cpu.loss, 1e-4 * of_cpu.loss);
}

TEST_F(Cuda, TwoRunsGiveTheSameBytesRecordedOrNot) {
    const Setting setting = {"lenet5", LENET_RELU, LENET_POOL_MAX, LENET_NESTEROV, 1, 32};
    lenet_tally tally;
    const std::vector<Weights> first = Train(cuda_, setting, 4, &tally);
    EXPECT_EQ(Train(cuda_, setting, 4, &tally), first);
    EXPECT_EQ(Train(cuda_, setting, 4, &tally, false), first) << "not recorded";
}

} // namespace
