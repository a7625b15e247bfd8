/* schedule.h - the learning rate of a step, for both twins of schedule_step. The formulas stand in lenet/ops.h. */
#ifndef LENET_OPS_SCHEDULE_H
#define LENET_OPS_SCHEDULE_H
#include <math.h>

#include "base/elementary.h"
#include "base/rng.h"
#include "lenet/ops.h"

/* Half a cosine from 1 at t = 0 to 0 at t = 1. */
static LENET_HOST_DEVICE inline double lenet_half_cosine(double t) {
#ifdef LENET_ON_GPU
    return 0.5 * (1 + cospi(t));
#else
    return 0.5 * (1 + lenet_cospi(t));
#endif
}

static LENET_HOST_DEVICE inline double lenet_power(double x, double y) {
#ifdef LENET_ON_GPU
    return pow(x, y);
#else
    return lenet_pow(x, y);
#endif
}

static LENET_HOST_DEVICE inline double lenet_fraction(uint64_t part, uint64_t whole) {
    return part >= whole ? 1 : (double)part / (double)whole;
}

static LENET_HOST_DEVICE inline float lenet_rate(const struct lenet_hyper *h, uint64_t step) {
    const double peak = h->learning_rate;
    if (h->schedule == LENET_SCHEDULE_ONE_CYCLE) {
        const double low = peak / 25, end = peak / 10000;
        if (step < h->warmup_steps)
            return (float)(peak - (peak - low) * lenet_half_cosine(lenet_fraction(step, h->warmup_steps)));
        const uint64_t rest = h->total_steps > h->warmup_steps ? h->total_steps - h->warmup_steps : 0;
        return (float)(end + (peak - end) * lenet_half_cosine(lenet_fraction(step - h->warmup_steps, rest)));
    }
    if (h->schedule == LENET_SCHEDULE_PUBLISHED) {
        const uint64_t pass = h->decay_every ? step / h->decay_every : 0;
        return (float)(peak * (pass < 2 ? 1 : pass < 5 ? 0.4 : pass < 8 ? 0.2 : pass < 12 ? 0.1 : 0.02));
    }
    double rate = peak;
    if (h->schedule == LENET_SCHEDULE_STEP && h->decay_every > 0)
        rate *= lenet_power(h->decay_factor, (double)(step / h->decay_every));
    if (h->schedule == LENET_SCHEDULE_COSINE) rate *= lenet_half_cosine(lenet_fraction(step, h->total_steps));
    if (step < h->warmup_steps) rate *= (double)(step + 1) / (double)h->warmup_steps;
    return (float)rate;
}

#endif
