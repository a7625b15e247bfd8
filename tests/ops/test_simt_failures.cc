/* test_simt_failures.cc - operations on the emulated GPU of which a call fails: a launch, or a product of cuBLAS. */
#include <gtest/gtest.h>

#include "support/samples.h"
#include "support/simt/simt.h"

namespace {

class Failures : public testing::Test {
  protected:
    void SetUp() override { simt::reset(); }
    void TearDown() override { simt::reset(); }

    template <class Op> static void ExpectEveryFailedCallToBeTold() {
        const char *why = nullptr;
        const Device cuda(lenet_backend_cuda(&why), 1);
        Sample<Op> sample(cuda);
        ASSERT_TRUE(Fill(sample, 0));
        const uint64_t before = simt::counters().calls;
        ASSERT_EQ(cuda.Call(sample.args), LENET_OK);
        const uint64_t calls = simt::counters().calls - before;
        ASSERT_GT(calls, 0u);
        for (uint64_t call = 1; call <= calls; call++) {
            simt::fail_calls(call, false, 719); /* a launch failure */
            EXPECT_EQ(cuda.Call(sample.args), LENET_ERR_DEVICE) << "call " << call << " of " << calls;
            simt::fail_calls(0, false, 0);
        }
    }
};

/* Not only a later wait. */
TEST_F(Failures, AnOperationOfWhichACallFailsSaysSoItself) {
#define X(op)                                                                                                          \
    {                                                                                                                  \
        SCOPED_TRACE(#op);                                                                                             \
        ExpectEveryFailedCallToBeTold<struct op>();                                                                    \
    }
    LENET_OPS(X)
#undef X
}

} // namespace
