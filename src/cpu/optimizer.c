/* optimizer.c - learning rates and updates on the CPU: twin of cuda/optimizer.cu. */
#include <math.h>

#include "lenet/schedule.h"
#include "ops_cpu.h"

enum { CHUNK = 4096 };

enum lenet_status CPU_NAME(schedule_step)(struct lenet_ctx *ctx, const struct schedule_step *a) {
    (void)ctx;
    if (a->R <= 0 || a->R % NETWORKS != 0) return LENET_ERR_ARG;
    for (int r = 0; r < a->R; r++) a->rate[r] = lenet_rate(&a->hyper[r], *a->step);
    *a->step += 1;
    return LENET_OK;
}

/* The settings of the networks that share a weight. */
struct settings {
    weight rate, decay, momentum, beta2, epsilon, m_scale, v_scale;
};

static struct settings settings_of(const struct optimizer_step *a, size_t group) {
    const double t = (double)*a->step;
    struct settings s;
    for (int network = 0; network < NETWORKS; network++) {
        const struct lenet_hyper *h = &a->hyper[group * NETWORKS + network];
        set_weight(&s.rate, network, a->rate[group * NETWORKS + network]);
        set_weight(&s.decay, network, h->weight_decay);
        set_weight(&s.momentum, network, h->momentum);
        set_weight(&s.beta2, network, h->beta2);
        set_weight(&s.epsilon, network, h->epsilon);
        set_weight(&s.m_scale, network, (LENET_REAL)(1 / (1 - pow(h->momentum, t))));
        set_weight(&s.v_scale, network, (LENET_REAL)(1 / (1 - pow(h->beta2, t))));
    }
    return s;
}

/* The parameters first ... end-1 of all groups together. */
static void sgd(const struct optimizer_step *a, const struct settings *s, size_t first, size_t end) {
    const weight rate = s->rate, decay = s->decay, *dw = (const weight *)a->dw;
    weight *w = (weight *)a->w;
    for (size_t i = first; i < end; i++) w[i] -= rate * (dw[i] + decay * w[i]);
}

static void momentum(const struct optimizer_step *a, const struct settings *s, size_t first, size_t end) {
    const weight rate = s->rate, decay = s->decay, mu = s->momentum, *dw = (const weight *)a->dw;
    /* nesterov looks one step ahead along the new velocity */
    const weight one = (weight){0} + 1;
    const weight g_share = a->optimizer == LENET_NESTEROV ? one : one - one,
                 m_share = a->optimizer == LENET_NESTEROV ? mu : one;
    weight *w = (weight *)a->w, *m = (weight *)a->m;
    for (size_t i = first; i < end; i++) {
        const weight g = dw[i] + decay * w[i], velocity = mu * m[i] + g;
        m[i] = velocity;
        w[i] -= rate * (g_share * g + m_share * velocity);
    }
}

static weight square_root(weight v) {
    weight root;
    for (int network = 0; network < NETWORKS; network++)
        set_weight(&root, network, (LENET_REAL)sqrt(((const LENET_REAL *)&v)[network]));
    return root;
}

static void adamw(const struct optimizer_step *a, const struct settings *s, size_t first, size_t end) {
    const weight rate = s->rate, beta1 = s->momentum, beta2 = s->beta2, epsilon = s->epsilon;
    const weight m_scale = s->m_scale, v_scale = s->v_scale, keep = 1 - rate * s->decay, *dw = (const weight *)a->dw;
    weight *w = (weight *)a->w, *m = (weight *)a->m, *v = (weight *)a->v;
    for (size_t i = first; i < end; i++) {
        const weight g = dw[i];
        const weight first_moment = beta1 * m[i] + (1 - beta1) * g, second = beta2 * v[i] + (1 - beta2) * g * g;
        m[i] = first_moment;
        v[i] = second;
        w[i] = keep * w[i] - rate * (first_moment * m_scale) / (square_root(second * v_scale) + epsilon);
    }
}

/* m is the curvature, and epsilon the paper's mu */
static void sdlm(const struct optimizer_step *a, const struct settings *s, size_t first, size_t end) {
    const weight rate = s->rate, decay = s->decay, mu = s->epsilon, *dw = (const weight *)a->dw;
    const weight *m = (const weight *)a->m;
    weight *w = (weight *)a->w;
    for (size_t i = first; i < end; i++) w[i] -= rate * (dw[i] + decay * w[i]) / (mu + m[i]);
}

static size_t chunks(const struct optimizer_step *a) { return (a->stride + CHUNK - 1) / CHUNK; }

static void step_item(const void *args, ptrdiff_t item) {
    const struct optimizer_step *a = args;
    const size_t group = (size_t)item / chunks(a), offset = (size_t)item % chunks(a) * CHUNK;
    const size_t first = group * a->stride + offset;
    const size_t end = first + (a->stride - offset < CHUNK ? a->stride - offset : CHUNK);
    const struct settings s = settings_of(a, group);
    switch (a->optimizer) {
    case LENET_SGD: sgd(a, &s, first, end); break;
    case LENET_MOMENTUM:
    case LENET_NESTEROV: momentum(a, &s, first, end); break;
    case LENET_ADAMW: adamw(a, &s, first, end); break;
    case LENET_SDLM: sdlm(a, &s, first, end); break;
    }
}

enum lenet_status CPU_NAME(optimizer_step)(struct lenet_ctx *ctx, const struct optimizer_step *a) {
    if (a->R <= 0 || a->R % NETWORKS != 0 || a->stride == 0 || a->optimizer < LENET_SGD || a->optimizer > LENET_SDLM)
        return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)((size_t)a->R / NETWORKS * chunks(a)), step_item, a);
    return LENET_OK;
}
