/* idx.h - data sets of a test's own making, and what a test reads back. */
#ifndef LENET_TEST_IDX_H
#define LENET_TEST_IDX_H
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "lenet/data.h"

inline std::string ReadFile(const std::filesystem::path &path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::string BigEndian(uint32_t value) {
    return {char(value >> 24), char(value >> 16 & 255), char(value >> 8 & 255), char(value & 255)};
}

/* The first `count` samples as IDX files; half is "train" or "t10k". */
inline void WriteHalf(const std::filesystem::path &directory, const char *half, const lenet_samples &samples,
                      size_t count, int H, int W) {
    std::filesystem::create_directories(directory);
    const auto n = (uint32_t)count;
    const size_t pixels = (size_t)H * (size_t)W;
    std::ofstream(directory / (std::string(half) + "-images-idx3-ubyte"), std::ios::binary)
        << BigEndian(0x803) << BigEndian(n) << BigEndian((uint32_t)H) << BigEndian((uint32_t)W)
        << std::string(reinterpret_cast<char *>(samples.images), count * pixels);
    std::ofstream(directory / (std::string(half) + "-labels-idx1-ubyte"), std::ios::binary)
        << BigEndian(0x801) << BigEndian(n) << std::string(reinterpret_cast<char *>(samples.labels), count);
}

/* A text of JSON without what depends on the clock. */
inline std::string WithoutTimes(std::string text) {
    for (const char *field : {",\"images_per_s\":", ",\"seconds\":"})
        for (size_t at = text.find(field); at != std::string::npos; at = text.find(field, at))
            text.erase(at, text.find_first_of(",}", at + 1) - at);
    return text;
}

#endif
