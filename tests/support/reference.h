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

/* ---- a coefficient and a bias of each map ------------------------------------ */

struct ScaleSize {
    int R, N, C, P;
};

inline LayerOutputs Scale(const ScaleSize &s, const LayerInputs &in) {
    const Layout x(s.R, s.C, s.P, s.N);
    const Layout map(s.R, s.C);
    LayerOutputs out = {Values(x.Count()), Values(x.Count()), Values(map.Count()), Values(map.Count())};
    for (int r = 0; r < s.R; r++)
        for (int c = 0; c < s.C; c++)
            for (int p = 0; p < s.P; p++)
                for (int n = 0; n < s.N; n++) {
                    const size_t at = x(r, c, p, n), parameter = map(r, c);
                    out.y[at] = in.w[parameter] * in.x[at] + in.b[parameter];
                    out.dx[at] = in.w[parameter] * in.dy[at];
                    out.dw[parameter] += in.x[at] * in.dy[at];
                    out.db[parameter] += in.dy[at];
                }
    return out;
}

/* ---- distances to fixed targets ---------------------------------------------- */

struct RbfSize {
    int R, N, I, O;
    size_t Inputs() const { return Layout(R, I, N).Count(); }
    size_t Outputs() const { return Layout(R, O, N).Count(); }
};

/* target(o, i) is t[o][i], +1 or -1. */
template <class Target> Values RbfForward(const RbfSize &s, Target target, const Values &x) {
    const Layout in(s.R, s.I, s.N), out(s.R, s.O, s.N);
    Values y(out.Count());
    for (int r = 0; r < s.R; r++)
        for (int o = 0; o < s.O; o++)
            for (int i = 0; i < s.I; i++)
                for (int n = 0; n < s.N; n++) {
                    const double distance = x[in(r, i, n)] - target(o, i);
                    y[out(r, o, n)] -= distance * distance;
                }
    return y;
}

/* The gradient, and the sum of the magnitudes of its terms. */
struct RbfGradient {
    Values dx, size;
};

template <class Target>
RbfGradient RbfBackwardInput(const RbfSize &s, Target target, const Values &x, const Values &dy) {
    const Layout in(s.R, s.I, s.N), out(s.R, s.O, s.N);
    RbfGradient gradient = {Values(in.Count()), Values(in.Count())};
    for (int r = 0; r < s.R; r++)
        for (int o = 0; o < s.O; o++)
            for (int i = 0; i < s.I; i++)
                for (int n = 0; n < s.N; n++) {
                    const double term = -2 * dy[out(r, o, n)] * (x[in(r, i, n)] - target(o, i));
                    gradient.dx[in(r, i, n)] += term;
                    gradient.size[in(r, i, n)] += std::fabs(term);
                }
    return gradient;
}

inline Values RbfBackwardSecond(const RbfSize &s, const Values &dy) {
    const Layout in(s.R, s.I, s.N), out(s.R, s.O, s.N);
    Values d2x(in.Count());
    for (int r = 0; r < s.R; r++)
        for (int o = 0; o < s.O; o++)
            for (int i = 0; i < s.I; i++)
                for (int n = 0; n < s.N; n++) d2x[in(r, i, n)] -= 2 * dy[out(r, o, n)];
    return d2x;
}

/* ---- activation ------------------------------------------------------------- */

constexpr double kSquashHeight = 1.7159, kSquashSlope = 2.0 / 3;

inline Values ActivationForward(lenet_activation activation, Values x) {
    for (double &v : x) switch (activation) {
        case LENET_TANH: v = std::tanh(v); break;
        case LENET_RELU: v = v > 0 ? v : 0; break;
        case LENET_SQUASH: v = kSquashHeight * std::tanh(kSquashSlope * v); break;
        case LENET_LINEAR: break;
        }
    return x;
}

inline Values ActivationBackwardInput(lenet_activation activation, const Values &y, Values dy) {
    for (size_t i = 0; i < y.size(); i++) switch (activation) {
        case LENET_TANH: dy[i] *= 1 - y[i] * y[i]; break;
        case LENET_RELU: dy[i] *= y[i] > 0; break;
        case LENET_SQUASH: dy[i] *= kSquashSlope * (kSquashHeight - y[i] * y[i] / kSquashHeight); break;
        case LENET_LINEAR: break;
        }
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
        y[at] = s.pooling == LENET_POOL_MAX ? largest : s.pooling == LENET_POOL_SUM ? sum : sum / (double)window.size();
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
            for (size_t i : window)
                of_activated[i] = s.pooling == LENET_POOL_SUM ? dy[at] : dy[at] / (double)window.size();
    });
    return ActivationBackwardInput(s.activation, ActivationForward(s.activation, x), of_activated);
}

/* ---- loss ------------------------------------------------------------------- */

struct LossOutputs {
    Values dy, loss; /* loss: of each image, 0 where it has no label */
    std::vector<uint8_t> predicted;
    std::vector<lenet_tally> tally;
};

/* y [R][O][N], label [R][N]. For every image its largest output is found; of those that have a label,
 * of_image(outputs, label, gradient) gives the loss and, before it is divided by their number, the gradient. */
template <class OfImage>
LossOutputs LossOf(int R, int N, int O, const Values &y, const std::vector<uint8_t> &label, OfImage of_image) {
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
            Values logits, gradient((size_t)O);
            for (int o = 0; o < O; o++) logits.push_back(y[at(r, o, n)]);
            out.loss[image(r, n)] = of_image(logits, (size_t)t, gradient);
            for (int o = 0; o < O; o++) out.dy[at(r, o, n)] = gradient[(size_t)o] / labelled;

            lenet_tally &tally = out.tally[(size_t)r];
            tally.loss += out.loss[image(r, n)];
            tally.count++;
            tally.correct += first_largest == t;
        }
    }
    return out;
}

/* All logits finite. */
inline LossOutputs SoftmaxLoss(int R, int N, int O, const Values &y, const std::vector<uint8_t> &label,
                               double rubbish = 0) {
    return LossOf(R, N, O, y, label, [&](const Values &logits, size_t t, Values &gradient) {
        const double largest = std::max(std::log(rubbish), *std::max_element(logits.begin(), logits.end()));
        double sum = rubbish > 0 ? std::exp(std::log(rubbish) - largest) : 0;
        for (double logit : logits) sum += std::exp(logit - largest);
        for (size_t o = 0; o < logits.size(); o++) gradient[o] = std::exp(logits[o] - largest) / sum - (o == t);
        return std::log(sum) + largest - logits[t];
    });
}

inline LossOutputs DistanceLoss(int R, int N, int O, const Values &y, const std::vector<uint8_t> &label) {
    return LossOf(R, N, O, y, label, [&](const Values &outputs, size_t t, Values &gradient) {
        gradient[t] = -1;
        return -outputs[t];
    });
}

/* ---- learning --------------------------------------------------------------- */

/* One network's parameters and what the optimizers remember, or, m, what sdlm is told. */
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
        case LENET_SDLM: w -= rate * g / (hyper.epsilon + m); break;
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
