/* compare.h - comparators that say which element is wrong and by how much.
 *
 * They are written !(difference <= bound), so that a NaN on any side fails: the
 * outputs were NaN before the operation ran. */
#ifndef LENET_TEST_COMPARE_H
#define LENET_TEST_COMPARE_H
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <iomanip>
#include <sstream>
#include <vector>

#include "support/fill.h"

/* |got - want| <= bound, each element with its own bound. */
inline ::testing::AssertionResult Near(const Values &want, const Values &got, const Values &bound) {
    if (want.size() != got.size() || want.size() != bound.size())
        return ::testing::AssertionFailure()
               << "sizes differ: want " << want.size() << ", got " << got.size() << ", bounds " << bound.size();
    size_t bad = 0, first = 0, worst = 0;
    const auto difference = [&](size_t i) { return std::fabs(got[i] - want[i]); };
    for (size_t i = 0; i < want.size(); i++) {
        if (difference(i) <= bound[i]) continue;
        if (bad++ == 0) first = worst = i;
        /* A NaN is worse than any number, and stays so. */
        if (!(difference(i) <= difference(worst)) && !std::isnan(difference(worst))) worst = i;
    }
    if (bad == 0) return ::testing::AssertionSuccess();
    const auto show = [&](size_t i) {
        std::ostringstream text;
        text << std::setprecision(9) << "[" << i << "] want " << want[i] << ", got " << got[i] << ", bound "
             << bound[i];
        return text.str();
    };
    return ::testing::AssertionFailure() << bad << " of " << want.size() << " differ; first " << show(first)
                                         << "; worst " << show(worst);
}

inline ::testing::AssertionResult Near(const Values &want, const Values &got, double bound) {
    return Near(want, got, Values(want.size(), bound));
}

/* got == want: no NaN equals anything. */
inline ::testing::AssertionResult Equal(const Values &want, const Values &got) { return Near(want, got, 0); }

/* Not the same as Equal: NaNs and the sign of zero count too. */
inline ::testing::AssertionResult SameBytes(const std::vector<uint8_t> &want, const std::vector<uint8_t> &got) {
    if (want.size() != got.size())
        return ::testing::AssertionFailure() << "want " << want.size() << " bytes, got " << got.size();
    for (size_t i = 0; i < want.size(); i++)
        if (want[i] != got[i])
            return ::testing::AssertionFailure()
                   << "byte " << i << " of " << want.size() << " is the first that differs";
    return ::testing::AssertionSuccess();
}

/* The largest relative error of a sum of n rounded terms, each with its own
 * rounding, in any order of addition: Higham's gamma. u is the unit roundoff of
 * what is tested. The plain loops round as well, in double. */
inline double Gamma(double n, double u) {
    const auto gamma = [n](double v) { return n * v / (1 - n * v); };
    return gamma(u) + gamma(0x1p-53);
}

inline Values Times(double factor, Values values) {
    for (double &v : values) v *= factor;
    return values;
}

inline Values Abs(Values values) {
    for (double &v : values) v = std::fabs(v);
    return values;
}

#endif
