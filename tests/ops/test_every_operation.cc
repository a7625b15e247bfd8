/* test_every_operation.cc - what is claimed of all operations, for each of LENET_OPS and on each backend. */
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/samples.h"

/* Takes the place of the C library's, so that it can fail. */
static struct {
    bool fails;
    int failed;
} memory;
extern "C" void *aligned_alloc(size_t alignment, size_t size) noexcept {
    static const auto next = reinterpret_cast<void *(*)(size_t, size_t)>(dlsym(RTLD_NEXT, "aligned_alloc"));
    if (!memory.fails) return next(alignment, size);
    memory.failed++;
    errno = ENOMEM;
    return nullptr;
}

namespace {

class EveryOperation : public BackendTest {
  protected:
    /* With its own kernels for fully connected layers a GPU has the other operations as without. */
    bool Concerns(const std::string &op) const { return !IsOwnDense(GetParam()) || op.find("dense_") == 0; }
    /* The second time, and with other numbers of threads. */
    template <class Op> void ExpectSameBitsEveryRun() const {
        for (int variant = 0; Exists<Op>(variant); variant++) {
            SCOPED_TRACE(variant);
            const auto run = [variant](const Device &on) {
                Sample<Op> sample(on);
                Fill(sample, variant);
                on.Run(sample.args);
                return sample.Outputs();
            };
            const auto first = run(device());
            EXPECT_TRUE(first == run(device())) << "the second time";
            for (int threads = 1; threads <= (IsCuda() ? 1 : 3); threads++) /* a GPU has none to choose */
                EXPECT_TRUE(first == run(device().WithThreads(threads))) << threads << " threads";
        }
    }
    template <class Op> void ExpectNothingIsWrittenBehindOutputs() const {
        for (int variant = 0;; variant++) {
            SCOPED_TRACE(variant);
            Sample<Op> sample(device());
            if (!Fill(sample, variant)) return;
            const auto behind = sample.Behind();
            device().Run(sample.args);
            EXPECT_TRUE(behind == sample.Behind());
        }
    }
    /* On a context that has no memory of an earlier operation. Returns whether the operation wants any. */
    template <class Op> bool ExpectWantOfMemoryIsTold() const {
        bool wants = false;
        for (int variant = 0;; variant++) {
            SCOPED_TRACE(variant);
            const Device fresh = device().WithThreads(2);
            Sample<Op> sample(fresh);
            if (!Fill(sample, variant)) return wants;
            memory = {true, 0};
            const lenet_status status = fresh.Call(sample.args);
            memory.fails = false;
            EXPECT_EQ(status, memory.failed ? LENET_ERR_MEMORY : LENET_OK);
            wants = wants || memory.failed;
        }
    }
    template <class Op> void ExpectRejectsBadArguments() const;

  private:
    template <class Op> bool Exists(int variant) const {
        Sample<Op> sample(device());
        return Fill(sample, variant);
    }
};
LENET_ON_ALL_BACKENDS(EveryOperation);

TEST_P(EveryOperation, GivesTheSameBitsEveryRun) {
#define X(op)                                                                                                          \
    if (Concerns(#op)) {                                                                                               \
        SCOPED_TRACE(#op);                                                                                             \
        ExpectSameBitsEveryRun<struct op>();                                                                           \
    }
    LENET_OPS(X)
#undef X
}

TEST_P(EveryOperation, WritesNothingBehindItsOutputs) {
#define X(op)                                                                                                          \
    if (Concerns(#op)) {                                                                                               \
        SCOPED_TRACE(#op);                                                                                             \
        ExpectNothingIsWrittenBehindOutputs<struct op>();                                                              \
    }
    LENET_OPS(X)
#undef X
}

TEST_P(EveryOperation, TellsWhereItGetsNoMemory) {
    int wanting = 0;
#define X(op)                                                                                                          \
    if (Concerns(#op)) {                                                                                               \
        SCOPED_TRACE(#op);                                                                                             \
        wanting += ExpectWantOfMemoryIsTold<struct op>();                                                              \
    }
    LENET_OPS(X)
#undef X
    const bool has_its_own = std::strcmp(GetParam(), "single") == 0; /* where vectors are parts of an image */
    EXPECT_GE(wanting, has_its_own ? 7 : 0);
}

/* ---- levels of processors ------------------------------------------------------------------------- */

/* Until it goes, the CPU's backends are those of this level; of "", the highest. */
class Level {
  public:
    explicit Level(const char *name) : before_(Get()) { Set(name); }
    ~Level() { Set(before_.c_str()); }
    /* Whether this processor is of it; otherwise *why says what is missing. */
    bool IsThere(std::string *why) const {
        lenet_open_options options = {};
        options.threads = 1;
        lenet_ctx *ctx = nullptr;
        lenet_error error = {};
        const bool is_there = lenet_backend_cpu()->open(&ctx, &options, &error) == LENET_OK;
        if (is_there) lenet_backend_cpu()->close(ctx);
        *why = error.text;
        return is_there;
    }

  private:
    static std::string Get() { return std::getenv("LENET_CPU") ? std::getenv("LENET_CPU") : ""; }
    static void Set(const char *name) { setenv("LENET_CPU", name, 1); }
    const std::string before_;
};

using Outputs = std::vector<std::vector<uint8_t>>;
template <class Op> void AppendOutputs(const Device &device, Outputs &all) {
    for (int variant = 0;; variant++) {
        Sample<Op> sample(device);
        if (!Fill(sample, variant)) return;
        device.Run(sample.args);
        const Outputs some = sample.Outputs();
        all.insert(all.end(), some.begin(), some.end());
    }
}

/* Of all operations, on all three kinds of twins. */
Outputs AllOutputs() {
    Outputs all;
    for (const auto backend : {lenet_backend_cpu, lenet_backend_cpu64, lenet_backend_cpu_batch1}) {
        const Device device(backend(), 2);
#define X(op) AppendOutputs<struct op>(device, all);
        LENET_OPS(X)
#undef X
    }
    return all;
}

/* What a checkpoint says of the last bits, by which --resume knows whether they will be others. */
std::string Machine() {
    char text[LENET_MACHINE];
    lenet_backend_cpu()->describe(nullptr, text);
    return text;
}

/* tests/training/test_same_bytes.py has committed hashes of whole trainings, for processors that have only one. */
TEST(Levels, WithFusedMultiplyAddsGiveTheSameBits) {
    Outputs first;
    std::string machine;
    for (const char *name : {"v4", "v3"}) {
        const Level level(name);
        std::string why;
        if (!level.IsThere(&why)) GTEST_SKIP() << why;
        const Outputs outputs = AllOutputs();
        if (first.empty()) {
            first = outputs;
            machine = Machine();
        }
        EXPECT_TRUE(first == outputs) << name;
        EXPECT_EQ(machine, Machine()) << name;
    }
}

TEST(Levels, WithoutThemGiveOthers) {
    std::string why;
    const Level lowest("v2");
    if (!lowest.IsThere(&why)) GTEST_SKIP() << why;
    const Outputs of_lowest = AllOutputs();
    const std::string machine = Machine();
    const Level next("v3");
    if (!next.IsThere(&why)) GTEST_SKIP() << why;
    EXPECT_FALSE(of_lowest == AllOutputs()) << "nothing is fused on v3, or the level is not obeyed";
    EXPECT_NE(machine, Machine());
}

TEST(Levels, ThatAreNoneAreRefused) {
    std::string why;
    EXPECT_FALSE(Level("v5").IsThere(&why));
    EXPECT_NE(why.find("LENET_CPU: 'v5' is not one of "), std::string::npos) << why;
    EXPECT_TRUE(Level("").IsThere(&why)) << why;
}

/* ---- what is no argument --------------------------------------------------------------------------- */

/* A way to spoil an operation's arguments, for operations that have the fields which it needs. */
template <class Op> class Spoilers {
  public:
    template <class Spoil> void Add(const char *what, Spoil spoil) {
        if constexpr (std::is_invocable_v<Spoil, Op &>) all_.push_back({what, spoil});
    }
    const auto &All() const { return all_; }

  private:
    std::vector<std::pair<const char *, std::function<void(Op &)>>> all_;
};

/* Every limit of lenet/ops.h. An operation has those limits whose fields it has. */
template <class Op> Spoilers<Op> AllSpoilers() {
    Spoilers<Op> all;
#define SPOILER(what, ...) all.Add(what, [](auto &a) -> decltype((void)(__VA_ARGS__)) { __VA_ARGS__; })
#define POSITIVE(size)                                                                                                 \
    SPOILER(#size " = 0", a.size = 0);                                                                                 \
    SPOILER(#size " < 0", a.size = -a.size)
    POSITIVE(R);
    POSITIVE(N);
    POSITIVE(B);
    POSITIVE(C);
    POSITIVE(H);
    POSITIVE(W);
    POSITIVE(O);
    POSITIVE(K);
    POSITIVE(S);
    POSITIVE(P);
    POSITIVE(F);
    POSITIVE(I);
    POSITIVE(source.H);
    POSITIVE(source.W);
    POSITIVE(source.classes);
    SPOILER("count = 0", a.count = 0);
    SPOILER("count > LENET_MAX_VALUES", a.count = LENET_MAX_VALUES + 1);
    SPOILER("more values than threads of a grid", (void)a.activation, (void)a.F, a.R = LENET_MAX_NETWORKS,
            a.N = LENET_MAX_BATCH, a.F = 129);
    SPOILER("P > LENET_MAX_SIDE^2", a.P = LENET_MAX_SIDE * LENET_MAX_SIDE + 1);
    SPOILER("more parameters than threads of a grid", (void)a.optimizer, a.first = 1,
            a.end = a.stride = LENET_MAX_VALUES + 2);
    SPOILER("stride = 0", (void)a.optimizer, a.stride = 0);
    SPOILER("no parameter", (void)a.optimizer, a.first = a.end);
    SPOILER("more parameters than there are", (void)a.optimizer, a.end = a.stride + 1);

    SPOILER("R > LENET_MAX_NETWORKS", a.R = LENET_MAX_NETWORKS + 1);
    SPOILER("N > LENET_MAX_BATCH", a.N *= LENET_MAX_BATCH + 1);
    SPOILER("N not a multiple of the lanes", a.N -= 1);
    SPOILER("C > LENET_MAX_MAPS", a.C = LENET_MAX_MAPS + 1);
    SPOILER("H > LENET_MAX_SIDE", a.H *= LENET_MAX_SIDE + 1);
    SPOILER("W > LENET_MAX_SIDE", a.W *= LENET_MAX_SIDE + 1);

    SPOILER("B > N", a.B = a.N + 1);
    SPOILER("no images", a.source.count = 0);
    SPOILER("more than 2^31 images", a.source.count = (1u << 31) + 1);
    SPOILER("OH < H", a.source.OH = a.source.H - 1);
    SPOILER("OW < W", a.source.OW = a.source.W - 1);
    SPOILER("OH > LENET_MAX_SIDE", a.source.OH = LENET_MAX_SIDE + 1);
    SPOILER("OW > LENET_MAX_SIDE", a.source.OW = LENET_MAX_SIDE + 1);
    SPOILER("a class that would be no label", a.source.classes = LENET_NO_LABEL + 1);
    SPOILER("first > end", a.first = a.end + 1);
    SPOILER("end > count", a.end = a.source.count + 1);

    SPOILER("O > LENET_MAX_MAPS of a convolution", (void)a.K, a.O = LENET_MAX_MAPS + 1);
    SPOILER("K > H", a.H = a.K - 1);
    SPOILER("K > W", a.W = a.K - 1);
    SPOILER("K > LENET_MAX_KERNEL", a.K = LENET_MAX_KERNEL + 1);
    SPOILER("K > LENET_MAX_KERNEL on maps that are large enough", a.H = a.W = a.K = LENET_MAX_KERNEL + 1);
    SPOILER("more maps than a table of a single connection has", a.table[LENET_TABLE_MAPS - 1] = 1,
            a.O = LENET_TABLE_MAPS + 1);
    SPOILER("more input maps than a table of a single connection has", a.table[LENET_TABLE_MAPS - 1] = 1,
            a.C = LENET_TABLE_INPUTS + 1);

    SPOILER("a row of outputs without a window", (void)a.place, a.H -= 1);
    SPOILER("a column of outputs without a window", (void)a.place, a.W -= 1);
    SPOILER("K > LENET_MAX_KERNEL on maps of whole windows", (void)a.place,
            a.H = a.W = (a.K = LENET_MAX_KERNEL + 1) + 1);
    SPOILER("S does not divide H", (void)a.S, a.H -= 1);
    SPOILER("S does not divide W", (void)a.S, a.W -= 1);
    SPOILER("no such pooling", a.pooling = (lenet_pooling)(LENET_POOL_SUM + 1));
    SPOILER("no such activation", a.activation = (lenet_activation)(LENET_LINEAR + 1));
    SPOILER("linear units are no work", (void)a.F, a.activation = LENET_LINEAR);
    SPOILER("no such optimizer", a.optimizer = (lenet_optimizer)(LENET_SDLM + 1));

    SPOILER("I > LENET_MAX_TARGET", (void)a.targets, a.I = LENET_MAX_TARGET + 1);
    SPOILER("I > LENET_MAX_TARGET of second derivatives", (void)a.d2x, a.I = LENET_MAX_TARGET + 1);
    SPOILER("O > LENET_TARGETS", (void)a.targets, a.O = LENET_TARGETS + 1);
    SPOILER("O > LENET_TARGETS of second derivatives", (void)a.d2x, a.O = LENET_TARGETS + 1);
    SPOILER("a class that is no label's", (void)a.label, a.O = LENET_NO_LABEL);
    SPOILER("more classes than a byte has", (void)a.label, a.O = 256);
    SPOILER("rubbish < 0", a.rubbish = -1e-9f);
    SPOILER("rubbish is -infinity", a.rubbish = -INFINITY);
    SPOILER("rubbish is infinite", a.rubbish = INFINITY);
    SPOILER("rubbish is NaN", a.rubbish = NAN);
#undef POSITIVE
#undef SPOILER
    return all;
}

/* Each spoiled call is refused, and nothing is done. The arguments are valid otherwise: a last call writes all outputs.
 */
template <class Op> void EveryOperation::ExpectRejectsBadArguments() const {
    const Spoilers<Op> spoilers = AllSpoilers<Op>();
    EXPECT_FALSE(spoilers.All().empty()) << "nothing is known of its limits";
    for (int variant = 0;; variant++) {
        SCOPED_TRACE(variant);
        Sample<Op> sample(device());
        if (!Fill(sample, variant)) return;
        const auto before = sample.Outputs();
        for (const auto &[what, spoil] : spoilers.All()) {
            if (lanes() == 1 && std::strcmp(what, "N not a multiple of the lanes") == 0) continue; /* any N is */
            Op bad = sample.args;
            spoil(bad);
            EXPECT_EQ(device().Call(bad), LENET_ERR_ARG) << what;
            EXPECT_TRUE(before == sample.Outputs()) << what << ": it was done nevertheless";
        }
        EXPECT_EQ(device().Call(sample.args), LENET_OK);
        const auto after = sample.Outputs();
        for (size_t i = 0; i < after.size(); i++)
            EXPECT_FALSE(SameBytes(before[i], after[i])) << "the valid call left output " << i << " as it was";
    }
}

TEST_P(EveryOperation, RejectsBadArguments) {
#define X(op)                                                                                                          \
    if (Concerns(#op)) {                                                                                               \
        SCOPED_TRACE(#op);                                                                                             \
        ExpectRejectsBadArguments<struct op>();                                                                        \
    }
    LENET_OPS(X)
#undef X
}

LENET_ON_OWN_DENSE(EveryOperation);

} // namespace
