/* optimizer.cu - learning rates and updates on the GPU: twin of src/cpu/optimizer.c. */
#include "gpu.cuh"
#include "ops/schedule.h"

enum { THREADS = 256 };

/* There is one block, so that the step is advanced after every network has read it. */
static __global__ void __launch_bounds__(THREADS) schedule_step_kernel(schedule_step a) {
    for (int r = threadIdx.x; r < a.R; r += THREADS) a.rate[r] = lenet_rate(&a.hyper[r], *a.step);
    __syncthreads();
    if (threadIdx.x == 0) *a.step += 1;
}

/* What an update needs of the settings, worked out once a thread, or a block. */
struct update {
    float rate, decay, beta1, beta2, epsilon, m_scale, v_scale;
};

static __device__ float sgd(const update &u, float g, float w) { return w - u.rate * (g + u.decay * w); }

static __device__ float momentum(const update &u, float g, float w, float *m, bool nesterov) {
    g += u.decay * w;
    *m = u.beta1 * *m + g;
    return w - u.rate * (nesterov ? g + u.beta1 * *m : *m);
}

static __device__ float adamw(const update &u, float g, float w, float *m, float *v) {
    *m = u.beta1 * *m + (1 - u.beta1) * g;
    *v = u.beta2 * *v + (1 - u.beta2) * g * g;
    return (1 - u.rate * u.decay) * w - u.rate * (*m * u.m_scale) / (sqrtf(*v * u.v_scale) + u.epsilon);
}

/* The curvature is the diagonal of the Hessian; epsilon is mu. */
static __device__ float sdlm(const update &u, float g, float w, float curvature) {
    return w - u.rate * (g + u.decay * w) / (u.epsilon + curvature);
}

/* A thread has one parameter of one network. Only one thread of a block works out AdamW's two powers, in double: for
 * all of them that would take longer than the rest. */
static __global__ void __launch_bounds__(THREADS) optimizer_step_kernel(optimizer_step a) {
    SHARED(float, scales, 2);
    const size_t offset = a.first + (size_t)blockIdx.x * THREADS + threadIdx.x, i = blockIdx.y * a.stride + offset;
    const lenet_hyper *h = &a.hyper[blockIdx.y];
    update u = {a.rate[blockIdx.y], h->weight_decay, h->momentum, h->beta2, h->epsilon, 0, 0};
    if (a.optimizer == LENET_ADAMW) {
        if (threadIdx.x == 0) {
            scales[0] = (float)(1 / (1 - pow((double)u.beta1, (double)*a.step)));
            scales[1] = (float)(1 / (1 - pow((double)u.beta2, (double)*a.step)));
        }
        __syncthreads();
        u.m_scale = scales[0];
        u.v_scale = scales[1];
    }
    if (offset >= a.end) return;
    switch (a.optimizer) {
    case LENET_SGD: a.w[i] = sgd(u, a.dw[i], a.w[i]); break;
    case LENET_MOMENTUM: a.w[i] = momentum(u, a.dw[i], a.w[i], &a.m[i], false); break;
    case LENET_NESTEROV: a.w[i] = momentum(u, a.dw[i], a.w[i], &a.m[i], true); break;
    case LENET_ADAMW: a.w[i] = adamw(u, a.dw[i], a.w[i], &a.m[i], &a.v[i]); break;
    case LENET_SDLM: a.w[i] = sdlm(u, a.dw[i], a.w[i], a.m[i]); break;
    }
}

extern "C" enum lenet_status schedule_step_cuda(struct lenet_ctx *ctx, const struct schedule_step *a) {
    return gpu_launch(ctx, "schedule_step", schedule_step_kernel, dim3(1), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status optimizer_step_cuda(struct lenet_ctx *ctx, const struct optimizer_step *a) {
    return gpu_launch(ctx, "optimizer_step", optimizer_step_kernel, dim3(blocks_for(a->end - a->first, THREADS), a->R),
                      dim3(THREADS), 0, *a);
}
