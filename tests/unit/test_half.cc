/* test_half.cc - numbers of 16 bits, against the format's definition. */
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/half.h"

namespace {

/* IEEE 754: 1 bit of sign, 5 of an exponent that is 15 too large, 10 of digits behind a 1; without the 1 where the
 * exponent's bits are 0. Not for those whose exponent's bits are all 1. */
double Value(uint32_t bits) {
    const int exponent = (int)(bits >> 10 & 31), digits = (int)(bits & 1023);
    const double size = exponent ? std::ldexp(1024 + digits, exponent - 25) : std::ldexp(digits, -24);
    return bits & 0x8000 ? -size : size;
}
constexpr uint32_t kInfinity = 0x7c00, kSign = 0x8000;

TEST(Half, WhatItCanSayComesBackTheSame) {
    for (uint32_t bits = 0; bits < kInfinity; bits++) {
        ASSERT_EQ(lenet_half(Value(bits)), bits);
        ASSERT_EQ(lenet_half(-Value(bits)), bits | kSign);
    }
}

TEST(Half, TheNearestOneIsTakenAndOfTwoTheEvenOne) {
    for (uint32_t bits = 0; bits < kInfinity; bits++) {
        const double above = bits + 1 < kInfinity ? Value(bits + 1) : 65536, middle = (Value(bits) + above) / 2;
        ASSERT_EQ(lenet_half(middle), bits % 2 ? bits + 1 : bits) << middle;
        ASSERT_EQ(lenet_half(std::nextafter(middle, 0)), bits) << middle;
        ASSERT_EQ(lenet_half(std::nextafter(middle, 1e9)), bits + 1) << middle;
        ASSERT_EQ(lenet_half(-middle), (bits % 2 ? bits + 1 : bits) | kSign) << middle;
    }
}

TEST(Half, WhatIsTooLargeIsInfiniteAndNoNumberStaysNone) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double large : {65520.0, 65536.0, 1e9, 1e300, infinity}) {
        EXPECT_EQ(lenet_half(large), kInfinity);
        EXPECT_EQ(lenet_half(-large), kInfinity | kSign);
    }
    for (const double small : {5e-324, 1e-30, std::ldexp(1, -25)}) EXPECT_EQ(lenet_half(small), 0);
    const uint16_t none = lenet_half(std::nan(""));
    EXPECT_EQ(none & kInfinity, kInfinity);
    EXPECT_NE(none & 1023, 0);
}

} // namespace
