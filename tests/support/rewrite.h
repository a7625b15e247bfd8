/* rewrite.h - safetensors files that are not as the program has written them. */
#ifndef LENET_TEST_REWRITE_H
#define LENET_TEST_REWRITE_H
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "lenet/weights.h"

/* Reads a safetensors file, lets its test spoil it, and writes it back, without a checksum. */
inline void Rewrite(const std::filesystem::path &path, const std::function<void(lenet_tensor_file &)> &spoil) {
    lenet_tensor_file file;
    lenet_error err = {};
    ASSERT_EQ(lenet_tensors_read(path.c_str(), &file, &err), LENET_OK) << err.text;
    spoil(file);
    for (int i = 0; i < file.n_metadata; i++)
        if (strcmp(file.metadata[i].key, LENET_TENSORS_SHA256) == 0) file.metadata[i].key = "none";
    EXPECT_EQ(lenet_tensors_write(path.c_str(), file.tensors, file.n, file.metadata, file.n_metadata, &err), LENET_OK)
        << err.text;
    lenet_tensors_free(&file);
}

/* Makes a checkpoint one of another machine; of "" one of a program that did not keep it. */
inline void SetMachine(const std::filesystem::path &path, const std::string &machine) {
    int found = 0;
    Rewrite(path, [&](lenet_tensor_file &file) {
        for (int i = 0; i < file.n_metadata; i++) {
            if (strcmp(file.metadata[i].key, "machine") != 0) continue;
            found++;
            file.metadata[i].value = machine.c_str();
            if (machine.empty()) file.metadata[i].key = "was machine";
        }
    });
    EXPECT_EQ(found, 1);
}

#endif
