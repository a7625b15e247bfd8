/* test_curvature.cc - the second derivatives of lenet5-1998 against connection-by-connection loops and, where the
 * Gauss-Newton diagonal is exact, against numerical derivatives; and the whole network as the paper counts it. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "lenet/network.h"
#include "train/settings.h"

namespace {

using Values = std::vector<double>;

/* lenet5-1998 in double, with B images of random pixels and labels. */
class Curvature : public ::testing::Test {
  protected:
    static constexpr int kImages = 3;

    void SetUp() override {
        lenet_error err = {};
        lenet_config config;
        lenet_config_init(&config);
        ASSERT_EQ(lenet_option_set(&config, lenet_option_find("arch"), "lenet5-1998", &err), LENET_OK) << err.text;
        ASSERT_EQ(lenet_config_topology(&config, 10, &plan_, &err), LENET_OK) << err.text;
        be_ = lenet_backend_cpu64();
        const lenet_open_options open_options = {0, 1, 0, 0};
        ASSERT_EQ(be_->open(&ctx_, &open_options, &err), LENET_OK) << err.text;
        ASSERT_EQ(lenet_dataset_random(5, 40, 28, &data_), LENET_OK);
        ASSERT_EQ(
            lenet_device_data_create(be_, ctx_, &data_, lenet_config_scaling(&config, &data_), 32, &on_device_, &err),
            LENET_OK)
            << err.text;
        const lenet_network_options options = {&plan_, LENET_SDLM, 1, kImages, 0, 0};
        ASSERT_EQ(lenet_network_create(be_, ctx_, &options, &net_, &err), LENET_OK) << err.text;
        std::vector<float> w(plan_.stride);
        lenet_topology_init(&plan_, LENET_INIT_ROOT_AVERAGE, 3, 1, w.data());
        ASSERT_EQ(lenet_network_put(&net_, net_.w, 0, w.data()), LENET_OK);
        lenet_hyper hyper = {};
        hyper.seed = 9;
        hyper.train_count = 40;
        hyper.learning_rate = 5e-4f;
        hyper.epsilon = 0.02f;
        ASSERT_EQ(be_->upload(ctx_, net_.hyper, &hyper, sizeof hyper), LENET_OK);
        ASSERT_EQ(lenet_network_draw(&net_, &on_device_.train), LENET_OK);
        ASSERT_EQ(lenet_network_forward(&net_), LENET_OK);
    }
    void TearDown() override {
        lenet_network_free(&net_);
        lenet_device_data_free(be_, ctx_, &on_device_);
        be_->close(ctx_);
        lenet_dataset_free(&data_);
    }

    Values Read(const void *p, size_t count) {
        Values values(count);
        EXPECT_EQ(be_->download(ctx_, values.data(), p, count * sizeof(double)), LENET_OK);
        return values;
    }
    Values Weights() { return Read(net_.w, plan_.stride); }
    int LayerOf(const std::string &name) const {
        for (int l = 0; l < plan_.layer_count; l++)
            if (plan_.layers[l].spec.name == name) return l;
        ADD_FAILURE() << "no layer " << name;
        return 0;
    }
    /* Image n's inputs of layer l. */
    Values Inputs(int l, int n) {
        const size_t count = lenet_layer_inputs(&plan_.layers[l]), N = (size_t)net_.N;
        const Values all = Read(l ? net_.y[l - 1] : net_.x, count * N);
        Values image(count);
        for (size_t i = 0; i < count; i++) image[i] = all[i * N + (size_t)n];
        return image;
    }
    /* What the code under test says. */
    Values Diagonal() {
        EXPECT_EQ(lenet_network_backward_second(&net_), LENET_OK);
        return Read(net_.dw, plan_.stride);
    }

    const lenet_backend *be_ = nullptr;
    lenet_ctx *ctx_ = nullptr;
    lenet_topology plan_;
    lenet_network net_ = {};
    lenet_dataset data_ = {};
    lenet_device_data on_device_ = {};
};

/* squash' from the output, written apart from the code under test: A = 1.7159, S = 2/3; f' = A S (1 - (f/A)^2). */
double SquashSlope(double y) { return 1.7159 * (2.0 / 3) * (1 - y / 1.7159 * (y / 1.7159)); }
double Squash(double x) { return 1.7159 * std::tanh(2 * x / 3); }

/* The recursion of app. C over single connections, for one image. d is the second derivative by the outputs of
 * layer l; each step turns it into that by its inputs, and adds to h, which is over parameters. */
class ByConnection {
  public:
    ByConnection(const Values &w, Values *h) : w_(w), h_(*h) {}

    Values Dense(const lenet_layer &l, const Values &x, const Values &d) {
        Values before(x.size());
        for (size_t o = 0; o < d.size(); o++) {
            for (size_t i = 0; i < x.size(); i++) Connect(l.w + o * x.size() + i, x[i], d[o], &before[i]);
            h_[l.b + o] += d[o];
        }
        return before;
    }
    Values Conv(const lenet_layer &l, const Values &x, const Values &d) {
        const size_t K = (size_t)l.spec.size, C = (size_t)l.C, H = (size_t)l.H, W = (size_t)l.W, OH = (size_t)l.OH,
                     OW = (size_t)l.OW;
        Values before(x.size());
        for (size_t unit = 0; unit < d.size(); unit++) {
            const size_t o = unit / OH / OW, row = unit / OW % OH, column = unit % OW;
            for (size_t tap = 0; tap < C * K * K; tap++) {
                const size_t c = tap / K / K, i = tap / K % K, j = tap % K, at = (c * H + row + i) * W + column + j;
                if (l.spec.table && !(l.spec.table[o] >> c & 1)) continue;
                Connect(l.w + o * C * K * K + tap, x[at], d[unit], &before[at]);
            }
            h_[l.b + o] += d[unit];
        }
        return before;
    }
    /* The coefficient's input is the window's sum. */
    Values Scale(const lenet_layer &l, const Values &x, const Values &d) {
        Values before(x.size());
        for (size_t i = 0; i < x.size(); i++) {
            const size_t c = i / ((size_t)l.H * (size_t)l.W);
            Connect(l.w + c, x[i], d[i], &before[i]);
            h_[l.b + c] += d[i];
        }
        return before;
    }
    /* x are the values before the squash. */
    Values SquashAndSum(const lenet_layer &l, const Values &x, const Values &d) {
        const size_t H = (size_t)l.H, W = (size_t)l.W, S = (size_t)l.spec.size;
        Values before(x.size());
        for (size_t i = 0; i < x.size(); i++) {
            const size_t c = i / H / W, row = i / W % H, column = i % W;
            const double slope = SquashSlope(Squash(x[i]));
            before[i] = slope * slope * d[(c * (H / S) + row / S) * (W / S) + column / S];
        }
        return before;
    }
    static Values Activation(const Values &y, const Values &d) {
        Values before(y.size());
        for (size_t i = 0; i < y.size(); i++) before[i] = SquashSlope(y[i]) * SquashSlope(y[i]) * d[i];
        return before;
    }

  private:
    void Connect(size_t parameter, double x, double d, double *before) {
        h_[parameter] += x * x * d;
        *before += w_[parameter] * w_[parameter] * d;
    }
    const Values &w_;
    Values &h_;
};

TEST_F(Curvature, IsTheRecursionOverSingleConnections) {
    const Values w = Weights(), got = Diagonal();
    Values want(plan_.stride);
    ByConnection by(w, &want);
    for (int n = 0; n < kImages; n++) {
        Values d(84, 2.0 / kImages); /* the mean over images of the distance, by each of F6's units */
        for (int l = plan_.layer_count - 2; l >= 0; l--) {
            const lenet_layer &layer = plan_.layers[l];
            const Values x = Inputs(l, n);
            switch (layer.spec.kind) {
            case LENET_CONV: d = by.Conv(layer, x, d); break;
            case LENET_DENSE: d = by.Dense(layer, x, d); break;
            case LENET_SCALE: d = by.Scale(layer, x, d); break;
            case LENET_SUBSAMPLE: d = by.SquashAndSum(layer, x, d); break;
            case LENET_ACTIVATION: d = ByConnection::Activation(x, d); break; /* in place: its input is its output */
            case LENET_RBF: FAIL();
            }
        }
    }
    /* All terms are positive, so rounding is relative: n terms of k factors, (n + k) * 2^-53. The longest chain, to C1,
     * has some 5,000 terms in 13 sums after one another: below 1e-11 with a margin of ten for tanh. */
    size_t compared = 0;
    for (size_t i = 0; i < want.size(); i++) {
        EXPECT_LE(std::fabs(got[i] - want[i]), 1e-11 * want[i]) << "parameter " << i << " of " << want.size();
        compared += want[i] > 0;
    }
    EXPECT_EQ(compared, 60000u) << "every parameter has a curvature, and there are no others";
}

/* In F6 and C5 each parameter reaches an F6 unit by one path, so that the Gauss-Newton diagonal is what it is called:
 * twice the sum of squares of the slopes of F6's outputs, over units and images. */
TEST_F(Curvature, IsTwiceTheSquaredSlopesOfF6WhereThatIsExact) {
    const Values got = Diagonal();
    const int f6 = plan_.layer_count - 2;
    const auto outputs = [&] { return Read(net_.y[f6], 84 * (size_t)net_.N); };
    for (const char *name : {"C5", "F6"}) {
        const lenet_layer &layer = plan_.layers[LayerOf(name)];
        for (size_t k = 0; k < 40; k++) {
            const size_t at = k < 30 ? layer.w + k * 997 % layer.w_count : layer.b + k % layer.b_count;
            double *entry = static_cast<double *>(net_.w) + at, kept = Read(entry, 1)[0];
            /* error of the difference: h^2/6 f''' and 2^-53/h, both near 1e-10 of slopes near 1 */
            const double h = 1e-5;
            Values side[2];
            for (int s = 0; s < 2; s++) {
                const double moved = kept + (s ? h : -h);
                ASSERT_EQ(be_->upload(ctx_, entry, &moved, sizeof moved), LENET_OK);
                ASSERT_EQ(lenet_network_forward(&net_), LENET_OK);
                side[s] = outputs();
            }
            ASSERT_EQ(be_->upload(ctx_, entry, &kept, sizeof kept), LENET_OK);
            double sum = 0;
            for (size_t i = 0; i < side[0].size(); i++) {
                if ((int)(i % (size_t)net_.N) >= kImages) continue; /* the others only pad the batch */
                const double slope = (side[1][i] - side[0][i]) / (2 * h);
                sum += 2 * slope * slope / kImages;
            }
            EXPECT_NEAR(got[at], sum, 1e-7 * sum + 1e-12) << name << ", parameter " << at - layer.w;
        }
    }
}

TEST_F(Curvature, IsTheMeanOverBatchesAndLeavesTrainingAlone) {
    const Values before = Weights();
    lenet_tally tally = {1.5, 7, 3, 0}, after;
    uint64_t step = 4, step_after;
    ASSERT_EQ(be_->upload(ctx_, net_.tally, &tally, sizeof tally), LENET_OK);
    Values want(plan_.stride);
    for (step = 4; step < 7; step++) {
        ASSERT_EQ(be_->upload(ctx_, net_.step, &step, sizeof step), LENET_OK);
        ASSERT_EQ(lenet_network_draw(&net_, &on_device_.train), LENET_OK);
        ASSERT_EQ(lenet_network_forward(&net_), LENET_OK);
        const Values diagonal = Diagonal();
        for (size_t i = 0; i < want.size(); i++) want[i] += diagonal[i] / 3;
    }
    step = 4;
    ASSERT_EQ(be_->upload(ctx_, net_.step, &step, sizeof step), LENET_OK);
    for (int again = 0; again < 2; again++) { /* what was estimated before is forgotten */
        ASSERT_EQ(lenet_network_curvature(&net_, &on_device_.train, 3), LENET_OK);
        const Values got = Read(net_.m, plan_.stride);
        for (size_t i = 0; i < want.size(); i++) /* 1/3 is a float in the operation: 2^-25 of it */
            ASSERT_LE(std::fabs(got[i] - want[i]), 0x1p-24 * want[i]) << i;
    }
    EXPECT_EQ(Weights(), before);
    ASSERT_EQ(be_->download(ctx_, &step_after, net_.step, sizeof step_after), LENET_OK);
    ASSERT_EQ(be_->download(ctx_, &after, net_.tally, sizeof after), LENET_OK);
    EXPECT_EQ(step_after, 4u);
    EXPECT_EQ(after.loss, tally.loss);
    EXPECT_EQ(after.count, tally.count);
    EXPECT_EQ(after.correct, tally.correct);
}

TEST_F(Curvature, AWeightWithoutAConnectionIsNeverMoved) {
    ASSERT_EQ(lenet_network_curvature(&net_, &on_device_.train, 2), LENET_OK);
    for (int i = 0; i < 5; i++) ASSERT_EQ(lenet_network_step(&net_, &on_device_.train), LENET_OK);
    const Values w = Weights();
    const lenet_layer &c3 = plan_.layers[LayerOf("C3")];
    size_t absent = 0;
    for (size_t at = c3.w; at < c3.w + c3.w_count; at++) {
        if (lenet_parameter_exists(&plan_, at)) continue;
        absent++;
        EXPECT_EQ(w[at], 0) << at - c3.w;
    }
    EXPECT_EQ(absent, 36u * 25) << "of 96 pairs of maps, 60 are connected";
}

} // namespace
