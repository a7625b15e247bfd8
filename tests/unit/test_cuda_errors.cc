/* test_cuda_errors.cc - what a user is told where there is no GPU, the wrong one, or one that fails: on the emulated
 * machine, which can be made so. */
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gpu.cuh"
#include "lenet/device.h"
#include "lenet/network.h"
#include "support/simt/simt.h"

namespace {

using ::testing::Test;

class CudaErrors : public Test {
  protected:
    void SetUp() override { Renew(); }
    void TearDown() override {
        if (device_.ctx) lenet_device_close(&device_);
        unsetenv("CUDA_LAUNCH_BLOCKING");
        Renew();
        EXPECT_EQ(simt::allocated_bytes(), 0u) << "what was taken on the way is given back";
    }
    static void Renew() {
        simt::reset();
        simt::set_device(simt::Device());
        simt::set_printing(false);
    }
    lenet_status Open(const char *name) { return lenet_device_open(name, {0, 1, 0}, &device_, &err_); }
    void ExpectNoDevice(const std::vector<std::string> &words) {
        EXPECT_EQ(Open("cuda"), LENET_ERR_DEVICE);
        ExpectWords(words);
        ASSERT_EQ(Open("auto"), LENET_OK) << "auto may take the CPU";
        EXPECT_STREQ(device_.backend->name, "cpu");
    }
    void ExpectWords(const std::vector<std::string> &words) const {
        for (const std::string &word : words)
            EXPECT_NE(std::string(err_.text).find(word), std::string::npos) << word << " in: " << err_.text;
    }

    lenet_device device_ = {};
    lenet_error err_ = {};
};

TEST_F(CudaErrors, NoDriver) {
    simt::Device device;
    device.driver = false;
    simt::set_device(device);
    ExpectNoDevice({"--device cuda", "no NVIDIA driver"});
}

TEST_F(CudaErrors, AnOldDriver) {
    simt::Device device;
    device.driver_version = 12040;
    simt::set_device(device);
    ExpectNoDevice({"driver supports CUDA 12.4", "needs 13.0", "update the driver"});
}

TEST_F(CudaErrors, NoDevice) {
    simt::Device device;
    device.count = 0;
    simt::set_device(device);
    ExpectNoDevice({"no CUDA"});
}

TEST_F(CudaErrors, NoSuchDevice) {
    EXPECT_EQ(Open("cuda:3"), LENET_ERR_DEVICE);
    ExpectWords({"cuda:3", "1 CUDA device"});
}

TEST_F(CudaErrors, ADeviceOlderThanTheBuild) {
    simt::Device device;
    device.major = 7, device.minor = 0;
    simt::set_device(device);
    EXPECT_EQ(Open("cuda"), LENET_ERR_DEVICE);
    ExpectWords({"cuda:0", "SIMT emulator", "7.0", "-DCMAKE_CUDA_ARCHITECTURES=70", "no kernel image"});
    EXPECT_EQ(Open("auto"), LENET_ERR_DEVICE) << "a GPU that is there and does not work is never passed over";
}

TEST_F(CudaErrors, OutOfDeviceMemoryTellsHowMuchWasWantedAndHowMuchIsFree) {
    simt::Device device;
    device.memory = (size_t)100 << 20;
    simt::set_device(device);
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    lenet_plan plan;
    ASSERT_EQ(lenet_plan_make(lenet_arch_find("lenet5"), LENET_RELU, LENET_POOL_MAX, 10, &plan, &err_), LENET_OK);
    const lenet_network_options options = {&plan, LENET_SGD, 10, 128, 0};
    lenet_network net;
    EXPECT_EQ(lenet_network_create(device_.backend, device_.ctx, &options, &net, &err_), LENET_ERR_MEMORY);
    ExpectWords({"10 network(s)", "batch of 128", "MB wanted", "of 100 MB are free"});
    const lenet_network_options smaller = {&plan, LENET_SGD, 1, 32, 0};
    ASSERT_EQ(lenet_network_create(device_.backend, device_.ctx, &smaller, &net, &err_), LENET_OK) << "it goes on";
    lenet_network_free(&net);
}

TEST_F(CudaErrors, NotEvenCublassWorkspaceFits) {
    simt::Device device;
    device.memory = (size_t)1 << 20;
    simt::set_device(device);
    EXPECT_EQ(Open("cuda"), LENET_ERR_MEMORY);
    ExpectWords({"cuda:0", "cuBLAS's workspace", "out of memory"});
}

/* ---- a kernel that fails ------------------------------------------------------------------------------ */

__global__ void WritesPastTheEndOfSharedMemory(int *p) {
    SHARED(int, tile, 32);
    tile[threadIdx.x + 1] = 1;
    *p = 0;
}

/* Enqueues a good operation, the bad kernel, and a good one again. */
lenet_status EnqueueThree(lenet_ctx *ctx, int *p) {
    schedule_step good = {1, reinterpret_cast<lenet_hyper *>(p), reinterpret_cast<uint64_t *>(p + 64),
                          reinterpret_cast<float *>(p + 128)};
    LENET_TRY(schedule_step_cuda(ctx, &good));
    LENET_TRY(gpu_launch(ctx, "planted", WritesPastTheEndOfSharedMemory, dim3(1), dim3(32), 0, p));
    return schedule_step_cuda(ctx, &good);
}

TEST_F(CudaErrors, AFailedKernelIsReportedAtTheNextWaitAndSticks) {
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    void *p = nullptr;
    int host = 0;
    ASSERT_EQ(device_.backend->alloc(device_.ctx, &p, 1024), LENET_OK);
    EXPECT_EQ(EnqueueThree(device_.ctx, static_cast<int *>(p)), LENET_OK) << "nobody has waited yet";
    for (int i = 0; i < 2; i++) {
        const lenet_status status = device_.backend->download(device_.ctx, &host, p, sizeof host);
        err_.text[0] = 0;
        EXPECT_EQ(lenet_device_explain(&device_, status, &err_), LENET_ERR_DEVICE);
        ExpectWords({"cuda: an operation", "CUDA_LAUNCH_BLOCKING=1 tells which", "cudaErrorLaunchFailure"});
    }
    simt::reset();
    device_.backend->release(device_.ctx, p);
}

TEST_F(CudaErrors, WithLaunchBlockingTheKernelIsNamed) {
    setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    void *p = nullptr;
    ASSERT_EQ(device_.backend->alloc(device_.ctx, &p, 1024), LENET_OK);
    const lenet_status status = EnqueueThree(device_.ctx, static_cast<int *>(p));
    err_.text[0] = 0;
    EXPECT_EQ(lenet_device_explain(&device_, status, &err_), LENET_ERR_DEVICE);
    ExpectWords({"planted: ", "cudaErrorLaunchFailure"});
    simt::reset();
    device_.backend->release(device_.ctx, p);
}

} // namespace
