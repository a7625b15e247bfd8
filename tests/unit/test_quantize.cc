/* test_quantize.cc - networks of small integers: rounding, rescaling, their outputs against those of the network of
 * floats, and what can come in without a sum that overflows. test_export_c.sh tests the C files. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "lenet/data.h"
#include "lenet/device.h"
#include "lenet/export.h"
#include "lenet/network.h"
#define restrict __restrict__
extern "C" {
#include "export/quantize.h"
#include "export/rounding.h"
}

namespace {

/* ---- rounding ---------------------------------------------------------------------------- */

double Error(const std::vector<double> &moments, const float *w, const int8_t *q, double scale, int n) {
    double error = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) error += (w[i] - scale * q[i]) * moments[i * n + j] * (w[j] - scale * q[j]);
    return error;
}

struct Layer {
    int units = 7, n = 30;
    std::vector<double> moments = std::vector<double>(n * n), scale = std::vector<double>(units, 1e-9);
    std::vector<float> w = std::vector<float>(units * n);
    std::vector<uint8_t> exists = std::vector<uint8_t>(units * n, 1);
    std::vector<int8_t> q = std::vector<int8_t>(units * n, 99);

    /* Weights, and moments of inputs that go together: each is made of a few that do not. */
    explicit Layer(int seed) {
        std::mt19937 random(seed);
        std::normal_distribution<double> normal;
        std::vector<double> mix(n * 10);
        for (auto &m : mix) m = normal(random);
        for (auto &weight : w) weight = (float)normal(random);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                for (int k = 0; k < 10; k++) moments[i * n + j] += mix[i * 10 + k] * mix[j * 10 + k] + (i == j) * 0.01;
    }
    void Round(int most) {
        const lenet_rounding rounding = {units,         n,    moments.data(), w.data(),
                                         exists.data(), most, scale.data(),   q.data()};
        ASSERT_EQ(LENET_OK, lenet_round_weights(&rounding, nullptr));
    }
};

TEST(Rounding, IsFarBetterThanRoundingEachWeightForItself) {
    Layer layer(1);
    layer.Round(7);
    for (int o = 0; o < layer.units; o++) {
        const float *w = &layer.w[o * layer.n];
        float largest = 0;
        std::vector<int8_t> nearest;
        for (int i = 0; i < layer.n; i++) largest = std::max(largest, std::fabs(w[i]));
        for (int i = 0; i < layer.n; i++) nearest.push_back((int8_t)std::lround(w[i] / largest * 7));
        const double plain = Error(layer.moments, w, nearest.data(), largest / 7, layer.n);
        /* Twenty of thirty directions cost nothing, in which the errors of the others can be hidden. */
        EXPECT_LT(Error(layer.moments, w, &layer.q[o * layer.n], layer.scale[o], layer.n), plain / 2) << o;
    }
}

TEST(Rounding, KeepsToTheLargestIntegerAndToTheLeastScale) {
    for (int most : {7, 127}) {
        Layer layer(2);
        layer.scale.assign(layer.units, 0.5);
        layer.Round(most);
        for (double scale : layer.scale) EXPECT_GE(scale, 0.5);
        for (int8_t q : layer.q) EXPECT_LE(std::abs(q), most);
    }
}

TEST(Rounding, LeavesWeightsAt0ThatDoNotExist) {
    Layer layer(3);
    for (size_t i = 0; i < layer.w.size(); i += 3) layer.exists[i] = 0;
    layer.Round(127);
    for (size_t i = 0; i < layer.w.size(); i += 3) EXPECT_EQ(layer.q[i], 0);
}

/* ---- rescaling --------------------------------------------------------------------------- */

TEST(Rescaling, RoundsToTheNearestAndHalvesAwayFrom0) {
    const int32_t factor[] = {1 << 28, -(1 << 28)}; /* a quarter, with a shift of 30 */
    const rescaling r = {factor, nullptr, 30, -INT32_MAX, INT32_MAX, nullptr};
    const int32_t sums[] = {0, 1, 2, 3, 5, 6, -1, -2, -3, -5, -6}, want[] = {0, 0, 1, 1, 1, 2, 0, -1, -1, -1, -2};
    for (int i = 0; i < 11; i++) {
        EXPECT_EQ(rescaled(&r, 0, sums[i]), want[i]) << sums[i];
        EXPECT_EQ(rescaled(&r, 1, sums[i]), -want[i]) << sums[i];
    }
}

TEST(Rescaling, StaysWithinItsLimitsWhateverComes) {
    const int32_t sums[] = {INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX},
                  factors[] = {-INT32_MAX, -1, 0, 1, INT32_MAX};
    for (int32_t sum : sums)
        for (int32_t factor : factors)
            for (int shift : {1, 30, 61}) {
                const int32_t bias = factor;
                const rescaling r = {&factor, &bias, shift, -100, 200, nullptr};
                const __int128 product = (__int128)sum * factor, half = (__int128)1 << (shift - 1);
                __int128 want = (product < 0 ? -((half - product) >> shift) : (half + product) >> shift) + bias;
                want = want < -100 ? -100 : want > 200 ? 200 : want;
                EXPECT_EQ(rescaled(&r, 0, sum), (int32_t)want) << sum << " * " << factor << " >> " << shift;
            }
}

/* ---- networks ------------------------------------------------------------------------------- */

constexpr int IMAGES = 48;

struct Network {
    lenet_model model = {};
    lenet_dataset data = {};
    std::vector<float> w;
    lenet_reference reference = {};
    lenet_integer_network integers = {};
    lenet_error err = {};

    explicit Network(const lenet_arch *arch, lenet_activation activation = LENET_RELU,
                     lenet_pooling pooling = LENET_POOL_MAX) {
        EXPECT_EQ(LENET_OK, lenet_topology_make(arch, activation, pooling, 10, &model.topology, &err)) << err.text;
        EXPECT_EQ(LENET_OK, lenet_dataset_random(7, IMAGES, 28, &data));
        model.scaling = lenet_scaling_of(&data.train, 28, 28);
        w.resize(model.topology.stride);
        lenet_topology_init(&model.topology, LENET_INIT_STANDARD, 5, 1, w.data());
    }
    ~Network() {
        lenet_integer_network_free(&integers);
        lenet_reference_free(&reference);
        lenet_dataset_free(&data);
    }
    lenet_status Quantize(int bits) {
        EXPECT_EQ(LENET_OK, lenet_reference_measure(&model, w.data(), &data, &reference, &err)) << err.text;
        return lenet_quantize(&model, w.data(), bits, &data, &reference, &integers, &err);
    }
    /* [IMAGES][10] of the test images, without the mean of each image's ten. */
    std::vector<double> Scores() const {
        std::vector<int32_t> scores(IMAGES * 10);
        uint64_t correct;
        EXPECT_EQ(LENET_OK, lenet_integer_network_measure(&integers, &data.test, scores.data(), &correct, nullptr));
        std::vector<double> outputs;
        for (int32_t score : scores) outputs.push_back(score * integers.score_unit);
        return Centred(outputs);
    }
    std::vector<double> Outputs() const {
        lenet_device device;
        lenet_device_data on_device;
        lenet_network net;
        lenet_tally tally = {};
        std::vector<float> outputs(IMAGES * 10);
        lenet_answers answers = {};
        answers.outputs = outputs.data();
        const lenet_network_options options = {&model.topology, LENET_SGD, 1, IMAGES, 0, 0};
        EXPECT_EQ(LENET_OK, lenet_device_open("cpu", {}, &device, nullptr));
        EXPECT_EQ(LENET_OK, lenet_device_data_create(device.backend, device.ctx, &data, model.scaling,
                                                     model.topology.arch->field, &on_device, nullptr));
        EXPECT_EQ(LENET_OK, lenet_network_create(device.backend, device.ctx, &options, &net, nullptr));
        EXPECT_EQ(LENET_OK, lenet_network_put(&net, net.w, 0, w.data()));
        EXPECT_EQ(LENET_OK, lenet_network_evaluate(&net, &on_device.test, nullptr, 0, IMAGES, &tally, &answers));
        lenet_network_free(&net);
        lenet_device_data_free(device.backend, device.ctx, &on_device);
        lenet_device_close(&device);
        return Centred(std::vector<double>(outputs.begin(), outputs.end()));
    }
    static std::vector<double> Centred(std::vector<double> outputs) {
        for (size_t i = 0; i < outputs.size(); i += 10) {
            double sum = 0;
            for (int c = 0; c < 10; c++) sum += outputs[i + c];
            for (int c = 0; c < 10; c++) outputs[i + c] -= sum / 10;
        }
        return outputs;
    }
};

double Norm(const std::vector<double> &values) {
    double squares = 0;
    for (double value : values) squares += value * value;
    return std::sqrt(squares);
}

/* Weights are rounded to 1/254 of the largest or less, and values to 1/255: each layer adds errors of about 1 % of what
 * it computes, which add as squares do, and a table of tanh twice that. Of what ten classes have in common nothing is
 * left in the norm, so that it is up to three times as large in comparison. */
void ExpectTheOutputsOfFloats(const lenet_arch *arch, lenet_activation activation, lenet_pooling pooling) {
    Network network(arch, activation, pooling);
    ASSERT_EQ(LENET_OK, network.Quantize(8)) << network.err.text;
    std::vector<double> got = network.Scores(), want = network.Outputs();
    for (size_t i = 0; i < got.size(); i++) got[i] -= want[i];
    EXPECT_LT(Norm(got), 0.1 * Norm(want)) << arch->name << " " << activation << " " << pooling;
}

TEST(IntegerNetwork, HasTheOutputsOfTheNetworkOfFloatsInItsUnit) {
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++)
        if (std::strcmp(arch->name, "mlp-1000") != 0) /* as mlp-300, but slow */
            ExpectTheOutputsOfFloats(arch, LENET_RELU, LENET_POOL_MAX);
    for (const char *name : {"lenet1", "lenet5-1998"}) /* with trainable subsampling, and without */
        for (auto activation : {LENET_TANH, LENET_RELU, LENET_SQUASH})
            for (auto pooling : {LENET_POOL_AVERAGE, LENET_POOL_MAX, LENET_POOL_SUM})
                ExpectTheOutputsOfFloats(lenet_arch_find(name), activation, pooling);
}

/* Of every unit: whatever the inputs are, no sum needs more than 32 bits, not even on the way. */
void ExpectNoOverflow(const lenet_integer_network &network) {
    for (int i = 0; i < network.net.layer_count; i++) {
        const layer &l = network.layers[i];
        int32_t at = 0;
        for (int o = 0; o < l.maps; o++) {
            int64_t size = std::abs((int64_t)l.bias[o]);
            for (int c = 0; c < l.inputs; c++)
                for (int k = 0; (!l.connections || l.connections[o] >> c & 1) && k < l.kernel_rows * l.kernel_columns;
                     k++)
                    size += 255 * std::abs(weight_at(&l, at++));
            EXPECT_LE(size, INT32_MAX) << network.names[i] << " " << o;
        }
    }
}

TEST(IntegerNetwork, NeverOverflowsHoweverOddTheWeightsAre) {
    const float odd[] = {0, 1e-30F, 1, 1e30F};
    for (const char *name : {"lenet5-1998", "lenet1"})
        for (float weights : odd)
            for (float biases : odd)
                for (int bits : {8, 4}) {
                    if (bits == 8 && std::strcmp(name, "lenet5-1998") == 0) continue;
                    Network network(lenet_arch_find(name), LENET_SQUASH, LENET_POOL_SUM);
                    network.data.train.count = 8;
                    for (int l = 0; l < network.model.topology.layer_count; l++) {
                        const lenet_layer &layer = network.model.topology.layers[l];
                        for (size_t i = 0; i < layer.w_count; i++) network.w[layer.w + i] *= weights;
                        for (size_t i = 0; i < layer.b_count; i++) network.w[layer.b + i] = i % 2 ? biases : -biases;
                    }
                    ASSERT_EQ(LENET_OK, network.Quantize(bits)) << network.err.text;
                    ExpectNoOverflow(network.integers);
                    network.Scores();
                }
}

TEST(IntegerNetwork, TakesInputsOfAnyScalingButNone) {
    for (float factor : {-0.01F, 1e-6F, 1e6F}) {
        Network network(lenet_arch_find("lenet1"));
        network.model.scaling = {factor, -factor};
        ASSERT_EQ(LENET_OK, network.Quantize(8)) << network.err.text;
        ExpectNoOverflow(network.integers);
    }
    Network network(lenet_arch_find("lenet1"));
    network.model.scaling.factor = 0;
    EXPECT_EQ(LENET_ERR_FORMAT, network.Quantize(8));
    EXPECT_STREQ("a network whose input factor is 0 sees nothing of an image", network.err.text);
}

TEST(IntegerNetwork, NamesALayerThatIsNotSupported) {
    lenet_arch arch = {};
    arch.name = "odd";
    arch.field = 28;
    arch.layer_count = 2;
    arch.layers[0] = {LENET_SUBSAMPLE, "S1", 0, 2, nullptr};
    arch.layers[1] = {LENET_DENSE, "output", 0, 0, nullptr};
    Network network(&arch);
    EXPECT_EQ(LENET_ERR_FORMAT, network.Quantize(8));
    EXPECT_STREQ("odd: layer 1 (S1) follows no convolution or fully connected layer, for which an exported file has no "
                 "code",
                 network.err.text);
}

/* ---- what is said of the loss --------------------------------------------------------------------- */

TEST(Export, NamesWhatCostsMoreThanHalfAPointAndNothingElse) {
    const auto text_of = [](int bits, uint64_t after, float most) {
        lenet_export facts = {};
        facts.bits = bits;
        facts.calibration = {2000, 1900, after};
        facts.test = {500, 450, 450};
        facts.spread = {"F6", 3, -1, most, 0.1};
        char text[400];
        lenet_export_loss_text(&facts, text, sizeof text);
        return std::string(text);
    };
    EXPECT_EQ(text_of(8, 1888, 1000), "") << "12 of 2500";
    EXPECT_EQ(text_of(8, 1950, 1000), "") << "it has gained";
    EXPECT_EQ(text_of(8, 1887, 25), "0.52 points of accuracy are lost; is --data what it was trained on?");
    EXPECT_EQ(text_of(4, 1887, 1.4F), "0.52 points of accuracy are lost; --bits 8 may help");
    for (const auto &[bits, most, piece] : {std::tuple{8, 25.5F, "to 25.5 (in unit 3)"}, {4, 1.5F, "--bits 8 may do"}})
        EXPECT_NE(text_of(bits, 1887, most).find(piece), std::string::npos) << text_of(bits, 1887, most);
}

} // namespace
