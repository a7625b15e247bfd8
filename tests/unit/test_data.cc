/* test_data.cc - the loader takes every good IDX data set and names what is wrong with a bad one. */
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "data/class_names.h"
#include "data/contents.h"
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

/* IDX of any type and sizes, of zeros but for what is given. */
Bytes idx_array(int type, const std::vector<uint32_t> &sizes, size_t bytes_per_value, const Bytes &values = "") {
    Bytes bytes = big_endian(uint32_t(type) << 8 | uint32_t(sizes.size()));
    size_t length = bytes_per_value;
    for (uint32_t size : sizes) {
        bytes += big_endian(size);
        length *= size;
    }
    return bytes + values + Bytes(length - values.size(), '\0');
}

/* With each group of four bytes of its header, up to this one, turned around. */
Bytes reversed(Bytes idx, size_t from, size_t to) {
    for (size_t at = from; at < to; at += 4) std::reverse(idx.begin() + long(at), idx.begin() + long(at) + 4);
    return idx;
}

template <typename T> Bytes big_endian_values(const std::vector<T> &values) {
    Bytes bytes;
    for (T value : values) {
        Bytes one(reinterpret_cast<const char *>(&value), sizeof value);
        std::reverse(one.begin(), one.end());
        bytes += one;
    }
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
           data.name[0] == '\0' && data.hash[0] == '\0' && data.test_hash[0] == '\0';
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

    void open_as(const lenet_reading &how) {
        std::string path = directory.string();
        if (loaded) lenet_dataset_free(&data);
        loaded =
            lenet_dataset_open(path.data(), path.size() + 1, LENET_BOTH_HALVES, &how, 256, &data, &err) == LENET_OK;
    }
    void expect_loads_as(const lenet_reading &how) {
        open_as(how);
        ASSERT_TRUE(loaded) << err.text;
    }
    void expect_fails_as(const lenet_reading &how, const std::vector<std::string> &pieces) {
        open_as(how);
        EXPECT_FALSE(loaded);
        for (const std::string &piece : pieces)
            EXPECT_NE(nullptr, strstr(err.text, piece.c_str())) << piece << "\n" << err.text;
    }

    /* The read fails with this status and one line that holds each of these. */
    void expect_fails(lenet_status wanted, const std::vector<std::string> &pieces) {
        if (loaded) lenet_dataset_free(&data);
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

/* What fills the rest of a block or of a tape, raw or packed, and whether it is packed with the rest or follows it. */
TEST_F(Data, ZerosBehindTheLastSampleAreLegalUpToAMebibyte) {
    const size_t most = 1 << 20;
    expect_loads();
    const std::string hash = data.hash;
    for (const char *name : ALL) {
        const Bytes bytes = contents(name);
        const std::string packed = std::string(name) + ".gz";
        const auto is_read = [&](const std::string &as, const Bytes &written) {
            remove(name);
            write(as, written);
            expect_loads();
            EXPECT_EQ(hash, data.hash) << as;
            EXPECT_EQ(data.train.count, 5u);
            remove(as);
        };
        const auto is_refused = [&](const std::string &as, const Bytes &written) {
            write(as, written);
            expect_fails(LENET_ERR_FORMAT, {at(as)});
            remove(as);
        };
        for (const size_t zeros : {size_t{1}, size_t{511}, most}) {
            is_read(name, bytes + Bytes(zeros, '\0'));
            is_read(packed, gzip(bytes + Bytes(zeros, '\0')));
            is_read(packed, gzip(bytes) + Bytes(zeros, '\0'));
            is_refused(name, bytes + Bytes(zeros, '\0') + '\1');
            is_refused(name, bytes + '\1' + Bytes(zeros, '\0'));
            is_refused(packed, gzip(bytes + Bytes(zeros, '\0') + '\1'));
            is_refused(packed, gzip(bytes) + Bytes(zeros, '\0') + '\1');
        }
        is_refused(name, bytes + Bytes(most + 1, '\0'));
        is_refused(packed, gzip(bytes + Bytes(most + 1, '\0')));
        is_refused(packed, gzip(bytes) + Bytes(most + 1, '\0'));
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

TEST_F(Data, ALabelOf63IsNamedWithItsPlace) {
    write(TEST_LABELS, idx_labels({2, 63, 0}));
    expect_fails(LENET_ERR_FORMAT, {at(TEST_LABELS), "label 63 at index 1", "0 to 61"});
}

TEST_F(Data, SixtyTwoClassesAreTakenAndALabelOf62IsOneTooMany) {
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 61}));
    expect_loads();
    EXPECT_EQ(62, data.classes);
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 62}));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_LABELS), "label 62 at index 4"});
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

/* ---- what a file is instead -------------------------------------------------------------------------- */

struct Kind {
    const char *name;
    Bytes bytes;
    std::vector<std::string> says;
};

std::vector<Kind> kinds_of_files() {
    const Bytes zeros(400, '\0');
    Bytes wide = "\xff\xfe";
    for (char c : std::string("<html><body>403</body></html>")) wide += {c, '\0'};
    Bytes tar = "train-images-idx3-ubyte" + Bytes(512, '\0');
    tar.replace(257, 5, "ustar");
    return {
        {"an error page", "<!DOCTYPE html><html><body>403 Forbidden</body></html>\n", {"web page (HTML)", "server"}},
        {"capital letters", "<!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.0//EN\">\n<TITLE>404</TITLE>", {"web page"}},
        {"no doctype", "<html lang=en><head><title>Sign in</title>", {"web page (HTML)"}},
        {"spaces before it", "\r\n\t  <html>", {"web page (HTML)"}},
        {"a mark before it", "\xef\xbb\xbf<html>", {"web page (HTML)"}},
        {"a comment before it", "<!-- cached -->\n<html>", {"web page (HTML)"}},
        {"XHTML", "<?xml version=\"1.0\"?>\n<html xmlns=\"x\">", {"web page (HTML)"}},
        {"UTF-16", wide, {"web page (HTML)"}},
        {"Latin-1", "<html><title>Zugriff verweigert f\xfcr</title>", {"web page (HTML)"}},
        {"no characters at all", "<html>\x1b[31m", {"bytes of no known kind", "3c 68"}},
        {"XML", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", {"XML", "AccessDenied", "server"}},
        {"JSON", "{\"message\": \"Not Found\"}", {"JSON", "Not Found"}},
        {"a list of JSON", " [1, 2]\n", {"JSON"}},
        {"a text", "404: Not Found", {"a text", "404: Not Found"}},
        {"one letter", "x", {"a text", "'x'"}},
        {"comma-separated values", "5,0,0,12\n0,0,0,0\n", {"a text", "5,0,0,12'", "numbers as text"}},
        {"empty lines", "\n\n", {"nothing but spaces"}},
        {"a pointer",
         "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 47040016\n",
         {"a Git LFS pointer", "git lfs pull"}},
        {"nothing", "", {"empty file (0 bytes)", "interrupted"}},
        {"zip", "PK\3\4" + zeros, {"a zip archive", "unpack"}},
        {"xz", Bytes("\xfd\x37zXZ\0", 6) + zeros, {"an xz archive", "unpack"}},
        {"bzip2", "BZh91AY" + zeros, {"a bzip2 archive", "unpack"}},
        {"tar", tar, {"a tar archive", "unpack"}},
        {"npy", "\x93NUMPY\1" + zeros, {"NumPy", "convert it to IDX"}},
        {"png", "\x89PNG\r\n\x1a\n" + zeros, {"a PNG picture"}},
        {"jpeg", "\xff\xd8\xff\xe0" + zeros, {"a JPEG picture"}},
        {"zeros", zeros, {"400 bytes of no known kind", "00 00 00 00"}},
        {"pixels without a header", Bytes("\0\x80\xff\7", 4) + zeros, {"no known kind that begin with 00 80 ff 07"}},
        {"an unknown type", big_endian(0xa03) + zeros, {"no known kind", "00 00 0a 03"}},
        {"no dimensions", big_endian(0x800) + zeros, {"no known kind"}},
        {"200 dimensions", big_endian(0x8c8) + zeros, {"no known kind"}},
        {"signed bytes", idx_array(9, {5, 4, 3}, 1, Bytes("\x80\x7f")), {"5 x 4 x 3 signed bytes from -128 to 127"}},
        {"int16",
         idx_array(0xb, {5, 4, 3}, 2, big_endian_values<int16_t>({-300, 500})),
         {"5 x 4 x 3 int16 values from -300 to 500", "0x00000b03"}},
        {"int32",
         idx_array(0xc, {5}, 4, big_endian_values<int32_t>({7, -100000})),
         {"5 int32 values from -100000 to 7", "1 dimension ", "0x00000c01"}},
        {"float32",
         idx_array(0xd, {5, 4, 3}, 4, big_endian_values<float>({0.25F, 1})),
         {"5 x 4 x 3 float32 values from 0 to 1", "bytes"}},
        {"float64",
         idx_array(0xe, {5, 4, 3}, 8, big_endian_values<double>({-0.5, 0.5})),
         {"5 x 4 x 3 float64 values from -0.5 to 0.5"}},
        {"NaN", idx_array(0xd, {5, 4, 3}, 4, big_endian_values<float>({NAN, 2, NAN})), {"from 0 to 2, 2 of them NaN"}},
        {"nothing but NaN",
         idx_array(0xe, {1}, 8, big_endian_values<double>({NAN})),
         {"float64 values, 1 of them NaN"}},
        {"half a float", idx_array(0xd, {1}, 4).substr(0, 10), {"float32 values in 1 dimension"}},
        {"floats without sizes", big_endian(0xd03), {"0 x 0 x 0 float32 values"}},
        {"reversed", reversed(idx_images(5, 4, 3, 1), 0, 16), {"reversed byte order", "5 x 4 x 3 unsigned bytes"}},
        {"only the magic reversed", reversed(idx_images(5, 4, 3, 1), 0, 4), {"reversed byte order", "5 x 4 x 3 "}},
        {"only the sizes reversed", reversed(idx_images(5, 4, 3, 1), 4, 16), {"reversed byte order", "5 x 4 x 3 "}},
        {"reversed labels", reversed(idx_labels({1, 2, 3}), 0, 8), {"reversed byte order", "of 3 unsigned bytes"}},
        {"reversed floats", reversed(idx_array(0xd, {5, 4, 3}, 4), 0, 16), {"reversed byte order", "float32"}},
        {"8 dimensions", idx_array(8, {1, 1, 1, 1, 1, 1, 1, 1}, 1), {"8 dimensions", "0x00000808"}},
        {"the largest sizes", big_endian(0x808) + Bytes(32, '\xff'), {"4294967295 x 4294967295"}},
    };
}

TEST_F(Data, WhatAFileIsInsteadIsSaidWhereverItLies) {
    for (const char *name : {TRAIN_IMAGES, TEST_LABELS})
        for (const Kind &kind : kinds_of_files()) {
            SCOPED_TRACE(kind.name);
            const Bytes good = contents(name);
            const std::string wanted = name == TRAIN_IMAGES ? "wanted images" : "wanted labels";
            std::vector<std::string> says = kind.says;
            says.insert(says.end(), {at(name) + ": is ", wanted, name == TRAIN_IMAGES ? "0x00000803" : "0x00000801"});
            write(name, kind.bytes);
            expect_fails(LENET_ERR_FORMAT, says);
            remove(name);
            says = kind.says;
            says.insert(says.end(), {at(name) + ".gz: unpacks to ", wanted});
            write(std::string(name) + ".gz", gzip(kind.bytes));
            expect_fails(LENET_ERR_FORMAT, says);
            says = {kind.says[0], at(name) + ".gz: is ", "wanted gzip"};
            write(std::string(name) + ".gz", kind.bytes);
            expect_fails(LENET_ERR_FORMAT, says);
            remove(std::string(name) + ".gz");
            write(name, good);
        }
}

TEST_F(Data, AnotherNumberOfDimensionsIsNamedWithItsCause) {
    const struct {
        const char *name;
        Bytes bytes;
        std::vector<std::string> says;
    } cases[] = {
        {TRAIN_IMAGES, idx_array(8, {5, 1, 28, 28}, 1), {"5 x 1 x 28 x 28", "channels"}},
        {TRAIN_IMAGES, idx_array(8, {5, 28, 28, 1}, 1), {"5 x 28 x 28 x 1", "channels"}},
        {TRAIN_IMAGES, idx_array(8, {5, 3, 32, 32}, 1), {"5 x 3 x 32 x 32", "colour"}},
        {TRAIN_IMAGES, idx_array(8, {5, 32, 32, 3}, 1), {"5 x 32 x 32 x 3", "colour"}},
        {TRAIN_IMAGES, idx_array(8, {5, 784}, 1), {"5 x 784", "2 dimensions", "flattened"}},
        {TRAIN_IMAGES, idx_labels({3, 0, 7, 1, 1}), {"holds labels", "swapped"}},
        {TRAIN_LABELS, idx_images(5, 4, 3, 1), {"holds images", "swapped"}},
        {TRAIN_LABELS, idx_array(8, {5, 10}, 1), {"5 x 10", "one-hot"}},
        {TRAIN_LABELS, idx_array(8, {5, 1}, 1), {"5 x 1", "column"}},
        {TRAIN_LABELS, idx_array(0xc, {5}, 4), {"int32", "one unsigned byte"}},
        {TRAIN_LABELS, idx_array(0xd, {5, 10}, 4), {"float32", "5 x 10"}},
    };
    for (const auto &[name, bytes, says] : cases) {
        const Bytes good = contents(name);
        write(name, bytes);
        expect_fails(LENET_ERR_FORMAT, says);
        write(name, good);
    }
}

/* With AddressSanitizer, too: each copy ends where its memory does. */
TEST(Contents, NoBeginningOfAnyFileIsReadBeyondItsEnd) {
    for (const Kind &kind : kinds_of_files())
        for (size_t length = 0; length <= kind.bytes.size(); length++) {
            const std::vector<uint8_t> bytes(kind.bytes.begin(), kind.bytes.begin() + long(length));
            for (int dimensions : {1, 3}) {
                lenet_contents contents = {};
                lenet_contents_describe(bytes.data(), length, 0, dimensions, &contents);
                EXPECT_NE('\0', contents.what[0]) << kind.name << " " << length;
                EXPECT_LT(strlen(contents.what), sizeof contents.what - 1) << "cut: " << contents.what;
                ASSERT_NE(nullptr, contents.cause) << kind.name << " " << length;
            }
        }
}

TEST_F(Data, GzipInGzipIsNamed) {
    pack(TRAIN_IMAGES);
    write(std::string(TRAIN_IMAGES) + ".gz", gzip(contents(std::string(TRAIN_IMAGES) + ".gz")));
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES) + ".gz", "unpacks to gzip", "packed twice", "gunzip"});
}

TEST_F(Data, LabelsThatBeginAt1AreNamedSo) {
    write(TRAIN_LABELS, idx_labels({62, 1, 7, 1, 1}));
    expect_fails(LENET_ERR_FORMAT, {"label 62 at index 0", "1 to 62", "0 to 61", "begin at 1", "--first-label 1"});
    write(TRAIN_LABELS, idx_labels({1, 100, 7, 1, 1}));
    expect_fails(LENET_ERR_FORMAT, {"1 to 100", "0 to 61", "62 classes", "too many classes", "begin at 1"});
    std::vector<int> all(63);
    std::iota(all.begin(), all.end(), 0);
    write(TRAIN_LABELS, idx_labels(all));
    expect_fails(LENET_ERR_FORMAT, {"0 to 62", "62 classes", "likely a data set of too many classes"});
    write(TRAIN_LABELS, idx_labels({'0', '9', '3', '1', '1'}));
    expect_fails(LENET_ERR_FORMAT, {"48 to 57", "characters", "--first-label 48"});
    write(TRAIN_LABELS, idx_labels({0, 255, 7, 1, 1}));
    expect_fails(LENET_ERR_FORMAT, {"label 255 at index 1", "damaged"});
    write(TRAIN_LABELS, idx_labels({9, 1, 7, 1, 1})); /* of a set without class 0 */
    expect_loads();
}

TEST_F(Data, AClassThatNoImageIsOfIsToldOf) {
    expect_loads();
    EXPECT_STREQ("", data.note);
    write(TRAIN_LABELS, idx_labels({3, 1, 7, 1, 1}));
    expect_loads();
    EXPECT_STREQ("", data.note) << "the test half has a 0";
    write(TEST_LABELS, idx_labels({2, 26, 1}));
    expect_loads();
    EXPECT_EQ(27, data.classes);
    EXPECT_NE(nullptr, strstr(data.note, "1 to 26")) << data.note;
    EXPECT_NE(nullptr, strstr(data.note, "--first-label 1,")) << data.note;
}

/* ---- how the files are understood ------------------------------------------------------------------------ */

TEST_F(Data, TheFirstLabelIsSubtractedAndTheHashStays) {
    write(TRAIN_LABELS, idx_labels({4, 1, 8, 2, 2}));
    write(TEST_LABELS, idx_labels({3, 9, 1}));
    expect_loads();
    const std::string hash_of_1 = data.hash;
    expect_loads_as({1, 0});
    EXPECT_EQ(9, data.classes);
    EXPECT_EQ(Bytes("\3\0\7\1\1", 5), Bytes(reinterpret_cast<char *>(data.train.labels), 5));
    EXPECT_EQ(Bytes("\2\10\0", 3), Bytes(reinterpret_cast<char *>(data.test.labels), 3));
    EXPECT_EQ(hash_of_1, data.hash) << "it is of the files";
    EXPECT_STREQ("", data.note);
    expect_fails_as({2, 0}, {at(TRAIN_LABELS), "label 1 at index 1", "wanted 2 to 63", "before --first-label"});
}

TEST_F(Data, TransposedImagesHaveRowsForColumns) {
    expect_loads_as({0, 1});
    EXPECT_EQ(3, data.H);
    EXPECT_EQ(4, data.W);
    const Bytes bytes = idx_images(5, 4, 3, 1).substr(16);
    for (size_t i = 0; i < 5; i++)
        for (size_t h = 0; h < 4; h++)
            for (size_t w = 0; w < 3; w++)
                ASSERT_EQ(uint8_t(bytes[i * 12 + h * 3 + w]), data.train.images[i * 12 + w * 4 + h]) << i << h << w;
    const std::string hash = data.hash;
    expect_loads();
    EXPECT_EQ(hash, data.hash) << "it is of the files";
}

TEST_F(Data, OfEmnistItIsToldThatItsImagesAreOnTheirSide) {
    const fs::path named = directory / "EMNIST" / "raw";
    fs::create_directories(named);
    for (const char *name : ALL) fs::rename(directory / name, named / name);
    expect_loads(named);
    EXPECT_STREQ("EMNIST", data.name);
    EXPECT_NE(nullptr, strstr(data.note, "--transpose")) << data.note;
    directory = named;
    expect_loads_as({0, 1});
    EXPECT_STREQ("", data.note);
    directory = named.parent_path().parent_path();
}

/* ---- files without an end ------------------------------------------------------------------------------------- */

TEST_F(Data, NoMoreIsReadOfAFileThanItsHeaderSays) {
    const std::string name = std::string(TRAIN_IMAGES) + ".gz";
    const Bytes raw = contents(TRAIN_IMAGES);
    fs::resize_file(at(TRAIN_IMAGES), size_t{1} << 40);
    expect_fails(LENET_ERR_FORMAT,
                 {at(TRAIN_IMAGES), "has at least " + std::to_string(raw.size() + (1 << 20) + 1) + " bytes, wanted"});
    write(TRAIN_IMAGES, Bytes(5000, '\0'));
    fs::resize_file(at(TRAIN_IMAGES), size_t{1} << 40);
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_IMAGES), "is at least 1048576 bytes of no known kind"});
    remove(TRAIN_IMAGES);
    for (const Bytes &begin : {raw, reversed(raw, 0, 16)}) {
        write(name, gzip(begin + Bytes(1 << 24, '\0')));
        expect_fails(LENET_ERR_FORMAT, {at(name)});
        EXPECT_EQ(nullptr, strstr(err.text, "16777")) << err.text;
    }
    write(name, gzip("<html>" + Bytes(1 << 24, ' ')));
    expect_fails(LENET_ERR_FORMAT, {at(name), "unpacks to a web page"});
    write(name, "");
    fs::resize_file(at(name), size_t{1} << 40);
    expect_fails(LENET_ERR_FORMAT, {at(name), "a packed file of a data set has at most 1073741824"});
}

/* Without memory for it: what is allocated is not touched. */
TEST_F(Data, ARawFileLargerThanTheMachinesMemoryIsRefused) {
    Bytes raw = contents(TRAIN_IMAGES);
    const uint32_t most = 0xffffffff;
    memcpy(&raw[4], &most, 4);
    const size_t pixels = (raw.size() - 16) / 5;
    write(TRAIN_IMAGES, raw);
    fs::resize_file(at(TRAIN_IMAGES), 16 + pixels * most);
    const size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    if (pixels * most < memory) GTEST_SKIP() << "more memory than the largest file of small images";
    expect_fails(LENET_ERR_MEMORY, {at(TRAIN_IMAGES), "no memory for its"});
}

/* ---- names of classes -------------------------------------------------------------------------------------- */

const char *const NINE = "zero\none\ntwo\nthree\nfour\nf\u00fcnf\nsix\nseven\nT-shirt/top";

TEST_F(Data, ClassesTxtNamesTheClasses) {
    expect_loads();
    EXPECT_EQ(0, data.names.count);
    std::string windows = std::string("\xef\xbb\xbf") + NINE;
    for (size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.insert(at, "\r");
    for (const std::string &text :
         {std::string(NINE), NINE + std::string("\n"), windows + "\r\n", NINE + std::string("\n\n")}) {
        write("classes.txt", text);
        expect_loads();
        ASSERT_EQ(9, data.names.count);
        EXPECT_STREQ("zero", data.names.text[0]);
        EXPECT_STREQ("f\u00fcnf", data.names.text[5]);
        EXPECT_STREQ("T-shirt/top", data.names.text[8]);
    }
}

/* Weights keep the names as a text, too: what is read from that is the same. */
TEST_F(Data, NamesOfClassesReadBackFromTheirText) {
    for (const char *text :
         {"\xef\xbb\xbf\xef\xbb\xbfzero\none", " zero\none \n \n", "\xef\xbb\xbf", "zero\n\xef\xbb\xbfone"}) {
        lenet_class_names names, again;
        ASSERT_EQ(LENET_OK, lenet_class_names_parse("a text", text, strlen(text), &names, &err)) << err.text;
        char *kept = lenet_class_names_text(&names);
        ASSERT_EQ(LENET_OK, lenet_class_names_parse("again", kept, strlen(kept), &again, &err)) << err.text;
        EXPECT_EQ(0, memcmp(&names, &again, sizeof names)) << text;
        free(kept);
    }
}

TEST_F(Data, ADamagedClassesTxtIsNamed) {
    const std::string nine = NINE;
    const struct {
        std::string text;
        std::vector<std::string> says;
    } cases[] = {
        {nine.substr(5), {"names 8 classes, the labels have 9", "--first-label 1"}},
        {nine + "\nnine", {"names 10 classes, the labels have 9"}},
        {"", {"names 0 classes"}},
        {"a\n\nc", {"line 2 is empty"}},
        {"a\nb\tx\n", {"line 2 is a control character"}},
        {"a\x1b[31m\nb", {"line 1 is a control character"}},
        {"a\nb\nc\xc2\x9b\n", {"line 3 is a control character"}},
        {"caf\xe9\n", {"line 1 is another encoding than UTF-8"}},
        {"\xc0\xaf\n", {"UTF-8"}},
        {"\xed\xa0\x80\n", {"UTF-8"}},
        {"\xf4\x90\x80\x80\n", {"UTF-8"}},
        {"\xe2\x82", {"UTF-8"}},
        {std::string("\xff\xfe"
                     "a\0\n\0",
                     6),
         {"line 1"}},
        {std::string(64, 'x') + "\n", {"line 1 is a longer text", "63 bytes"}},
        {std::string(1 << 20, 'x'), {"1048576 bytes", "62 classes"}},
        {std::string(200, '\n') + "x", {"line 1 is empty"}},
    };
    for (const auto &[text, says] : cases) {
        write("classes.txt", text);
        std::vector<std::string> all = says;
        all.push_back(at("classes.txt") + ": ");
        expect_fails(LENET_ERR_FORMAT, all);
    }
    std::string many;
    for (int i = 0; i < 63; i++) many += "x\n";
    write("classes.txt", many);
    expect_fails(LENET_ERR_FORMAT, {"line 63 is one class too many"});
    remove("classes.txt");
    fs::create_directory(at("classes.txt"));
    expect_fails(LENET_ERR_IO, {at("classes.txt")});
}

/* ---- legal gzip ------------------------------------------------------------------------------------------ */

TEST_F(Data, SeveralGzipMembersAndZerosAfterThemAreLegal) {
    const Bytes raw = idx_images(5, 256, 256, 1); /* larger than the first buffer */
    write(TRAIN_IMAGES, raw);
    write(TEST_IMAGES, idx_images(3, 256, 256, 2));
    expect_loads();
    const std::string hash = data.hash;
    remove(TRAIN_IMAGES);
    Bytes singly;
    for (size_t i = 0; i < 100; i++) singly += gzip(raw.substr(i, 1));
    for (const Bytes &packed :
         {gzip(raw) + Bytes(1, '\0'), gzip(raw) + Bytes(512, '\0'), gzip("") + gzip(raw), gzip(raw) + gzip(""),
          gzip(raw.substr(0, 7)) + gzip(raw.substr(7)),
          gzip(raw.substr(0, 100000)) + gzip(raw.substr(100000)) + Bytes(3, '\0'), singly + gzip(raw.substr(100))}) {
        write(std::string(TRAIN_IMAGES) + ".gz", packed);
        expect_loads();
        EXPECT_EQ(hash, data.hash);
    }
}

TEST_F(Data, WhatFollowsAGzipMemberAndIsNoneIsRefused) {
    const Bytes raw = contents(TRAIN_IMAGES), packed = gzip(raw), second = gzip(raw.substr(20));
    remove(TRAIN_IMAGES);
    const std::string name = std::string(TRAIN_IMAGES) + ".gz";
    for (const Bytes &after : {Bytes("x"), Bytes("\0x", 2), Bytes("\x1f"), Bytes("\0\0\x1f", 3), Bytes("PK\3\4")}) {
        write(name, packed + after);
        expect_fails(LENET_ERR_FORMAT, {at(name), "corrupt gzip", "bytes after its end"});
    }
    for (size_t length = 1; length < second.size(); length++) {
        write(name, gzip(raw.substr(0, 20)) + second.substr(0, length));
        expect_fails(LENET_ERR_FORMAT, {at(name), "corrupt gzip"});
    }
    write(name, packed + packed);
    expect_fails(LENET_ERR_FORMAT, {at(name), "152 bytes unpacked", "added at the end"});
}

/* ---- which file is meant --------------------------------------------------------------------------------- */

std::string with_dot(std::string name) { return name.replace(name.rfind("-idx"), 1, "."); }

TEST_F(Data, NamesWithADotAreTakenRawAndPacked) {
    expect_loads();
    const std::string hash = data.hash;
    for (const char *name : ALL) fs::rename(at(name), at(with_dot(name)));
    expect_loads();
    EXPECT_EQ(hash, data.hash);
    for (const char *name : ALL) {
        pack(with_dot(name));
        expect_loads();
        EXPECT_EQ(hash, data.hash) << name;
    }
    write(with_dot(TEST_LABELS) + ".gz", "x");
    expect_fails(LENET_ERR_FORMAT, {at(with_dot(TEST_LABELS)) + ".gz", "a text"});
}

TEST_F(Data, AnEmptyFileGivesWayToAnotherOfTheSame) {
    expect_loads();
    const std::string hash = data.hash;
    for (const char *name : ALL) {
        pack(name);
        write(name, "");
        expect_loads();
        EXPECT_EQ(hash, data.hash) << name;
    }
    fs::rename(at(TEST_IMAGES) + ".gz", at(with_dot(TEST_IMAGES)) + ".gz");
    write(std::string(TEST_IMAGES) + ".gz", "");
    expect_loads();
    remove(with_dot(TEST_IMAGES) + ".gz");
    expect_fails(LENET_ERR_FORMAT, {at(TEST_IMAGES) + ": ", "empty file"});
}

TEST_F(Data, AFolderOfTheNameGivesWayToAFile) {
    const Bytes bytes = contents(TRAIN_IMAGES);
    remove(TRAIN_IMAGES);
    fs::create_directory(directory / TRAIN_IMAGES);
    write(with_dot(TRAIN_IMAGES), bytes);
    expect_loads();
}

TEST_F(Data, ABadRawFileBesideAPackedOneIsNamedWithIt) {
    pack(TRAIN_LABELS);
    write(TRAIN_LABELS, "<html>");
    expect_fails(LENET_ERR_FORMAT, {at(TRAIN_LABELS) + ": is a web page", "train-labels-idx1-ubyte.gz is there, too"});
}

/* ---- what lies there instead ----------------------------------------------------------------------------- */

TEST_F(Data, TheNamesInTheDirectoryAndTheCauseAreSaidWhereAFileIsMissing) {
    const struct {
        std::vector<std::string> files;
        std::vector<std::string> says;
    } cases[] = {
        {{}, {"there: nothing", "not yet downloaded", "get_mnist.sh"}},
        {{"README.md"}, {"there: README.md", "another directory"}},
        {{".hidden"}, {"there: nothing"}},
        {{"TRAIN-PICTURES-OF-IMAGES"}, {"rename it to train-images-idx3-ubyte,", "there: TRAIN"}},
        {{"train_images.idx3.old.GZ"}, {"rename it to train-images-idx3-ubyte.gz"}},
        {{"train-images-idx3-ubyte.bak"}, {"rename it"}},
        {{"images-train", "images-test"}, {"likely images-train ", "rename it"}},
        {{"train-images-idx3-ubyte.gz.part"}, {"not been fetched to its end"}},
        {{"train-images-idx3-ubyte.zip"}, {"train-images-idx3-ubyte.zip has not been unpacked"}},
        {{"archive.zip"}, {"archive.zip has not been unpacked"}},
        {{"mnist.tar.gz"}, {"has not been unpacked"}},
        {{"mnist_train.csv", "mnist_test.csv"}, {"another format than IDX (mnist_test.csv)", "scripts/to_idx.py"}},
        {{"kmnist-train-imgs.npz"}, {"another format than IDX (kmnist-train-imgs.npz)", "scripts/to_idx.py"}},
        {{"train-images-idx3-ubyte/README.md"}, {"there: train-images-idx3-ubyte/"}},
        {{"a/b/c/d/train-images-idx3-ubyte"}, {"there: a/"}},
        {{"run.json", "last.safetensors"}, {"--data names the directory of a run"}},
        {{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}, {"test half alone", "lenet eval", "get_mnist.sh"}},
        {{"a\x1b[31m\n\x7f\xc2\x9b"}, {"there: a?[31m??"}},
        {{"1", "2", "3", "4", "5", "6", "7", "8"}, {"there: 1, 2, 3, 4, 5, 6 and 2 more"}},
        {{std::string(250, 'n')}, {"there: nnn"}},
    };
    const fs::path real = directory;
    directory /= "other";
    for (const auto &[files, says] : cases) {
        fs::create_directory(directory);
        for (const std::string &file : files) {
            fs::create_directories((directory / file).parent_path());
            write(file, "");
        }
        std::vector<std::string> all = says;
        all.push_back(at(TRAIN_IMAGES) + ": not found");
        SCOPED_TRACE(files.empty() ? "" : files[0]);
        expect_fails(LENET_ERR_IO, all);
        fs::remove_all(directory);
    }
    directory = real;
}

/* ---- names and places in use ------------------------------------------------------------------------------- */

/* The four files under other names load as the same data set. */
TEST_F(Data, NamesInUseAreTaken) {
    expect_loads();
    const std::string hash = data.hash;
    const std::string names[][4] = {
        {"TRAIN-IMAGES-IDX3-UBYTE", "TRAIN-LABELS-IDX1-UBYTE", "T10K-IMAGES-IDX3-UBYTE", "T10K-LABELS-IDX1-UBYTE"},
        {"train_images", "train_labels", "test_images", "test_labels"},
        {"train-images.idx", "train-labels.idx", "test-images.idx", "test-labels.idx"},
        {"emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
         "emnist-letters-test-images-idx3-ubyte", "emnist-letters-test-labels-idx1-ubyte"},
        {"qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx1-ubyte", "qmnist-test-images-idx3-ubyte",
         "qmnist-test-labels-idx1-ubyte"},
        {"train-images-idx3-ubyte (1)", "train-labels-idx1-ubyte(2)", "t10k-images-idx3-ubyte.1",
         "t10k-labels-idx1-ubyte"},
        {"Train Images/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte/t10k-images.idx3-ubyte", "t10k-labels-idx1-ubyte"},
        {"MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte", "MNIST/raw/t10k-images-idx3-ubyte",
         "MNIST/raw/t10k-labels-idx1-ubyte"},
    };
    const fs::path real = directory;
    for (const auto &set : names) {
        SCOPED_TRACE(set[0]);
        for (bool packed : {false, true}) {
            directory = real / "named";
            for (int i = 0; i < 4; i++) {
                fs::create_directories((directory / set[i]).parent_path());
                std::ifstream in(real / ALL[i], std::ios::binary);
                const Bytes raw{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
                write(packed ? set[i] + ".gz" : set[i], packed ? gzip(raw) : raw);
            }
            expect_loads();
            EXPECT_EQ(hash, data.hash);
            fs::remove_all(directory);
        }
    }
    directory = real;
}

TEST_F(Data, WhereSeveralSetsLieOneIsChosenByItsName) {
    expect_loads();
    const std::string hash = data.hash;
    const fs::path real = directory, gzip_folder = directory / "gzip";
    fs::create_directory(gzip_folder);
    for (const char *prefix : {"emnist-balanced-", "emnist-letters-", "EMNIST-Digits_"})
        for (const char *name : ALL) fs::copy(real / name, gzip_folder / (prefix + std::string(name)));
    directory = gzip_folder;
    expect_fails(LENET_ERR_IO, {"several data sets", "EMNIST-Digits, emnist-balanced, emnist-letters",
                                "--data " + at("EMNIST-Digits")});
    expect_loads(gzip_folder / "emnist-letters");
    EXPECT_EQ(hash, data.hash);
    EXPECT_STREQ("emnist-letters", data.name);
    expect_loads(gzip_folder / "emnist-digits");
    expect_loads(gzip_folder / "emnist-letters-");
    directory = gzip_folder / "emnist-mnist";
    expect_fails(LENET_ERR_IO, {directory.string() + ": no such data set", "emnist-balanced"});
    fs::remove(gzip_folder / ("emnist-letters-" + std::string(TEST_LABELS)));
    directory = gzip_folder / "emnist-letters";
    expect_fails(LENET_ERR_IO, {at("").substr(0, at("").size() - 1) + "-t10k-labels-idx1-ubyte: not found",
                                "likely an incomplete download"});
    directory = gzip_folder;
    for (const char *name : ALL) fs::copy(real / name, gzip_folder / name);
    expect_loads();
    EXPECT_STREQ("gzip", data.name) << "the set without a prefix";
    directory = real;
}

TEST_F(Data, OfSeveralFoldersWithASetNoneIsTaken) {
    const fs::path real = directory;
    directory /= "all";
    for (const char *folder : {"MNIST/raw", "FashionMNIST/raw"}) {
        fs::create_directories(directory / folder);
        for (const char *name : ALL) fs::copy(real / name, directory / folder / name);
    }
    expect_fails(LENET_ERR_IO, {"2 folders", "FashionMNIST/raw, MNIST/raw", "--data " + at("FashionMNIST/raw")});
    fs::remove_all(directory / "MNIST");
    expect_loads();
    EXPECT_STREQ("FashionMNIST", data.name);
    directory = real;
}

TEST_F(Data, ALinkToNothingIsNamed) {
    remove(TRAIN_LABELS);
    fs::create_symlink("nowhere", at(TRAIN_LABELS));
    expect_fails(LENET_ERR_IO, {at(TRAIN_LABELS) + ": not found", "train-labels-idx1-ubyte is a link to what is not"});
}

TEST_F(Data, ALongPathLeavesRoomForTheCause) {
    const fs::path real = directory;
    for (int i = 0; i < 3; i++) directory /= std::string(200, 'd');
    fs::create_directories(directory / "MNIST");
    for (int i = 0; i < 20; i++) write(std::string(60, 'f') + std::to_string(i), "");
    write("train-images.idx3-ubyte.zip", "x");
    expect_fails(LENET_ERR_IO, {"not found", "train-images.idx3-ubyte.zip has not been unpacked"});
    directory = real;
}

TEST_F(Data, AFileInPlaceOfTheDirectoryIsNamed) {
    const fs::path real = directory;
    directory /= TRAIN_IMAGES;
    expect_fails(LENET_ERR_IO, {directory.string() + ": a file", "--data"});
    directory = real;
}

/* ---- the test half alone ---------------------------------------------------------------------------------- */

class Half : public Data {
  protected:
    lenet_status open(lenet_half needed, int field = 32) {
        if (loaded) lenet_dataset_free(&data);
        snprintf(path, sizeof path, "%s", directory.c_str());
        const lenet_reading how = {};
        const lenet_status status = lenet_dataset_open(path, sizeof path, needed, &how, field, &data, &err);
        loaded = status == LENET_OK;
        return status;
    }
    char path[4096];
};

TEST_F(Half, OfAWholeSetIsTheWholeSet) {
    expect_loads();
    const std::string hash = data.hash, test_hash = data.test_hash;
    EXPECT_EQ(64u, test_hash.size());
    ASSERT_EQ(LENET_OK, open(LENET_TEST_HALF)) << err.text;
    EXPECT_EQ(hash, data.hash);
    EXPECT_EQ(5u, data.train.count);
    remove(TRAIN_LABELS); /* half a training half is none */
    ASSERT_EQ(LENET_OK, open(LENET_TEST_HALF)) << err.text;
    EXPECT_STREQ("", data.hash);
    EXPECT_EQ(test_hash, data.test_hash);
    EXPECT_EQ(0u, data.train.count);
    EXPECT_EQ(nullptr, data.train.images);
    EXPECT_EQ(3u, data.test.count);
    EXPECT_EQ(9, data.classes);
    EXPECT_EQ(4, data.H);
    EXPECT_EQ(3, data.W);
}

TEST_F(Half, ATrainingHalfThatIsThereIsChecked) {
    write(TRAIN_LABELS, idx_labels({3, 0, 7, 1, 63}));
    EXPECT_EQ(LENET_ERR_FORMAT, open(LENET_TEST_HALF));
    EXPECT_TRUE(is_zero(data));
}

TEST_F(Half, IsNotEnoughToTrainOn) {
    remove(TRAIN_IMAGES);
    remove(TRAIN_LABELS);
    EXPECT_EQ(LENET_OK, open(LENET_TEST_HALF)) << err.text;
    EXPECT_EQ(LENET_ERR_IO, open(LENET_BOTH_HALVES));
    EXPECT_NE(nullptr, strstr(err.text, TRAIN_IMAGES)) << err.text;
    remove(TEST_LABELS);
    EXPECT_EQ(LENET_ERR_IO, open(LENET_TEST_HALF));
    EXPECT_NE(nullptr, strstr(err.text, TEST_LABELS)) << err.text;
}

TEST_F(Half, LargerThanTheFieldIsRefused) {
    EXPECT_EQ(LENET_OK, open(LENET_TEST_HALF, 4)) << err.text;
    EXPECT_EQ(LENET_ERR_FORMAT, open(LENET_TEST_HALF, 3));
    EXPECT_NE(nullptr, strstr(err.text, "4 x 3 pixels")) << err.text;
    EXPECT_TRUE(is_zero(data));
}

} // namespace
