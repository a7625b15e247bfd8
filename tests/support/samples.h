/* samples.h - valid arguments for every operation: what a claim about all operations is tested on.
 *
 * For each operation there is Fill(sample, variant), which fills the arguments and makes the memory that they point to,
 * or returns false where there are no more variants. An operation without it does not compile. */
#ifndef LENET_TEST_SAMPLES_H
#define LENET_TEST_SAMPLES_H
#include <memory>
#include <vector>

#include "support/backends.h"

template <class... Sizes> size_t Count(Sizes... sizes) { return (size_t(1) * ... * (size_t)sizes); }

/* The arguments of a call on a device, and the memory that they point to. */
template <class Op> class Sample {
  public:
    explicit Sample(const Device &device) : device_(device) {}
    Op args = {};

    /* Random numbers that the operation reads, memory that it overwrites, and numbers that it adds to. Behind the
     * outputs lies more that it must leave alone. */
    const void *In(size_t count, double scale = 1) { return *Keep<Input>(inputs_, Reals(count, stream_++, scale)); }
    void *Out(size_t count) { return KeepOutput<Tensor>(Poison(count + kBehind)); }
    void *InOut(size_t count) { return KeepOutput<Tensor>(Abs(Reals(count + kBehind, stream_++))); }
    /* What an operation only reads through a pointer that others write through, and what it need not write to. */
    void *InPositive(size_t count) { return *Keep<Input>(inputs_, Abs(Reals(count, stream_++))); }
    void *Scratch(size_t count) { return *Keep<Tensor>(inputs_, Poison(count)); }

    /* The same for arrays that are no tensors. */
    template <class T> const T *InArray(const std::vector<T> &host) { return *Keep<InputArray<T>>(inputs_, host); }
    template <class T> T *ScratchArray(size_t count, T poison) {
        return *Keep<Array<T>>(inputs_, std::vector<T>(count, poison));
    }
    template <class T> T *OutArray(std::vector<T> host) {
        host.resize(host.size() + kBehind, host.back());
        return KeepOutput<Array<T>>(host);
    }

    /* A place in a tensor. */
    template <class P> P *At(P *tensor, size_t element) const {
        return (char *)tensor + element * device_.backend().element_size;
    }
    int Images(int groups) const { return groups * device_.lanes(); }

    std::vector<std::vector<uint8_t>> Outputs() const {
        std::vector<std::vector<uint8_t>> bytes;
        for (const auto &output : outputs_) bytes.push_back(output->Bytes());
        return bytes;
    }
    /* What lies behind each output. */
    std::vector<std::vector<uint8_t>> Behind() const {
        std::vector<std::vector<uint8_t>> bytes = Outputs();
        for (size_t i = 0; i < bytes.size(); i++)
            bytes[i].erase(bytes[i].begin(), bytes[i].end() - (ptrdiff_t)behind_bytes_[i]);
        return bytes;
    }

  private:
    using Buffers = std::vector<std::shared_ptr<Buffer>>;
    template <class Memory, class Host> std::shared_ptr<Memory> Keep(Buffers &buffers, const Host &host) {
        const auto memory = std::make_shared<Memory>(device_, host);
        buffers.push_back(memory);
        return memory;
    }
    template <class Memory, class Host> Memory &KeepOutput(const Host &host) {
        Memory &memory = *Keep<Memory>(outputs_, host);
        behind_bytes_.push_back(memory.Bytes().size() / host.size() * kBehind);
        return memory;
    }

    static constexpr size_t kBehind = 64; /* elements */

    const Device &device_;
    Buffers inputs_, outputs_;
    std::vector<size_t> behind_bytes_;
    uint32_t stream_ = 1;
};

/* ---- batches ---------------------------------------------------------------------------------- */

template <class Op> lenet_source SampleSource(Sample<Op> &s, uint32_t count, int H, int W, int OH, int OW) {
    std::vector<uint8_t> bytes(Count(count, H, W)), labels(count);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = (uint8_t)RandomWord(1, i);
    for (size_t i = 0; i < count; i++) labels[i] = (uint8_t)(RandomWord(2, i) % 10);
    return {count, H, W, 10, s.InArray(bytes), s.InArray(labels), OH, OW, 0.25f, -3};
}

/* Without distortions, and with all of them on a part of the images. */
inline std::vector<lenet_hyper> SampleHypers(uint32_t count) {
    std::vector<lenet_hyper> hyper(3, lenet_hyper{});
    for (size_t r = 0; r < 3; r++) {
        hyper[r].seed = TestSeed() + r;
        hyper[r].train_count = r == 2 ? 11 : count;
        if (r == 0) continue;
        hyper[r].shift = hyper[r].elastic = 2;
        hyper[r].rotate = 15;
        hyper[r].scale = hyper[r].shear = 0.2f;
        hyper[r].label_noise = 0.5f;
    }
    return hyper;
}

template <class Op> void FillBatch(Sample<Op> &s, int B) {
    auto &a = s.args;
    a.R = 3;
    a.B = B;
    a.N = s.Images(B / s.Images(1) + 1);
    a.x = s.Out(Count(a.R, a.source.OH, a.source.OW, a.N));
    a.label = s.OutArray(std::vector<uint8_t>(Count(a.R, a.N), 99));
}

inline bool Fill(Sample<batch_draw> &s, int variant) {
    auto &a = s.args;
    a.source = SampleSource(s, 48, 28, 28, 32, 32);
    a.hyper = s.InArray(SampleHypers(a.source.count));
    a.step = s.InArray<uint64_t>({7});
    FillBatch(s, variant == 0 ? 21 : 37); /* more than lie together on the CPU */
    return variant < 2;
}

/* The images in the orders of the networks, and in their own with padding behind the last one. */
inline bool Fill(Sample<batch_slice> &s, int variant) {
    auto &a = s.args;
    a.source = SampleSource(s, 300, 5, 6, 9, 8);
    if (variant == 0) a.hyper = s.InArray(SampleHypers(a.source.count));
    a.first = variant == 0 ? 11 : 280;
    a.end = 299;
    FillBatch(s, 33);
    return variant < 2;
}

/* ---- layers with parameters --------------------------------------------------------------------- */

/* The parameters of a network lie together, with a gap behind them. Weights first. */
template <class Op> void InParameters(Sample<Op> &s, size_t weights, size_t biases) {
    s.args.stride = weights + biases + 3;
    s.args.w = s.In(Count(s.args.R, s.args.stride));
}
template <class Op> void OutParameters(Sample<Op> &s, size_t weights, size_t biases) {
    s.args.stride = weights + biases + 3;
    s.args.dw = s.Out(Count(s.args.R, s.args.stride));
    s.args.db = s.At(s.args.dw, weights);
}

/* R, groups of images, C, H, W, O and K of each variant. */
template <class Op, int n> bool FillConvSizes(Sample<Op> &s, const int (&sizes)[n][7], int variant) {
    if (variant >= n) return false;
    auto &a = s.args;
    const int *size = sizes[variant];
    a.R = size[0];
    a.N = s.Images(size[1]);
    a.C = size[2];
    a.H = size[3];
    a.W = size[4];
    a.O = size[5];
    a.K = size[6];
    return true;
}

/* Enough maps to share out among three threads, and few: shared out otherwise, the sums must be the same. Where images
 * lie in more groups than there are parts of a gradient, a part has several, the last one fewer. */
template <class Op> bool FillConv(Sample<Op> &s, int variant) {
    const int sizes[][7] = {{3, 5, 3, 9, 7, 7, 3},   {1, 5, 1, 9, 7, 1, 3},
                            {1, 5, 2, 9, 7, 1, 3},   {1, 5, 3, 9, 7, 1, 3},
                            {1, 5, 1, 9, 7, 7, 3},   {2, 2, 2, 12, 11, 3, 5},
                            {1, 1, 32, 2, 2, 16, 2}, {2, 2 * LENET_PARTS + 3, 2, 3, 3, 3, 2}};
    return FillConvSizes(s, sizes, variant);
}
template <class Op> size_t Inputs(const Op &a) { return Count(a.R, a.C, a.H, a.W, a.N); }
template <class Op> size_t ConvOutputs(const Op &a) { return Count(a.R, a.O, a.H - a.K + 1, a.W - a.K + 1, a.N); }
template <class Op> size_t ConvWeights(const Op &a) { return Count(a.O, a.C, a.K, a.K); }

inline bool Fill(Sample<conv_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillConv(s, variant)) return false;
    InParameters(s, ConvWeights(a), (size_t)a.O);
    a.b = s.At(a.w, ConvWeights(a));
    a.x = s.In(Inputs(a));
    a.y = s.Out(ConvOutputs(a));
    return true;
}
inline bool Fill(Sample<conv_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillConv(s, variant)) return false;
    InParameters(s, ConvWeights(a), (size_t)a.O);
    a.dy = s.In(ConvOutputs(a));
    a.dx = s.Out(Inputs(a));
    return true;
}
/* The last three variants have a connection table, one as large as a table gets. */
inline bool Fill(Sample<conv_backward_params> &s, int variant) {
    auto &a = s.args;
    if (!FillConv(s, variant)) return false;
    OutParameters(s, ConvWeights(a), (size_t)a.O);
    a.x = s.In(Inputs(a));
    a.dy = s.In(ConvOutputs(a));
    a.scratch = s.Scratch(Count(a.R, LENET_PARTS, ConvWeights(a) + (size_t)a.O));
    for (int o = 0; variant >= 5 && o < a.O; o++) a.table[o] = RandomWord(5, (uint64_t)o) | 1;
    return true;
}

template <class Op> bool FillDense(Sample<Op> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(variant == 0 ? 5 : 2);
    a.I = variant == 0 ? 77 : 7;
    a.O = variant == 0 ? 13 : 5;
    return variant < 2;
}
inline bool Fill(Sample<dense_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillDense(s, variant)) return false;
    a.activation = variant == 0 ? LENET_TANH : LENET_LINEAR;
    InParameters(s, Count(a.O, a.I), (size_t)a.O);
    a.b = s.At(a.w, Count(a.O, a.I));
    a.x = s.In(Count(a.R, a.I, a.N));
    a.y = s.Out(Count(a.R, a.O, a.N));
    return true;
}
inline bool Fill(Sample<dense_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillDense(s, variant)) return false;
    a.activation = variant == 0 ? LENET_TANH : LENET_LINEAR;
    InParameters(s, Count(a.O, a.I), (size_t)a.O);
    if (variant == 0) a.x = s.In(Count(a.R, a.I, a.N));
    a.dy = s.In(Count(a.R, a.O, a.N));
    a.dx = s.Out(Count(a.R, a.I, a.N));
    return true;
}
inline bool Fill(Sample<dense_backward_params> &s, int variant) {
    auto &a = s.args;
    if (!FillDense(s, variant)) return false;
    OutParameters(s, Count(a.O, a.I), (size_t)a.O);
    a.x = s.In(Count(a.R, a.I, a.N));
    a.dy = s.In(Count(a.R, a.O, a.N));
    return true;
}

template <class Op> bool FillScale(Sample<Op> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(5);
    a.C = 7;
    a.P = 9;
    return variant < 1;
}
inline bool Fill(Sample<scale_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillScale(s, variant)) return false;
    InParameters(s, (size_t)a.C, (size_t)a.C);
    a.b = s.At(a.w, (size_t)a.C);
    a.x = s.In(Count(a.R, a.C, a.P, a.N));
    a.y = s.Out(Count(a.R, a.C, a.P, a.N));
    return true;
}
inline bool Fill(Sample<scale_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillScale(s, variant)) return false;
    InParameters(s, (size_t)a.C, (size_t)a.C);
    a.dy = s.In(Count(a.R, a.C, a.P, a.N));
    a.dx = s.Out(Count(a.R, a.C, a.P, a.N));
    return true;
}
inline bool Fill(Sample<scale_backward_params> &s, int variant) {
    auto &a = s.args;
    if (!FillScale(s, variant)) return false;
    OutParameters(s, (size_t)a.C, (size_t)a.C);
    a.x = s.In(Count(a.R, a.C, a.P, a.N));
    a.dy = s.In(Count(a.R, a.C, a.P, a.N));
    return true;
}

/* ---- layers without parameters ------------------------------------------------------------------- */

/* Every pooling, each with every activation, and windows of 2 x 2, which have code of their own, and of 3 x 3. */
template <class Op> bool FillSubsample(Sample<Op> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(5);
    a.C = 5;
    a.S = variant % 2 ? 2 : 3;
    a.H = 3 * a.S;
    a.W = 2 * a.S;
    a.pooling = (lenet_pooling)(variant % 3);
    a.activation = (lenet_activation)(variant % 4);
    return variant < 12;
}
template <class Op> size_t Windows(const Op &a) { return Count(a.R, a.C, a.H / a.S, a.W / a.S, a.N); }

inline bool Fill(Sample<subsample_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillSubsample(s, variant)) return false;
    a.x = s.In(Inputs(a));
    a.y = s.Out(Windows(a));
    return true;
}
inline bool Fill(Sample<subsample_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillSubsample(s, variant)) return false;
    a.x = s.In(Inputs(a));
    a.dy = s.In(Windows(a));
    a.dx = s.Out(Inputs(a));
    return true;
}

/* Every activation; one map, and more than a tile of them; kernels of 5 x 5, which have code of their own, and others;
 * the last two are large enough for large tiles of few and of many maps. */
template <class Op> bool FillConvMaxpool(Sample<Op> &s, int variant) {
    const int sizes[][7] = {{3, 5, 3, 10, 8, 7, 5},  {1, 2, 1, 7, 11, 2, 4}, {2, 1, 2, 6, 6, 9, 5},
                            {1, 5, 17, 3, 5, 5, 2},  {1, 3, 2, 9, 9, 5, 8},  {58, 4, 1, 16, 16, 3, 5},
                            {19, 4, 1, 18, 20, 9, 5}};
    s.args.activation = (lenet_activation)(variant % 4);
    return FillConvSizes(s, sizes, variant);
}
inline std::vector<uint8_t> RandomPlaces(size_t windows) {
    std::vector<uint8_t> places(windows);
    for (size_t i = 0; i < windows; i++) places[i] = (uint8_t)(RandomWord(4, i) % 4);
    return places;
}

inline bool Fill(Sample<conv_maxpool_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillConvMaxpool(s, variant)) return false;
    InParameters(s, ConvWeights(a), (size_t)a.O);
    a.b = s.At(a.w, ConvWeights(a));
    a.x = s.In(Inputs(a));
    a.y = s.Out(ConvOutputs(a) / 4);
    a.place = s.OutArray(std::vector<uint8_t>(ConvOutputs(a) / 4, 99));
    return true;
}
inline bool Fill(Sample<maxpool_backward_input> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(5);
    a.C = 5;
    a.H = 6;
    a.W = 4 + 2 * (variant % 2);
    a.activation = (lenet_activation)(variant % 4);
    const size_t windows = Inputs(a) / 4;
    a.y = s.In(windows);
    a.place = s.InArray(RandomPlaces(windows));
    a.dy = s.In(windows);
    a.dx = s.Out(Inputs(a));
    return variant < 4;
}
/* Every other one has a connection table. */
inline bool Fill(Sample<conv_maxpool_backward_params> &s, int variant) {
    auto &a = s.args;
    if (!FillConvMaxpool(s, variant)) return false;
    OutParameters(s, ConvWeights(a), (size_t)a.O);
    a.x = s.In(Inputs(a));
    a.y = s.In(ConvOutputs(a) / 4);
    a.place = s.InArray(RandomPlaces(ConvOutputs(a) / 4));
    a.dy = s.In(ConvOutputs(a) / 4);
    a.scratch = s.Scratch(Count(a.R, LENET_PARTS, ConvWeights(a) + (size_t)a.O));
    a.between = s.Scratch(ConvOutputs(a));
    for (int o = 0; variant % 2 && o < a.O; o++) a.table[o] = RandomWord(5, (uint64_t)o) | 1;
    return true;
}

template <class Op> bool FillActivation(Sample<Op> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(5);
    a.F = 7;
    a.activation = (lenet_activation)variant;
    return a.activation != LENET_LINEAR;
}
inline bool Fill(Sample<activation_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillActivation(s, variant)) return false;
    a.x = s.In(Count(a.R, a.F, a.N), 4);
    a.y = s.Out(Count(a.R, a.F, a.N));
    return true;
}
inline bool Fill(Sample<activation_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillActivation(s, variant)) return false;
    a.y = s.In(Count(a.R, a.F, a.N));
    a.dy = s.In(Count(a.R, a.F, a.N));
    a.dx = s.Out(Count(a.R, a.F, a.N));
    return true;
}

template <class Op> bool FillRbf(Sample<Op> &s, int variant) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(5);
    a.I = 84;
    a.O = 10;
    return variant < 1;
}
inline rbf_targets SampleTargets() {
    rbf_targets targets = {};
    uint64_t index = 0;
    for (auto &unit : targets.plus)
        for (uint32_t &word : unit) word = RandomWord(3, index++);
    return targets;
}
inline bool Fill(Sample<rbf_forward> &s, int variant) {
    auto &a = s.args;
    if (!FillRbf(s, variant)) return false;
    a.targets = SampleTargets();
    a.x = s.In(Count(a.R, a.I, a.N), 2);
    a.y = s.Out(Count(a.R, a.O, a.N));
    return true;
}
inline bool Fill(Sample<rbf_backward_input> &s, int variant) {
    auto &a = s.args;
    if (!FillRbf(s, variant)) return false;
    a.targets = SampleTargets();
    a.x = s.In(Count(a.R, a.I, a.N), 2);
    a.dy = s.In(Count(a.R, a.O, a.N));
    a.dx = s.Out(Count(a.R, a.I, a.N));
    return true;
}
inline bool Fill(Sample<rbf_backward_second> &s, int variant) {
    auto &a = s.args;
    if (!FillRbf(s, variant)) return false;
    a.dy = s.In(Count(a.R, a.O, a.N));
    a.d2x = s.Out(Count(a.R, a.I, a.N));
    return true;
}

/* ---- losses ---------------------------------------------------------------------------------------- */

/* Some of the images have no label. */
template <class Op> void FillLoss(Sample<Op> &s) {
    auto &a = s.args;
    a.R = 3;
    a.N = s.Images(9);
    a.O = 10;
    std::vector<uint8_t> labels(Count(a.R, a.N));
    for (size_t i = 0; i < labels.size(); i++)
        labels[i] = (uint8_t)(i % 5 == 4 ? (uint32_t)LENET_NO_LABEL : RandomWord(9, i) % (uint32_t)a.O);
    a.y = s.In(Count(a.R, a.O, a.N), 4);
    a.label = s.InArray(labels);
    a.dy = s.Out(Count(a.R, a.O, a.N));
    a.predicted = s.OutArray(std::vector<uint8_t>(Count(a.R, a.N), 99));
    a.losses = s.template ScratchArray<double>(Count(a.R, a.N), 99);
    a.tally = s.OutArray(std::vector<lenet_tally>(3, lenet_tally{1.5, 3, 2, 1}));
}
inline bool Fill(Sample<softmax_loss> &s, int variant) {
    FillLoss(s);
    s.args.rubbish = variant == 0 ? 0 : 0.5f;
    return variant < 2;
}
inline bool Fill(Sample<distance_loss> &s, int variant) {
    FillLoss(s);
    return variant < 1;
}

/* ---- learning and the rest ------------------------------------------------------------------------ */

/* Counts that are multiples of nothing. */
inline bool Fill(Sample<square> &s, int variant) {
    s.args.count = variant == 0 ? (1 << 17) + 5 : 3;
    s.args.x = s.In(s.args.count);
    s.args.y = s.Out(s.args.count);
    return variant < 2;
}
inline bool Fill(Sample<accumulate> &s, int variant) {
    s.args.count = variant == 0 ? (1 << 17) + 5 : 3;
    s.args.keep = 0.9f;
    s.args.factor = 0.1f;
    s.args.x = s.In(s.args.count);
    s.args.y = s.InOut(s.args.count);
    return variant < 2;
}

inline bool Fill(Sample<schedule_step> &s, int variant) {
    std::vector<lenet_hyper> hyper(5, lenet_hyper{});
    for (size_t r = 0; r < hyper.size(); r++) {
        hyper[r].schedule = (lenet_schedule)r;
        hyper[r].learning_rate = 0.3f + 0.1f * (float)r;
        hyper[r].warmup_steps = 7;
        hyper[r].total_steps = 97;
        hyper[r].decay_every = 10;
        hyper[r].decay_factor = 0.5f;
    }
    s.args.R = (int)hyper.size();
    s.args.hyper = s.InArray(hyper);
    s.args.step = s.OutArray<uint64_t>({(uint64_t)variant});
    s.args.rate = s.OutArray(std::vector<float>(hyper.size(), NAN));
    return variant < 20;
}

inline bool Fill(Sample<optimizer_step> &s, int variant) {
    auto &a = s.args;
    const std::vector<float> rates = {0.1f, 0.02f, 0.5f};
    std::vector<lenet_hyper> hyper(3, lenet_hyper{});
    for (size_t r = 0; r < hyper.size(); r++) {
        hyper[r].momentum = 0.45f * (float)r;
        hyper[r].weight_decay = 0.1f * (float)r;
        hyper[r].beta2 = 0.9f;
        hyper[r].epsilon = 1e-3f;
    }
    a.R = 3;
    a.stride = a.end = 5003;
    a.optimizer = (lenet_optimizer)variant;
    a.hyper = s.InArray(hyper);
    a.rate = s.InArray(rates);
    a.step = s.InArray<uint64_t>({2});
    a.dw = s.In(Count(a.R, a.stride));
    a.w = s.InOut(Count(a.R, a.stride));
    if (a.optimizer == LENET_SDLM)
        a.m = s.InPositive(Count(a.R, a.stride));
    else if (a.optimizer != LENET_SGD)
        a.m = s.InOut(Count(a.R, a.stride));
    if (a.optimizer == LENET_ADAMW) a.v = s.InOut(Count(a.R, a.stride));
    return variant <= LENET_SDLM;
}

#endif
