/* test_image.cc - picture files are read whatever their form, hostile ones are refused, and digits are found. */
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <jpeglib.h>
#include <png.h>

#include "image/digit.h"
#include "image/image.h"
#include "lenet/data.h"
#include "support/idx.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::string;
using Pixels = std::vector<uint8_t>;

/* ---- making files ---- */

struct PngKind {
    int type = PNG_COLOR_TYPE_GRAY, depth = 8, interlace = PNG_INTERLACE_NONE;
    std::vector<png_color> palette = {};
    std::vector<uint8_t> palette_alpha = {};
    int transparent_grey = -1;
    std::string exif = {};
};

/* rows has the bytes of all rows, as PNG packs them. */
Bytes Png(int W, int H, const PngKind &kind, const Pixels &rows) {
    Bytes bytes;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(
        png, &bytes,
        [](png_structp p, png_bytep data, size_t n) {
            static_cast<Bytes *>(png_get_io_ptr(p))->append(reinterpret_cast<char *>(data), n);
        },
        [](png_structp) {});
    png_set_IHDR(png, info, uint32_t(W), uint32_t(H), kind.depth, kind.type, kind.interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (!kind.palette.empty()) png_set_PLTE(png, info, kind.palette.data(), int(kind.palette.size()));
    png_color_16 grey = {};
    grey.gray = uint16_t(kind.transparent_grey);
    if (!kind.palette_alpha.empty() || kind.transparent_grey >= 0)
        png_set_tRNS(png, info, kind.palette_alpha.data(), int(kind.palette_alpha.size()),
                     kind.transparent_grey >= 0 ? &grey : nullptr);
    if (!kind.exif.empty())
        png_set_eXIf_1(png, info, png_uint_32(kind.exif.size()),
                       reinterpret_cast<png_bytep>(const_cast<char *>(kind.exif.data())));
    png_write_info(png, info);
    const size_t stride = png_get_rowbytes(png, info);
    EXPECT_EQ(rows.size(), stride * size_t(H));
    std::vector<png_bytep> pointers;
    for (int y = 0; y < H; y++) pointers.push_back(const_cast<png_bytep>(rows.data() + size_t(y) * stride));
    png_write_image(png, pointers.data());
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return bytes;
}

Bytes GreyPng(int W, int H, const Pixels &pixels) { return Png(W, H, {}, pixels); }

Bytes Chunk(const char *type, const Bytes &data) {
    const Bytes body = type + data;
    return BigEndian(uint32_t(data.size())) + body +
           BigEndian(uint32_t(crc32(0, reinterpret_cast<const Bytef *>(body.data()), uInt(body.size()))));
}
const Bytes PNG_SIGNATURE = "\x89PNG\r\n\x1a\n";
Bytes PngHeader(uint32_t W, uint32_t H, int depth, int type) {
    return PNG_SIGNATURE + Chunk("IHDR", BigEndian(W) + BigEndian(H) + Bytes{char(depth), char(type), 0, 0, 0}) +
           Chunk("IDAT", Bytes(100, 'x'));
}

Bytes Jpeg(int W, int H, int channels, J_COLOR_SPACE space, const Pixels &pixels, const Bytes &app1 = "",
           bool progressive = false) {
    jpeg_compress_struct jpeg = {};
    jpeg_error_mgr error;
    unsigned char *buffer = nullptr;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&error);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &buffer, &size);
    jpeg.image_width = JDIMENSION(W);
    jpeg.image_height = JDIMENSION(H);
    jpeg.input_components = channels;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (!app1.empty())
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET *>(app1.data()), unsigned(app1.size()));
    for (int y = 0; y < H; y++) {
        auto *row = const_cast<JSAMPROW>(pixels.data() + size_t(y) * size_t(W) * size_t(channels));
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    const Bytes bytes(reinterpret_cast<char *>(buffer), size);
    free(buffer);
    return bytes;
}

/* An Exif block with one entry: the orientation. Source: JEITA CP-3451, 4.6. */
Bytes Exif(int orientation) {
    return Bytes("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 25) + char(orientation) + Bytes(6, '\0');
}

Pixels Ramp(size_t n) {
    Pixels pixels(n);
    for (size_t i = 0; i < n; i++) pixels[i] = uint8_t(i * 37 + 11);
    return pixels;
}

/* ---- the fixture ---- */

class Image : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_image_XXXXXX").string();
        ASSERT_NE(nullptr, mkdtemp(pattern.data()));
        directory = pattern;
    }
    void TearDown() override {
        lenet_image_free(&image);
        fs::remove_all(directory);
    }
    std::string Write(const Bytes &bytes, const std::string &name = "file") const {
        std::ofstream(directory / name, std::ios::binary) << bytes;
        return (directory / name).string();
    }
    lenet_status Read(const std::string &path) {
        lenet_image_free(&image);
        err.text[0] = 0;
        return lenet_image_read(path.c_str(), &image, &err);
    }
    lenet_status ReadBytes(const Bytes &bytes) { return Read(Write(bytes)); }
    Pixels Grey() const { return {image.grey, image.grey + size_t(image.H) * size_t(image.W)}; }

    void ExpectReads(const Bytes &bytes, int W, int H, const Pixels &grey) {
        ASSERT_EQ(LENET_OK, ReadBytes(bytes)) << err.text;
        EXPECT_EQ(W, image.W);
        EXPECT_EQ(H, image.H);
        EXPECT_EQ(grey, Grey());
    }
    /* One line that names the file and says each of these; nothing is left allocated. */
    void ExpectRefused(const std::string &path, lenet_status wanted, const std::vector<std::string> &pieces) {
        EXPECT_EQ(wanted, Read(path)) << err.text;
        EXPECT_EQ(nullptr, image.grey);
        const std::string text = err.text;
        EXPECT_EQ(std::string::npos, text.find('\n')) << text;
        EXPECT_NE(std::string::npos, text.find(path)) << text;
        for (const auto &piece : pieces) EXPECT_NE(std::string::npos, text.find(piece)) << piece << "\n" << text;
    }

    fs::path directory;
    lenet_image image = {};
    lenet_error err = {};
};

long PeakMegabytes() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss >> 10;
}

/* ---- every form ---- */

TEST_F(Image, GreyOfEveryDepthIsReadAsBytes) {
    ExpectReads(GreyPng(3, 2, {0, 1, 127, 128, 254, 255}), 3, 2, {0, 1, 127, 128, 254, 255});
    ExpectReads(Png(2, 1, {PNG_COLOR_TYPE_GRAY, 16}, {0x80, 0x7f, 0xff, 0xff}), 2, 1, {128, 255});
    ExpectReads(Png(4, 1, {PNG_COLOR_TYPE_GRAY, 1}, {0b10100000}), 4, 1, {255, 0, 255, 0});
    ExpectReads(Png(2, 1, {PNG_COLOR_TYPE_GRAY, 4}, {0x0f}), 2, 1, {0, 255});
    EXPECT_STREQ("PNG", image.format);
}

TEST_F(Image, ColoursBecomeTheGreyAlongWhichTheyDiffer) {
    ExpectReads(Png(2, 1, {PNG_COLOR_TYPE_RGB}, {9, 9, 9, 200, 200, 200}), 2, 1, {9, 200});
    /* Of equal brightness, which a luminance would not tell apart: 0.299 * 255 = 0.587 * 130. */
    ASSERT_EQ(LENET_OK, ReadBytes(Png(2, 1, {PNG_COLOR_TYPE_RGB}, {255, 0, 0, 0, 130, 0}))) << err.text;
    EXPECT_GT(abs(image.grey[0] - image.grey[1]), 100);
    PngKind palette = {PNG_COLOR_TYPE_PALETTE, 8};
    palette.palette = {{10, 10, 10}, {250, 250, 250}};
    ExpectReads(Png(3, 1, palette, {1, 0, 1}), 3, 1, {250, 10, 250});
}

TEST_F(Image, InterlacedFilesOfEverySmallSizeAreTheSamePictures) {
    for (int W = 1; W <= 17; W++)
        for (int H = 1; H <= 17; H++) {
            const Pixels pixels = Ramp(size_t(W * H));
            ExpectReads(Png(W, H, {PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7}, pixels), W, H, pixels);
        }
}

TEST_F(Image, WhatIsTransparentIsBackgroundWhateverItsColour) {
    for (uint8_t hidden : {0, 100, 255}) {
        /* Black, and white, drawn on nothing: they lie on white, and on black. */
        ExpectReads(Png(3, 1, {PNG_COLOR_TYPE_GRAY_ALPHA}, {0, 255, hidden, 0, hidden, 0}), 3, 1, {0, 255, 255});
        ExpectReads(Png(3, 1, {PNG_COLOR_TYPE_GRAY_ALPHA}, {255, 255, hidden, 0, hidden, 0}), 3, 1, {255, 0, 0});
        /* A picture with a background of its own goes on where a corner is missing. */
        ExpectReads(Png(5, 1, {PNG_COLOR_TYPE_GRAY_ALPHA}, {200, 255, 200, 255, 20, 255, 200, 255, hidden, 0}), 5, 1,
                    {200, 200, 20, 200, 200});
    }
    ExpectReads(Png(2, 1, {PNG_COLOR_TYPE_RGB_ALPHA}, {0, 0, 0, 255, 0, 0, 0, 0}), 2, 1, {0, 255});
    ExpectReads(Png(1, 1, {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {0, 0, 0x80, 0}), 1, 1, {127}); /* half of black on white */
    PngKind grey;
    grey.transparent_grey = 7;
    ExpectReads(Png(3, 1, grey, {7, 0, 7}), 3, 1, {255, 0, 255});
    PngKind palette = {PNG_COLOR_TYPE_PALETTE, 8};
    palette.palette = {{10, 10, 10}, {250, 0, 250}};
    palette.palette_alpha = {255, 0};
    ExpectReads(Png(3, 1, palette, {1, 0, 1}), 3, 1, {255, 10, 255});
}

TEST_F(Image, JpegOfEveryKindIsRead) {
    const int W = 16, H = 8;
    Pixels grey(W * H, 40), rgb, cmyk;
    for (int i = 0; i < W * H; i++)
        if (i % W >= W / 2) grey[size_t(i)] = 200;
    for (uint8_t v : grey) {
        rgb.insert(rgb.end(), {v, v, v});
        cmyk.insert(cmyk.end(), {255, 255, 255, v}); /* as Adobe's programs store them, inverted */
    }
    for (const Bytes &bytes : {Jpeg(W, H, 1, JCS_GRAYSCALE, grey), Jpeg(W, H, 3, JCS_RGB, rgb),
                               Jpeg(W, H, 3, JCS_RGB, rgb, "", true), Jpeg(W, H, 4, JCS_CMYK, cmyk)}) {
        ASSERT_EQ(LENET_OK, ReadBytes(bytes)) << err.text;
        EXPECT_STREQ("JPEG", image.format);
        EXPECT_NEAR(40, image.grey[0], 4);
        EXPECT_NEAR(200, image.grey[W - 1], 4);
    }
}

/* Source: JEITA CP-3451, 4.6.4: which side of the picture the file's first row and first column are. */
TEST_F(Image, PicturesThatACameraTookOnItsSideAreTurned) {
    const int W = 32, H = 16;
    Pixels grey(W * H, 20);
    for (int y = 0; y < H / 2; y++)
        for (int x = 0; x < W / 2; x++) grey[size_t(y * W + x)] = 220; /* the first rows' first columns */
    const bool at_bottom[] = {false, false, true, true, false, false, true, true};
    const bool at_right[] = {false, true, true, false, false, true, true, false};
    for (int i = 0; i < 16; i++) {
        const int orientation = 1 + i / 2;
        PngKind kind;
        kind.exif = Exif(orientation).substr(6); /* PNG leaves out "Exif". Source: PNG, third edition, 11.3.4.6 */
        ASSERT_EQ(LENET_OK,
                  ReadBytes(i % 2 ? Jpeg(W, H, 1, JCS_GRAYSCALE, grey, Exif(orientation)) : Png(W, H, kind, grey)))
            << err.text;
        EXPECT_EQ(orientation >= 5 ? H : W, image.W);
        for (int corner = 0; corner < 4; corner++) {
            const bool bottom = corner / 2, right = corner % 2;
            const int y = bottom ? image.H - 2 : 1, x = right ? image.W - 2 : 1;
            const bool is_here = bottom == at_bottom[orientation - 1] && right == at_right[orientation - 1];
            EXPECT_NEAR(is_here ? 220 : 20, image.grey[y * image.W + x], 5)
                << image.format << " " << orientation << " corner " << corner;
        }
    }
    ASSERT_EQ(LENET_OK, ReadBytes(Jpeg(W, H, 1, JCS_GRAYSCALE, grey, Exif(77)))) << "no orientation at all";
    EXPECT_EQ(W, image.W);
}

TEST_F(Image, PgmAndPpmAreRead) {
    ExpectReads("P2\n# a comment\n3 1 # another\n10\n0 5 10\n", 3, 1, {0, 128, 255});
    ExpectReads(Bytes("P5 2 1 255\n\x01\xfe", 13), 2, 1, {1, 254});
    ExpectReads(Bytes("P5 2 1 65535\n\x80\x00\xff\xff", 17), 2, 1, {128, 255});
    ExpectReads("P3 1 2 255 7 7 7 9 9 9", 1, 2, {7, 9});
    ExpectReads(Bytes("P6 1 2 255\n\7\7\7\x9\x9\x9", 17), 1, 2, {7, 9});
}

TEST_F(Image, TheFormatIsThatOfTheBytesAndNotOfTheName) {
    ASSERT_EQ(LENET_OK, Read(Write(Jpeg(8, 8, 1, JCS_GRAYSCALE, Pixels(64, 9)), "a.png"))) << err.text;
    EXPECT_STREQ("JPEG", image.format);
}

TEST_F(Image, LargePicturesAreShrunkToTheMeansOfBlocks) {
    const int W = 2050, H = 3;
    Pixels pixels(W * H, 0);
    pixels[2049] = pixels[4099] = pixels[6149] = 90; /* of the last block, one pixel wide */
    ASSERT_EQ(LENET_OK, ReadBytes(GreyPng(W, H, pixels))) << err.text;
    EXPECT_EQ(684, image.W);
    EXPECT_EQ(1, image.H);
    EXPECT_EQ(90, image.grey[683]);
    for (int x = 0; x < 683; x++) ASSERT_EQ(0, image.grey[x]);
    const Pixels ramp = Ramp(W * H);
    ASSERT_EQ(LENET_OK, ReadBytes(Png(W, H, {PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7}, ramp))) << err.text;
    const Pixels interlaced = Grey();
    ExpectReads(GreyPng(W, H, ramp), 684, 1, interlaced);
}

/* ---- hostile files ---- */

TEST_F(Image, WhatAnnouncesTooManyPixelsIsRefusedBeforeMemoryIsTaken) {
    const long before = PeakMegabytes();
    ExpectRefused(Write(PngHeader(40000, 25000, 16, 6)), LENET_ERR_FORMAT, {"40000 x 25000", "wanted"});
    ExpectRefused(Write(PngHeader(1, 0x7fffffff, 16, 6)), LENET_ERR_FORMAT, {"1 x 2147483647"});
    ExpectRefused(Write(PngHeader(0x7fffffff, 1, 8, 0)), LENET_ERR_FORMAT, {"2147483647 x 1"}); /* a row of 2 GB */
    ExpectRefused(Write(PngHeader(70000, 1, 1, 0)), LENET_ERR_FORMAT, {"70000 x 1"});
    ExpectRefused(Write("P5 99999999 99999999 255\n"), LENET_ERR_FORMAT, {"99999999 x 99999999"});
    ExpectRefused(Write("P5 999999999999999999999999 7 255\n"), LENET_ERR_FORMAT, {"x 7"});
    Bytes jpeg = Jpeg(16, 16, 1, JCS_GRAYSCALE, Pixels(256, 9));
    jpeg.replace(jpeg.find("\xff\xc0") + 5, 4, "\xff\xdc\xff\xdc", 4); /* height and width, at most 65500 */
    ExpectRefused(Write(jpeg), LENET_ERR_FORMAT, {"65500 x 65500"});
    EXPECT_LT(PeakMegabytes() - before, 16);
}

TEST_F(Image, ABombUnpacksIntoModestMemory) {
    const int side = 8000;
    const long before = PeakMegabytes();
    const Bytes bomb = Png(side, side, {PNG_COLOR_TYPE_GRAY, 1, PNG_INTERLACE_ADAM7}, Pixels(side * side / 8, 0));
    ASSERT_EQ(LENET_OK, ReadBytes(bomb)) << err.text; /* 64 million pixels in some 10 kB */
    EXPECT_LE(image.W, LENET_MAX_PLANE_SIDE);
    EXPECT_LT(PeakMegabytes() - before, 64);
}

/* libjpeg keeps two bytes of each grey pixel: 36 MB of this file, of which four at once would take three times more. */
TEST_F(Image, OfLargeProgressiveJpegsOneIsKeptAtATime) {
    const int side = 4300;
    const std::string path = Write(Jpeg(side, side, 1, JCS_GRAYSCALE, Pixels(side * side, 90), "", true));
    ASSERT_EQ(LENET_OK, Read(path)) << err.text;
    const long before = PeakMegabytes();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] {
            lenet_image one = {};
            lenet_error why = {};
            EXPECT_EQ(LENET_OK, lenet_image_read(path.c_str(), &one, &why)) << why.text;
            lenet_image_free(&one);
        });
    for (auto &thread : threads) thread.join();
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while, of one after the other as of all at once */
    EXPECT_LT(PeakMegabytes() - before, 54);
#else
    (void)before;
#endif
}

TEST_F(Image, EveryPngThatWasCutShortIsRefused) {
    const Bytes whole = Png(9, 9, {PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7}, Ramp(81));
    for (size_t size = PNG_SIGNATURE.size(); size < whole.size(); size++)
        ExpectRefused(Write(whole.substr(0, size)), LENET_ERR_FORMAT, {"PNG", "cut short"});
}

TEST_F(Image, EveryJpegThatWasCutShortIsRefused) {
    for (bool progressive : {false, true}) {
        const Bytes whole = Jpeg(32, 32, 1, JCS_GRAYSCALE, Ramp(32 * 32), "", progressive);
        for (size_t size = 3; size < whole.size() - 2; size += 7)
            ExpectRefused(Write(whole.substr(0, size)), LENET_ERR_FORMAT, {"JPEG", "cut short"});
    }
}

TEST_F(Image, DamagedPgmsAreRefused) {
    for (const char *text : {"P5", "P5\n", "P5 2", "P5 2 2", "P5 2 2 255\n\1", "P2 2 1 255 7", "P2 -2 1 255 7 7",
                             "P2 2 1 0 0 0", "P2 2 1 65536 0 0", "P2 2 1 9 7 10", "P2 2 1 9 x", "P6 1 1 255\n12"})
        ExpectRefused(Write(text), LENET_ERR_FORMAT, {"PGM", "cut short"});
    ExpectRefused(Write("P5 0 5 255\n"), LENET_ERR_FORMAT, {"0 x 5"});
}

TEST_F(Image, WhatIsNoPictureIsToldByWhatItIs) {
    ExpectRefused(Write(""), LENET_ERR_FORMAT, {"an empty file", "wanted an image"});
    ExpectRefused(Write("Dear Sir or Madam,\n", "letter.png"), LENET_ERR_FORMAT, {"a text"});
    ExpectRefused(Write("GIF89a"), LENET_ERR_FORMAT, {"a GIF"});
    ExpectRefused(Write(Bytes("BM\x46\0\0\0\0\0\0\0", 10)), LENET_ERR_FORMAT, {"a BMP"});
    ExpectRefused(Write("BMW, a car\n"), LENET_ERR_FORMAT, {"a text"});
    ExpectRefused(Write("P2P, a network\n"), LENET_ERR_FORMAT, {"a text"});
    ExpectRefused(Write("P1\n1 1\n0\n"), LENET_ERR_FORMAT, {"a PBM"});
    ExpectRefused(Write(Bytes("P4\n8 1\n\0", 8)), LENET_ERR_FORMAT, {"a PBM"});
    ExpectRefused(Write("P7\nWIDTH 1\n"), LENET_ERR_FORMAT, {"a PAM"});
    ExpectRefused(Write(Bytes("\0\0\x8\x3\0\0\0\1", 8)), LENET_ERR_FORMAT, {"IDX", "lenet eval"});
    ExpectRefused(Write(Bytes("\1\2\3\0\xff", 5)), LENET_ERR_FORMAT, {"no image"});
    EXPECT_EQ(nullptr, image.format);
    ExpectRefused(directory / "missing.png", LENET_ERR_IO, {"cannot open", "No such file"});
    ExpectRefused(directory, LENET_ERR_FORMAT, {"a directory"});
    ExpectRefused("/dev/zero", LENET_ERR_FORMAT, {"a device"});
    const std::string pipe = directory / "pipe";
    ASSERT_EQ(0, mkfifo(pipe.c_str(), 0600));
    ExpectRefused(pipe, LENET_ERR_FORMAT, {"a pipe", "standard input"});
}

/* Nothing is claimed of what is read but that it is read or refused; sanitizers see the rest. */
TEST_F(Image, DamageAnywhereIsReadOrRefused) {
    const Pixels ramp = Ramp(21 * 13);
    Pixels colours;
    for (uint8_t v : ramp) colours.insert(colours.end(), {v, uint8_t(255 - v), 9, uint8_t(v * 3)});
    const std::vector<Bytes> files = {
        Png(21, 13, {PNG_COLOR_TYPE_RGB_ALPHA, 8, PNG_INTERLACE_ADAM7}, colours),
        Jpeg(21, 13, 1, JCS_GRAYSCALE, ramp, Exif(6)),
        Jpeg(21, 13, 1, JCS_GRAYSCALE, ramp, Exif(6), true),
        "P2 3 3 255 1 2 3 4 5 6 7 8 9",
    };
    uint32_t random = 1;
    int refused = 0, tried = 0;
    for (const Bytes &whole : files)
        for (int round = 0; round < 400; round++, tried++) {
            Bytes bytes = whole;
            for (int i = 0; i < 1 + round % 4; i++) {
                random = random * 1664525 + 1013904223;
                bytes[(random >> 8) % bytes.size()] = char(random >> 24);
            }
            const lenet_status status = ReadBytes(bytes);
            EXPECT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << err.text;
            refused += status != LENET_OK;
        }
    EXPECT_GT(refused, tried / 10);
    EXPECT_LT(refused, tried);
}

TEST_F(Image, APictureThatIsWrittenIsReadAgain) {
    Pixels pixels = Ramp(12 * 7);
    const lenet_image wanted = {7, 12, pixels.data(), nullptr};
    const std::string path = directory / "written.png";
    ASSERT_EQ(LENET_OK, lenet_image_write_png(path.c_str(), &wanted, &err)) << err.text;
    ASSERT_EQ(LENET_OK, Read(path)) << err.text;
    EXPECT_EQ(pixels, Grey());
    EXPECT_EQ(LENET_ERR_IO, lenet_image_write_png((directory / "no" / "a.png").c_str(), &wanted, &err));
}

/* ---- digits ---- */

struct Found {
    int found;
    Pixels pixels;
};

Found Find(int H, int W, Pixels pixels) {
    const lenet_image image = {H, W, pixels.data(), nullptr};
    Found result = {0, Pixels(LENET_DIGIT_PIXELS)};
    lenet_error err = {};
    EXPECT_EQ(LENET_OK, lenet_digit_find(&image, result.pixels.data(), &result.found, &err)) << err.text;
    return result;
}

/* A picture of side x side pixels whose brightness is a function of the place. */
Pixels Picture(int side, const std::function<double(int, int)> &grey) {
    Pixels pixels;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) pixels.push_back(uint8_t(std::min(255.0, std::max(0.0, grey(y, x)))));
    return pixels;
}

/* Evenly distributed from 0 to 1. */
struct Random {
    uint32_t state = 1;
    double operator()() { return (state = state * 1664525 + 1013904223) / 4294967296.0; }
    /* Of mean 0 and variance 1, nearly normal. */
    double normal() {
        double sum = -6;
        for (int i = 0; i < 12; i++) sum += (*this)();
        return sum;
    }
};

class Digits : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        lenet_error err = {};
        ASSERT_EQ(LENET_OK, lenet_dataset_read(LENET_SOURCE_DIR "/data/sample", &data, &err)) << err.text;
    }
    static void TearDownTestSuite() { lenet_dataset_free(&data); }
    static Pixels Sample(size_t i) {
        const uint8_t *pixels = data.test.images + i * LENET_DIGIT_PIXELS;
        return {pixels, pixels + LENET_DIGIT_PIXELS};
    }
    static lenet_dataset data;
};
lenet_dataset Digits::data;

TEST_F(Digits, ThoseOfMnistStayAsTheyAreAndAreTurnedIntoLightOnDark) {
    for (size_t i = 0; i < data.test.count; i++) {
        Pixels digit = Sample(i), swapped;
        for (uint8_t v : digit) swapped.push_back(255 - v);
        for (const Pixels &picture : {digit, swapped}) {
            const Found result = Find(28, 28, picture);
            ASSERT_TRUE(result.found) << i;
            ASSERT_EQ(digit, result.pixels) << i;
        }
    }
}

double Correlation(const Pixels &a, const Pixels &b) {
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, n = double(a.size());
    for (size_t i = 0; i < a.size(); i++) {
        sa += a[i], sb += b[i], aa += a[i] * a[i], bb += b[i] * b[i], ab += a[i] * b[i];
    }
    return (ab - sa * sb / n) / std::sqrt((aa - sa * sa / n) * (bb - sb * sb / n));
}

Pixels Shifted(const Pixels &digit, int dy, int dx) {
    Pixels shifted(digit.size(), 0);
    for (int y = 1; y < 27; y++)
        for (int x = 1; x < 27; x++) shifted[size_t((y + dy) * 28 + x + dx)] = digit[size_t(y * 28 + x)];
    return shifted;
}

/* A centre of mass next to a pixel's edge may be rounded the other way, so each digit may lie one pixel beside. */
double BestCorrelation(const Pixels &a, const Pixels &b) {
    double best = -1;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) best = std::max(best, Correlation(Shifted(a, dy, dx), b));
    return best;
}

/* Each pixel becomes factor x factor of them, on paper of this size. Where faint ends are lost or found, the scale
 * differs by up to a pixel in 20, which moves ends by half a pixel: of a stroke that is two pixels wide a
 * quarter. */
TEST_F(Digits, LargerOnesAnywhereOnPaperInUnevenLightAreDrawnAsTheyWere) {
    for (size_t i = 0; i < data.test.count; i += 7)
        for (int factor : {2, 5, 11}) {
            const Pixels digit = Sample(i);
            const int side = 28 * factor * 3 / 2, top = int(i % 7) * side / 22, left = int(i % 5) * side / 16;
            Random random;
            const Found result = Find(side, side, Picture(side, [&](int y, int x) {
                                          const int v = (y - top) / factor, u = (x - left) / factor;
                                          const bool inside = y >= top && x >= left && v < 28 && u < 28;
                                          const double ink = inside ? digit[size_t(v * 28 + u)] / 255.0 : 0;
                                          return (1 - 0.6 * ink) * (160 + 80.0 * x / side) + 4 * random.normal();
                                      }));
            ASSERT_TRUE(result.found) << i << " x " << factor;
            EXPECT_GT(BestCorrelation(digit, result.pixels), 0.75) << i << " x " << factor;
        }
}

TEST_F(Digits, AreAsLargeAndInTheMiddleAsThoseOfMnist) {
    for (size_t i = 0; i < data.test.count; i += 3) {
        const Pixels digit = Sample(i);
        const Found result =
            Find(280, 280, Picture(280, [&](int y, int x) { return 255.0 - digit[size_t(y / 10 * 28 + x / 10)]; }));
        ASSERT_TRUE(result.found) << i;
        int top = 28, left = 28, bottom = 0, right = 0;
        double mass = 0, my = 0, mx = 0;
        for (int y = 0; y < 28; y++)
            for (int x = 0; x < 28; x++) {
                const int v = result.pixels[size_t(y * 28 + x)];
                mass += v, my += v * y, mx += v * x;
                if (v < 25) continue;
                top = std::min(top, y), left = std::min(left, x), bottom = std::max(bottom, y),
                right = std::max(right, x);
            }
        /* Faint ends may add a pixel on each side, or be missing. */
        EXPECT_NEAR(20, std::max(bottom - top, right - left) + 1, 2) << i;
        EXPECT_NEAR(14, my / mass, 0.51) << i;
        EXPECT_NEAR(14, mx / mass, 0.51) << i;
    }
}

TEST_F(Digits, ThereIsNoneOnEmptyPaper) {
    Random random;
    for (int side : {1, 2, 7, 28, 61, 200, 700}) {
        for (int level : {0, 128, 255})
            EXPECT_FALSE(Find(side, side, Pixels(size_t(side * side), uint8_t(level))).found) << side << " " << level;
        EXPECT_FALSE(
            Find(side, side, Picture(side, [&](int y, int x) { return 40 + 150.0 * (x + y) / side / 2; })).found);
        for (double noise : {1.0, 5.0, 20.0})
            EXPECT_FALSE(Find(side, side, Picture(side, [&](int, int) { return 150 + noise * random.normal(); })).found)
                << side << " with noise of " << noise;
        EXPECT_FALSE(Find(side, side, Picture(side, [&](int, int) { return 255 * random(); })).found) << side;
        EXPECT_FALSE(Find(side, side, Picture(side, [&](int, int) { return random() < 0.01 ? 0 : 200; })).found)
            << side;
    }
    EXPECT_FALSE(Find(1, 1000, Pixels(1000, 7)).found);
    EXPECT_FALSE(Find(1000, 1, Ramp(1000)).found);
}

TEST_F(Digits, ThereIsNoneOnEmptyPaperInUnevenLight) {
    Random random;
    for (int side : {300, 700}) {
        for (double loss : {0.2, 0.5, 0.7})
            for (double noise : {1.0, 3.0, 6.0})
                EXPECT_FALSE(
                    Find(side, side,
                         Picture(side,
                                 [&](int, int x) { return 200 * (1 - loss * x / side) + noise * random.normal(); }))
                        .found)
                    << side << ": light that falls by " << loss << ", with noise of " << noise;
        for (double loss : {0.1, 0.2, 0.3})
            EXPECT_FALSE(Find(side, side,
                              Picture(side,
                                      [&](int y, int x) {
                                          const double depth = (x + y / 2.0 - 0.8 * side) / 40;
                                          return 200 * (1 - loss / (1 + std::exp(-depth))) + 3 * random.normal();
                                      }))
                             .found)
                << side << ": a shadow with a soft edge, that takes " << loss;
    }
}

/* Its longer part could be a sheet of paper, of which nothing would be left without its edge. */
TEST_F(Digits, APictureOfTwoColumnsIsLookedAtToo) {
    Find(28, 2, {0,   0,   0,   0,   155, 45,  0,   0,   0,   98,  0,   0,   0,   0,   0,   0,   29,  3,   210,
                 211, 212, 213, 214, 215, 216, 217, 218, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 241,
                 242, 243, 244, 245, 246, 247, 248, 249, 250, 255, 218, 0,   8,   1,   1,   0,   84,  85});
}

/* A digit of 84 pixels on a sheet of 140 in this light, or none; ink leaves 35 % of it. */
Found FindInLight(const Pixels &digit, const std::function<double(double, double)> &light) {
    const int side = 140;
    Random random;
    return Find(side, side, Picture(side, [&](int y, int x) {
                    const int v = (y - 28) / 3, u = (x - 28) / 3;
                    const bool inside = !digit.empty() && y >= 28 && x >= 28 && v < 28 && u < 28;
                    const double ink = inside ? digit[size_t(v * 28 + u)] / 255.0 : 0;
                    return 210 * light(2.0 * y / side - 1, 2.0 * x / side - 1) * (1 - 0.65 * ink) + 2 * random.normal();
                }));
}

/* The i-th of 200: the sharp edge of a shadow, a vignette and a spotlight in turn, of any direction, place and
 * strength.
 */
std::function<double(double, double)> LightOfKind(int i) {
    Random random;
    random.state = uint32_t(i) * 2654435761U + 1;
    for (int k = 0; k < 8; k++) random();
    const double angle = 6.2832 * random(), at = random() - 0.5, loss = 0.2 + 0.4 * random();
    if (i % 3 == 0)
        return [=](double y, double x) { return std::cos(angle) * x + std::sin(angle) * y > at ? 1 - loss : 1; };
    if (i % 3 == 1) return [=](double y, double x) { return 1 - (loss + 0.2) * (y * y + x * x) / 2; };
    return [=](double y, double x) {
        const double distance = std::hypot(x - 0.5 * at, y + 0.5 * at) - 0.75;
        return 1 - loss / (1 + std::exp(-distance * (5 + 40 * loss)));
    };
}

/* One in fifty may be mistaken: a narrow strip between a shadow and the rim is like a stroke. */
TEST_F(Digits, ShadowsVignettesAndSpotlightsOnBlankPaperAreNone) {
    int taken = 0;
    for (int i = 0; i < 200; i++) taken += FindInLight({}, LightOfKind(i)).found;
    EXPECT_LE(taken, 4);
}

TEST_F(Digits, TheyAreDrawnAsTheyWereInShadowsVignettesAndSpotlights) {
    int alike = 0;
    for (int i = 0; i < 200; i++) {
        const Pixels digit = Sample(size_t(i) % data.test.count);
        const Found result = FindInLight(digit, LightOfKind(i));
        alike += result.found && BestCorrelation(digit, result.pixels) > 0.75;
    }
    EXPECT_GE(alike, 190);
}

/* Contrasts are shares of the paper's brightness, which is 0 here. */
TEST_F(Digits, PaperMayBeBlackBesideWhite) {
    Find(28, 2, {0,   0,   0,   0,   0,   0,   0,   0,   0,   242, 242, 242, 242, 242, 242, 242, 242, 242, 242,
                 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242,
                 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 242, 101, 101, 101, 101, 101, 101});
}

TEST_F(Digits, FaintOnesAreFoundInNoise) {
    for (size_t i = 0; i < data.test.count; i += 31)
        for (double noise : {2.0, 6.0}) {
            const Pixels digit = Sample(i);
            Random random;
            const Found result =
                Find(560, 560, Picture(560, [&](int y, int x) {
                         return 230 - 20 * digit[size_t(y / 20 * 28 + x / 20)] / 255.0 + noise * random.normal();
                     }));
            ASSERT_TRUE(result.found) << i << " in noise of " << noise;
            EXPECT_GT(BestCorrelation(digit, result.pixels), 0.75) << i << " in noise of " << noise;
        }
}

TEST_F(Digits, AsTheyAreTheyAreOnlyScaled) {
    Pixels picture = Picture(56, [](int y, int x) { return y / 2 * 4 + x / 2; }), wanted, found(LENET_DIGIT_PIXELS);
    for (int y = 0; y < 28; y++)
        for (int x = 0; x < 28; x++) wanted.push_back(uint8_t(y * 4 + x));
    const lenet_image image = {56, 56, picture.data(), nullptr};
    lenet_error err = {};
    ASSERT_EQ(LENET_OK, lenet_digit_as_is(&image, found.data(), &err)) << err.text;
    EXPECT_EQ(wanted, found);
}

} // namespace
