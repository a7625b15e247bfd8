/* planted.h - a backend with one operation whose outputs are wrong, to see whether a check notices. */
#ifndef LENET_TEST_PLANTED_H
#define LENET_TEST_PLANTED_H
#include <cmath>
#include <string>
#include <vector>

#include "lenet/backend.h"

/* Values that an operation writes: [R][count], `apart` from network to network. */
struct Output {
    const char *name;
    void *p;
    size_t R, count, apart;
};
using Outputs = std::vector<Output>;

inline Output Whole(const char *name, void *p, size_t count) { return {name, p, 1, count, count}; }
inline size_t Size(int a, int b, int c = 1, int d = 1, int e = 1) {
    return (size_t)a * (size_t)b * (size_t)c * (size_t)d * (size_t)e;
}

inline Outputs OutputsOf(const batch_draw &a) { return {Whole("x", a.x, Size(a.R, a.source.OH, a.source.OW, a.N))}; }
inline Outputs OutputsOf(const batch_slice &) { return {}; } /* not of training */
inline Outputs OutputsOf(const conv_forward &a) {
    return {Whole("y", a.y, Size(a.R, a.O, a.H - a.K + 1, a.W - a.K + 1, a.N))};
}
inline Outputs OutputsOf(const conv_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.C, a.H, a.W, a.N))}; }
inline Outputs OutputsOf(const conv_backward_params &a) {
    return {{"dw", a.dw, (size_t)a.R, Size(a.O, a.C, a.K, a.K), a.stride},
            {"db", a.db, (size_t)a.R, (size_t)a.O, a.stride}};
}
inline Outputs OutputsOf(const subsample_forward &a) {
    return {Whole("y", a.y, Size(a.R, a.C, a.H / a.S, a.W / a.S, a.N))};
}
inline Outputs OutputsOf(const subsample_backward_input &a) {
    return {Whole("dx", a.dx, Size(a.R, a.C, a.H, a.W, a.N))};
}
/* The places are no numbers of which 1 % could be wrong. */
inline Outputs OutputsOf(const conv_maxpool_forward &a) {
    return {Whole("y", a.y, Size(a.R, a.O, (a.H - a.K + 1) / 2, (a.W - a.K + 1) / 2, a.N))};
}
inline Outputs OutputsOf(const maxpool_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.C, a.H, a.W, a.N))}; }
inline Outputs OutputsOf(const conv_maxpool_backward_params &a) {
    return {{"dw", a.dw, (size_t)a.R, Size(a.O, a.C, a.K, a.K), a.stride},
            {"db", a.db, (size_t)a.R, (size_t)a.O, a.stride}};
}
inline Outputs OutputsOf(const activation_forward &a) { return {Whole("y", a.y, Size(a.R, a.F, a.N))}; }
inline Outputs OutputsOf(const activation_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.F, a.N))}; }
inline Outputs OutputsOf(const dense_forward &a) { return {Whole("y", a.y, Size(a.R, a.O, a.N))}; }
inline Outputs OutputsOf(const dense_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.I, a.N))}; }
inline Outputs OutputsOf(const dense_backward_params &a) {
    return {{"dw", a.dw, (size_t)a.R, Size(a.O, a.I), a.stride}, {"db", a.db, (size_t)a.R, (size_t)a.O, a.stride}};
}
inline Outputs OutputsOf(const softmax_loss &a) { return {Whole("dy", a.dy, Size(a.R, a.O, a.N))}; }
inline Outputs OutputsOf(const scale_forward &a) { return {Whole("y", a.y, Size(a.R, a.C, a.P, a.N))}; }
inline Outputs OutputsOf(const scale_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.C, a.P, a.N))}; }
inline Outputs OutputsOf(const scale_backward_params &a) {
    return {{"dw", a.dw, (size_t)a.R, (size_t)a.C, a.stride}, {"db", a.db, (size_t)a.R, (size_t)a.C, a.stride}};
}
inline Outputs OutputsOf(const rbf_forward &a) { return {Whole("y", a.y, Size(a.R, a.O, a.N))}; }
inline Outputs OutputsOf(const rbf_backward_input &a) { return {Whole("dx", a.dx, Size(a.R, a.I, a.N))}; }
inline Outputs OutputsOf(const rbf_backward_second &a) { return {Whole("d2x", a.d2x, Size(a.R, a.I, a.N))}; }
inline Outputs OutputsOf(const distance_loss &a) { return {Whole("dy", a.dy, Size(a.R, a.O, a.N))}; }
inline Outputs OutputsOf(const square &a) { return {Whole("y", a.y, a.count)}; }
inline Outputs OutputsOf(const accumulate &a) { return {Whole("y", a.y, a.count)}; }
inline Outputs OutputsOf(const schedule_step &a) { return {Whole("rate", a.rate, (size_t)a.R)}; }
inline Outputs OutputsOf(const optimizer_step &a) {
    const size_t count = (size_t)a.R * a.stride;
    return {Whole("w", a.w, count), Whole("m", a.m, count), Whole("v", a.v, count)};
}

/* The fault: output `output` of an operation. */
struct Fault {
    const lenet_backend *inner;
    std::string operation;
    size_t output;
    double factor;    /* of all its values; NaN: of the very first one, in the first call only */
    std::string name; /* of the output, once the operation was called; "" where it has no such output */
};
inline Fault fault;

template <class Real> lenet_status PlantIn(lenet_ctx *ctx, const Output &o) {
    const bool once = std::isnan(fault.factor);
    std::vector<Real> values(o.count);
    for (size_t r = 0; r < (once ? 1 : o.R); r++) {
        Real *p = static_cast<Real *>(o.p) + r * o.apart;
        LENET_TRY(fault.inner->download(ctx, values.data(), p, values.size() * sizeof values[0]));
        if (once)
            values[0] = static_cast<Real>(fault.factor);
        else
            for (Real &v : values) v *= static_cast<Real>(fault.factor);
        LENET_TRY(fault.inner->upload(ctx, p, values.data(), values.size() * sizeof values[0]));
    }
    return LENET_OK;
}

inline lenet_status Plant(lenet_ctx *ctx, const Outputs &outputs) {
    const bool is_done = std::isnan(fault.factor) && !fault.name.empty();
    if (fault.output >= outputs.size() || !outputs[fault.output].p || is_done) return LENET_OK;
    fault.name = outputs[fault.output].name;
    if (fault.name == "rate" || fault.inner->element_size == sizeof(float))
        return PlantIn<float>(ctx, outputs[fault.output]);
    return PlantIn<double>(ctx, outputs[fault.output]);
}

#define X(op)                                                                                                          \
    inline lenet_status faulty_##op(lenet_ctx *ctx, const struct op *args) {                                           \
        LENET_TRY(fault.inner->op(ctx, args));                                                                         \
        return fault.operation == #op ? Plant(ctx, OutputsOf(*args)) : LENET_OK;                                       \
    }
LENET_OPS(X)
#undef X

inline lenet_backend FaultyBackend(const lenet_backend &inner) {
    lenet_backend faulty = inner;
#define X(op) faulty.op = faulty_##op;
    LENET_OPS(X)
#undef X
    return faulty;
}

#endif
