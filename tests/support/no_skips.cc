/* no_skips.cc - linked into the test programs that have an emulated GPU: there no test has a reason to be skipped, so
 * one that is fails. On a real GPU scripts/gpu_check.sh sees to the same. */
#include <gtest/gtest.h>

namespace {

class NoSkips : public ::testing::EmptyTestEventListener {
    void OnTestEnd(const ::testing::TestInfo &test) override {
        if (test.result()->Skipped()) ADD_FAILURE() << "skipped, although there is a GPU";
    }
};

/* The program's listeners own it. */
const bool is_listening = (::testing::UnitTest::GetInstance()->listeners().Append(new NoSkips()), true);

} // namespace
