/* activation.cuh - the nonlinearities and their gradients, as ops.h has them. */
#ifndef LENET_ACTIVATION_CUH
#define LENET_ACTIVATION_CUH
#include "gpu.cuh"

static constexpr float SQUASH_HEIGHT = 1.7159f, SQUASH_SLOPE = 2.0f / 3;

static __device__ __forceinline__ float activated(float x, enum lenet_activation f) {
    return f == LENET_TANH             ? tanhf(x)
           : f == LENET_SQUASH         ? SQUASH_HEIGHT * tanhf(SQUASH_SLOPE * x)
           : f == LENET_RELU && x <= 0 ? 0
                                       : x; /* NaN stays NaN */
}

/* The gradient by x, from the gradient by y = f(x). */
static __device__ __forceinline__ float activation_gradient(float y, float dy, enum lenet_activation f) {
    return f == LENET_TANH              ? dy * (1 - y * y)
           : f == LENET_SQUASH          ? dy * (SQUASH_SLOPE * (SQUASH_HEIGHT - y * y / SQUASH_HEIGHT))
           : f == LENET_LINEAR || y > 0 ? dy
                                        : 0;
}

/* Calls use(f) with the nonlinearity as f.value, a constant: so it is chosen once, and not for each value. */
template <enum lenet_activation F> struct activation_constant { static constexpr enum lenet_activation value = F; };
template <class Use> static __device__ __forceinline__ void with_activation(enum lenet_activation f, Use use) {
    switch (f) {
    case LENET_TANH: return use(activation_constant<LENET_TANH>());
    case LENET_RELU: return use(activation_constant<LENET_RELU>());
    case LENET_SQUASH: return use(activation_constant<LENET_SQUASH>());
    case LENET_LINEAR: return use(activation_constant<LENET_LINEAR>());
    }
}

#endif
