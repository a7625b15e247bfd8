/* test_network.cc - a population is so many networks that know nothing of each other, and the host keeps off the
 * backend's memory. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lenet/device_data.h"
#include "lenet/network.h"
#include "ops/draw.h"
#include "support/backends.h"

namespace {

/* ---- a small data set in memory ----------------------------------------------------------- */

/* Random images of which each class is bright somewhere else, so that there is something to learn. */
class HostData {
  public:
    HostData(int H, int W, size_t train, size_t test) {
        data.H = H;
        data.W = W;
        data.classes = 10;
        data.train = Half(0, train, 1);
        data.test = Half(1, test, 2);
    }
    lenet_dataset data = {};

  private:
    lenet_samples Half(int half, size_t count, uint32_t stream) {
        const size_t pixels = (size_t)data.H * data.W;
        images_[half].resize(count * pixels);
        labels_[half].resize(count);
        for (size_t n = 0; n < count; n++) {
            const auto label = (uint8_t)(RandomWord(stream, n) % 10);
            labels_[half][n] = label;
            for (size_t p = 0; p < pixels; p++)
                images_[half][n * pixels + p] =
                    (uint8_t)(RandomWord(stream + 100, n * pixels + p) % 128 + (p * 10 / pixels == label ? 120 : 0));
        }
        return {count, images_[half].data(), labels_[half].data()};
    }
    std::vector<uint8_t> images_[2], labels_[2];
};

lenet_topology Plan(const char *arch, lenet_activation activation, lenet_pooling pooling) {
    lenet_topology topology = {};
    lenet_error err = {};
    Require(lenet_topology_make(lenet_arch_find(arch), activation, pooling, 10, &topology, &err), err.text);
    return topology;
}

/* What an optimizer and a schedule need; one member differs from another in what its test says. */
lenet_hyper Hyper(uint64_t seed, uint32_t train_count) {
    lenet_hyper h = {};
    h.seed = seed;
    h.train_count = train_count;
    h.learning_rate = 0.02f;
    h.momentum = 0.9f;
    h.beta2 = 0.99f;
    h.epsilon = 1e-8f;
    h.total_steps = 9;
    return h;
}

/* ---- a population on a device ---------------------------------------------------------------- */

class DeviceData {
  public:
    DeviceData(const Device &device, const lenet_dataset &data, int field) : device_(device) {
        lenet_error err = {};
        const lenet_scaling scaling = lenet_scaling_of(&data.train, data.H, data.W);
        Require(lenet_device_data_create(&device.backend(), device.ctx(), &data, scaling, field, &data_, &err),
                err.text);
    }
    ~DeviceData() { lenet_device_data_free(&device_.backend(), device_.ctx(), &data_); }
    DeviceData(const DeviceData &) = delete;
    DeviceData &operator=(const DeviceData &) = delete;
    const lenet_source &train() const { return data_.train; }
    const lenet_source &test() const { return data_.test; }

  private:
    const Device &device_;
    lenet_device_data data_ = {};
};

class Population {
  public:
    Population(const Device &device, const lenet_dataset &data, const lenet_topology &topology,
               lenet_optimizer optimizer, const std::vector<lenet_hyper> &members, int B)
        : device_(device), data_(device, data, topology.arch->field) {
        lenet_error err = {};
        const lenet_network_options options = {&topology, optimizer, (int)members.size(), B, 0, 0};
        Require(lenet_network_create(&device.backend(), device.ctx(), &options, &net, &err), err.text);
        Upload(net.hyper, members);
        for (int r = 0; r < (int)members.size(); r++) {
            std::vector<float> w(topology.stride);
            lenet_topology_init(&topology, LENET_INIT_STANDARD, members[(size_t)r].seed, 1, w.data());
            Require(lenet_network_put(&net, net.w, r, w.data()), "put");
        }
    }
    ~Population() { lenet_network_free(&net); }
    Population(const Population &) = delete;
    Population &operator=(const Population &) = delete;

    void Steps(int n) {
        for (int i = 0; i < n; i++) Require(lenet_network_step(&net, &data_.train()), "step");
    }
    /* The gradient that the given step begins with, without the step: dw of every member. */
    std::vector<Values> Gradients(uint64_t step) {
        Upload(net.step, std::vector<uint64_t>{step});
        Upload(net.tally, std::vector<lenet_tally>((size_t)net.R));
        device_.Run(batch_draw{net.R, net.N, net.B, data_.train(), net.hyper, net.step, net.x, net.label});
        Require(lenet_network_forward(&net), "forward");
        Require(lenet_network_loss(&net, 1), "loss");
        Require(lenet_network_backward(&net), "backward");
        std::vector<Values> gradients;
        for (int r = 0; r < net.R; r++) {
            const std::vector<float> dw = Get(net.dw, r);
            gradients.emplace_back(dw.begin(), dw.end());
        }
        return gradients;
    }
    /* The outputs of all layers for the first batch, of the whole forward pass or layer by layer. */
    std::vector<uint8_t> Outputs(bool by_layers) {
        std::vector<uint8_t> bytes;
        Require(lenet_network_draw(&net, &data_.train()), "draw");
        if (!by_layers) Require(lenet_network_forward(&net), "forward");
        for (int l = 0; by_layers && l < net.topology.layer_count; l++)
            Require(lenet_network_forward_layer(&net, l), "forward_layer");
        for (int l = 0; l < net.topology.layer_count; l++) {
            std::vector<uint8_t> y(lenet_layer_outputs(&net.topology.layers[l]) * (size_t)net.R * (size_t)net.N *
                                   device_.backend().element_size);
            Require(device_.backend().download(device_.ctx(), y.data(), net.y[l], y.size()), "download");
            Append(bytes, y);
        }
        return bytes;
    }
    std::vector<float> Get(const void *which, int r) {
        std::vector<float> values(net.topology.stride);
        Require(lenet_network_get(&net, which, r, values.data()), "get");
        return values;
    }
    std::vector<lenet_tally> Tallies() const {
        std::vector<lenet_tally> tallies((size_t)net.R);
        Require(device_.backend().download(device_.ctx(), tallies.data(), net.tally, sizeof(lenet_tally) * net.R), "");
        return tallies;
    }
    struct Evaluation {
        std::vector<lenet_tally> tallies;
        std::vector<uint8_t> predicted; /* [R][end - first] */
    };
    Evaluation Evaluate(bool on_test, uint32_t first, uint32_t end) {
        Evaluation e = {std::vector<lenet_tally>((size_t)net.R),
                        std::vector<uint8_t>((size_t)net.R * (end - first), 99)};
        const lenet_answers answers = {e.predicted.data(), nullptr, nullptr};
        Require(lenet_network_evaluate(&net, on_test ? &data_.test() : &data_.train(), on_test ? nullptr : net.hyper,
                                       first, end, e.tallies.data(), &answers),
                "evaluate");
        return e;
    }
    /* All that a member has to show for itself. */
    std::vector<uint8_t> Everything(int r) {
        std::vector<uint8_t> bytes = ToBytes(Get(net.w, r));
        if (net.m) Append(bytes, ToBytes(Get(net.m, r)));
        if (net.v) Append(bytes, ToBytes(Get(net.v, r)));
        Append(bytes, ToBytes(std::vector<lenet_tally>{Tallies()[(size_t)r]}));
        for (bool on_test : {true, false}) {
            const uint32_t first = 3, end = 20;
            const Evaluation e = Evaluate(on_test, first, end);
            Append(bytes, ToBytes(std::vector<lenet_tally>{e.tallies[(size_t)r]}));
            const auto at = e.predicted.begin() + r * (end - first);
            bytes.insert(bytes.end(), at, at + (end - first));
        }
        return bytes;
    }

    const lenet_source &train() const { return data_.train(); }

    lenet_network net = {};

  private:
    template <class T> void Upload(T *to, const std::vector<T> &values) const {
        Require(device_.backend().upload(device_.ctx(), to, values.data(), values.size() * sizeof(T)), "upload");
    }
    const Device &device_;
    const DeviceData data_;
};

bool SameTallies(const std::vector<lenet_tally> &a, const std::vector<lenet_tally> &b) {
    return ToBytes(a) == ToBytes(b);
}

/* ---- members of a population ------------------------------------------------------------------ */

/* Everything that a network can have of its own. */
std::vector<lenet_hyper> Unlike() {
    lenet_hyper plain = Hyper(TestSeed(), 50);
    lenet_hyper augmented = Hyper(TestSeed() + 1, 33);
    augmented.train_first = 7;
    augmented.learning_rate = 0.05f;
    augmented.momentum = 0.5f;
    augmented.weight_decay = 0.01f;
    augmented.schedule = LENET_SCHEDULE_ONE_CYCLE;
    augmented.warmup_steps = 3;
    augmented.shift = 2;
    augmented.rotate = 10;
    augmented.scale = augmented.shear = 0.1f;
    augmented.elastic = 1;
    augmented.label_noise = 0.2f;
    lenet_hyper stepped = Hyper(TestSeed() + ((uint64_t)1 << 40), 64);
    stepped.train_first = 20;
    stepped.learning_rate = 0.01f;
    stepped.schedule = LENET_SCHEDULE_STEP;
    stepped.warmup_steps = 2;
    stepped.decay_every = 4;
    stepped.decay_factor = 0.5f;
    stepped.shift = 1;
    return {plain, augmented, stepped};
}

class PopulationTest : public ::testing::Test {
  protected:
    /* Members are trained together on 1, 2 and 3 threads, and each alone. */
    static void ExpectMembersEndAsAlone(const lenet_topology &topology, lenet_optimizer optimizer) {
        /* epochs of 3, 2 and 4 steps, all with a smaller last batch; and batches of one image */
        ExpectMembersEndAsAlone(topology, optimizer, lenet_backend_cpu(), 20, 9);
        ExpectMembersEndAsAlone(topology, optimizer, lenet_backend_cpu_batch1(), 1, 95);
    }

  private:
    static void ExpectMembersEndAsAlone(const lenet_topology &topology, lenet_optimizer optimizer,
                                        const lenet_backend *backend, int B, int steps) {
        const HostData host(28, 28, 90, 20);
        const std::vector<lenet_hyper> members = Unlike();
        std::vector<std::vector<uint8_t>> alone;
        for (const lenet_hyper &member : members) {
            const Device device(backend, 1);
            Population population(device, host.data, topology, optimizer, {member}, B);
            population.Steps(steps);
            alone.push_back(population.Everything(0));
        }
        EXPECT_NE(alone[0], alone[1]);
        for (int threads = 1; threads <= 3; threads++) {
            const Device device(backend, threads);
            Population population(device, host.data, topology, optimizer, members, B);
            population.Steps(steps);
            for (int r = 0; r < (int)members.size(); r++)
                EXPECT_TRUE(SameBytes(alone[(size_t)r], population.Everything(r)))
                    << "network " << r << ", optimizer " << optimizer << ", " << threads << " threads, "
                    << backend->name;
        }
    }

    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

TEST_F(PopulationTest, MembersEndWithTheBytesOfARunAlone) {
    for (lenet_optimizer optimizer : {LENET_SGD, LENET_MOMENTUM, LENET_NESTEROV, LENET_ADAMW})
        ExpectMembersEndAsAlone(Plan("lenet5", LENET_RELU, LENET_POOL_MAX), optimizer);
}

TEST_F(PopulationTest, MembersEndWithTheBytesOfARunAloneWithTanhAndAveragesToo) {
    ExpectMembersEndAsAlone(Plan("lenet5", LENET_TANH, LENET_POOL_AVERAGE), LENET_NESTEROV);
}

TEST_F(PopulationTest, MembersEndWithTheBytesOfARunAloneInOtherArchitectures) {
    for (const char *arch : {"mlp-300", "linear"})
        ExpectMembersEndAsAlone(Plan(arch, LENET_TANH, LENET_POOL_MAX), LENET_ADAMW);
}

/* As a whole it has fewer operations. */
TEST_F(PopulationTest, TheForwardPassIsThatOfItsLayers) {
    const HostData host(28, 28, 90, 20);
    for (const char *arch : {"lenet5", "lenet5-1998", "mlp-300-100", "linear"})
        for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH}) {
            const Device device(lenet_backend_cpu(), 1);
            Population population(device, host.data, Plan(arch, activation, LENET_POOL_MAX), LENET_SGD, Unlike(), 20);
            EXPECT_TRUE(SameBytes(population.Outputs(true), population.Outputs(false))) << arch << ", " << activation;
        }
}

TEST_F(PopulationTest, TheSameMemberTwiceIsTheSameTwice) {
    const HostData host(28, 28, 40, 20);
    const lenet_hyper member = Hyper(TestSeed(), 40);
    const Device device(lenet_backend_cpu(), 2);
    Population population(device, host.data, Plan("linear", LENET_RELU, LENET_POOL_MAX), LENET_SGD, {member, member},
                          8);
    population.Steps(7);
    EXPECT_TRUE(SameBytes(population.Everything(0), population.Everything(1)));
}

/* The guard's memory is locked except inside an operation: a driver that peeks at it dies here, and not on a GPU. */
TEST_F(PopulationTest, TheDriverNeverReadsTheBackendsMemory) {
    const HostData host(28, 28, 90, 20);
    const lenet_topology topology = Plan("lenet5", LENET_RELU, LENET_POOL_MAX);
    for (lenet_optimizer optimizer : {LENET_SGD, LENET_ADAMW}) {
        std::vector<std::vector<uint8_t>> results;
        for (const lenet_backend *backend : {lenet_backend_cpu(), lenet_backend_guard()}) {
            const Device device(backend, 1);
            Population population(device, host.data, topology, optimizer, Unlike(), 20);
            population.Steps(3);
            results.push_back(population.Everything(1));
        }
        EXPECT_TRUE(SameBytes(results[0], results[1]));
    }
}

/* ---- layers that are fused --------------------------------------------------------------------- */

bool IsFused(const lenet_network &net, int l) { return net.y[l] == nullptr; }

/* Training and evaluation end with the same bytes on a backend that fuses layers and on one that does not. */
TEST_F(PopulationTest, FusedLayersChangeNoByte) {
    const HostData host(28, 28, 90, 20);
    for (const lenet_backend *backend : {lenet_backend_cpu(), lenet_backend_cpu_batch1(), lenet_backend_guard()})
        for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH})
            for (const char *frozen : {"none", "C1"}) {
                SCOPED_TRACE(std::string(backend->name) + " " + std::to_string(activation) + " " + frozen);
                lenet_topology plan = Plan("lenet1", activation, LENET_POOL_MAX);
                ASSERT_EQ(lenet_topology_freeze(&plan, frozen, nullptr), LENET_OK);
                lenet_backend fusing = *backend;
                fusing.fuses = 1;
                const Device device(backend, 1), fusing_device(&fusing, 1);
                const int B = backend->lanes == 1 ? 2 : 20;
                Population each(device, host.data, plan, LENET_NESTEROV, Unlike(), B);
                Population fused(fusing_device, host.data, plan, LENET_NESTEROV, Unlike(), B);
                EXPECT_TRUE(IsFused(fused.net, 0) && IsFused(fused.net, 2) && !IsFused(each.net, 0));
                each.Steps(4);
                fused.Steps(4);
                for (int r = 0; r < 3; r++) EXPECT_TRUE(SameBytes(each.Everything(r), fused.Everything(r))) << r;
            }
}

/* Every other network keeps the outputs of its convolutions: of an average or a sum each pixel has a part, second
 * derivatives and those who go layer by layer look at them. */
TEST_F(PopulationTest, OnlyMaximaAreFusedAndOnlyWhereNobodyLooks) {
    lenet_backend fusing = *lenet_backend_cpu();
    fusing.fuses = 1;
    const Device device(&fusing, 1);
    const auto fused = [&](const char *arch, lenet_pooling pooling, lenet_optimizer optimizer, int by_layer) {
        const lenet_topology plan = Plan(arch, LENET_SQUASH, pooling);
        const lenet_network_options options = {&plan, optimizer, 1, 2, 0, by_layer};
        lenet_network net;
        int count = 0;
        Require(lenet_network_create(&device.backend(), device.ctx(), &options, &net, nullptr), "create");
        for (int l = 0; l < plan.layer_count; l++) {
            EXPECT_EQ(l > 0 && IsFused(net, l - 1), net.place[l] != nullptr) << l;
            count += IsFused(net, l);
        }
        lenet_network_free(&net);
        return count;
    };
    EXPECT_EQ(fused("lenet5", LENET_POOL_MAX, LENET_ADAMW, 0), 2);
    EXPECT_EQ(fused("lenet5-1998", LENET_POOL_MAX, LENET_SGD, 0), 2);
    EXPECT_EQ(fused("lenet5", LENET_POOL_AVERAGE, LENET_ADAMW, 0), 0);
    EXPECT_EQ(fused("lenet5", LENET_POOL_SUM, LENET_ADAMW, 0), 0);
    EXPECT_EQ(fused("lenet5", LENET_POOL_MAX, LENET_ADAMW, 1), 0);
    EXPECT_EQ(fused("lenet5-1998", LENET_POOL_MAX, LENET_SDLM, 0), 0);
    EXPECT_EQ(fused("mlp-300", LENET_POOL_MAX, LENET_SGD, 0), 0);
}

/* ---- on every backend -------------------------------------------------------------------------- */

class Network : public BackendTest {
  protected:
    const HostData host_{28, 28, 90, 50};
    const lenet_topology plan_ = Plan("lenet5", LENET_TANH, LENET_POOL_AVERAGE);
};
LENET_ON_ALL_BACKENDS(Network);

TEST_P(Network, PutAndGetMoveOneMemberAndNoOther) {
    Population p(device(), host_.data, plan_, LENET_ADAMW, Unlike(), 5);
    for (void *which : {p.net.w, p.net.dw, p.net.m, p.net.v})
        for (int r = 0; r < 3; r++) {
            const Values values = Reals(plan_.stride, (uint32_t)r + 1);
            const std::vector<float> w(values.begin(), values.end());
            Require(lenet_network_put(&p.net, which, r, w.data()), "put");
        }
    for (const void *which : {p.net.w, p.net.dw, p.net.m, p.net.v})
        for (int r = 0; r < 3; r++) {
            const std::vector<float> w = p.Get(which, r);
            EXPECT_TRUE(Equal(Reals(plan_.stride, (uint32_t)r + 1), Values(w.begin(), w.end()))) << "network " << r;
        }
}

TEST_P(Network, WeightsMomentsAndTheStepAreZeroAtFirst) {
    lenet_network net;
    lenet_error err = {};
    const lenet_network_options options = {&plan_, LENET_ADAMW, 2, 5, 0, 0};
    ASSERT_EQ(lenet_network_create(&device().backend(), device().ctx(), &options, &net, &err), LENET_OK) << err.text;
    std::vector<float> values(plan_.stride, NAN);
    for (const void *which : {net.w, net.m, net.v})
        for (int r = 0; r < 2; r++) {
            ASSERT_EQ(lenet_network_get(&net, which, r, values.data()), LENET_OK);
            EXPECT_EQ(values, std::vector<float>(plan_.stride, 0));
        }
    uint64_t step = 99;
    ASSERT_EQ(device().backend().download(device().ctx(), &step, net.step, sizeof step), LENET_OK);
    EXPECT_EQ(step, 0u);
    EXPECT_EQ(net.dx, nullptr) << "not asked for";
    lenet_network_free(&net);
}

TEST_P(Network, TheBatchIsPaddedToTheLanesAndTensorsAreAlignedAndApart) {
    lenet_network net;
    for (int B : {1, lanes(), lanes() + 1})
        for (lenet_optimizer optimizer : {LENET_SGD, LENET_MOMENTUM, LENET_ADAMW}) {
            lenet_error err = {};
            const lenet_network_options options = {&plan_, optimizer, 3, B, 1, 0};
            ASSERT_EQ(lenet_network_create(&device().backend(), device().ctx(), &options, &net, &err), LENET_OK);
            EXPECT_EQ(net.N, (B + lanes() - 1) / lanes() * lanes());
            EXPECT_EQ(net.m == nullptr, optimizer == LENET_SGD);
            EXPECT_EQ(net.v == nullptr, optimizer != LENET_ADAMW);

            const size_t real = device().backend().element_size, image = (size_t)(3 * net.N) * real;
            std::vector<std::pair<const void *, size_t>> tensors;
            for (const void *p : {net.w, net.dw, net.m, net.v}) tensors.emplace_back(p, 3 * plan_.stride * real);
            for (const void *p : {net.x, net.next_x, net.dx}) tensors.emplace_back(p, 32 * 32 * image);
            EXPECT_EQ(net.next_x != nullptr, device().backend().record != nullptr);
            for (int l = 0; l < plan_.layer_count; l++)
                if (plan_.layers[l].spec.kind == LENET_ACTIVATION) {
                    EXPECT_EQ(net.y[l], net.y[l - 1]) << "in place";
                } else
                    tensors.emplace_back(net.y[l], lenet_layer_outputs(&plan_.layers[l]) * image);
            std::map<const void *, size_t> gradients; /* of an activation, in place */
            for (int l = 0; l < plan_.layer_count; l++) {
                size_t &bytes = gradients[lenet_network_gradient(&net, l)];
                bytes = std::max(bytes, lenet_layer_outputs(&plan_.layers[l]) * image);
            }
            for (const auto &gradient : gradients) tensors.push_back(gradient);
            for (const uint8_t *p : {net.label, net.next_label, net.predicted})
                tensors.emplace_back(p, 3 * (size_t)net.N);
            tensors.emplace_back(net.hyper, 3 * sizeof *net.hyper);
            tensors.emplace_back(net.tally, 3 * sizeof *net.tally);
            tensors.emplace_back(net.step, sizeof *net.step);
            tensors.emplace_back(net.rate, 3 * sizeof *net.rate);
            std::sort(tensors.begin(), tensors.end());
            uintptr_t end = 0;
            for (const auto &[p, bytes] : tensors) {
                if (!p) continue;
                const auto at = (uintptr_t)p;
                EXPECT_GE(at, end) << "two tensors overlap";
                /* The guard aligns an arena as well as its size allows, and that is not for sure 256. */
                if (std::string(GetParam()) != "guard") {
                    EXPECT_EQ(at % 256, 0u);
                }
                end = at + bytes;
            }
            lenet_network_free(&net);
        }
}

/* ---- evaluation ------------------------------------------------------------------------------------ */

TEST_P(Network, EvaluatingLeavesTheTrainingAsItWas) {
    Population p(device(), host_.data, plan_, LENET_MOMENTUM, Unlike(), 20);
    Population undisturbed(device(), host_.data, plan_, LENET_MOMENTUM, Unlike(), 20);
    p.Steps(2);
    const std::vector<lenet_tally> tallies = p.Tallies();
    EXPECT_EQ(tallies[0].count, 40u);
    EXPECT_EQ(tallies[1].count, 33u) << "an epoch of 20 and 13 images";
    const std::vector<float> w = p.Get(p.net.w, 1);
    p.Evaluate(true, 0, 50);
    p.Evaluate(false, 0, 90);
    EXPECT_TRUE(SameTallies(p.Tallies(), tallies));
    EXPECT_EQ(p.Get(p.net.w, 1), w);
    p.Steps(2);
    undisturbed.Steps(4);
    for (int r = 0; r < 3; r++) EXPECT_EQ(p.Get(p.net.w, r), undisturbed.Get(undisturbed.net.w, r)) << "network " << r;
    EXPECT_TRUE(SameTallies(p.Tallies(), undisturbed.Tallies()));
}

TEST_P(Network, AnEvaluationIsTheSumOfItsParts) {
    Population p(device(), host_.data, plan_, LENET_SGD, Unlike(), 20);
    p.Steps(3);
    for (bool on_test : {true, false}) {
        const Population::Evaluation whole = p.Evaluate(on_test, 0, 50);
        for (uint32_t cut : {0u, 1u, 17u, 49u, 50u}) {
            const Population::Evaluation head = p.Evaluate(on_test, 0, cut), tail = p.Evaluate(on_test, cut, 50);
            for (size_t r = 0; r < 3; r++) {
                const lenet_tally &a = head.tallies[r], &b = tail.tallies[r], &all = whole.tallies[r];
                EXPECT_EQ(a.count, cut);
                EXPECT_EQ(b.count, 50 - cut);
                EXPECT_EQ(a.correct + b.correct, all.correct);
                /* 50 additions in double, in another order, of an image's loss that is the same */
                EXPECT_NEAR(a.loss + b.loss, all.loss, 50 * 0x1p-52 * all.loss);
                const auto part = [](const Population::Evaluation &e, size_t network, size_t count) {
                    const auto first = e.predicted.begin() + (ptrdiff_t)(network * count);
                    return std::vector<uint8_t>(first, first + (ptrdiff_t)count);
                };
                std::vector<uint8_t> predicted = part(head, r, cut);
                Append(predicted, part(tail, r, 50 - cut));
                EXPECT_EQ(predicted, part(whole, r, 50));
            }
        }
    }
}

TEST_P(Network, AnEvaluationAddsToWhatIsThereAndCountsWhatIsRight) {
    Population p(device(), host_.data, plan_, LENET_SGD, Unlike(), 20);
    const Population::Evaluation e = p.Evaluate(true, 0, 50);
    for (size_t r = 0; r < 3; r++) {
        uint64_t correct = 0;
        for (size_t i = 0; i < 50; i++) correct += e.predicted[r * 50 + i] == host_.data.test.labels[i];
        EXPECT_EQ(e.tallies[r].correct, correct);
        EXPECT_EQ(e.tallies[r].nonfinite, 0u);
    }
    const DeviceData data(device(), host_.data, plan_.arch->field);
    std::vector<lenet_tally> twice = e.tallies;
    ASSERT_EQ(lenet_network_evaluate(&p.net, &data.test(), nullptr, 0, 50, twice.data(), nullptr), LENET_OK);
    for (size_t r = 0; r < 3; r++) {
        EXPECT_EQ(twice[r].count, 100u);
        EXPECT_EQ(twice[r].correct, 2 * e.tallies[r].correct);
    }
}

/* Evaluated alone an image's tally is its loss. F16 has 11 digits of base 2: half of the last one is 2^-12 to 2^-11 of
 * the value, or 2^-25 below 2^-14; what the float constant of the rubbish class is off by is far less. */
TEST_P(Network, TheLossOfAnAnswerIsThatOfItsImageAlone) {
    for (const auto &[arch, loss] :
         {std::pair{"lenet5", LENET_CROSS_ENTROPY}, {"lenet5-1998", LENET_MAP}, {"lenet5-1998", LENET_MSE}}) {
        lenet_topology plan = Plan(arch, LENET_SQUASH, LENET_POOL_SUM);
        plan.loss = loss;
        plan.map_j = 3;
        Population p(device(), host_.data, plan, LENET_SGD, Unlike(), 20);
        const DeviceData data(device(), host_.data, plan.arch->field);
        std::vector<uint16_t> losses(3 * 30, 99);
        std::vector<lenet_tally> ignored(3);
        const lenet_answers answers = {nullptr, nullptr, losses.data()};
        const lenet_status status =
            lenet_network_evaluate(&p.net, &data.test(), nullptr, 5, 35, ignored.data(), &answers);
        if (device().backend().element_size != sizeof(float)) {
            EXPECT_EQ(status, LENET_ERR_ARG);
            continue;
        }
        ASSERT_EQ(status, LENET_OK);
        for (uint32_t i = 0; i < 30; i++) {
            const Population::Evaluation alone = p.Evaluate(true, 5 + i, 6 + i);
            for (size_t r = 0; r < 3; r++) {
                const int bits = losses[r * 30 + i], exponent = bits >> 10;
                const double got =
                    exponent ? std::ldexp(1024 + bits % 1024, exponent - 25) : std::ldexp(bits % 1024, -24);
                EXPECT_NEAR(got, alone.tallies[r].loss, 0x1.01p-11 * alone.tallies[r].loss + 0x1p-25) << arch << loss;
            }
        }
    }
}

TEST_P(Network, AValidationSetIsTheFirstOfTheSeedsOrder) {
    const std::vector<lenet_hyper> members = Unlike();
    Population p(device(), host_.data, plan_, LENET_SGD, members, 20);
    const Population::Evaluation e = p.Evaluate(false, 0, 30), all = p.Evaluate(false, 0, 90);
    for (size_t r = 0; r < 3; r++) {
        const lenet_bijection split = lenet_bijection_make(members[r].seed, LENET_RNG_SPLIT, 0, 90);
        uint64_t correct = 0;
        for (uint32_t i = 0; i < 30; i++)
            correct += e.predicted[r * 30 + i] == host_.data.train.labels[lenet_permute(&split, i)];
        EXPECT_EQ(e.tallies[r].correct, correct) << "network " << r;
        EXPECT_EQ(all.tallies[r].count, 90u);
    }
}

/* What is not computed for a frozen layer, nor below the lowest one that trains, changes nothing of the others. */
TEST_P(Network, TheGradientsOfLayersThatTrainAreThoseOfANetworkWithoutFrozenOnes) {
    for (const char *arch : {"lenet5", "lenet5-1998"})
        for (const char *frozen : {"C1", "C3", "C1,C3", "C1,C5", "C1,C3,C5", "F6"}) {
            SCOPED_TRACE(std::string(arch) + " " + frozen);
            lenet_topology plan = Plan(arch, LENET_TANH, LENET_POOL_AVERAGE), part = plan;
            if (arch == std::string("lenet5-1998")) plan.loss = part.loss = LENET_MSE;
            ASSERT_EQ(lenet_topology_freeze(&part, frozen, nullptr), LENET_OK);
            Population all(device(), host_.data, plan, LENET_SGD, Unlike(), 20);
            Population some(device(), host_.data, part, LENET_SGD, Unlike(), 20);
            const std::vector<Values> want = all.Gradients(1), got = some.Gradients(1);
            for (int l = 0; l < plan.layer_count; l++) {
                const lenet_layer &layer = part.layers[l];
                const size_t end = l + 1 < plan.layer_count ? part.layers[l + 1].w : part.stride;
                for (size_t r = 0; r < 3; r++)
                    for (size_t i = layer.w; i < end; i++)
                        ASSERT_EQ(got[r][i], layer.frozen ? 0 : want[r][i]) << layer.spec.name << i;
            }
        }
}

/* ---- the last, smaller batch ------------------------------------------------------------------------- */

/* Rounding puts these sums off by far less than this share of the largest gradient; a mean over the padding, too,
 * or over the wrong images, by much more. */
constexpr double kShare = 1e-4;

Values Bound(const Values &gradient) {
    double largest = 0;
    for (double v : gradient) largest = std::max(largest, std::fabs(v));
    EXPECT_GT(largest, 0);
    return Values(gradient.size(), kShare * largest);
}

TEST_P(Network, TheGradientOfAPaddedBatchIsThatOfItsImagesAlone) {
    const int L = std::max(lanes(), 4); /* batches that fill the lanes */
    const HostData host(28, 28, (size_t)(4 * L), 1);
    lenet_hyper even = Hyper(TestSeed(), (uint32_t)(3 * L)), other = Hyper(TestSeed() + 1, (uint32_t)(3 * L));
    other.train_first = 5;
    other.rotate = 20; /* drawn per image: the same in both batches */
    /* With batches of 2 L images the epoch's second one has L and L of padding; with L, the third has the same L. */
    Population padded(device(), host.data, plan_, LENET_SGD, {even, other}, 2 * L);
    Population exact(device(), host.data, plan_, LENET_SGD, {even, other}, L);
    const std::vector<Values> got = padded.Gradients(1), want = exact.Gradients(2);
    for (size_t r = 0; r < 2; r++) {
        EXPECT_TRUE(Near(want[r], got[r], Bound(want[r]))) << "network " << r;
        EXPECT_EQ(padded.Tallies()[r].count, (uint64_t)L);
        /* float outputs of lenet5 differ by rounding at most; the mean over twice as many images would halve it */
        EXPECT_NEAR(padded.Tallies()[r].loss, exact.Tallies()[r].loss, 1e-4 * exact.Tallies()[r].loss);
    }
}

TEST_P(Network, TheGradientOfABatchIsTheMeanOfItsImagesGradients) {
    const std::vector<lenet_hyper> members = {Hyper(TestSeed(), 3), Hyper(TestSeed() + 1, 5)}; /* one batch, both */
    Population together(device(), host_.data, plan_, LENET_SGD, members, 5);
    Population single(device(), host_.data, plan_, LENET_SGD, members, 1);
    const std::vector<Values> got = together.Gradients(0);
    for (size_t r = 0; r < 2; r++) {
        const uint32_t count = members[r].train_count;
        Values mean(plan_.stride);
        for (uint32_t image = 0; image < count; image++) {
            const Values gradient = single.Gradients(image)[r];
            for (size_t i = 0; i < mean.size(); i++) mean[i] += gradient[i] / count;
        }
        EXPECT_TRUE(Near(mean, got[r], Bound(mean))) << "network " << r;
        EXPECT_EQ(together.Tallies()[r].count, count);
    }
}

/* ---- the data set on the device ------------------------------------------------------------------------- */

TEST(Scaling, GivesBytesMeanZeroAndVarianceOne) {
    const HostData host(9, 7, 40, 1);
    const lenet_scaling s = lenet_scaling_of(&host.data.train, 9, 7);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < 40 * 63; i++) {
        const double x = (double)s.factor * host.data.train.images[i] + s.offset;
        sum += x;
        squares += x * x;
    }
    EXPECT_NEAR(sum / (40 * 63), 0, 1e-5) << "factor and offset are rounded to float";
    EXPECT_NEAR(squares / (40 * 63), 1, 1e-5);
}

TEST(Scaling, OfPixelsThatAreAllAlikeIsFinite) {
    for (uint8_t byte : {0, 7, 255}) {
        std::vector<uint8_t> images(100, byte), labels(1);
        const lenet_samples samples = {1, images.data(), labels.data()};
        const lenet_scaling s = lenet_scaling_of(&samples, 10, 10);
        EXPECT_TRUE(std::isfinite(s.factor) && s.factor > 0) << (int)byte;
        EXPECT_NEAR(s.factor * byte + s.offset, 0, 1e-5) << (int)byte;
    }
}

TEST_P(Network, ImagesMustFitTheField) {
    for (int H : {32, 33}) {
        const HostData host(H, 20, 3, 2);
        lenet_device_data data;
        lenet_error err = {};
        const lenet_status status =
            lenet_device_data_create(&device().backend(), device().ctx(), &host.data, {1, 0}, 32, &data, &err);
        EXPECT_EQ(status, H == 32 ? LENET_OK : LENET_ERR_FORMAT) << err.text;
        if (H > 32) {
            EXPECT_NE(std::string(err.text).find("33 x 20"), std::string::npos) << err.text;
        }
        lenet_device_data_free(&device().backend(), device().ctx(), &data);
    }
}

TEST_P(Network, SmallImagesTrainInTheMiddleOfTheField) {
    const HostData host(11, 20, 40, 10);
    Population p(device(), host.data, plan_, LENET_NESTEROV, {Hyper(TestSeed(), 40)}, 20);
    const double before = p.Evaluate(false, 0, 40).tallies[0].loss;
    p.Steps(60);
    const lenet_tally after = p.Evaluate(false, 0, 40).tallies[0];
    EXPECT_LT(after.loss, before / 2);
    EXPECT_EQ(after.nonfinite, 0u);
}

/* ---- an operation that fails ----------------------------------------------------------------------------------- */

/* Of all operations that are called, the one that fails. */
struct {
    const lenet_backend *inner;
    int failing, calls;
} failure;

#define X(op)                                                                                                          \
    lenet_status fail_in_turn_##op(lenet_ctx *ctx, const struct op *args) {                                            \
        return failure.calls++ == failure.failing ? LENET_ERR_DEVICE : failure.inner->op(ctx, args);                   \
    }
LENET_OPS(X)
#undef X

lenet_backend FailingInTurn(const lenet_backend &inner) {
    lenet_backend failing = inner;
#define X(op) failing.op = fail_in_turn_##op;
    LENET_OPS(X)
#undef X
    return failing;
}

struct Work {
    const char *what;
    lenet_optimizer optimizer;
    std::function<lenet_status(Population &)> run;
};

/* What a network can be asked to do. */
std::vector<Work> AllWork() {
    const auto evaluate = [](Population &p) {
        lenet_tally tally = {};
        return lenet_network_evaluate(&p.net, &p.train(), nullptr, 0, 30, &tally, nullptr);
    };
    return {
        {"a step", LENET_NESTEROV, [](Population &p) { return lenet_network_step(&p.net, &p.train()); }},
        {"steps", LENET_ADAMW, [](Population &p) { return lenet_network_steps(&p.net, &p.train(), 2); }},
        {"the parts of a step", LENET_SGD,
         [](Population &p) {
             LENET_TRY(lenet_network_draw(&p.net, &p.train()));
             for (int l = 0; l < p.net.topology.layer_count; l++) LENET_TRY(lenet_network_forward_layer(&p.net, l));
             LENET_TRY(lenet_network_loss(&p.net, 1));
             for (int l = p.net.topology.layer_count; l-- > 0;) LENET_TRY(lenet_network_backward_layer(&p.net, l));
             return lenet_network_update(&p.net);
         }},
        {"an evaluation", LENET_SGD, evaluate},
        {"curvature", LENET_SDLM, [](Population &p) { return lenet_network_curvature(&p.net, &p.train(), 2); }},
        {"a step of sdlm", LENET_SDLM, [](Population &p) { return lenet_network_step(&p.net, &p.train()); }},
    };
}

/* No error is swallowed on its way up, whichever operation it is of: the one after it is not called any more. */
TEST_F(PopulationTest, AnOperationThatFailsEndsWhatItIsPartOf) {
    const HostData host(28, 28, 90, 20);
    failure.inner = lenet_backend_cpu();
    for (int fuses : {0, 1}) {
        lenet_backend backend = FailingInTurn(*failure.inner);
        backend.fuses = fuses;
        const Device device(&backend, 1);
        for (const Work &work : AllWork()) {
            Population population(device, host.data, Plan("lenet5-1998", LENET_RELU, LENET_POOL_MAX), work.optimizer,
                                  {Hyper(1, 40)}, 2);
            for (failure.failing = 0;; failure.failing++) {
                failure.calls = 0;
                const lenet_status status = work.run(population);
                if (failure.calls <= failure.failing) { /* all of it was done */
                    EXPECT_EQ(status, LENET_OK) << work.what;
                    EXPECT_GE(failure.failing, 14) << work.what; /* layers, and the batch */
                    break;
                }
                EXPECT_EQ(status, LENET_ERR_DEVICE) << work.what << ", operation " << failure.failing;
                EXPECT_EQ(failure.calls, failure.failing + 1) << work.what << ", operation " << failure.failing;
            }
        }
    }
}

} // namespace
