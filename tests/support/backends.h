/* backends.h - the fixture of every test of an operation, which runs once per backend. */
#ifndef LENET_TEST_BACKENDS_H
#define LENET_TEST_BACKENDS_H
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lenet/backend.h"
#include "support/compare.h"
#include "support/fill.h"
#include "support/guard_backend.h"

/* The cuda backend with its own kernels for fully connected layers. */
inline bool IsOwnDense(const std::string &name) { return name == "cuda_own"; }

/* NULL where this build or this machine lacks it; *why then says which. */
inline const lenet_backend *FindBackend(const std::string &name, const char **why) {
    if (name == "cpu") return lenet_backend_cpu();
    if (name == "cpu64") return lenet_backend_cpu64();
    if (name == "guard") return lenet_backend_guard();
    if (name == "single") return lenet_backend_guard_single();
    return lenet_backend_cuda(why);
}

/* A failure of the machinery around a test; GoogleTest reports what is thrown. */
inline void Require(lenet_status status, const char *what) {
    if (status != LENET_OK) throw std::runtime_error(std::string(what) + ": " + lenet_status_name(status));
}

/* An open backend. */
class Device {
  public:
    Device(const lenet_backend *backend, int threads, bool own_dense = false)
        : backend_(backend), own_dense_(own_dense) {
        lenet_error error = {};
        const lenet_open_options options = {0, threads, 0, own_dense};
        Require(backend_->open(&ctx_, &options, &error), error.text);
    }
    ~Device() { backend_->close(ctx_); }
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    /* Another one of the kind. */
    Device WithThreads(int threads) const { return Device(backend_, threads, own_dense_); }

    const lenet_backend &backend() const { return *backend_; }
    lenet_ctx *ctx() const { return ctx_; }
    int lanes() const { return backend_->lanes; }
    double roundoff() const { return backend_->element_size == sizeof(float) ? 0x1p-24 : 0x1p-53; }

    /* The operation that is named after its arguments' type. */
#define X(op)                                                                                                          \
    lenet_status Call(const struct op &args) const { return backend_->op(ctx_, &args); }
    LENET_OPS(X)
#undef X
    template <class Op> void Run(const Op &args) const { Require(Call(args), "operation"); }

  private:
    const lenet_backend *backend_;
    const bool own_dense_;
    lenet_ctx *ctx_ = nullptr;
};

template <class T> std::vector<uint8_t> ToBytes(const std::vector<T> &values) {
    std::vector<uint8_t> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}
template <class T> std::vector<T> FromBytes(const std::vector<uint8_t> &bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

/* Memory of a device. */
class Buffer {
  public:
    Buffer(const Device &device, const std::vector<uint8_t> &host) : device_(device), bytes_(host.size()) {
        Require(device.backend().alloc(device.ctx(), &p_, bytes_), "alloc");
        Require(device.backend().upload(device.ctx(), p_, host.data(), bytes_), "upload");
    }
    ~Buffer() { device_.backend().release(device_.ctx(), p_); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;

    std::vector<uint8_t> Bytes() const {
        std::vector<uint8_t> host(bytes_);
        Require(device_.backend().download(device_.ctx(), host.data(), p_, bytes_), "download");
        return host;
    }

  protected:
    const Device &device_;
    void *p_ = nullptr;
    size_t bytes_;
};

/* An array of plain structs or numbers that are the same on every backend. */
template <class T> class Array : public Buffer {
  public:
    Array(const Device &device, const std::vector<T> &host) : Buffer(device, ToBytes(host)) {}
    operator T *() const { return static_cast<T *>(p_); }
    std::vector<T> Host() const { return FromBytes<T>(Bytes()); }
};

/* A batch of R networks with N images each. */
struct BatchSize {
    int R, N;
};

/* Where on the device each value of a tensor lies that is [R][units][N] on the host; empty where that is the same. */
inline std::vector<size_t> PlacesOf(const Device &device, size_t count, BatchSize batch) {
    std::vector<size_t> places;
    if (batch.N <= device.backend().group || device.backend().group == 0) return places;
    const size_t N = (size_t)batch.N, units = count / ((size_t)batch.R * N);
    for (size_t i = 0; i < count; i++)
        places.push_back(i / (units * N) * units * N +
                         lenet_value_at(&device.backend(), batch.N, units, i / N % units, (int)(i % N)));
    return places;
}

/* A tensor of lenet_real: doubles on the host, whatever the backend's element is. That of a batch is [R][units][N] on
 * the host, however its images lie on the device. */
class Tensor : public Buffer {
  public:
    Tensor(const Device &device, const Values &values, BatchSize batch = {0, 0})
        : Buffer(device, ToDevice(device, PlacesOf(device, values.size(), batch), values)),
          places_(PlacesOf(device, values.size(), batch)) {}
    operator void *() const { return p_; }
    void *At(size_t element) const { return static_cast<char *>(p_) + element * device_.backend().element_size; }
    Values Host() const {
        const Values lying = IsFloat(device_) ? Convert<double>(FromBytes<float>(Bytes())) : FromBytes<double>(Bytes());
        Values values = lying;
        for (size_t i = 0; i < places_.size(); i++) values[i] = lying[places_[i]];
        return values;
    }

  private:
    static std::vector<uint8_t> ToDevice(const Device &device, const std::vector<size_t> &places,
                                         const Values &values) {
        Values lying = values;
        for (size_t i = 0; i < places.size(); i++) lying[places[i]] = values[i];
        return IsFloat(device) ? ToBytes(Convert<float>(lying)) : ToBytes(lying);
    }
    static bool IsFloat(const Device &device) { return device.backend().element_size == sizeof(float); }
    template <class To, class From> static std::vector<To> Convert(const std::vector<From> &values) {
        return std::vector<To>(values.begin(), values.end());
    }

    const std::vector<size_t> places_;
};

/* What an operation may only read: a test in which it was written to fails. */
template <class Base> class ReadOnly : public Base {
  public:
    using Base::Base;
    ~ReadOnly() {
        std::vector<uint8_t> now(before_.size());
        const lenet_status status =
            this->device_.backend().download(this->device_.ctx(), now.data(), this->p_, now.size());
        EXPECT_TRUE(status == LENET_OK && now == before_) << "an operation wrote to its input";
    }

  private:
    const std::vector<uint8_t> before_ = this->Bytes();
};
using Input = ReadOnly<Tensor>;
template <class T> using InputArray = ReadOnly<Array<T>>;

/* An output that is overwritten ("="): what is not written stays NaN. */
inline Values Poison(size_t n) { return Values(n, NAN); }

class BackendTest : public ::testing::TestWithParam<const char *> {
  protected:
    void SetUp() override {
        const char *why = nullptr, *required = std::getenv("LENET_REQUIRE_GPU");
        const lenet_backend *backend = FindBackend(GetParam(), &why);
        if (backend)
            device_ = std::make_unique<Device>(backend, 2, IsOwnDense(GetParam()));
        else if (required && std::strcmp(required, "1") == 0)
            FAIL() << GetParam() << ": " << why;
        else
            GTEST_SKIP() << GetParam() << ": " << why;
    }
    const Device &device() const { return *device_; }
    int lanes() const { return device_->lanes(); }
    bool IsCuda() const { return std::strncmp(GetParam(), "cuda", 4) == 0; }

  private:
    std::unique_ptr<Device> device_;
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

inline std::string BackendName(const ::testing::TestParamInfo<const char *> &info) { return info.param; }

#define LENET_ON_ALL_BACKENDS(Fixture)                                                                                 \
    INSTANTIATE_TEST_SUITE_P(Backends, Fixture, ::testing::Values("cpu", "cpu64", "guard", "single", "cuda"),          \
                             BackendName)

#define LENET_ON_OWN_DENSE(Fixture)                                                                                    \
    INSTANTIATE_TEST_SUITE_P(OwnDense, Fixture, ::testing::Values("cuda_own"), BackendName)

/* Bytes of several outputs, one after the other. */
inline void Append(std::vector<uint8_t> &to, const std::vector<uint8_t> &more) {
    to.insert(to.end(), more.begin(), more.end());
}

#endif
