/* by_network_backend.cc - the cpu backend by network, so that every test of an operation can be one of its twins.
 *
 * A test hands in tensors [R][...][N]. Each operation gets copies of them, interleaved, in the guard's memory, where
 * an access past the end dies. R is filled up to whole groups with the same networks over again: they must get the
 * same bits in other lanes; without them the operation must refuse. Inputs must stay as they were, and so must what
 * lies between an output's parameters. */
#include "support/by_network_backend.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "support/guard_backend.h"

namespace {

const lenet_backend &Inner() {
    static const lenet_backend *const inner = lenet_backend_guard_by_network();
    return *inner;
}

struct Context {
    lenet_ctx *inner;
    std::map<const char *, size_t> memory; /* the plain tensors: bytes from each start */

    /* How many bytes there are from p on. */
    size_t BytesFrom(const void *p) const {
        const auto after = memory.upper_bound(static_cast<const char *>(p));
        if (after == memory.begin()) return 0;
        const auto &[start, bytes] = *std::prev(after);
        return (size_t)std::max<ptrdiff_t>(0, start + bytes - static_cast<const char *>(p));
    }
};

Context &Of(lenet_ctx *ctx) { return *reinterpret_cast<Context *>(ctx); }

[[noreturn]] void Die(const char *why) {
    fprintf(stderr, "by network: %s\n", why);
    abort();
}

void Require(lenet_status status) {
    if (status != LENET_OK) Die(lenet_status_name(status));
}

/* A part of the plain layout and its copy: `count` elements of `size` bytes of each network, `stride` elements apart;
 * `lanes` networks are interleaved. */
struct Copy {
    char *plain;
    int R, padded;
    size_t stride, count, size, lanes;
    bool output;
    void *inner = nullptr;
    std::vector<char> before = {};

    size_t Place(int r, size_t i) const {
        return (((size_t)r / lanes * stride + i) * lanes + (size_t)r % lanes) * size;
    }
    size_t Bytes() const { return Place(padded - 1, count - 1) - (lanes - 1) * size + lanes * size; }
};

/* The copies that one operation works on. */
class Call {
  public:
    Call(Context &context, int R) : context_(context), R_(R), padded_(R > 0 ? (R + L() - 1) / L() * L() : R) {}

    int padded() const { return padded_; }
    /* [R][count], and parameters [R] of count elements each. */
    const void *In(const void *plain, double count) { return Make(plain, count, count, sizeof(float), L(), false); }
    void *Out(void *plain, double count) { return Make(plain, count, count, sizeof(float), L(), true); }
    const void *In(const void *plain, size_t stride, double count) {
        return Make(plain, (double)stride, count, sizeof(float), L(), false);
    }
    void *Out(void *plain, size_t stride, double count) {
        return Make(plain, (double)stride, count, sizeof(float), L(), true);
    }
    /* Plain arrays [R][count], and what all networks share. */
    template <class T> T *Array(T *plain, double count = 1) {
        return static_cast<T *>(Make(plain, count, count, sizeof(T), 1, !std::is_const<T>::value));
    }
    template <class T> T *Shared(T *plain, double count = 1) {
        const int R = R_, padded = padded_;
        R_ = padded_ = 1;
        T *const copy = Array(plain, count);
        R_ = R;
        padded_ = padded;
        return copy;
    }

    /* Of an operation that has returned. */
    void Finish(lenet_status status) {
        for (const Copy &copy : copies_) {
            std::vector<char> after(copy.before.size());
            Require(Inner().download(context_.inner, after.data(), copy.inner, after.size()));
            if (!copy.output || status != LENET_OK) {
                if (after != copy.before) Die("an operation wrote to its input, or wrote and failed");
            } else {
                Check(copy, after);
                TakeBack(copy, after);
            }
            Inner().release(context_.inner, copy.inner);
        }
    }

  private:
    static int L() { return Inner().network_lanes; }

    void *Make(const void *plain, double stride, double count, size_t size, int lanes, bool output) {
        constexpr double kMost = 1 << 26;
        if (!plain || R_ <= 0 || !(count > 0 && stride >= count && stride < kMost)) return nullptr; /* it is refused */
        for (Copy &copy : copies_)
            if (copy.plain == plain) { /* in place */
                copy.output = copy.output || output;
                return copy.inner;
            }
        Copy copy = {static_cast<char *>(const_cast<void *>(plain)),
                     R_,
                     padded_,
                     (size_t)stride,
                     (size_t)count,
                     size,
                     (size_t)lanes,
                     output};
        copy.before.assign(copy.Bytes(), 0x55);
        const size_t there = context_.BytesFrom(plain); /* less where a size is wrong: that is refused, too */
        for (int r = 0; r < padded_; r++)
            for (size_t i = 0; i < copy.count; i++) {
                const size_t from = ((size_t)(r % R_) * copy.stride + i) * size;
                if (from + size <= there) memcpy(&copy.before[copy.Place(r, i)], copy.plain + from, size);
            }
        Require(Inner().alloc(context_.inner, &copy.inner, copy.before.size()));
        Require(Inner().upload(context_.inner, copy.inner, copy.before.data(), copy.before.size()));
        copies_.push_back(copy);
        return copy.inner;
    }

    static void Check(const Copy &copy, const std::vector<char> &after) {
        std::vector<char> rest = after; /* but for the elements */
        for (int r = 0; r < copy.padded; r++)
            for (size_t i = 0; i < copy.count; i++) {
                const size_t at = copy.Place(r, i);
                if (memcmp(&after[at], &after[copy.Place(r % copy.R, i)], copy.size) != 0)
                    Die("the same network has other bits in another lane");
                memcpy(&rest[at], &copy.before[at], copy.size);
            }
        if (rest != copy.before) Die("what lies between the parameters was written to");
    }

    void TakeBack(const Copy &copy, const std::vector<char> &after) const {
        if (((size_t)(copy.R - 1) * copy.stride + copy.count) * copy.size > context_.BytesFrom(copy.plain))
            Die("an operation took what is larger than its memory");
        for (int r = 0; r < copy.R; r++)
            for (size_t i = 0; i < copy.count; i++)
                memcpy(copy.plain + ((size_t)r * copy.stride + i) * copy.size, &after[copy.Place(r, i)], copy.size);
    }

    Context &context_;
    int R_, padded_;
    std::vector<Copy> copies_;
};

/* ---- which tensors an operation has: shapes as in ops.h ---------------------------------------- */

double Size(double a, double b, double c = 1, double d = 1) { return std::min({a, b, c, d}) > 0 ? a * b * c * d : 0; }

void Translate(Call &c, lenet_source &s) {
    s.images = c.Shared(s.images, Size(s.count, s.H, s.W));
    s.labels = c.Shared(s.labels, s.count);
}

void Translate(Call &c, batch_draw &a) {
    a.x = c.Out(a.x, Size(a.source.OH, a.source.OW, a.N));
    a.label = c.Array(a.label, a.N);
    a.hyper = c.Array(a.hyper);
    a.step = c.Shared(a.step);
    Translate(c, a.source);
}
void Translate(Call &c, batch_slice &a) {
    a.x = c.Out(a.x, Size(a.source.OH, a.source.OW, a.N));
    a.label = c.Array(a.label, a.N);
    a.hyper = c.Array(a.hyper);
    Translate(c, a.source);
}

/* Pixels of a convolution's output. */
template <class Op> double Pixels(const Op &a) { return Size(a.H - a.K + 1, a.W - a.K + 1); }

void Translate(Call &c, conv_forward &a) {
    a.x = c.In(a.x, Size(a.C, a.H, a.W, a.N));
    a.w = c.In(a.w, a.stride, Size(a.O, a.C, a.K, a.K));
    a.b = c.In(a.b, a.stride, a.O);
    a.y = c.Out(a.y, Size(a.O, Pixels(a), a.N));
}
void Translate(Call &c, conv_backward_input &a) {
    a.dy = c.In(a.dy, Size(a.O, Pixels(a), a.N));
    a.w = c.In(a.w, a.stride, Size(a.O, a.C, a.K, a.K));
    a.dx = c.Out(a.dx, Size(a.C, a.H, a.W, a.N));
}
void Translate(Call &c, conv_backward_params &a) {
    a.x = c.In(a.x, Size(a.C, a.H, a.W, a.N));
    a.dy = c.In(a.dy, Size(a.O, Pixels(a), a.N));
    a.dw = c.Out(a.dw, a.stride, Size(a.O, a.C, a.K, a.K));
    a.db = c.Out(a.db, a.stride, a.O);
    a.scratch = nullptr; /* it needs none */
}

void Translate(Call &c, subsample_forward &a) {
    a.x = c.In(a.x, Size(a.C, a.H, a.W, a.N));
    a.y = c.Out(a.y, a.S > 0 ? Size(a.C, a.H / a.S, a.W / a.S, a.N) : 0);
}
void Translate(Call &c, subsample_backward_input &a) {
    a.x = c.In(a.x, Size(a.C, a.H, a.W, a.N));
    a.dy = c.In(a.dy, a.S > 0 ? Size(a.C, a.H / a.S, a.W / a.S, a.N) : 0);
    a.dx = c.Out(a.dx, Size(a.C, a.H, a.W, a.N));
}

void Translate(Call &c, activation_forward &a) {
    a.x = c.In(a.x, Size(a.F, a.N));
    a.y = c.Out(a.y, Size(a.F, a.N));
}
void Translate(Call &c, activation_backward_input &a) {
    a.y = c.In(a.y, Size(a.F, a.N));
    a.dy = c.In(a.dy, Size(a.F, a.N));
    a.dx = c.Out(a.dx, Size(a.F, a.N));
}

void Translate(Call &c, dense_forward &a) {
    a.x = c.In(a.x, Size(a.I, a.N));
    a.w = c.In(a.w, a.stride, Size(a.O, a.I));
    a.b = c.In(a.b, a.stride, a.O);
    a.y = c.Out(a.y, Size(a.O, a.N));
}
void Translate(Call &c, dense_backward_input &a) {
    a.dy = c.In(a.dy, Size(a.O, a.N));
    a.w = c.In(a.w, a.stride, Size(a.O, a.I));
    a.dx = c.Out(a.dx, Size(a.I, a.N));
}
void Translate(Call &c, dense_backward_params &a) {
    a.x = c.In(a.x, Size(a.I, a.N));
    a.dy = c.In(a.dy, Size(a.O, a.N));
    a.dw = c.Out(a.dw, a.stride, Size(a.O, a.I));
    a.db = c.Out(a.db, a.stride, a.O);
}

void Translate(Call &c, scale_forward &a) {
    a.x = c.In(a.x, Size(a.C, a.P, a.N));
    a.w = c.In(a.w, a.stride, a.C);
    a.b = c.In(a.b, a.stride, a.C);
    a.y = c.Out(a.y, Size(a.C, a.P, a.N));
}
void Translate(Call &c, scale_backward_input &a) {
    a.dy = c.In(a.dy, Size(a.C, a.P, a.N));
    a.w = c.In(a.w, a.stride, a.C);
    a.dx = c.Out(a.dx, Size(a.C, a.P, a.N));
}
void Translate(Call &c, scale_backward_params &a) {
    a.x = c.In(a.x, Size(a.C, a.P, a.N));
    a.dy = c.In(a.dy, Size(a.C, a.P, a.N));
    a.dw = c.Out(a.dw, a.stride, a.C);
    a.db = c.Out(a.db, a.stride, a.C);
}

void Translate(Call &c, rbf_forward &a) {
    a.x = c.In(a.x, Size(a.I, a.N));
    a.y = c.Out(a.y, Size(a.O, a.N));
}
void Translate(Call &c, rbf_backward_input &a) {
    a.x = c.In(a.x, Size(a.I, a.N));
    a.dy = c.In(a.dy, Size(a.O, a.N));
    a.dx = c.Out(a.dx, Size(a.I, a.N));
}
void Translate(Call &c, rbf_backward_second &a) {
    a.dy = c.In(a.dy, Size(a.O, a.N));
    a.d2x = c.Out(a.d2x, Size(a.I, a.N));
}

template <class Loss> void TranslateLoss(Call &c, Loss &a) {
    a.y = c.In(a.y, Size(a.O, a.N));
    a.label = c.Array(a.label, a.N);
    a.dy = c.Out(a.dy, Size(a.O, a.N));
    a.predicted = c.Array(a.predicted, a.N);
    a.tally = c.Array(a.tally);
}
void Translate(Call &c, softmax_loss &a) { TranslateLoss(c, a); }
void Translate(Call &c, distance_loss &a) { TranslateLoss(c, a); }

void Translate(Call &c, schedule_step &a) {
    a.hyper = c.Array(a.hyper);
    a.step = c.Shared(a.step);
    a.rate = c.Array(a.rate);
}
void Translate(Call &c, optimizer_step &a) {
    a.hyper = c.Array(a.hyper);
    a.rate = c.Array(a.rate);
    a.step = c.Shared(a.step);
    a.dw = c.In(a.dw, (double)a.stride);
    a.w = c.Out(a.w, (double)a.stride);
    a.m = c.Out(a.m, (double)a.stride);
    a.v = c.Out(a.v, (double)a.stride);
}

/* ---- the table ------------------------------------------------------------------------------------ */

lenet_status Open(lenet_ctx **ctx, const lenet_open_options *options, lenet_error *err) {
    auto *context = new Context;
    *ctx = reinterpret_cast<lenet_ctx *>(context);
    return Inner().open(&context->inner, options, err);
}

void Close(lenet_ctx *ctx) {
    Inner().close(Of(ctx).inner);
    delete &Of(ctx);
}

lenet_status Alloc(lenet_ctx *ctx, void **p, size_t bytes) {
    constexpr size_t kAlignment = 256;
    const size_t rounded = (bytes / kAlignment + 1) * kAlignment;
    *p = aligned_alloc(kAlignment, rounded);
    if (!*p) return LENET_ERR_MEMORY;
    memset(*p, 0, rounded);
    Of(ctx).memory[static_cast<char *>(*p)] = bytes;
    return LENET_OK;
}

void Release(lenet_ctx *ctx, void *p) {
    Of(ctx).memory.erase(static_cast<char *>(p));
    free(p);
}

lenet_status Transfer(lenet_ctx *, void *to, const void *from, size_t bytes) {
    memcpy(to, from, bytes);
    return LENET_OK;
}

template <class Op> using Function = lenet_status (*)(lenet_ctx *, const Op *);

template <class Op> lenet_status Run(Function<Op> function, lenet_ctx *ctx, const Op *args) {
    Op a = *args;
    Call call(Of(ctx), a.R);
    Translate(call, a);
    if (a.R != call.padded() && function(Of(ctx).inner, &a) != LENET_ERR_ARG)
        Die("an operation took a part of a group of networks");
    a.R = call.padded();
    const lenet_status status = function(Of(ctx).inner, &a);
    call.Finish(status);
    return status;
}
/* Elementwise operations know no layout. */
lenet_status Run(Function<square> function, lenet_ctx *ctx, const square *args) {
    return function(Of(ctx).inner, args);
}
lenet_status Run(Function<accumulate> function, lenet_ctx *ctx, const accumulate *args) {
    return function(Of(ctx).inner, args);
}

#define X(op)                                                                                                          \
    lenet_status Op_##op(lenet_ctx *ctx, const struct op *args) { return Run(Inner().op, ctx, args); }
LENET_OPS(X)
#undef X

} // namespace

const lenet_backend *lenet_backend_by_network_in_plain_layout() {
    static lenet_backend table;
    table = Inner();
    table.name = "by_network";
    table.network_lanes = 1;
    table.open = Open;
    table.close = Close;
    table.alloc = Alloc;
    table.release = Release;
    table.upload = Transfer;
    table.download = Transfer;
    table.message = [](const lenet_ctx *) { return ""; };
    table.measure_peak = [](lenet_ctx *ctx, double *flops) { return Inner().measure_peak(Of(ctx).inner, flops); };
#define X(op) table.op = Op_##op;
    LENET_OPS(X)
#undef X
    return &table;
}
