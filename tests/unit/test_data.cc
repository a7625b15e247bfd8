/* test_data.cc - the loader takes every good IDX data set and names what is wrong with a bad one. */
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "lenet/data.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::string;

const char *const TRAIN_IMAGES = "train-images-idx3-ubyte";
const char *const TRAIN_LABELS = "train-labels-idx1-ubyte";
const char *const TEST_IMAGES = "t10k-images-idx3-ubyte";
const char *const TEST_LABELS = "t10k-labels-idx1-ubyte";
const char *const ALL[] = {TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS};

Bytes big_endian(uint32_t value) {
    return {char(value >> 24), char(value >> 16 & 255), char(value >> 8 & 255), char(value & 255)};
}

Bytes idx_images(uint32_t count, uint32_t H, uint32_t W, unsigned first) {
    Bytes bytes = big_endian(0x803) + big_endian(count) + big_endian(H) + big_endian(W);
    for (uint32_t i = 0; i < count * H * W; i++) bytes += char((first + i * 7) & 255);
    return bytes;
}

Bytes idx_labels(const std::vector<int> &labels) {
    Bytes bytes = big_endian(0x801) + big_endian(uint32_t(labels.size()));
    for (int label : labels) bytes += char(label);
    return bytes;
}

Bytes gzip(Bytes bytes) {
    z_stream stream = {};
    EXPECT_EQ(Z_OK, deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY));
    Bytes packed(deflateBound(&stream, uLong(bytes.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef *>(bytes.data());
    stream.avail_in = uInt(bytes.size());
    stream.next_out = reinterpret_cast<Bytef *>(packed.data());
    stream.avail_out = uInt(packed.size());
    EXPECT_EQ(Z_STREAM_END, deflate(&stream, Z_FINISH));
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

bool is_zero(const lenet_dataset &data) {
    return !data.train.images && !data.train.labels && !data.test.images && !data.test.labels &&
           data.train.count == 0 && data.test.count == 0 && data.H == 0 && data.W == 0 && data.classes == 0 &&
           data.name[0] == '\0' && data.hash[0] == '\0';
}

/* Each test begins with a good raw set in a directory of its own: 5 training
 * images of 4x3, 3 test images. */
class Data : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_data_XXXXXX").string();
        ASSERT_NE(nullptr, mkdtemp(pattern.data()));
        directory = pattern;
        write(TRAIN_IMAGES, idx_images(5, 4, 3, 1));
        write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 1}));
        write(TEST_IMAGES, idx_images(3, 4, 3, 99));
        write(TEST_LABELS, idx_labels({2, 8, 0}));
        /* What a failure leaves in data must not depend on what was there. */
        memset(&data, 0x5a, sizeof data);
        memset(&err, 0, sizeof err);
    }
    void TearDown() override {
        fs::remove_all(directory);
        if (loaded) lenet_dataset_free(&data);
    }

    void write(const std::string &name, const Bytes &bytes) const {
        std::ofstream(directory / name, std::ios::binary) << bytes;
    }
    Bytes contents(const std::string &name) const {
        std::ifstream in(directory / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    void remove(const std::string &name) const { fs::remove(directory / name); }
    void pack(const std::string &name) const {
        write(name + ".gz", gzip(contents(name)));
        remove(name);
    }

    void expect_loads(const fs::path &from) {
        if (loaded) lenet_dataset_free(&data);
        loaded = lenet_dataset_read(from.c_str(), &data, &err) == LENET_OK;
        ASSERT_TRUE(loaded) << err.text;
    }
    void expect_loads() { expect_loads(directory); }

    /* The read fails with this status and one line that holds each of these. */
    void expect_fails(lenet_status wanted, const std::vector<std::string> &pieces) {
        const lenet_status status = lenet_dataset_read(directory.c_str(), &data, &err);
        EXPECT_EQ(wanted, status) << err.text;
        loaded = status == LENET_OK;
        if (loaded) return;
        EXPECT_TRUE(is_zero(data));
        const std::string text = err.text;
        EXPECT_EQ(std::string::npos, text.find('\n')) << text;
        for (const std::string &piece : pieces) EXPECT_NE(std::string::npos, text.find(piece)) << piece << "\n" << text;
        EXPECT_EQ(wanted, lenet_dataset_read(directory.c_str(), &data, nullptr)) << "without a struct lenet_error";
    }
    std::string at(const std::string &name) const { return (directory / name).string(); }

    fs::path directory;
    lenet_dataset data;
    lenet_error err;
    bool loaded = false;
};

TEST_F(Data, RawFilesLoadWithTheirValues) {
    expect_loads();
    EXPECT_EQ(4, data.H);
    EXPECT_EQ(3, data.W);
    EXPECT_EQ(9, data.classes) << "the largest label, 8, is in the test half";
    ASSERT_EQ(5u, data.train.count);
    ASSERT_EQ(3u, data.test.count);
    EXPECT_EQ(idx_images(5, 4, 3, 1).substr(16), Bytes(reinterpret_cast<char *>(data.train.images), 5 * 4 * 3));
    EXPECT_EQ(Bytes("\3\0\7\1\1", 5), Bytes(reinterpret_cast<char *>(data.train.labels), 5));
    EXPECT_EQ(idx_images(3, 4, 3, 99).substr(16), Bytes(reinterpret_cast<char *>(data.test.images), 3 * 4 * 3));
    EXPECT_EQ(Bytes("\2\10\0", 3), Bytes(reinterpret_cast<char *>(data.test.labels), 3));
}

TEST_F(Data, RawPackedAndMixedFilesGiveTheSameBytesAndHash) {
    expect_loads();
    const std::string hash = data.hash;
    EXPECT_EQ(64u, hash.size());
    const Bytes images(reinterpret_cast<char *>(data.train.images), 5 * 4 * 3);
    for (const char *name : ALL) {
        pack(name);
        expect_loads();
        EXPECT_EQ(hash, data.hash) << "after packing " << name;
        EXPECT_EQ(images, Bytes(reinterpret_cast<char *>(data.train.images), images.size()));
    }
}

TEST_F(Data, ARawFileGoesBeforeAPackedOne) {
    write(std::string(TRAIN_IMAGES) + ".gz", "not looked at");
    expect_loads();
}

TEST_F(Data, PackedFilesThatUnpackToManyBuffersLoad) {
    write(TRAIN_IMAGES, idx_images(5, 256, 256, 1)); /* 320 KB, more than the first buffers of any reader */
    write(TEST_IMAGES, idx_images(3, 256, 256, 2));
    pack(TRAIN_IMAGES);
    expect_loads();
    EXPECT_EQ(idx_images(5, 256, 256, 1).substr(16), Bytes(reinterpret_cast<char *>(data.train.images), 5 * 256 * 256));
}

TEST_F(Data, OneImageOfOnePixelIsADataSet) {
    write(TRAIN_IMAGES, idx_images(1, 1, 1, 4));
    write(TRAIN_LABELS, idx_labels({0}));
    write(TEST_IMAGES, idx_images(1, 1, 1, 5));
    write(TEST_LABELS, idx_labels({0}));
    expect_loads();
    EXPECT_EQ(1, data.classes);
}

TEST_F(Data, AnUnknownSetIsNamedByItsDirectory) {
    const fs::path named = directory / "fashion";
    fs::create_directory(named);
    for (const char *name : ALL) fs::copy(directory / name, named);
    expect_loads(named);
    EXPECT_STREQ("fashion", data.name);
    expect_loads(named.string() + "//");
    EXPECT_STREQ("fashion", data.name);
    fs::current_path(directory);
    expect_loads("fashion");
    EXPECT_STREQ("fashion", data.name);
    fs::current_path("/");
}

TEST_F(Data, ALongDirectoryNameIsCutBetweenCharacters) {
    /* 30 bytes, then a character of two bytes, of which only one would fit into the name's 31. */
    const fs::path named = directory / (std::string(30, 'x') + "\u00e9" + "yyy");
    fs::create_directory(named);
    for (const char *name : ALL) fs::copy(directory / name, named);
    expect_loads(named);
    EXPECT_EQ(std::string(30, 'x'), data.name);
}

TEST_F(Data, TheCommittedSampleLoadsAndIsBalanced) {
    expect_loads(fs::path(LENET_SOURCE_DIR) / "data" / "sample");
    EXPECT_STREQ("MNIST sample", data.name);
    EXPECT_EQ(28, data.H);
    EXPECT_EQ(28, data.W);
    EXPECT_EQ(10, data.classes);
    ASSERT_EQ(2000u, data.train.count);
    ASSERT_EQ(500u, data.test.count);
    for (int label = 0; label < 10; label++) {
        EXPECT_EQ(200, std::count(data.train.labels, data.train.labels + data.train.count, label)) << label;
        EXPECT_EQ(50, std::count(data.test.labels, data.test.labels + data.test.count, label)) << label;
    }
}

TEST_F(Data, TheWholeOfMnistIsNamedByItsHash) {
    const fs::path mnist = fs::path(LENET_SOURCE_DIR) / "data" / "mnist";
    if (!fs::exists(mnist / TRAIN_IMAGES)) GTEST_SKIP() << mnist << " is not there (scripts/get_mnist.sh)";
    expect_loads(mnist);
    EXPECT_STREQ("MNIST", data.name);
    EXPECT_EQ(60000u, data.train.count);
    EXPECT_EQ(10000u, data.test.count);
}

TEST_F(Data, FreeingTwiceIsFine) {
    expect_loads();
    lenet_dataset_free(&data);
    EXPECT_TRUE(is_zero(data));
    lenet_dataset_free(&data);
    loaded = false;
}

TEST_F(Data, AMissingFileIsNamed) {
    for (const char *name : ALL) {
        const Bytes bytes = contents(name);
        remove(name);
        expect_fails(LENET_ERR_IO, {at(name), ".gz", "get_mnist.sh"});
        write(name, bytes);
    }
}

TEST_F(Data, AMissingDirectoryIsNamed) {
    fs::remove_all(directory);
    expect_fails(LENET_ERR_IO, {directory.string(), "no such data directory", "get_mnist.sh"});
}

TEST_F(Data, ADirectoryInPlaceOfAFileIsNamed) {
    remove(TEST_LABELS);
    fs::create_directory(directory / TEST_LABELS);
    expect_fails(LENET_ERR_IO, {at(TEST_LABELS)});
}

TEST_F(Data, APathBeyondTheLimitIsRefused) {
    const fs::path real = directory;
    std::string path = directory.string();
    while (path.size() < 4090) path += "/.";
    directory = path;
    expect_fails(LENET_ERR_IO, {real.string().substr(0, 100)});
    directory = real;
}

TEST_F(Data, AFileCutShortAnywhereIsNamed) {
    for (const char *name : ALL) {
        const Bytes bytes = contents(name);
        for (size_t length = 0; length < bytes.size(); length++) {
            SCOPED_TRACE(length);
            write(name, bytes.substr(0, length));
            expect_fails(LENET_ERR_FORMAT, {at(name), std::to_string(length) + " bytes", "interrupted"});
        }
        write(name, bytes);
    }
}

TEST_F(Data, ATrailingByteIsRefused) {
    for (const char *name : ALL) {
        const Bytes bytes = contents(name);
        write(name, bytes + 'x');
        expect_fails(LENET_ERR_FORMAT, {at(name), std::to_string(bytes.size() + 1) + " bytes", "added at the end"});
        pack(name);
        expect_fails(LENET_ERR_FORMAT, {at(name) + ".gz", "unpacked", "added at the end"});
        remove(std::string(name) + ".gz");
        write(name, bytes);
    }
}

TEST_F(Data, AWrongMagicIsShownWithTheWantedOne) {
    const Bytes bytes = contents(TRAIN_IMAGES);
    write(TRAIN_IMAGES, big_endian(0x00000d03) + bytes.substr(4)); /* IDX, but of floats */
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES), "0x00000d03", "0x00000803"});
}

TEST_F(Data, AGzipFileUnderARawNameIsRecognised) {
    write(TRAIN_IMAGES, gzip(contents(TRAIN_IMAGES)));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES), "it is gzip"});
}

TEST_F(Data, LabelsInPlaceOfImagesAreRecognised) {
    const Bytes images = contents(TEST_IMAGES), labels = contents(TEST_LABELS);
    write(TEST_IMAGES, labels);
    write(TEST_LABELS, images);
    expect_fails(LENET_ERR_FORMAT, {at(TEST_IMAGES), "holds labels", "swapped"});
    write(TEST_IMAGES, images);
    expect_fails(LENET_ERR_FORMAT, {at(TEST_LABELS), "holds images", "swapped"});
}

TEST_F(Data, ZeroSamplesAreRefused) {
    write(TRAIN_IMAGES, idx_images(0, 4, 3, 0));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES), "0 samples"});
    write(TRAIN_IMAGES, idx_images(5, 4, 3, 1));
    write(TEST_LABELS, idx_labels({}));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_LABELS), "0 samples"});
}

TEST_F(Data, SidesBelow1OrAbove256AreRefused) {
    const uint32_t bad[][2] = {{0, 3}, {4, 0}, {257, 3}, {4, 257}, {0xffffffff, 0xffffffff}, {0x80000000, 2}};
    for (const auto &size : bad) {
        write(TRAIN_IMAGES, big_endian(0x803) + big_endian(5) + big_endian(size[0]) + big_endian(size[1]));
        expect_fails(LENET_ERR_FORMAT,
                     {at(TRAIN_IMAGES), std::to_string(size[0]) + "x" + std::to_string(size[1]), "256"});
    }
}

TEST_F(Data, AHugeCountInATinyFileIsRefused) {
    for (const char *name : ALL) {
        const Bytes bytes = contents(name);
        write(name, bytes.substr(0, 4) + big_endian(0xffffffff) + bytes.substr(8));
        expect_fails(LENET_ERR_FORMAT, {at(name), "4294967295 samples"});
        pack(name);
        expect_fails(LENET_ERR_FORMAT, {at(name) + ".gz", "4294967295 samples"});
        remove(std::string(name) + ".gz");
        write(name, bytes);
    }
}

TEST_F(Data, ImagesAndLabelsOfDifferentCountsAreRefused) {
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1}));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_LABELS), "4 labels", "5 images", at(TRAIN_IMAGES)});
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 1}));
    write(TEST_LABELS, idx_labels({1, 2, 3, 4}));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_LABELS), "4 labels", "3 images", at(TEST_IMAGES)});
}

TEST_F(Data, ALabelOf11IsNamedWithItsPlace) {
    write(TEST_LABELS, idx_labels({2, 11, 0}));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_LABELS), "label 11 at index 1", "0 to 9"});
}

TEST_F(Data, ALabelOf10IsOneTooMany) {
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 10}));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_LABELS), "label 10 at index 4"});
}

TEST_F(Data, HalvesOfDifferentImageSizesAreRefused) {
    write(TRAIN_IMAGES, idx_images(5, 28, 28, 1));
    write(TEST_IMAGES, idx_images(3, 27, 28, 1));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_IMAGES), "27x28", "28x28", at(TRAIN_IMAGES)});
}

TEST_F(Data, TestImagesEqualToTrainingImagesAreRefused) {
    write(TEST_IMAGES, contents(TRAIN_IMAGES));
    write(TEST_LABELS, contents(TRAIN_LABELS));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_IMAGES), "the same images", at(TRAIN_IMAGES)});
    pack(TEST_IMAGES);
    expect_fails(LENET_ERR_FORMAT, {at(TEST_IMAGES) + ".gz", "the same images", at(TRAIN_IMAGES)});
}

TEST_F(Data, AGzipFileCutShortAnywhereIsNamed) {
    const Bytes packed = gzip(contents(TRAIN_IMAGES));
    remove(TRAIN_IMAGES);
    const std::string name = std::string(TRAIN_IMAGES) + ".gz";
    for (size_t length = 0; length < packed.size(); length++) {
        SCOPED_TRACE(length);
        write(name, packed.substr(0, length));
        expect_fails(LENET_ERR_FORMAT, {at(name)});
    }
}

TEST_F(Data, AnyByteFlippedInTheGzipBodyIsFound) {
    const Bytes packed = gzip(contents(TRAIN_IMAGES));
    remove(TRAIN_IMAGES);
    const std::string name = std::string(TRAIN_IMAGES) + ".gz";
    for (size_t i = 10; i < packed.size(); i++) { /* the 10 bytes before have the time and such, which no sum covers */
        SCOPED_TRACE(i);
        Bytes damaged = packed;
        damaged[i] = char(~damaged[i]);
        write(name, damaged);
        expect_fails(LENET_ERR_FORMAT, {at(name)});
    }
}

TEST_F(Data, ADamagedGzipSumIsNamedSo) {
    Bytes packed = gzip(contents(TRAIN_IMAGES));
    remove(TRAIN_IMAGES);
    packed[packed.size() - 8] = char(~packed[packed.size() - 8]);
    write(std::string(TRAIN_IMAGES) + ".gz", packed);
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "corrupt gzip", "incorrect data check"});
}

TEST_F(Data, BytesAfterTheGzipStreamAreRefused) {
    const Bytes packed = gzip(contents(TRAIN_IMAGES));
    remove(TRAIN_IMAGES);
    write(std::string(TRAIN_IMAGES) + ".gz", packed + 'x');
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "bytes after its end"});
}

TEST_F(Data, ARawFileUnderAGzipNameIsRefused) {
    fs::rename(directory / TRAIN_IMAGES, at(TRAIN_IMAGES) + ".gz");
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "1f 8b", "raw IDX"});
}

TEST_F(Data, AnEmptyGzipFileIsRefused) {
    remove(TRAIN_IMAGES);
    write(std::string(TRAIN_IMAGES) + ".gz", "");
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "1f 8b"});
    write(std::string(TRAIN_IMAGES) + ".gz", gzip(""));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "0 bytes"});
}

} // namespace
