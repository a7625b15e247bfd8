/* test_cuda_errors.cc - what a user is told where there is no GPU, the wrong one, or one that fails: on the emulated
 * machine, which can be made so. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gpu.cuh"
#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"
#include "lenet/sweep.h"
#include "peak.cuh"
#include "support/fill.h"
#include "support/idx.h"
#include "support/simt/simt.h"
#include "train/checkpoint.h"

namespace {

using ::testing::Test;
namespace fs = std::filesystem;

class CudaErrors : public Test {
  protected:
    void SetUp() override { Renew(); }
    void TearDown() override {
        if (device_.ctx) lenet_device_close(&device_);
        unsetenv("CUDA_LAUNCH_BLOCKING");
        Renew();
        ExpectNothingTaken();
    }
    static void ExpectNothingTaken() {
        EXPECT_EQ(simt::allocated_bytes(), 0u) << "what was taken on the way is given back";
        EXPECT_EQ(simt::open_handles(), 0u) << "likewise";
    }
    static void Renew() {
        simt::reset();
        simt::set_device(simt::Device());
        simt::set_printing(false);
    }
    lenet_status Open(const char *name) { return lenet_device_open(name, {0, 1, 0, 0}, &device_, &err_); }
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
    for (const char *name : {"cuda:1", "cuda:3"}) { /* cuda:0 is the only one */
        EXPECT_EQ(Open(name), LENET_ERR_DEVICE);
        ExpectWords({name, "1 CUDA device"});
    }
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
    device.memory = (size_t)60 << 20;
    simt::set_device(device);
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    lenet_topology topology;
    ASSERT_EQ(lenet_topology_make(lenet_arch_find("lenet5"), LENET_RELU, LENET_POOL_MAX, 10, &topology, &err_),
              LENET_OK);
    const lenet_network_options options = {&topology, LENET_SGD, 10, 128, 0, 0};
    lenet_network net;
    EXPECT_EQ(lenet_network_create(device_.backend, device_.ctx, &options, &net, &err_), LENET_ERR_MEMORY);
    ExpectWords({"10 network(s)", "batch of 128", "MB wanted", "of 60 MB are free"});
    const lenet_network_options smaller = {&topology, LENET_SGD, 1, 32, 0, 0};
    ASSERT_EQ(lenet_network_create(device_.backend, device_.ctx, &smaller, &net, &err_), LENET_OK) << "it goes on";
    lenet_network_free(&net);
}

TEST_F(CudaErrors, NotEvenCublassWorkspaceFits) {
    simt::Device device;
    device.memory = (size_t)1 << 18;
    simt::set_device(device);
    EXPECT_EQ(Open("cuda"), LENET_ERR_MEMORY);
    ExpectWords({"cuda:0", "cuBLAS's workspace", "out of memory"});
}

/* Nor is the library loaded, which takes half a second. What the bits depend on says so. */
TEST_F(CudaErrors, OwnKernelsForFullyConnectedLayersNeedNoCublas) {
    simt::Device device;
    device.memory = (size_t)1 << 18;
    simt::set_device(device);
    char of_cublas[LENET_MACHINE], own[LENET_MACHINE];
    ASSERT_EQ(lenet_device_open("cuda", {0, 1, 0, 1}, &device_, &err_), LENET_OK) << err_.text;
    lenet_device_machine(&device_, own);
    lenet_device_close(&device_);
    EXPECT_NE(std::string(own).find("no cuBLAS"), std::string::npos) << own;
    simt::set_device(simt::Device());
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    lenet_device_machine(&device_, of_cublas);
    EXPECT_EQ(std::string(of_cublas).find("no cuBLAS"), std::string::npos) << of_cublas;
    EXPECT_NE(std::string(of_cublas).find("cuBLAS 120000"), std::string::npos) << of_cublas;
}

/* The words are the call's own: a fault is not called a lack of memory, nor a wrong architecture. */
TEST_F(CudaErrors, WhateverFailsWhileAGpuIsOpenedIsWhatTheUserReads) {
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const uint64_t calls = simt::counters().calls;
    lenet_device_close(&device_);
    ASSERT_GT(calls, 10u);
    const struct {
        cudaError_t error;
        lenet_status status;
    } faults[] = {{cudaErrorIllegalAddress, LENET_ERR_DEVICE}, {cudaErrorMemoryAllocation, LENET_ERR_MEMORY}};
    for (const auto &fault : faults)
        for (uint64_t call = 2; call <= calls; call++) { /* the first one looks for devices, and has its own words */
            SCOPED_TRACE(call);
            Renew();
            simt::fail_calls(call, false, fault.error);
            err_ = {};
            const lenet_status status = Open("cuda");
            const std::string text = err_.text;
            const bool of_cublas = text.find("cuBLAS could not be started") != std::string::npos;
            EXPECT_EQ(status, fault.status) << text;
            if (!of_cublas) ExpectWords({"cuda:0", cudaGetErrorString(fault.error)});
            EXPECT_EQ(text.find("CMAKE_CUDA_ARCHITECTURES"), std::string::npos) << text;
            EXPECT_EQ(device_.ctx, nullptr);
        }
}

/* Trains a small network and evaluates it, recorded, on the open device. */
lenet_status TrainAndEvaluate(const lenet_device &device, const lenet_dataset &data, lenet_error *err) {
    lenet_topology topology;
    lenet_device_data on_device = {};
    lenet_network net = {};
    lenet_tally tally = {};
    lenet_hyper hyper = {};
    hyper.train_count = data.train.count;
    hyper.total_steps = 20;
    LENET_TRY(lenet_topology_make(lenet_arch_find("linear"), LENET_TANH, LENET_POOL_MAX, 10, &topology, err));
    const lenet_network_options options = {&topology, LENET_SGD, 1, 10, 0, 0};
    lenet_status status =
        lenet_device_data_create(device.backend, device.ctx, &data, {1, 0}, topology.arch->field, &on_device, err);
    if (status == LENET_OK) status = lenet_network_create(device.backend, device.ctx, &options, &net, err);
    const bool created = status == LENET_OK;
    if (created) status = device.backend->upload(device.ctx, net.hyper, &hyper, sizeof hyper);
    if (status == LENET_OK) status = lenet_network_prepare(&net, &on_device.train);
    if (status == LENET_OK) status = lenet_network_prepare_evaluation(&net, &on_device.test, nullptr, 0, 20);
    if (status == LENET_OK) status = lenet_network_steps(&net, &on_device.train, 20);
    if (status == LENET_OK) status = lenet_network_evaluate(&net, &on_device.test, nullptr, 0, 20, &tally, nullptr);
    if (created) lenet_network_free(&net);
    lenet_device_data_free(device.backend, device.ctx, &on_device);
    return status;
}

TEST_F(CudaErrors, WhateverFailsInTrainingAllThatWasTakenIsGivenBack) {
    lenet_dataset data;
    ASSERT_EQ(lenet_dataset_random(TestSeed(), 20, 28, &data), LENET_OK);
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const uint64_t before = simt::counters().calls;
    ASSERT_EQ(TrainAndEvaluate(device_, data, &err_), LENET_OK) << err_.text;
    const uint64_t calls = simt::counters().calls - before;
    EXPECT_EQ(simt::graph_sizes().size(), 3u) << "steps, a step, and an evaluation";
    lenet_device_close(&device_);
    for (uint64_t call = 1; call <= calls; call++) {
        SCOPED_TRACE(call);
        Renew();
        ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
        simt::fail_calls(call, false, cudaErrorIllegalAddress);
        const lenet_status status = TrainAndEvaluate(device_, data, &err_);
        EXPECT_TRUE(status == LENET_ERR_DEVICE || (status == LENET_OK && call > calls - 12)) << "but to give back";
        lenet_device_close(&device_);
        ExpectNothingTaken();
    }
    lenet_dataset_free(&data);
}

TEST_F(CudaErrors, MemoryThatCannotBeClearedIsNotKept) {
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const size_t before = simt::allocated_bytes();
    void *p = nullptr;
    simt::fail_calls(2, false, cudaErrorIllegalAddress); /* cudaMalloc is the first */
    EXPECT_EQ(device_.backend->alloc(device_.ctx, &p, 1024), LENET_ERR_DEVICE);
    EXPECT_EQ(p, nullptr);
    EXPECT_EQ(simt::allocated_bytes(), before);
}

TEST_F(CudaErrors, ThePeakIsThatOfAKernelThatRan) {
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const uint64_t launches = simt::counters().launches;
    double peak = 0;
    for (uint64_t call = 1; call <= 8; call++) { /* the fifth one launches the kernel, the seventh one waits for it */
        const size_t handles = simt::open_handles();
        simt::fail_calls(call, false, cudaErrorLaunchFailure);
        EXPECT_EQ(device_.backend->measure_peak(device_.ctx, &peak), LENET_ERR_DEVICE) << "call " << call;
        simt::fail_calls(0, false, 0);
        EXPECT_EQ(simt::open_handles(), handles) << "call " << call;
    }
    ASSERT_EQ(device_.backend->measure_peak(device_.ctx, &peak), LENET_OK);
    EXPECT_EQ(simt::counters().launches - launches, 3u + 4)
        << "three of which the time was not known, and the best of four";
    EXPECT_GT(peak, 0);
}

/* A number that counts what is done with it. */
struct Counted {
    static inline uint64_t fused, added;
    Counted(float = 0) {}
    Counted operator+(float) const { return *this; }
    Counted &operator+=(Counted) {
        added++;
        return *this;
    }
};
Counted fmaf(Counted x, float, float) {
    Counted::fused++;
    return x;
}

TEST_F(CudaErrors, ThePeakCountsTwoOperationsForEachFusedMultiplyAdd) {
    Counted::fused = Counted::added = 0;
    peak_sum(Counted());
    EXPECT_EQ(Counted::added, (uint64_t)PEAK_CHAINS) << "a compiler may leave out a chain of which nothing follows";
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const uint64_t threads = simt::counters().threads;
    double peak = 0;
    simt::set_elapsed(4);
    ASSERT_EQ(device_.backend->measure_peak(device_.ctx, &peak), LENET_OK);
    const uint64_t of_launch = (simt::counters().threads - threads) / 4;
    EXPECT_GE(Counted::fused, 10000u) << "so many that nothing else counts";
    EXPECT_DOUBLE_EQ(peak * 4e-3, 2.0 * (double)(Counted::fused * of_launch));
}

/* The emulator reports what is used while another device is the current one. */
TEST_F(CudaErrors, ContextsOfTwoDevicesAreUsedInAnyOrder) {
    simt::Device two;
    two.count = 2;
    simt::set_device(two);
    lenet_topology topology;
    ASSERT_EQ(lenet_topology_make(lenet_arch_find("linear"), LENET_TANH, LENET_POOL_MAX, 10, &topology, &err_),
              LENET_OK);
    const lenet_network_options options = {&topology, LENET_SGD, 1, 1, 0, 0};
    lenet_device devices[2] = {};
    lenet_network nets[2] = {};
    std::vector<float> w[2] = {std::vector<float>(topology.stride, 1), std::vector<float>(topology.stride, 2)};
    for (int i : {0, 1})
        ASSERT_EQ(lenet_device_open(i ? "cuda:1" : "cuda:0", {0, 1, 0, 0}, &devices[i], &err_), LENET_OK) << err_.text;
    EXPECT_STREQ(devices[1].name, "cuda:1");
    for (int i : {0, 1})
        ASSERT_EQ(lenet_network_create(devices[i].backend, devices[i].ctx, &options, &nets[i], &err_), LENET_OK);
    for (int i : {0, 1}) ASSERT_EQ(lenet_network_put(&nets[i], nets[i].w, 0, w[i].data()), LENET_OK);
    for (int i : {0, 1})
        ASSERT_EQ(lenet_network_forward(&nets[i]), LENET_OK) << devices[i].backend->message(devices[i].ctx);
    for (int i : {0, 1}) {
        std::vector<float> got(topology.stride);
        EXPECT_EQ(lenet_network_get(&nets[i], nets[i].w, 0, got.data()), LENET_OK);
        EXPECT_TRUE(got == w[i]);
    }
    EXPECT_GT(simt::counters().launches_on[0], 1u);
    EXPECT_EQ(simt::counters().launches_on[0], simt::counters().launches_on[1]);
    for (lenet_network &net : nets) lenet_network_free(&net);
    for (lenet_device &device : devices) lenet_device_close(&device);
    EXPECT_EQ(simt::last_report().kind, simt::Kind::kNone) << simt::last_report().text;
}

TEST_F(CudaErrors, AnOpenGpuKnowsWhatItSaysOfItself) {
    char before[LENET_MACHINE], after[LENET_MACHINE];
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    lenet_device_machine(&device_, before);
    EXPECT_NE(std::string(before).find("compute capability 9.0"), std::string::npos) << before;
    simt::fail_calls(1, true, cudaErrorLaunchFailure);
    lenet_device_machine(&device_, after);
    EXPECT_STREQ(before, after);
}

TEST_F(CudaErrors, WhatKeepsTheDataSetFromTheDeviceIsSaid) {
    lenet_dataset data;
    ASSERT_EQ(lenet_dataset_random(TestSeed(), 20, 28, &data), LENET_OK);
    const auto upload = [&] {
        lenet_device_data on_device;
        err_ = {};
        const lenet_status status =
            lenet_device_data_create(device_.backend, device_.ctx, &data, {1, 0}, 32, &on_device, &err_);
        lenet_device_data_free(device_.backend, device_.ctx, &on_device);
        return lenet_device_explain(&device_, status, &err_);
    };
    simt::Device device;
    device.memory = (size_t)1 << 19; /* the two workspaces of cuBLAS and no more */
    simt::set_device(device);
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    EXPECT_EQ(upload(), LENET_ERR_MEMORY);
    ExpectWords({"no 1 MB for the data set", "out of device memory", "0 of 0 MB are free"});
    lenet_device_close(&device_);

    Renew();
    ASSERT_EQ(Open("cuda"), LENET_OK) << err_.text;
    const uint64_t before = simt::counters().calls;
    ASSERT_EQ(upload(), LENET_OK) << err_.text;
    const uint64_t calls = simt::counters().calls - before - 1; /* the last one waits before memory is given back */
    for (uint64_t call = 1; call <= calls; call++) {
        simt::fail_calls(call, false, cudaErrorIllegalAddress);
        EXPECT_EQ(upload(), LENET_ERR_DEVICE) << "call " << call;
        ExpectWords({"illegal memory access"});
        EXPECT_EQ(std::string(err_.text).find("out of"), std::string::npos) << err_.text;
        simt::fail_calls(0, false, 0);
    }
    lenet_dataset_free(&data);
}

/* ---- a sweep on a GPU that is too small ----------------------------------------------------------------- */

/* A sweep of six small networks, of one step each. */
class SmallGpuSweep : public CudaErrors {
  protected:
    void SetUp() override {
        CudaErrors::SetUp();
        std::string pattern = (fs::temp_directory_path() / "lenet_small_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        lenet_dataset data;
        ASSERT_EQ(lenet_dataset_random(TestSeed(), 20, 28, &data), LENET_OK);
        WriteIdx("train-images-idx3-ubyte", {0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28}, data.train.images);
        WriteIdx("train-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 20}, data.train.labels);
        WriteIdx("t10k-images-idx3-ubyte", {0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28}, data.test.images);
        WriteIdx("t10k-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 20}, data.test.labels);
        lenet_dataset_free(&data);
    }
    void TearDown() override {
        fs::remove_all(directory_);
        CudaErrors::TearDown();
    }
    void WriteIdx(const char *name, const std::vector<uint8_t> &header, const uint8_t *values) {
        fs::create_directories(directory_ / "data");
        std::ofstream out(directory_ / "data" / name, std::ios::binary);
        out.write(reinterpret_cast<const char *>(header.data()), (std::streamsize)header.size());
        out.write(reinterpret_cast<const char *>(values), 20 * (header.size() == 8 ? 1 : 28 * 28));
    }
    lenet_status Sweep(const std::string &out, size_t memory, const std::vector<std::string> &more = {}) {
        simt::Device device;
        device.memory = memory;
        device.count = gpus_;
        simt::set_device(device);
        std::vector<std::string> words = {"--data=" + (directory_ / "data").string(),
                                          "--out=" + (directory_ / out).string(),
                                          "--device=cuda",
                                          "--arch=linear",
                                          "--batch=10",
                                          "--steps=1",
                                          "--seed=1..6",
                                          "--keep-weights=on"};
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char *> argv;
        for (std::string &word : words) argv.push_back(word.data());
        lenet_sweep_plan plan;
        lenet_sweep_result result;
        lenet_sweep_observer observer = {};
        observer.group = [](void *self, const lenet_sweep_group *group) {
            static_cast<SmallGpuSweep *>(self)->largest_ = group->largest;
            static_cast<SmallGpuSweep *>(self)->planned_ = group->populations;
        };
        observer.run = [](void *self, const lenet_sweep_plan *, const lenet_sweep_run *, const lenet_sweep_progress *) {
            static_cast<SmallGpuSweep *>(self)->used_ = simt::allocated_bytes();
            if (static_cast<SmallGpuSweep *>(self)->on_run_) static_cast<SmallGpuSweep *>(self)->on_run_();
        };
        observer.self = this;
        const volatile sig_atomic_t stop = 0;
        err_ = {};
        EXPECT_EQ(lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err_), LENET_OK) << err_.text;
        const lenet_status status = lenet_sweep(&plan, &observer, &stop, &result, &err_);
        lenet_sweep_plan_free(&plan);
        return status;
    }
    /* How many networks there are in each file of weights, and the weights by the runs' names. */
    std::multiset<int> Read(const std::string &out, std::map<std::string, std::vector<float>> *weights) {
        std::multiset<int> sizes;
        for (const auto &entry : fs::directory_iterator(directory_ / out / "weights")) {
            lenet_model model;
            int R = 0;
            float *w = nullptr;
            cJSON *members = nullptr;
            EXPECT_EQ(lenet_weights_read(entry.path().c_str(), &model, &R, &w, &members, &err_), LENET_OK) << err_.text;
            for (int r = 0; w && r < R; r++)
                (*weights)[cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(members, r), "id"))].assign(
                    w + (size_t)r * model.topology.stride, w + (size_t)(r + 1) * model.topology.stride);
            cJSON_Delete(members);
            free(w);
            sizes.insert(R);
        }
        return sizes;
    }
    std::vector<std::string> Progress(const std::string &out) const {
        std::vector<std::string> names;
        for (const auto &entry : fs::directory_iterator(directory_ / out / "progress"))
            names.push_back(entry.path().filename().string());
        return names;
    }
    /* A copy of a sweep's directory as it is when its first run ends, as if none had. */
    void CopyAtFirstRun(const std::string &from, const std::string &to) {
        on_run_ = [this, from, to] {
            if (fs::exists(directory_ / to)) return;
            for (int tries = 0;; tries++) try {
                    Copy(from, to);
                    break;
                } catch (const fs::filesystem_error &) { /* another worker has replaced a file meanwhile */
                    if (tries == 100) throw;
                    fs::remove_all(directory_ / to);
                }
            fs::resize_file(directory_ / to / "runs.jsonl", 0);
        };
    }
    void Copy(const std::string &from, const std::string &to) const {
        fs::copy(directory_ / from, directory_ / to, fs::copy_options::recursive);
    }
    /* The lines of runs.jsonl, but for times, by the runs' names. */
    std::multimap<std::string, std::string> Lines(const std::string &out) const {
        std::ifstream in(directory_ / out / "runs.jsonl");
        std::multimap<std::string, std::string> lines;
        for (std::string line; std::getline(in, line);) {
            cJSON *json = cJSON_Parse(line.c_str());
            lines.emplace(cJSON_GetStringValue(cJSON_GetObjectItem(json, "id")), WithoutTimes(line));
            cJSON_Delete(json);
        }
        return lines;
    }
    /* The runs are those of another sweep, each once, and no checkpoint is left. */
    void ExpectSame(const std::string &want, const std::string &out, const std::multiset<int> &sizes) {
        std::map<std::string, std::vector<float>> wanted, weights;
        Read(want, &wanted);
        EXPECT_EQ(Read(out, &weights), sizes);
        EXPECT_EQ(weights.size(), 6u);
        EXPECT_TRUE(weights == wanted) << out;
        EXPECT_EQ(Lines(out).size(), 6u);
        EXPECT_TRUE(Lines(out) == Lines(want)) << out;
        EXPECT_EQ(Progress(out), std::vector<std::string>());
    }
    /* Memory that so many networks at a time need, and no more. */
    size_t MemoryFor(int networks) {
        if (!each_) {
            EXPECT_EQ(Sweep("one by one", GIGABYTE, {"--population-max=1"}), LENET_OK) << err_.text;
            one_ = used_;
            EXPECT_EQ(Sweep("together", GIGABYTE), LENET_OK) << err_.text;
            each_ = (used_ - one_) / 5;
        }
        return one_ + (size_t)(networks - 1) * each_ + each_ / 2;
    }
    const size_t GIGABYTE = (size_t)1 << 30;
    fs::path directory_;
    int largest_ = 0, planned_ = 0, gpus_ = 1;
    std::function<void()> on_run_;
    size_t used_ = 0, one_ = 0, each_ = 0;
};

/* Opening the worker's device, the data set's, or either one's memory may be what fails. */
TEST_F(SmallGpuSweep, HoweverLittleMemoryThereIsTheSweepEndsWithASentence) {
    const size_t enough = MemoryFor(1);
    std::set<lenet_status> seen;
    for (size_t i = 0; i <= 24; i++) {
        const size_t memory = enough * i / 24;
        const lenet_status status = Sweep("little " + std::to_string(i), memory);
        seen.insert(status);
        EXPECT_TRUE(status == LENET_OK || status == LENET_ERR_MEMORY) << memory << " bytes: " << err_.text;
        EXPECT_EQ(err_.text[0] == 0, status == LENET_OK) << memory << " bytes: " << err_.text;
    }
    EXPECT_EQ(seen.size(), 2u) << "some amounts suffice and some do not";
}

/* On the emulated GPU a member's bytes do not depend on how many there are. */
TEST_F(SmallGpuSweep, APopulationThatDoesNotFitIsHalvedUntilItDoes) {
    const std::map<int, std::multiset<int>> want = {
        {6, {6}}, {5, {3, 3}}, {3, {3, 3}}, {2, {1, 2, 1, 2}}, {1, {1, 1, 1, 1, 1, 1}}};
    std::map<std::string, std::vector<float>> together;
    MemoryFor(1);
    EXPECT_EQ(Read("together", &together), std::multiset<int>({6}));
    EXPECT_EQ(together.size(), 6u);
    for (const auto &[networks, sizes] : want) {
        const std::string out = std::to_string(networks);
        std::map<std::string, std::vector<float>> weights;
        ASSERT_EQ(Sweep(out, MemoryFor(networks)), LENET_OK) << err_.text;
        EXPECT_EQ(Read(out, &weights), sizes) << networks << " fit";
        EXPECT_TRUE(weights == together) << networks << " fit";
    }
}

/* Halves are cut in two again where only two networks fit. */
TEST_F(SmallGpuSweep, APopulationThatDoesNotFitWhereItIsResumedGoesOnInHalves) {
    const std::map<int, std::multiset<int>> sizes = {{6, {6}}, {3, {3, 3}}, {2, {1, 2, 1, 2}}};
    const std::vector<std::string> words = {"--steps=9", "--checkpoint-seconds=0"};
    MemoryFor(1);
    CopyAtFirstRun("made", "killed");
    ASSERT_EQ(Sweep("made", GIGABYTE, words), LENET_OK) << err_.text;
    on_run_ = nullptr;
    ASSERT_EQ(Progress("killed").size(), 1u);
    for (const auto &[networks, of_files] : sizes) {
        SCOPED_TRACE(std::to_string(networks) + " fit");
        const std::string fresh = "fresh " + std::to_string(networks), out = std::to_string(networks);
        const uint64_t before = simt::counters().gemms;
        ASSERT_EQ(Sweep(fresh, MemoryFor(networks), words), LENET_OK) << err_.text;
        const uint64_t between = simt::counters().gemms;
        Copy("killed", out);
        ASSERT_EQ(Sweep(out, MemoryFor(networks), words), LENET_OK) << err_.text;
        EXPECT_LT(simt::counters().gemms - between, (between - before) / 2) << "they do not begin again";
        ExpectSame("made", fresh, of_files);
        ExpectSame("made", out, of_files);
    }
}

/* What kill -9 leaves while a checkpoint is cut: the whole, and one half of it or both. */
TEST_F(SmallGpuSweep, AHalfCountsWhenTheWholeIsGone) {
    MemoryFor(1);
    CopyAtFirstRun("made", "whole");
    ASSERT_EQ(Sweep("made", GIGABYTE, {"--steps=9", "--checkpoint-seconds=0"}), LENET_OK) << err_.text;
    Copy("whole", "small");
    CopyAtFirstRun("small", "halves");
    ASSERT_EQ(Sweep("small", MemoryFor(3), {"--steps=9", "--checkpoint-seconds=1e9"}), LENET_OK) << err_.text;
    on_run_ = nullptr;
    const std::vector<std::string> halves = Progress("halves"), whole = Progress("whole");
    ASSERT_EQ(halves.size(), 2u);
    ASSERT_EQ(whole.size(), 1u);
    Copy("halves", "run");
    ASSERT_EQ(Sweep("run", GIGABYTE, {"--steps=9"}), LENET_OK) << err_.text;
    ExpectSame("made", "run", {3, 3});
    for (int lost = 0; lost <= 2; lost++) {
        SCOPED_TRACE(lost);
        const std::string out = "with the whole " + std::to_string(lost);
        Copy("halves", out);
        fs::copy(directory_ / "whole" / "progress" / whole[0], directory_ / out / "progress" / whole[0]);
        if (lost) fs::remove(directory_ / out / "progress" / halves[(size_t)lost - 1]);
        ASSERT_EQ(Sweep(out, GIGABYTE, {"--steps=9"}), LENET_OK) << err_.text;
        ExpectSame("made", out, {6});
    }
}

/* Graphs take memory, too. */
TEST_F(SmallGpuSweep, APopulationForWhichAGraphDoesNotFitIsHalved) {
    std::map<std::string, std::vector<float>> want;
    ASSERT_EQ(Sweep("want", GIGABYTE), LENET_OK) << err_.text;
    Read("want", &want);
    const uint64_t calls = simt::counters().calls;
    ASSERT_EQ(Sweep("again", GIGABYTE), LENET_OK) << err_.text; /* to count them */
    int halved = 0;
    const uint64_t all = simt::counters().calls - calls;
    for (uint64_t call = 1; call <= all; call += all / 24) {
        const std::string out = "run " + std::to_string(call);
        std::map<std::string, std::vector<float>> weights;
        simt::fail_calls(call, false, cudaErrorMemoryAllocation);
        const lenet_status status = Sweep(out, GIGABYTE);
        simt::fail_calls(0, false, 0);
        EXPECT_EQ(err_.text[0] == 0, status == LENET_OK) << err_.text;
        EXPECT_EQ(simt::allocated_bytes(), 0u) << "call " << call << " of " << all << ": " << err_.text;
        if (status != LENET_OK) continue; /* the device itself, the data set, or training */
        halved += Read(out, &weights) == std::multiset<int>({3, 3});
        EXPECT_TRUE(weights == want) << "call " << call;
    }
    EXPECT_GT(halved, 3);
}

TEST_F(SmallGpuSweep, WhereNotEvenOneFitsItSaysSo) {
    EXPECT_EQ(Sweep("none", MemoryFor(0)), LENET_ERR_MEMORY);
    ExpectWords({"1 network(s)", "batch of 10", "MB wanted"});
}

TEST_F(SmallGpuSweep, ADryRunHalvesAPopulationToo) {
    ASSERT_EQ(Sweep("dry", MemoryFor(6), {"--dry-run"}), LENET_OK) << err_.text;
    EXPECT_EQ(largest_, 6);
    EXPECT_EQ(planned_, 1);
    ASSERT_EQ(Sweep("dry", MemoryFor(4), {"--dry-run"}), LENET_OK) << err_.text;
    EXPECT_EQ(largest_, 3);
    EXPECT_EQ(planned_, 2);
    EXPECT_FALSE(fs::exists(directory_ / "dry"));
}

/* ---- a sweep on two GPUs ----------------------------------------------------------------------------------- */

class TwoGpuSweep : public SmallGpuSweep {
  protected:
    void SetUp() override {
        SmallGpuSweep::SetUp();
        gpus_ = 2;
    }
    /* How many kernels each has run since the last time, but for those that an opened one runs. */
    std::pair<uint64_t, uint64_t> Launches() {
        const simt::Counters &now = simt::counters();
        const std::pair<uint64_t, uint64_t> since = {now.launches_on[0] - before_[0], now.launches_on[1] - before_[1]};
        before_[0] = now.launches_on[0];
        before_[1] = now.launches_on[1];
        return since;
    }
    const std::string both_ = "--device=cuda:0,cuda:1";
    uint64_t before_[2] = {0, 0};
};

TEST_F(TwoGpuSweep, TrainsOnBothWhatOneTrains) {
    ASSERT_EQ(Sweep("one", GIGABYTE, {"--steps=9"}), LENET_OK) << err_.text;
    const auto alone = Launches();
    EXPECT_EQ(alone.second, 0u);
    ASSERT_EQ(Sweep("two", GIGABYTE, {"--steps=9", both_}), LENET_OK) << err_.text;
    ExpectSame("one", "two", {3, 3});
    const auto shared = Launches();
    EXPECT_GT(shared.first, alone.first / 2) << "a population of three is as many launches";
    EXPECT_GT(shared.second, alone.first / 2);
    EXPECT_EQ(simt::last_report().kind, simt::Kind::kNone) << simt::last_report().text;

    ASSERT_EQ(Sweep("other", GIGABYTE, {"--steps=9", "--device=cuda:1"}), LENET_OK) << err_.text;
    ExpectSame("one", "other", {6});
    EXPECT_EQ(Launches().first, 0u);
    ASSERT_EQ(Sweep("small", MemoryFor(1), {"--steps=9", both_, "--population-max=4"}), LENET_OK) << err_.text;
    ExpectSame("one", "small", {1, 1, 1, 1, 1, 1});
}

TEST_F(TwoGpuSweep, GoesOnWithWhatOneHasBegunAndTheOtherWayRound) {
    const std::vector<std::string> one = {"--steps=9", "--checkpoint-seconds=0"},
                                   two = {"--steps=9", "--checkpoint-seconds=0", both_};
    CopyAtFirstRun("one", "begun by one");
    ASSERT_EQ(Sweep("one", GIGABYTE, one), LENET_OK) << err_.text;
    CopyAtFirstRun("two", "begun by two");
    ASSERT_EQ(Sweep("two", GIGABYTE, two), LENET_OK) << err_.text;
    on_run_ = nullptr;
    EXPECT_EQ(Progress("begun by one").size(), 1u);
    EXPECT_GE(Progress("begun by two").size(), 1u) << "the other one may have ended, or not have begun";
    ASSERT_EQ(Sweep("begun by one", GIGABYTE, two), LENET_OK) << err_.text;
    ExpectSame("one", "begun by one", {3, 3});
    ASSERT_EQ(Sweep("begun by two", GIGABYTE, one), LENET_OK) << err_.text;
    ExpectSame("one", "begun by two", {3, 3});
}

TEST_F(TwoGpuSweep, OneCheckpointIsCutUntilEachGpuHasAPart) {
    CopyAtFirstRun("one", "begun by one");
    ASSERT_EQ(Sweep("one", GIGABYTE, {"--steps=9", "--checkpoint-seconds=0"}), LENET_OK) << err_.text;
    on_run_ = nullptr;
    const std::map<std::string, std::multiset<int>> want = {{"--device=cuda:0,cuda:1", {3, 3}},
                                                            {"--device=cuda:0,cuda:1,cuda:2", {1, 2, 3}},
                                                            {"--device=cuda:0,cuda:1,cuda:2,cuda:3", {1, 1, 2, 2}}};
    for (const auto &[devices, sizes] : want) {
        gpus_ = (int)sizes.size();
        const std::string out = "on " + std::to_string(gpus_);
        Copy("begun by one", out);
        const simt::Counters before = simt::counters();
        ASSERT_EQ(Sweep(out, GIGABYTE, {"--steps=9", devices}), LENET_OK) << err_.text;
        ExpectSame("one", out, sizes);
        for (int gpu = 0; gpu < gpus_; gpu++)
            EXPECT_GT(simt::counters().launches_on[gpu] - before.launches_on[gpu], 10u) << "GPU " << gpu;
    }
}

TEST_F(TwoGpuSweep, ADryRunEstimatesBoth) {
    ASSERT_EQ(Sweep("dry", GIGABYTE, {both_, "--dry-run"}), LENET_OK) << err_.text;
    EXPECT_EQ(planned_, 2);
    EXPECT_EQ(largest_, 3);
}

TEST_F(TwoGpuSweep, AListIsOfGpusThatAreThereEachOnce) {
    const std::map<std::string, std::pair<lenet_status, std::string>> refused = {
        {"cuda:0,cuda:0", {LENET_ERR_ARG, "'cuda:0,cuda:0' has the GPU cuda:0 twice"}},
        {"cuda:1,cuda:01", {LENET_ERR_ARG, "'cuda:1,cuda:01' has the GPU cuda:1 twice"}},
        {"cuda,cuda:0", {LENET_ERR_ARG, "'cuda,cuda:0' has the GPU cuda:0 twice"}},
        {"cpu,cuda:0", {LENET_ERR_ARG, "'cpu' in 'cpu,cuda:0'; a list is of GPUs, as cuda:0,cuda:1"}},
        {"cuda:0,auto", {LENET_ERR_ARG, "'auto' in 'cuda:0,auto'; a list is of GPUs"}},
        {"cuda:0,", {LENET_ERR_ARG, "'' in 'cuda:0,'; a list is of GPUs"}},
        {"cuda:0,cuda:123456789012345", {LENET_ERR_ARG, "a list is of GPUs"}},
        {"cuda:0,cuda:2", {LENET_ERR_DEVICE, "cuda:2: there are 2 CUDA devices, 0 to 1"}}};
    for (const auto &[list, want] : refused) {
        EXPECT_EQ(Sweep("none", GIGABYTE, {"--device=" + list}), want.first) << list;
        ExpectWords({want.second});
        EXPECT_FALSE(fs::exists(directory_ / "none"));
    }
    std::string many = "cuda:0";
    for (int i = 1; i <= LENET_MAX_DEVICES; i++) many += ",cuda:" + std::to_string(i);
    lenet_device_names names;
    EXPECT_EQ(lenet_device_list(many.c_str(), &names, &err_), LENET_ERR_ARG);
    ExpectWords({"is a list of more than 16"});
    EXPECT_EQ(Open("cuda:0,cuda:1"), LENET_ERR_ARG) << "for one network";
    ExpectWords({"'cuda:0,cuda:1' is a list of devices, which only lenet sweep takes"});
}

TEST_F(TwoGpuSweep, WhereNotEvenOneFitsItSaysSo) {
    EXPECT_EQ(Sweep("none", MemoryFor(0), {both_}), LENET_ERR_MEMORY);
    ExpectWords({"1 network(s)", "MB wanted"});
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
