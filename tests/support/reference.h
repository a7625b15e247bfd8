/* reference.h - every operation as plain loops in double: slow, and written to be read beside ops.h.
 *
 * Nothing here is shared with the twins. Parameters are dense ([R][O][C][K][K]
 * without gaps); parametric_layer.h puts them where a network has them. */
#ifndef LENET_TEST_REFERENCE_H
#define LENET_TEST_REFERENCE_H
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "lenet/ops.h"
#include "support/fill.h"

namespace reference {

/* Offsets into a tensor of the given sizes, the last index innermost. */
template <size_t Rank> class Layout {
  public:
    template <class... Sizes> explicit Layout(Sizes... sizes) : sizes_{(size_t)sizes...} {}
    template <class... Indices> size_t operator()(Indices... indices) const {
        size_t offset = 0, d = 0;
        ((offset = offset * sizes_[d++] + (size_t)indices), ...);
        return offset;
    }
    size_t Count() const {
        size_t count = 1;
        for (size_t size : sizes_) count *= size;
        return count;
    }

  private:
    std::array<size_t, Rank> sizes_;
};
template <class... Sizes> Layout(Sizes...) -> Layout<sizeof...(Sizes)>;

/* What a layer with parameters computes from, and what it computes. */
struct LayerInputs {
    Values x, w, b, dy;
};
struct LayerOutputs {
    Values y, dx, dw, db;
};

/* ---- convolution ------------------------------------------------------------ */

struct ConvSize {
    int R, N, C, H, W, O, K;
    int OH() const { return H - K + 1; }
    int OW() const { return W - K + 1; }
};

/* y += b, y += w*x, dx += w*dy, dw += x*dy, db += dy: the layer and its gradients, term by term. */
inline LayerOutputs Conv(const ConvSize &s, const LayerInputs &in) {
    const Layout x(s.R, s.C, s.H, s.W, s.N), w(s.R, s.O, s.C, s.K, s.K), y(s.R, s.O, s.OH(), s.OW(), s.N);
    const Layout b(s.R, s.O);
    LayerOutputs out = {Values(y.Count()), Values(x.Count()), Values(w.Count()), Values(b.Count())};
    for (int r = 0; r < s.R; r++)
        for (int o = 0; o < s.O; o++)
            for (int h = 0; h < s.OH(); h++)
                for (int v = 0; v < s.OW(); v++) {
                    const size_t y_at = y(r, o, h, v, 0), b_at = b(r, o);
                    for (int n = 0; n < s.N; n++) {
                        out.y[y_at + n] += in.b[b_at];
                        out.db[b_at] += in.dy[y_at + n];
                    }
                    for (int c = 0; c < s.C; c++)
                        for (int i = 0; i < s.K; i++)
                            for (int j = 0; j < s.K; j++) {
                                const size_t x_at = x(r, c, h + i, v + j, 0), w_at = w(r, o, c, i, j);
                                for (int n = 0; n < s.N; n++) {
                                    out.y[y_at + n] += in.w[w_at] * in.x[x_at + n];
                                    out.dx[x_at + n] += in.w[w_at] * in.dy[y_at + n];
                                    out.dw[w_at] += in.x[x_at + n] * in.dy[y_at + n];
                                }
                            }
                }
    return out;
}

/* ---- fully connected -------------------------------------------------------- */

struct DenseSize {
    int R, N, I, O;
};

inline LayerOutputs Dense(const DenseSize &s, const LayerInputs &in) {
    const Layout x(s.R, s.I, s.N), w(s.R, s.O, s.I), y(s.R, s.O, s.N);
    const Layout b(s.R, s.O);
    LayerOutputs out = {Values(y.Count()), Values(x.Count()), Values(w.Count()), Values(b.Count())};
    for (int r = 0; r < s.R; r++)
        for (int o = 0; o < s.O; o++) {
            const size_t y_at = y(r, o, 0), b_at = b(r, o);
            for (int n = 0; n < s.N; n++) {
                out.y[y_at + n] += in.b[b_at];
                out.db[b_at] += in.dy[y_at + n];
            }
            for (int i = 0; i < s.I; i++) {
                const size_t x_at = x(r, i, 0), w_at = w(r, o, i);
                for (int n = 0; n < s.N; n++) {
                    out.y[y_at + n] += in.w[w_at] * in.x[x_at + n];
                    out.dx[x_at + n] += in.w[w_at] * in.dy[y_at + n];
                    out.dw[w_at] += in.x[x_at + n] * in.dy[y_at + n];
                }
            }
        }
    return out;
}

/* ---- activation ------------------------------------------------------------- */

inline Values ActivationForward(lenet_activation activation, Values x) {
    for (double &v : x) v = activation == LENET_TANH ? std::tanh(v) : activation == LENET_LINEAR || v > 0 ? v : 0;
    return x;
}

inline Values ActivationBackwardInput(lenet_activation activation, const Values &y, Values dy) {
    for (size_t i = 0; i < y.size(); i++)
        dy[i] *= activation == LENET_TANH ? 1 - y[i] * y[i] : activation == LENET_LINEAR || y[i] > 0 ? 1 : 0;
    return dy;
}

/* ---- subsampling ------------------------------------------------------------ */

struct SubsampleSize {
    int R, N, C, H, W, S;
    lenet_pooling pooling;
    lenet_activation activation;
    size_t Inputs() const { return Layout(R, C, H, W, N).Count(); }
    size_t Outputs() const { return Inputs() / ((size_t)S * S); }
};

/* Calls visit(where in y, the S*S places in x in reading order) for every window. */
template <class Visit> void ForEachWindow(const SubsampleSize &s, Visit visit) {
    const Layout x(s.R, s.C, s.H, s.W, s.N), y(s.R, s.C, s.H / s.S, s.W / s.S, s.N);
    std::vector<size_t> window;
    for (int r = 0; r < s.R; r++)
        for (int c = 0; c < s.C; c++)
            for (int h = 0; h < s.H / s.S; h++)
                for (int w = 0; w < s.W / s.S; w++)
                    for (int n = 0; n < s.N; n++) {
                        window.clear();
                        for (int i = 0; i < s.S; i++)
                            for (int j = 0; j < s.S; j++) window.push_back(x(r, c, h * s.S + i, w * s.S + j, n));
                        visit(y(r, c, h, w, n), window);
                    }
}

inline Values SubsampleForward(const SubsampleSize &s, const Values &x) {
    const Values activated = ActivationForward(s.activation, x);
    Values y(s.Outputs());
    ForEachWindow(s, [&](size_t at, const std::vector<size_t> &window) {
        double sum = 0, largest = -INFINITY;
        for (size_t i : window) {
            sum += activated[i];
            largest = std::max(largest, activated[i]);
        }
        y[at] = s.pooling == LENET_POOL_MAX ? largest : sum / (double)window.size();
    });
    return y;
}

inline Values SubsampleBackwardInput(const SubsampleSize &s, const Values &x, const Values &dy) {
    Values of_activated(s.Inputs());
    ForEachWindow(s, [&](size_t at, const std::vector<size_t> &window) {
        if (s.pooling == LENET_POOL_MAX) {
            size_t first = window[0];
            for (size_t i : window)
                if (x[i] > x[first]) first = i;
            of_activated[first] = dy[at];
        } else
            for (size_t i : window) of_activated[i] = dy[at] / (double)window.size();
    });
    return ActivationBackwardInput(s.activation, ActivationForward(s.activation, x), of_activated);
}

/* ---- loss ------------------------------------------------------------------- */

struct LossOutputs {
    Values dy, loss; /* loss: of each image, 0 where it has no label */
    std::vector<uint8_t> predicted;
    std::vector<lenet_tally> tally;
};

/* y [R][O][N], label [R][N]; all logits finite. */
inline LossOutputs SoftmaxLoss(int R, int N, int O, const Values &y, const std::vector<uint8_t> &label) {
    const Layout at(R, O, N);
    const Layout image(R, N);
    LossOutputs out = {Values(at.Count()), Values(image.Count()), std::vector<uint8_t>(image.Count()),
                       std::vector<lenet_tally>((size_t)R)};
    for (int r = 0; r < R; r++) {
        double labelled = 0;
        for (int n = 0; n < N; n++) labelled += label[image(r, n)] != LENET_NO_LABEL;
        for (int n = 0; n < N; n++) {
            int first_largest = 0;
            for (int o = 0; o < O; o++)
                if (y[at(r, o, n)] > y[at(r, first_largest, n)]) first_largest = o;
            out.predicted[image(r, n)] = (uint8_t)first_largest;

            const int t = label[image(r, n)];
            if (t == LENET_NO_LABEL) continue;
            const double largest = y[at(r, first_largest, n)];
            double sum = 0;
            for (int o = 0; o < O; o++) sum += std::exp(y[at(r, o, n)] - largest);
            for (int o = 0; o < O; o++)
                out.dy[at(r, o, n)] = (std::exp(y[at(r, o, n)] - largest) / sum - (o == t)) / labelled;
            out.loss[image(r, n)] = std::log(sum) + largest - y[at(r, t, n)];

            lenet_tally &tally = out.tally[(size_t)r];
            tally.loss += out.loss[image(r, n)];
            tally.count++;
            tally.correct += first_largest == t;
        }
    }
    return out;
}

/* ---- learning --------------------------------------------------------------- */

/* One network's parameters and what the optimizers remember. */
struct Learner {
    Values w, m, v;
};

/* The t-th update, t = 1 in the first. */
inline void OptimizerStep(lenet_optimizer optimizer, const lenet_hyper &hyper, double rate, int t, const Values &dw,
                          Learner &learner) {
    const double momentum = hyper.momentum, decay = hyper.weight_decay;
    for (size_t i = 0; i < dw.size(); i++) {
        double &w = learner.w[i], &m = learner.m[i], &v = learner.v[i];
        const double g = dw[i] + decay * w;
        switch (optimizer) {
        case LENET_SGD: w -= rate * g; break;
        case LENET_MOMENTUM:
            m = momentum * m + g;
            w -= rate * m;
            break;
        case LENET_NESTEROV:
            m = momentum * m + g;
            w -= rate * (g + momentum * m);
            break;
        case LENET_ADAMW: {
            const double beta1 = momentum, beta2 = hyper.beta2;
            w -= rate * decay * w;
            m = beta1 * m + (1 - beta1) * dw[i];
            v = beta2 * v + (1 - beta2) * dw[i] * dw[i];
            const double m_hat = m / (1 - std::pow(beta1, t)), v_hat = v / (1 - std::pow(beta2, t));
            w -= rate * m_hat / (std::sqrt(v_hat) + hyper.epsilon);
            break;
        }
        }
    }
}

/* ---- batches ---------------------------------------------------------------- */

/* A data set on the host. */
struct Images {
    int H, W, OH, OW;
    float factor, offset;
    std::vector<uint8_t> bytes, label; /* [count][H][W], [count] */
    int classes = 10;                  /* labels are below this */
    uint32_t Count() const { return (uint32_t)label.size(); }
};

/* One image as a network sees it: [OH][OW]. */
inline Values Picture(const Images &set, uint32_t image) {
    const int top = (set.OH - set.H) / 2, left = (set.OW - set.W) / 2;
    Values x((size_t)set.OH * set.OW, set.offset);
    for (int h = 0; h < set.H; h++)
        for (int w = 0; w < set.W; w++)
            x[Layout(set.OH, set.OW)(h + top, w + left)] =
                (double)set.factor * set.bytes[Layout(set.Count(), set.H, set.W)(image, h, w)] + set.offset;
    return x;
}

} // namespace reference

#endif
