// test_text.cc - claims about streams into memory: all that was printed is there. What happens where memory runs out is
// tested by tests/training/test_faults.py.
#include "base/text.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

namespace {

TEST(Text, HasAllThatWasPrinted) {
    lenet_text text;
    std::string wanted;
    FILE *stream = lenet_text_open(&text);
    ASSERT_NE(stream, nullptr);
    for (int i = 0; i < 10000; i++) {
        fprintf(stream, "%d,", i);
        wanted += std::to_string(i) + ",";
    }
    fputc(0, stream);
    wanted += '\0';
    ASSERT_EQ(lenet_text_close(stream, &text, nullptr), LENET_OK);
    EXPECT_EQ(std::string(text.bytes, text.size), wanted);
    EXPECT_EQ(text.bytes[text.size], 0);
    free(text.bytes);
}

TEST(Text, OfNothingIsEmpty) {
    lenet_text text;
    FILE *stream = lenet_text_open(&text);
    ASSERT_EQ(lenet_text_close(stream, &text, nullptr), LENET_OK);
    EXPECT_STREQ(text.bytes, "");
    EXPECT_EQ(text.size, 0u);
    free(text.bytes);
}

TEST(Text, WithoutAStreamThereIsNone) {
    lenet_text text = {};
    lenet_error err = {};
    EXPECT_EQ(lenet_text_close(nullptr, &text, &err), LENET_ERR_MEMORY);
    EXPECT_EQ(text.bytes, nullptr);
    EXPECT_STREQ(err.text, "out of memory");
}

} // namespace
