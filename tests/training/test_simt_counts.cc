/* test_simt_counts.cc - how the kernels of a training step use memory, counted on the emulated GPU.
 *
 * With LENET_COUNTS=FILE the counts are written there, for scripts/kernel_report.py: a line of JSON for each launch. */
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"
#include "support/simt/simt_test.h"

namespace {

using simt::LaunchCounts;
using simt::Share;

/* ---- what an operation has to move at least: every input once, and every output once --------------------------- */

size_t Bytes(size_t floats, size_t others = 0) { return floats * sizeof(float) + others; }
template <class Conv> size_t Inputs(const Conv &a) { return (size_t)a.C * a.H * a.W * a.N; }
template <class Conv> size_t Outputs(const Conv &a) { return (size_t)a.O * (a.H - a.K + 1) * (a.W - a.K + 1) * a.N; }
template <class Conv> size_t Weights(const Conv &a) { return (size_t)a.O * a.C * a.K * a.K; }

/* For one network. */
size_t Least(const batch_draw &a) {
    return Bytes((size_t)a.source.OH * a.source.OW * a.N, (size_t)a.N * (a.source.H * a.source.W + 2));
}
size_t Least(const conv_forward &a) { return Bytes(Inputs(a) + Outputs(a) + Weights(a) + a.O); }
size_t Least(const conv_backward_input &a) { return Bytes(Inputs(a) + Outputs(a) + Weights(a)); }
size_t Least(const conv_backward_params &a) { return Bytes(Inputs(a) + Outputs(a) + Weights(a) + a.O); }
size_t Least(const conv_maxpool_forward &a) {
    return Bytes(Inputs(a) + Outputs(a) / 4 + Weights(a) + a.O, Outputs(a) / 4);
}
size_t Least(const conv_maxpool_backward_params &a) {
    return Bytes(Inputs(a) + Outputs(a) / 2 + Weights(a) + a.O, Outputs(a) / 4);
}
size_t Least(const maxpool_backward_input &a) { return Bytes(Inputs(a) * 3 / 2, Inputs(a) / 4); }
size_t Least(const dense_forward &a) { return Bytes((size_t)(a.I + a.O) * a.N + (size_t)a.I * a.O + a.O); }
size_t Least(const dense_backward_input &a) {
    const int x = a.activation == LENET_LINEAR ? 0 : a.I;
    return Bytes((size_t)(x + a.I + a.O) * a.N + (size_t)a.I * a.O);
}
size_t Least(const dense_backward_params &a) { return Bytes((size_t)(a.I + a.O) * a.N + (size_t)a.I * a.O + a.O); }
size_t Least(const activation_backward_input &a) { return Bytes((size_t)3 * a.F * a.N); }
size_t Least(const softmax_loss &a) { return Bytes((size_t)2 * a.O * a.N, (size_t)2 * a.N); }
size_t Least(const optimizer_step &a) { return Bytes(5 * (a.end - a.first)); } /* w, dw, m in; w, m out */
template <class Op> size_t Least(const Op &) { return 0; } /* no part of this step, or nearly nothing */

/* The layer's name, where it has one, by what no other layer of the network has. */
std::string LayerOf(bool conv, int maps) {
    if (conv) return maps == 6 ? "C1" : "C3";
    return maps == 120 ? "C5" : maps == 84 ? "F6" : "output";
}
template <class Op> auto LayerOf(const Op &a, int) -> decltype(a.K, std::string()) { return LayerOf(true, a.O); }
template <class Op> auto LayerOf(const Op &a, int) -> decltype(a.I, std::string()) { return LayerOf(false, a.O); }
std::string LayerOf(const maxpool_backward_input &a, int) { return a.C == 6 ? "S2" : "S4"; }
template <class Op> std::string LayerOf(const Op &, long) { return ""; }

/* ---- a step, counted ------------------------------------------------------------------------------------------- */

struct Operation {
    std::string name, layer;
    size_t least; /* bytes */
    std::vector<LaunchCounts> launches;

    size_t Moved() const {
        size_t bytes = 0;
        for (const LaunchCounts &l : launches) bytes += l.bytes_read + l.bytes_written;
        return bytes;
    }
};

/* The operations that were called, in their order. */
std::vector<Operation> called;

template <class Op, class Call> lenet_status Count(const char *name, const Op &a, size_t networks, Call call) {
    const size_t before = simt::launch_counts().size();
    const lenet_status status = call();
    const auto first = simt::launch_counts().begin();
    called.push_back({name, LayerOf(a, 0), networks * Least(a), {first + (long)before, simt::launch_counts().end()}});
    return status;
}
template <class Op> auto Networks(const Op &a, int) -> decltype((size_t)a.R) { return (size_t)a.R; }
template <class Op> size_t Networks(const Op &, long) { return 1; }

/* The backend, but that its operations are counted. */
#define X(op)                                                                                                          \
    lenet_status Counted_##op(lenet_ctx *ctx, const struct op *a) {                                                    \
        const char *why;                                                                                               \
        return Count(#op, *a, Networks(*a, 0), [&] { return lenet_backend_cuda(&why)->op(ctx, a); });                  \
    }
LENET_OPS(X)
#undef X

lenet_backend CountedBackend() {
    const char *why;
    lenet_backend backend = *lenet_backend_cuda(&why);
#define X(op) backend.op = Counted_##op;
    LENET_OPS(X)
#undef X
    return backend;
}

constexpr int kImages = 128;
constexpr uint64_t kSeed = 1998; /* of what is drawn: where labels and images lie is counted, too */

/* Of R networks of lenet5. */
std::vector<Operation> Step(int R, unsigned every) {
    simt::set_eager(true);
    const lenet_backend backend = CountedBackend();
    lenet_error err = {};
    lenet_device device;
    EXPECT_EQ(lenet_device_open("cuda", {0, 1, 0, 0}, &device, &err), LENET_OK) << err.text;
    lenet_dataset data;
    EXPECT_EQ(lenet_dataset_random(kSeed, 2 * kImages, 28, &data), LENET_OK);
    lenet_topology topology;
    EXPECT_EQ(lenet_topology_make(lenet_arch_find("lenet5"), LENET_RELU, LENET_POOL_MAX, 10, &topology, &err),
              LENET_OK);
    lenet_device_data on_device;
    EXPECT_EQ(lenet_device_data_create(device.backend, device.ctx, &data, lenet_scaling_of(&data.train, 28, 28),
                                       topology.arch->field, &on_device, &err),
              LENET_OK);
    const lenet_network_options options = {&topology, LENET_NESTEROV, R, kImages, 0, 0};
    lenet_network net;
    EXPECT_EQ(lenet_network_create(&backend, device.ctx, &options, &net, &err), LENET_OK) << err.text;
    lenet_hyper hyper = {};
    hyper.seed = kSeed;
    hyper.train_count = 2 * kImages;
    hyper.learning_rate = 0.01f;
    hyper.momentum = 0.9f;
    hyper.total_steps = 2;
    const std::vector<lenet_hyper> hypers((size_t)R, hyper);
    EXPECT_EQ(backend.upload(device.ctx, net.hyper, hypers.data(), sizeof hyper * (size_t)R), LENET_OK);
    Floats weights(topology.stride), moments(topology.stride);
    for (int r = 0; r < R; r++) {
        lenet_topology_init(&topology, LENET_INIT_STANDARD, kSeed, 1, weights.data());
        EXPECT_EQ(lenet_network_put(&net, net.w, r, weights.data()), LENET_OK);
        EXPECT_EQ(lenet_network_put(&net, net.m, r, moments.data()), LENET_OK);
    }
    called.clear();
    simt::set_counting(true, every);
    EXPECT_EQ(lenet_network_step(&net, &on_device.train), LENET_OK) << backend.message(device.ctx);
    simt::set_counting(false);
    lenet_network_free(&net);
    lenet_device_data_free(device.backend, device.ctx, &on_device);
    lenet_device_close(&device);
    lenet_dataset_free(&data);
    return called;
}

/* ---- what is held ---------------------------------------------------------------------------------------------- */

constexpr double kUseful = 0.95, kMoved = 1.15;
constexpr double kSeen = 0.85; /* networks share images of a batch */

/* Kernels and operations that are further from what is possible, and how far: a bound of their own for each. */
struct Own {
    const char *name;
    double bound;
};
const Own kLessUseful[] = {
    {"reads of batch_draw_kernel", 0.85},    /* an image of 784 bytes begins anywhere, and a warp reads it */
    {"reads of schedule_step_kernel", 0.17}, /* each lane reads a network's settings, which lie together */
    {"reads of input_rows_kernel<rows_shape<10, 6, 2, 1> >", 0.923}, /* weights of several maps, a few of each */
    {"reads of add_parts_kernel", 0.907}, /* every other part of C1, of 156 sums, begins within a sector */
    {"writes of params_kernel<many_maps, false>", 0.72}, /* 25 sums of a map's kernel begin and end within a sector */
    {"writes of params_kernel<few_maps, true>", 0.72},   /* likewise */
};
const Own kMovesMore[] = {
    {"dense_forward C5", 1.27},            /* bias and activation are a second pass over cuBLAS's outputs */
    {"dense_forward F6", 1.60},            /* likewise */
    {"dense_forward output", 1.20},        /* likewise */
    {"dense_backward_input output", 1.92}, /* the derivative of the activation in front is a second pass, likewise */
    {"dense_backward_input F6", 1.60},     /* likewise */
    {"dense_backward_params F6", 1.30},    /* the bias's gradient reads dy once more */
    {"conv_backward_params C3", 1.28},     /* 20 parts of the sums are written, and read again */
};
template <size_t n> double BoundOf(const Own (&own)[n], const std::string &name, double otherwise) {
    for (const Own &o : own)
        if (name == o.name) return o.bound;
    return otherwise;
}

double Useful(const Share &share) { return share.used ? (double)share.least / (double)share.used : 1; }

/* For scripts/kernel_report.py. */
void Print(FILE *file, int R, const Operation &operation, const LaunchCounts &l) {
    std::fprintf(file, R"({"R": %d, "operation": "%s", "layer": "%s", "least": %zu, "moved": %zu, )", R,
                 operation.name.c_str(), operation.layer.c_str(), operation.least,
                 (size_t)(l.bytes_read + l.bytes_written));
    std::fprintf(file, R"("kernel": "%s", "threads": %u, "dynamic": %zu, "blocks": %zu, "barriers": %zu)",
                 l.kernel.c_str(), l.threads, l.dynamic_bytes, (size_t)l.blocks, (size_t)l.barriers);
    const struct {
        const char *name;
        const Share &share;
    } shares[] = {{"read", l.sectors_read}, {"written", l.sectors_written}, {"wavefronts", l.wavefronts}};
    for (const auto &s : shares)
        std::fprintf(file, R"(, "%s": [%zu, %zu])", s.name, (size_t)s.share.least, (size_t)s.share.used);
    std::fputs("}\n", file);
}

void PrintWhereWanted(int R, const std::vector<Operation> &step) {
    const char *const path = std::getenv("LENET_COUNTS");
    if (!path) return;
    FILE *const file = std::fopen(path, "a");
    ASSERT_TRUE(file) << path;
    for (const Operation &operation : step)
        for (const LaunchCounts &l : operation.launches) Print(file, R, operation, l);
    std::fclose(file);
}

/* Networks, and of how many blocks one is enough. */
struct Size {
    int R;
    unsigned every;
};
class SimtStep : public Simt, public ::testing::WithParamInterface<Size> {};

TEST_P(SimtStep, MovesWholeSectorsWithoutConflictsAndNothingTwice) {
    const std::vector<Operation> step = Step(GetParam().R, GetParam().every);
    ASSERT_EQ(simt::last_report().kind, simt::Kind::kNone) << simt::last_report().text;
    for (const Operation &operation : step) {
        const std::string name = operation.name + (operation.layer.empty() ? "" : " " + operation.layer);
        EXPECT_FALSE(operation.launches.empty()) << name;
        for (const LaunchCounts &l : operation.launches) {
            const std::string reads = "reads of " + l.kernel, writes = "writes of " + l.kernel;
            EXPECT_GE(Useful(l.sectors_read), BoundOf(kLessUseful, reads, kUseful)) << name << ": " << reads;
            EXPECT_GE(Useful(l.sectors_written), BoundOf(kLessUseful, writes, kUseful)) << name << ": " << writes;
            if (l.kernel != "batch_draw_kernel") {
                EXPECT_EQ(l.wavefronts.used, l.wavefronts.least) << name << ": bank conflicts of " << l.kernel;
            }
        }
        if (GetParam().every > 1 || operation.least == 0) continue;
        const double moved = (double)operation.Moved() / (double)operation.least;
        EXPECT_LE(moved, BoundOf(kMovesMore, name, kMoved)) << name << ": bytes";
        EXPECT_GE(moved, kSeen) << name << ": bytes; some were not seen";
    }
    PrintWhereWanted(GetParam().R, step);
}

std::string NameOf(const ::testing::TestParamInfo<Size> &info) { return "R" + std::to_string(info.param.R); }
void PrintTo(const Size &size, std::ostream *out) { *out << "R = " << size.R; }
INSTANTIATE_TEST_SUITE_P(LeNet5, SimtStep, ::testing::Values(Size{1, 1}, Size{4, 1}, Size{64, 31}), NameOf);

} // namespace
