/* test_elementary.cc - exp, log, pow, cos and sin against the C library's long doubles, and the bits of their results.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

#include "base/elementary.h"
#include "support/fill.h"

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kDraws = 50000;

/* Uniform on [low, high), in steps of 2^-53 of the range. */
double Between(uint32_t stream, int i, double low, double high) {
    const uint64_t word = (uint64_t)RandomWord(stream, 2 * (uint64_t)i) << 32 | RandomWord(stream, 2 * (uint64_t)i + 1);
    return low + (high - low) * ((double)(word >> 11) * 0x1p-53);
}

/* Of got, in units in the last place of want; below the least normal number the units are its. */
double Error(double got, long double want) {
    const int exponent = std::max(std::ilogb(want), std::numeric_limits<double>::min_exponent - 1);
    return want == 0 ? (got == 0 ? 0 : kInfinity)
                     : (double)(std::fabs((long double)got - want) / std::ldexp(1.0L, exponent - 52));
}

struct Function {
    const char *name;
    double (*of)(double);
    std::function<long double(double)> reference;
    double (*draw)(int);
};

/* Exact, as all of its steps are: from -1 to 1, for the C library's cosine of a product with a rounded pi is bad where
 * the result is small. */
long double Cospi(double t) {
    const long double pi = std::acos(-1.0L), rest = std::fabs(std::remainder((long double)t, 2.0L));
    return rest < 0.25L   ? std::cos(pi * rest)
           : rest < 0.75L ? std::sin(pi * (0.5L - rest))
                          : -std::cos(pi * (1 - rest));
}
long double Sinpi(double t) {
    const long double rest = std::remainder((long double)t, 2.0L); /* -1 to 1; the quarter turn below is exact, too */
    const long double pi = std::acos(-1.0L), size = std::fabs(rest);
    const long double sine = size < 0.25L   ? std::sin(pi * size)
                             : size < 0.75L ? std::cos(pi * (0.5L - size))
                                            : std::sin(pi * (1 - size));
    return rest < 0 ? -sine : sine;
}

const Function kFunctions[] = {
    {"exp", lenet_exp, [](double x) { return std::exp((long double)x); },
     [](int i) { return Between(1, i, -745, 709.7); }},
    {"exp near 0", lenet_exp, [](double x) { return std::exp((long double)x); },
     [](int i) { return Between(2, i, -1, 1); }},
    {"log", lenet_log, [](double x) { return std::log((long double)x); },
     [](int i) { return std::ldexp(Between(3, i, 1, 2), (int)Between(4, i, -1074, 1024)); }},
    {"log near 1", lenet_log, [](double x) { return std::log((long double)x); },
     [](int i) { return 1 + std::ldexp(Between(5, i, -1, 1), -(int)Between(6, i, 1, 52)); }},
    {"cospi", lenet_cospi, Cospi, [](int i) { return Between(7, i, -1, 1); }},
    {"cospi of many turns", lenet_cospi, Cospi, [](int i) { return Between(8, i, -1e6, 1e6); }},
    {"sinpi", lenet_sinpi, Sinpi, [](int i) { return Between(9, i, -1, 1); }},
    {"sinpi of many turns", lenet_sinpi, Sinpi, [](int i) { return Between(10, i, -1e6, 1e6); }},
};

/* No result is more than four roundings away from its argument, besides those that the smaller terms of a series hide,
 * and each of them is off by 2^-53 of its result: a unit in the last place at most, of the end result. */
TEST(Elementary, ErrorsAreBelowFourUnitsInTheLastPlace) {
    for (const Function &f : kFunctions) {
        double worst = 0, at = 0;
        for (int i = 0; i < kDraws; i++) {
            const double x = f.draw(i), error = Error(f.of(x), f.reference(x));
            if (!(error <= worst)) worst = error, at = x;
        }
        EXPECT_LT(worst, 4) << f.name << " of " << at << ", LENET_TEST_SEED=" << TestSeed();
        RecordProperty(f.name, std::to_string(worst));
    }
}

/* The exponent's error, 2 units in the last place of at most 2^10, is a part of the result. */
TEST(Elementary, PowersAreRightToTheirLogarithm) {
    for (int i = 0; i < kDraws; i++) {
        const double x = std::ldexp(Between(11, i, 1, 2), (int)Between(12, i, -40, 10)),
                     most = 700 / (1 + std::fabs(std::log(x)));
        const double y = Between(13, i, -most, most);
        const long double want = std::pow((long double)x, (long double)y);
        ASSERT_LT(std::fabs(lenet_pow(x, y) - want) / want, 0x1p-42L) << x << ", " << y;
    }
    for (int t = 1; t < 100000; t += 13) { /* as adamw has them: what is left to 1 is right in float */
        const long double want = 1 - std::pow((long double)0.999f, (long double)t);
        ASSERT_LT(std::fabs(1 - lenet_pow(0.999f, t) - want) / want, 0x1p-40L) << t;
    }
}

TEST(Elementary, SpecialValuesAreThoseOfTheStandard) {
    const double none = std::nan("");
    EXPECT_EQ(lenet_exp(0), 1);
    EXPECT_EQ(lenet_exp(-kInfinity), 0);
    EXPECT_EQ(lenet_exp(-746), 0);
    EXPECT_EQ(lenet_exp(kInfinity), kInfinity);
    EXPECT_EQ(lenet_exp(709.8), kInfinity);
    EXPECT_EQ(lenet_exp(1e300), kInfinity);
    EXPECT_LT(lenet_exp(709.7), kInfinity);
    EXPECT_EQ(lenet_log(1), 0);
    EXPECT_EQ(lenet_log(0), -kInfinity);
    EXPECT_EQ(lenet_log(-0.0), -kInfinity);
    EXPECT_EQ(lenet_log(kInfinity), kInfinity);
    EXPECT_TRUE(std::isnan(lenet_log(-1)));
    EXPECT_EQ(lenet_pow(0, 3), 0);
    EXPECT_EQ(lenet_pow(0, 0), 1);
    EXPECT_EQ(lenet_pow(7, 0), 1);
    EXPECT_EQ(lenet_pow(1, 12345), 1);
    for (const double turns : {0.0, 2.0, -4.0, 0x1p60}) { /* whole ones, which are exact */
        EXPECT_EQ(lenet_cospi(turns), 1);
        EXPECT_EQ(lenet_sinpi(turns), 0);
    }
    for (const double turns : {0.0, 2.0, -4.0, 0x1p40}) {
        EXPECT_EQ(lenet_cospi(turns + 0.5), 0);
        EXPECT_EQ(lenet_sinpi(turns + 0.5), 1);
        EXPECT_EQ(lenet_cospi(turns + 1), -1);
        EXPECT_EQ(lenet_sinpi(turns + 1), 0);
        EXPECT_EQ(lenet_cospi(turns - 0.5), 0);
        EXPECT_EQ(lenet_sinpi(turns - 0.5), -1);
    }
    for (const auto f : {lenet_exp, lenet_log, lenet_cospi, lenet_sinpi}) EXPECT_TRUE(std::isnan(f(none)));
    for (const auto f : {lenet_cospi, lenet_sinpi}) EXPECT_TRUE(std::isnan(f(kInfinity)));
}

/* A hash of the bits of many results, which every compiler, processor and C library gives. */
uint64_t HashOf(double (*f)(double), double low, double high) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a's, of whole words */
    for (int i = 0; i < 10000; i++) {
        const double y =
            f(low + (high - low) * (double)lenet_unit(lenet_philox(1, LENET_RNG_CHECK, 0, (uint64_t)i).v[0]));
        uint64_t bits;
        std::memcpy(&bits, &y, sizeof bits);
        hash = (hash ^ bits) * 1099511628211u;
    }
    return hash;
}

TEST(Elementary, BitsAreTheSameEverywhere) {
    EXPECT_EQ(HashOf(lenet_exp, -50, 50), 14654259437358377622u);
    EXPECT_EQ(HashOf(lenet_log, 0, 1000), 11839813392846999728u);
    EXPECT_EQ(HashOf(lenet_cospi, -1, 1), 2788539017711516211u);
    EXPECT_EQ(HashOf(lenet_sinpi, -1, 1), 9599615110951811966u);
}

} // namespace
