/* test_optimizer.cc - optimizer_step and schedule_step. */
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

/* Three networks with different settings; the third has no momentum and no weight decay. */
std::vector<lenet_hyper> ThreeHypers() {
    std::vector<lenet_hyper> hyper(3, lenet_hyper{});
    const float momentum[] = {0.9f, 0.5f, 0}, decay[] = {0.01f, 0.3f, 0}, beta2[] = {0.999f, 0.9f, 0.5f},
                epsilon[] = {1e-8f, 0.1f, 1e-3f};
    for (size_t r = 0; r < 3; r++) {
        hyper[r].momentum = momentum[r];
        hyper[r].weight_decay = decay[r];
        hyper[r].beta2 = beta2[r];
        hyper[r].epsilon = epsilon[r];
        hyper[r].learning_rate = NAN; /* the rate of the step is what schedule_step made of it */
    }
    return hyper;
}
const std::vector<float> kThreeRates = {0.1f, 0.02f, 0.5f};

struct Population {
    size_t R, stride;
    std::vector<lenet_hyper> hyper;
    std::vector<float> rate;
    Values w;
    Values Curvature() const { return Abs(Reals(R * stride, 2)); }
    Values Gradient(int t) const { return Reals(R * stride, 10 + (uint32_t)t); }
};

Population MakePopulation(size_t R, size_t stride) {
    std::vector<lenet_hyper> hyper = ThreeHypers();
    hyper.resize(R);
    return {R, stride, hyper, std::vector<float>(kThreeRates.begin(), kThreeRates.begin() + (int)R),
            Reals(R * stride, 1)};
}

/* A population's tensors on a device. */
struct OptimizerOnDevice {
    OptimizerOnDevice(const Device &device, const Population &of, const Values &host_m)
        : population(of), hyper(device, of.hyper), rate(device, of.rate), w(device, of.w), m(device, host_m),
          v(device, Values(of.w.size(), 0)) {}
    OptimizerOnDevice(const Device &device, const Population &of)
        : OptimizerOnDevice(device, of, Values(of.w.size(), 0)) {}
    /* m is zero at first, or sdlm's curvature. */
    OptimizerOnDevice(const Device &device, const Population &of, lenet_optimizer optimizer)
        : OptimizerOnDevice(device, of, FirstM(of, optimizer)) {}
    static Values FirstM(const Population &of, lenet_optimizer optimizer) {
        return optimizer == LENET_SDLM ? of.Curvature() : Values(of.w.size(), 0);
    }
    /* The t-th step; moments that the optimizer does not have are not handed in. */
    void Step(const Device &device, lenet_optimizer optimizer, int t) const {
        const Input dw(device, population.Gradient(t));
        const InputArray<uint64_t> step(device, {(uint64_t)t});
        device.Run(Args(optimizer, step, dw));
    }
    optimizer_step Args(lenet_optimizer optimizer, const uint64_t *step, const void *dw) const {
        void *const moment = optimizer == LENET_SGD ? nullptr : (void *)m;
        void *const second_moment = optimizer == LENET_ADAMW ? (void *)v : nullptr;
        return {(int)population.R, population.stride, 0, population.stride, optimizer, hyper, rate, step, dw, w, moment,
                second_moment};
    }

    const Population population;
    const InputArray<lenet_hyper> hyper;
    const InputArray<float> rate;
    const Tensor w, m, v;
};

const lenet_optimizer kOptimizers[] = {LENET_SGD, LENET_MOMENTUM, LENET_NESTEROV, LENET_ADAMW, LENET_SDLM};
std::string Name(lenet_optimizer optimizer) {
    const char *const names[] = {"sgd", "momentum", "nesterov", "adamw", "sdlm"};
    return names[optimizer];
}

class Optimizer : public BackendTest {};
LENET_ON_ALL_BACKENDS(Optimizer);

/* One parameter, w = 1, dw = 2, rate 1/2, momentum 1/2, weight decay 1/4, and again:
 *   g = 2 + 1/4 = 9/4
 *   sgd       w = 1 - 9/8 = -1/8;                    g = 2 - 1/32,   w = -1/8 - 63/64
 *   momentum  m = 9/4, w = -1/8;                     m = 9/8 + 63/32, w = -1/8 - 99/64
 *   nesterov  m = 9/4, w = 1 - (9/4 + 9/8)/2 = -11/16;
 *             g = 2 - 11/64, m = 9/8 + 117/64 = 189/64, w = -11/16 - (117/64 + 189/128)/2 */
TEST_P(Optimizer, HandComputed) {
    lenet_hyper hyper = {};
    hyper.momentum = 0.5f;
    hyper.weight_decay = 0.25f;
    const auto expect = [&](lenet_optimizer optimizer, double first, double second) {
        SCOPED_TRACE(Name(optimizer));
        const OptimizerOnDevice on(device(), {1, 1, {hyper}, {0.5f}, {1}});
        const Input dw(device(), {2});
        for (int t = 1; t <= 2; t++) {
            const InputArray<uint64_t> step(device(), {(uint64_t)t});
            device().Run(on.Args(optimizer, step, dw));
            EXPECT_EQ(on.w.Host()[0], t == 1 ? first : second) << "after step " << t;
        }
    };
    expect(LENET_SGD, -0.125, -0.125 - 63.0 / 64);
    expect(LENET_MOMENTUM, -0.125, -0.125 - 99.0 / 64);
    expect(LENET_NESTEROV, -11.0 / 16, -11.0 / 16 - (117.0 / 64 + 189.0 / 128) / 2);
}

TEST_P(Optimizer, WhatIsOutsideOfItsRangeStaysAsItIs) {
    for (const lenet_optimizer optimizer : kOptimizers)
        for (const auto &[first, end] : {std::pair<size_t, size_t>{0, 64}, {64, 5000}, {4096, 4097}, {70, 9000}}) {
            SCOPED_TRACE(Name(optimizer));
            const Population population = MakePopulation(3, 9000);
            const OptimizerOnDevice whole(device(), population, optimizer), part(device(), population, optimizer);
            const Input dw(device(), population.Gradient(1));
            const InputArray<uint64_t> step(device(), {1});
            const Values before[] = {part.w.Host(), part.m.Host(), part.v.Host()};
            optimizer_step args = part.Args(optimizer, step, dw);
            args.first = first;
            args.end = end;
            device().Run(args);
            device().Run(whole.Args(optimizer, step, dw));
            const Values want[] = {whole.w.Host(), whole.m.Host(), whole.v.Host()};
            const Values got[] = {part.w.Host(), part.m.Host(), part.v.Host()};
            for (int k = 0; k < 3; k++)
                for (size_t i = 0; i < got[k].size(); i++) {
                    const bool inside = i % 9000 >= first && i % 9000 < end;
                    ASSERT_EQ(got[k][i], inside ? want[k][i] : before[k][i]) << "of w, m or v: " << k << ", " << i;
                }
        }
}

/* The same with a curvature of 3/2 and mu = 1/2, which is epsilon: rates of 1/4.
 *   g = 9/4, w = 1 - 9/16 = 7/16;    g = 2 + 7/64 = 135/64, w = 7/16 - 135/256 */
TEST_P(Optimizer, SdlmHandComputed) {
    lenet_hyper hyper = {};
    hyper.weight_decay = 0.25f;
    hyper.epsilon = 0.5f;
    const OptimizerOnDevice on(device(), {1, 1, {hyper}, {0.5f}, {1}}, Values{1.5});
    const Input dw(device(), {2});
    for (int t = 1; t <= 2; t++) {
        const InputArray<uint64_t> step(device(), {(uint64_t)t});
        device().Run(on.Args(LENET_SDLM, step, dw));
        EXPECT_EQ(on.w.Host()[0], t == 1 ? 7.0 / 16 : 7.0 / 16 - 135.0 / 256) << "after step " << t;
        EXPECT_EQ(on.m.Host()[0], 1.5) << "after step " << t;
    }
}

/* The first step of AdamW moves by the rate against the sign of the gradient,
 * whatever its size: m_hat = g and v_hat = g^2. Without weight decay: 1 - 1/4. */
TEST_P(Optimizer, AdamWsFirstStepIsTheRate) {
    lenet_hyper hyper = {};
    hyper.momentum = 0.9f;
    hyper.beta2 = 0.999f;
    const OptimizerOnDevice on(device(), {1, 2, {hyper}, {0.25f}, {1, 1}});
    const Input dw(device(), {8, -0x1p-10});
    const InputArray<uint64_t> step(device(), {1});
    device().Run(on.Args(LENET_ADAMW, step, dw));
    EXPECT_TRUE(Near({0.75, 1.25}, on.w.Host(), 16 * device().roundoff()));
}

/* The bound: a step rounds at most 16 times on the way to w, m or v, and carries on
 * the errors of the steps before. The same recurrence over magnitudes, where nothing
 * cancels (all inputs positive, and a negative rate so that all is added), is the
 * size that these roundings are relative to. */
TEST_P(Optimizer, MatchesPlainLoopsForThreeSteps) {
    const int steps = 3;
    for (lenet_optimizer optimizer : kOptimizers)
        for (const auto &[R, stride] : {std::pair<size_t, size_t>{1, 1}, {3, 37}, {3, 4099}, {3, 640}}) {
            SCOPED_TRACE(Name(optimizer) + " R" + std::to_string(R) + " stride " + std::to_string(stride));
            const Population population = MakePopulation(R, stride);
            const OptimizerOnDevice on(device(), population, optimizer);
            const std::vector<uint8_t> first_m = on.m.Bytes();
            for (int t = 1; t <= steps; t++) on.Step(device(), optimizer, t);
            const Values w = on.w.Host(), m = on.m.Host(), v = on.v.Host();
            for (size_t r = 0; r < R; r++) {
                const auto part = [&, stride_ = stride](const Values &all) {
                    return Values(&all[r * stride_], &all[r * stride_] + stride_);
                };
                const Values zero(stride, 0), m_before = part(OptimizerOnDevice::FirstM(population, optimizer));
                reference::Learner want = {part(population.w), m_before, zero};
                reference::Learner size = {Abs(want.w), m_before, zero};
                for (int t = 1; t <= steps; t++) {
                    const Values dw = part(population.Gradient(t));
                    OptimizerStep(optimizer, population.hyper[r], population.rate[r], t, dw, want);
                    OptimizerStep(optimizer, population.hyper[r], -population.rate[r], t, Abs(dw), size);
                }
                const double error = Gamma(16 * steps, device().roundoff());
                EXPECT_TRUE(Near(want.w, part(w), Times(error, size.w))) << "w of network " << r;
                EXPECT_TRUE(Near(want.m, part(m), Times(error, size.m))) << "m of network " << r;
                EXPECT_TRUE(Near(want.v, part(v), Times(error, size.v))) << "v of network " << r;
            }
            if (optimizer == LENET_SGD || optimizer == LENET_SDLM) {
                EXPECT_TRUE(SameBytes(first_m, on.m.Bytes())) << "m is only read";
            }
        }
}

/* AdamW's corrections 1 - beta^t are near 1 after many steps, and t is then large. */
TEST_P(Optimizer, AdamWsCorrectionsFadeAway) {
    const int t = 1 << 20;
    const Population population = MakePopulation(3, 5);
    const OptimizerOnDevice on(device(), population);
    on.Step(device(), LENET_ADAMW, t);
    const Values w = on.w.Host();
    for (size_t r = 0; r < 3; r++)
        for (size_t i = r * 5; i < (r + 1) * 5; i++) {
            const lenet_hyper &hyper = population.hyper[r];
            const double g = population.Gradient(t)[i],
                         start = population.w[i] * (1 - (double)population.rate[r] * hyper.weight_decay);
            const double move =
                (1 - (double)hyper.momentum) * g / (std::sqrt(1 - (double)hyper.beta2) * std::fabs(g) + hyper.epsilon);
            EXPECT_NEAR(w[i], start - population.rate[r] * move, 16 * device().roundoff() * (1 + std::fabs(move)));
        }
}

/* ---- the schedule ----------------------------------------------------------- */

const double kPi = std::acos(-1.0);

class Schedule : public BackendTest {
  protected:
    /* The rates at *step = s, of as many networks as there are settings. *step must be s + 1 afterwards. */
    std::vector<float> Rates(const std::vector<lenet_hyper> &host_hyper, uint64_t s) const {
        const InputArray<lenet_hyper> hyper(device(), host_hyper);
        const Array<uint64_t> step(device(), {s});
        const Array<float> rate(device(), std::vector<float>(host_hyper.size(), NAN));
        device().Run(schedule_step{(int)host_hyper.size(), hyper, step, rate});
        EXPECT_EQ(step.Host()[0], s + 1);
        return rate.Host();
    }
    /* The rate is a float: half a unit in its last place is 6e-8 of it. */
    void ExpectRate(const lenet_hyper &hyper, uint64_t s, double want) const {
        EXPECT_NEAR(Rates({hyper}, s)[0], want, 1e-6 * want) << "at step " << s;
    }
};
LENET_ON_ALL_BACKENDS(Schedule);

lenet_hyper MakeHyper(lenet_schedule schedule, float rate, uint64_t warmup, uint64_t total) {
    lenet_hyper hyper = {};
    hyper.schedule = schedule;
    hyper.learning_rate = rate;
    hyper.warmup_steps = warmup;
    hyper.total_steps = total;
    hyper.decay_every = 10;
    hyper.decay_factor = 0.5f;
    return hyper;
}

TEST_P(Schedule, ConstantIsTheRateAfterTheWarmup) {
    const lenet_hyper plain = MakeHyper(LENET_SCHEDULE_CONSTANT, 0.5f, 0, 100);
    for (uint64_t s : {0, 50, 99}) ExpectRate(plain, s, 0.5);
    const lenet_hyper warm = MakeHyper(LENET_SCHEDULE_CONSTANT, 0.5f, 4, 100);
    ExpectRate(warm, 0, 0.125);
    ExpectRate(warm, 1, 0.25);
    ExpectRate(warm, 3, 0.5);
    for (uint64_t s : {4, 50, 99}) ExpectRate(warm, s, 0.5);
}

TEST_P(Schedule, StepDecaysByTheFactorEverySoOften) {
    const lenet_hyper plain = MakeHyper(LENET_SCHEDULE_STEP, 0.2f, 0, 100);
    ExpectRate(plain, 0, 0.2f);
    ExpectRate(plain, 9, 0.2f);
    ExpectRate(plain, 10, 0.2f / 2);
    ExpectRate(plain, 25, 0.2f / 4);
    ExpectRate(plain, 99, 0.2f / 512);
    const lenet_hyper warm = MakeHyper(LENET_SCHEDULE_STEP, 0.2f, 20, 100);
    ExpectRate(warm, 0, 0.2f / 20);
    ExpectRate(warm, 14, 0.2f / 2 * 15 / 20);
    ExpectRate(warm, 19, 0.2f / 2);
    ExpectRate(warm, 20, 0.2f / 4);
}

TEST_P(Schedule, CosineFallsToNothing) {
    const lenet_hyper plain = MakeHyper(LENET_SCHEDULE_COSINE, 0.2f, 0, 100);
    ExpectRate(plain, 0, 0.2f);
    ExpectRate(plain, 25, 0.2f * (1 + std::sqrt(0.5)) / 2);
    ExpectRate(plain, 50, 0.2f / 2);
    ExpectRate(plain, 99, 0.2f * (1 + std::cos(kPi * 0.99)) / 2);
    const lenet_hyper warm = MakeHyper(LENET_SCHEDULE_COSINE, 0.2f, 5, 100);
    ExpectRate(warm, 0, 0.2f / 5);
    ExpectRate(warm, 4, 0.2f * (1 + std::cos(kPi * 0.04)) / 2);
    ExpectRate(warm, 50, 0.2f / 2);
}

TEST_P(Schedule, OneCycleRisesAndFalls) {
    const lenet_hyper hyper = MakeHyper(LENET_SCHEDULE_ONE_CYCLE, 0.8f, 10, 110);
    const double top = 0.8f, start = top / 25, end = top / 10000;
    ExpectRate(hyper, 0, start);
    ExpectRate(hyper, 5, (start + top) / 2);
    ExpectRate(hyper, 10, top);
    ExpectRate(hyper, 60, (top + end) / 2);
    ExpectRate(hyper, 109, end + (top - end) * (1 + std::cos(kPi * 0.99)) / 2);
    /* Without a rise it starts at the top. */
    ExpectRate(MakeHyper(LENET_SCHEDULE_ONE_CYCLE, 0.8f, 0, 100), 0, top);
    ExpectRate(MakeHyper(LENET_SCHEDULE_ONE_CYCLE, 0.8f, 0, 100), 50, (top + end) / 2);
}

/* Section III.B of the paper: 0.0005 in the first two passes, 0.0002 in the next three, 0.0001 in the next three,
 * 0.00005 in the next four, then 0.00001; twenty passes. A warmup is none of it. */
TEST_P(Schedule, PublishedIsThatOfThePaper) {
    const lenet_hyper hyper = MakeHyper(LENET_SCHEDULE_PUBLISHED, 0.0005f, 7, 200);
    const double passes[20] = {5e-4, 5e-4, 2e-4, 2e-4, 2e-4, 1e-4, 1e-4, 1e-4, 5e-5, 5e-5,
                               5e-5, 5e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5, 1e-5};
    for (uint64_t pass = 0; pass < 20; pass++)
        for (uint64_t s : {pass * 10, pass * 10 + 9}) ExpectRate(hyper, s, passes[pass]);
    ExpectRate(hyper, 1000, 1e-5);
    lenet_hyper endless = hyper;
    endless.decay_every = 0; /* its first pass has no end */
    for (uint64_t s : {0, 1000}) ExpectRate(endless, s, 5e-4);
}

/* Steps that a 32-bit integer or a float could not tell apart. */
TEST_P(Schedule, CountsStepsBeyond32Bits) {
    const uint64_t many = 10000000000;
    ExpectRate(MakeHyper(LENET_SCHEDULE_COSINE, 1, 0, many), many / 2, 0.5);
    lenet_hyper step = MakeHyper(LENET_SCHEDULE_STEP, 1, 0, many);
    step.decay_every = many / 2;
    ExpectRate(step, many / 2 - 1, 1);
    ExpectRate(step, many / 2, 0.5);
    lenet_hyper published = MakeHyper(LENET_SCHEDULE_PUBLISHED, 1, 0, many);
    published.decay_every = many;
    ExpectRate(published, 2 * many - 1, 1);
    ExpectRate(published, 2 * many, 0.4);
    ExpectRate(MakeHyper(LENET_SCHEDULE_CONSTANT, 1, many, many), many / 4 - 1, 0.25);
}

/* The step is counted once, however many networks there are, and they all see the same one. */
TEST_P(Schedule, NetworksHaveSchedulesOfTheirOwn) {
    const std::vector<lenet_hyper> three = {MakeHyper(LENET_SCHEDULE_CONSTANT, 0.5f, 0, 100),
                                            MakeHyper(LENET_SCHEDULE_STEP, 0.25f, 0, 100),
                                            MakeHyper(LENET_SCHEDULE_COSINE, 1, 0, 100)};
    const std::vector<float> rates = Rates(three, 50);
    EXPECT_NEAR(rates[0], 0.5, 1e-6);
    EXPECT_NEAR(rates[1], 0.25 / 32, 1e-6);
    EXPECT_NEAR(rates[2], 0.5, 1e-6);
    /* More networks than a block of threads may hold. */
    std::vector<lenet_hyper> many;
    for (int r = 0; r < 1500; r++) many.push_back(MakeHyper(LENET_SCHEDULE_CONSTANT, (float)(r + 1), 0, 1));
    const std::vector<float> of_many = Rates(many, 7);
    for (size_t r = 0; r < many.size(); r++) EXPECT_EQ(of_many[r], (float)(r + 1));
}

} // namespace
