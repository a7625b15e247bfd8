/* simt_test.h - what the emulator's own tests share. */
#ifndef LENET_SIMT_SIMT_TEST_H
#define LENET_SIMT_SIMT_TEST_H
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "support/simt/cuda_runtime.h"
#include "support/simt/simt.h"

using Floats = std::vector<float>;

#define ASSERT_CUDA(call) ASSERT_EQ(call, cudaSuccess)
#define EXPECT_CUDA(call) EXPECT_EQ(call, cudaSuccess)

/* Each test begins with a machine as new, and must free what it took. */
class Simt : public ::testing::Test {
  protected:
    Simt() { Renew(); }
    ~Simt() override {
        Renew();
        EXPECT_EQ(simt::allocated_bytes(), 0u);
    }
    static void Renew() {
        simt::reset();
        simt::set_device(simt::Device());
        simt::set_order(simt::Order::kForward);
        simt::set_eager(false);
        simt::set_early_branches(false);
        simt::set_printing(false);
    }
};

/* Device memory. */
template <class T = float> class Array {
  public:
    explicit Array(size_t count) : count_(count) { EXPECT_CUDA(cudaMalloc(&p_, count * sizeof(T))); }
    explicit Array(const std::vector<T> &host) : Array(host.size()) {
        EXPECT_CUDA(cudaMemcpy(p_, host.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~Array() { cudaFree(p_); }
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;

    operator T *() const { return p_; }
    size_t bytes() const { return count_ * sizeof(T); }
    std::vector<T> Host() const {
        std::vector<T> host(count_);
        EXPECT_CUDA(cudaMemcpy(host.data(), p_, bytes(), cudaMemcpyDeviceToHost));
        return host;
    }

  private:
    T *p_ = nullptr;
    size_t count_;
};

class Stream {
  public:
    explicit Stream(unsigned flags = cudaStreamNonBlocking) { EXPECT_CUDA(cudaStreamCreateWithFlags(&s_, flags)); }
    ~Stream() { cudaStreamDestroy(s_); }
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    operator cudaStream_t() const { return s_; }

  private:
    cudaStream_t s_ = nullptr;
};

template <class... P, class... A>
inline cudaError_t Launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic, cudaStream_t stream,
                          A &&...args) {
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = dynamic;
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, std::forward<A>(args)...);
}

inline constexpr simt::Order kOrders[] = {simt::Order::kForward, simt::Order::kReverse, simt::Order::kRandom};

#endif
