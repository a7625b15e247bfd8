/* optimizer.c - learning rates and updates on the CPU: twin of cuda/optimizer.cu. */
#include <math.h>

#include "base/elementary.h"
#include "cpu/ops_cpu.h"
#include "ops/schedule.h"

enum { CHUNK = 4096 };

enum lenet_status CPU_NAME(schedule_step)(struct lenet_ctx *ctx, const struct schedule_step *a) {
    queue_flush(&ctx->queue);
    for (int r = 0; r < a->R; r++) a->rate[r] = lenet_rate(&a->hyper[r], *a->step);
    *a->step += 1;
    return LENET_OK;
}

static void sgd(const struct optimizer_step *a, size_t r, size_t first, size_t end) {
    const LENET_REAL rate = a->rate[r], decay = a->hyper[r].weight_decay;
    for (size_t i = first; i < end; i++) a->w[i] -= rate * (a->dw[i] + decay * a->w[i]);
}

static void momentum(const struct optimizer_step *a, size_t r, size_t first, size_t end) {
    const LENET_REAL rate = a->rate[r], decay = a->hyper[r].weight_decay, mu = a->hyper[r].momentum;
    /* Nesterov's momentum steps from where the new velocity would lead. */
    const LENET_REAL g_share = a->optimizer == LENET_NESTEROV ? 1 : 0, m_share = g_share != 0 ? mu : 1;
    for (size_t i = first; i < end; i++) {
        const LENET_REAL g = a->dw[i] + decay * a->w[i], velocity = mu * a->m[i] + g;
        a->m[i] = velocity;
        a->w[i] -= rate * (g_share * g + m_share * velocity);
    }
}

static void adamw(const struct optimizer_step *a, size_t r, size_t first, size_t end) {
    const struct lenet_hyper *h = &a->hyper[r];
    const double t = (double)*a->step;
    const LENET_REAL rate = a->rate[r], decay = h->weight_decay, beta1 = h->momentum, beta2 = h->beta2;
    const LENET_REAL epsilon = h->epsilon, keep = 1 - rate * decay;
    const LENET_REAL m_scale = (LENET_REAL)(1 / (1 - lenet_pow(h->momentum, t)));
    const LENET_REAL v_scale = (LENET_REAL)(1 / (1 - lenet_pow(h->beta2, t)));
    for (size_t i = first; i < end; i++) {
        const LENET_REAL g = a->dw[i], m = beta1 * a->m[i] + (1 - beta1) * g, v = beta2 * a->v[i] + (1 - beta2) * g * g;
        a->m[i] = m;
        a->v[i] = v;
        a->w[i] = keep * a->w[i] - rate * (m * m_scale) / ((LENET_REAL)sqrt(v * v_scale) + epsilon);
    }
}

/* m is the curvature, and epsilon is the paper's mu. */
static void sdlm(const struct optimizer_step *a, size_t r, size_t first, size_t end) {
    const LENET_REAL rate = a->rate[r], decay = a->hyper[r].weight_decay, mu = a->hyper[r].epsilon;
    for (size_t i = first; i < end; i++) a->w[i] -= rate * (a->dw[i] + decay * a->w[i]) / (mu + a->m[i]);
}

static size_t chunks(const struct optimizer_step *a) { return (a->end - a->first + CHUNK - 1) / CHUNK; }

static void step_item(const void *args, ptrdiff_t item) {
    const struct optimizer_step *a = args;
    const size_t r = (size_t)item / chunks(a), offset = a->first + (size_t)item % chunks(a) * CHUNK;
    const size_t first = r * a->stride + offset, end = first + (a->end - offset < CHUNK ? a->end - offset : CHUNK);
    switch (a->optimizer) {
    case LENET_SGD: sgd(a, r, first, end); break;
    case LENET_MOMENTUM:
    case LENET_NESTEROV: momentum(a, r, first, end); break;
    case LENET_ADAMW: adamw(a, r, first, end); break;
    case LENET_SDLM: sdlm(a, r, first, end); break;
    }
}

enum lenet_status CPU_NAME(optimizer_step)(struct lenet_ctx *ctx, const struct optimizer_step *a) {
    at_once(ctx, (ptrdiff_t)((size_t)a->R * chunks(a)), step_item, a);
    return LENET_OK;
}
