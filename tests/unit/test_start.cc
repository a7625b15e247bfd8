/* test_start.cc - the layers of a network are found among the tensors of a file, whatever these are called, and what
 * cannot be them is refused by name. */
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "lenet/model.h"
#include "net/start.h"
#include "support/fill.h"

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

lenet_topology Plan(const char *arch, int classes = 10) {
    lenet_topology topology;
    lenet_error err = {};
    if (lenet_topology_make(lenet_arch_find(arch), LENET_RELU, LENET_POOL_MAX, classes, &topology, &err) != LENET_OK)
        throw std::runtime_error(err.text);
    return topology;
}

/* A tensor with values of its own. */
struct Named {
    std::string name;
    std::vector<size_t> shape;
    std::vector<float> values;
};

size_t Count(const std::vector<size_t> &shape) {
    size_t count = 1;
    for (size_t n : shape) count *= n;
    return count;
}

/* The tensors of a network, with random values, as this program has them. */
std::vector<Named> Tensors(const lenet_topology &topology) {
    std::vector<float> w(topology.stride);
    lenet_topology_init(&topology, LENET_INIT_PRINTED, TestSeed() + 77, 1, w.data());
    lenet_tensor described[2 * LENET_MAX_LAYERS];
    const int n = lenet_topology_tensors(&topology, "", w.data(), described);
    std::vector<Named> tensors;
    for (int i = 0; i < n; i++) {
        const std::vector<size_t> shape(described[i].shape, described[i].shape + described[i].rank);
        const float *values = static_cast<float *>(described[i].data);
        tensors.push_back({described[i].name, shape, {values, values + Count(shape)}});
    }
    return tensors;
}

class Start : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_start_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = (directory_ / "w.safetensors").string();
    }
    void TearDown() override { fs::remove_all(directory_); }

    void Write(std::vector<Named> tensors, const std::map<std::string, std::string> &metadata = {}) {
        std::vector<lenet_tensor> described;
        for (Named &t : tensors) {
            lenet_tensor d = {};
            snprintf(d.name, sizeof d.name, "%s", t.name.c_str());
            d.dtype = LENET_F32;
            d.rank = (int)t.shape.size();
            for (size_t i = 0; i < t.shape.size(); i++) d.shape[i] = t.shape[i];
            d.data = t.values.data();
            described.push_back(d);
        }
        std::vector<lenet_metadata> entries;
        for (const auto &[key, value] : metadata) entries.push_back({key.c_str(), value.c_str()});
        ASSERT_EQ(lenet_tensors_write(path_.c_str(), described.data(), (int)described.size(), entries.data(),
                                      (int)entries.size(), &err_),
                  LENET_OK)
            << err_.text;
    }
    /* Weights of a network that begins so: drawn from seed 5, and what the file has. */
    lenet_status Fill(const lenet_topology &topology, std::vector<float> *w) {
        lenet_start start;
        err_ = {};
        note_[0] = 'x';
        w->assign(topology.stride, 0);
        lenet_topology_init(&topology, LENET_INIT_STANDARD, 5, 1, w->data());
        lenet_status status = lenet_start_open(path_.c_str(), &start, &err_);
        if (status == LENET_OK) status = lenet_start_check(&start, &topology, &names_, note_, &err_);
        if (status == LENET_OK) status = lenet_start_fill(&start, &topology, w->data(), &err_);
        lenet_start_close(&start);
        return status;
    }
    void ExpectFills(const lenet_topology &topology, const std::vector<Named> &want) {
        std::vector<float> w;
        ASSERT_EQ(Fill(topology, &w), LENET_OK) << err_.text;
        lenet_tensor got[2 * LENET_MAX_LAYERS];
        const int n = lenet_topology_tensors(&topology, "", w.data(), got);
        ASSERT_EQ((size_t)n, want.size());
        for (int i = 0; i < n; i++)
            EXPECT_EQ(memcmp(got[i].data, want[(size_t)i].values.data(), lenet_tensor_bytes(&got[i])), 0)
                << got[i].name;
        EXPECT_STREQ(note_, "");
    }
    void ExpectRefused(const lenet_topology &topology, const Strings &pieces) {
        std::vector<float> w;
        EXPECT_EQ(Fill(topology, &w), LENET_ERR_FORMAT) << pieces[0];
        for (const std::string &piece : pieces)
            EXPECT_NE(std::string(err_.text).find(piece), std::string::npos) << "wanted " << piece << ": " << err_.text;
        EXPECT_NE(std::string(err_.text).find(path_), std::string::npos) << err_.text;
    }

    fs::path directory_;
    std::string path_;
    lenet_error err_ = {};
    char note_[256] = "";
    lenet_class_names names_ = {};
};

TEST_F(Start, TheFileOfEachArchitectureIsItsOwn) {
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++) {
        const lenet_topology topology = Plan(arch->name);
        const std::vector<Named> tensors = Tensors(topology);
        Write(tensors);
        ExpectFills(topology, tensors);
        Write({tensors.rbegin(), tensors.rend()});
        ExpectFills(topology, tensors);
    }
}

TEST_F(Start, NamesMatterLittle) {
    const lenet_topology topology = Plan("lenet5");
    const std::vector<Named> tensors = Tensors(topology);
    for (const Strings &layers :
         {Strings{"conv1", "conv2", "fc1", "fc2", "fc3"}, Strings{"c1", "c2", "f1", "f2", "f3"},
          Strings{"features.0", "features.3", "classifier.0", "classifier.2", "classifier.10"},
          Strings{"z", "y", "x", "w", "v"}, Strings{"net.conv.c1", "net.conv.c3", "a.c5", "a.f6", "a.output"}}) {
        std::vector<Named> renamed = tensors;
        for (size_t i = 0; i < renamed.size(); i++) renamed[i].name = layers[i / 2] + (i % 2 ? ".bias" : ".weight");
        Write(renamed);
        ExpectFills(topology, tensors);
    }
}

TEST_F(Start, OfOneShapeTheOrderOfTheNamesDecides) {
    const lenet_topology topology = Plan("mlp-300-100");
    std::vector<Named> tensors = Tensors(topology);
    lenet_arch arch = *topology.arch; /* two hidden layers of the same size, and as many inputs */
    arch.layers[0].maps = arch.layers[2].maps = 784;
    lenet_topology square;
    ASSERT_EQ(lenet_topology_make(&arch, LENET_RELU, LENET_POOL_MAX, 10, &square, &err_), LENET_OK);
    tensors = Tensors(square);
    std::vector<Named> renamed = tensors;
    const Strings names = {"layers.2.weight", "layers.2.bias", "layers.10.weight", "layers.10.bias", "out.w", "out.b"};
    for (size_t i = 0; i < names.size(); i++) renamed[i].name = names[i];
    Write(renamed);
    ExpectFills(square, tensors);
}

TEST_F(Start, ABiasIsThatOfItsWeight) {
    const lenet_topology six = Plan("lenet5", 6), sixteen = Plan("lenet5", 16), published = Plan("lenet5-1998");
    for (const lenet_topology &topology :
         {six, sixteen}) { /* the last layer's bias has the shape of C1's, or of C3's */
        const std::vector<Named> tensors = Tensors(topology);
        const Strings layers = {"features.0", "features.3", "classifier.0", "classifier.2", "classifier.4"};
        std::vector<Named> renamed = tensors;
        for (size_t i = 0; i < renamed.size(); i++) renamed[i].name = layers[i / 2] + (i % 2 ? ".bias" : ".weight");
        Write(renamed);
        ExpectFills(topology, tensors);
        std::vector<float> w;
        ASSERT_EQ(Fill(Plan("lenet5"), &w), LENET_OK) << err_.text;
        lenet_tensor got[2 * LENET_MAX_LAYERS];
        const lenet_topology ten = Plan("lenet5");
        lenet_topology_tensors(&ten, "", w.data(), got);
        for (size_t i = 0; i + 2 < tensors.size(); i++)
            EXPECT_EQ(memcmp(got[i].data, tensors[i].values.data(), lenet_tensor_bytes(&got[i])), 0) << got[i].name;
    }
    const std::vector<Named> tensors = Tensors(published); /* S2's weight and bias have the shape of C1's bias */
    std::vector<Named> renamed = tensors;
    for (Named &t : renamed) t.name = "net." + t.name;
    Write(renamed);
    ExpectFills(published, tensors);
}

TEST_F(Start, LayoutsOfTheSameNumbersAreTheSame) {
    const lenet_topology topology = Plan("lenet5");
    const std::vector<Named> tensors = Tensors(topology);
    std::vector<Named> other = tensors;
    ASSERT_EQ(other[4].name, "C5.weight");
    other[4].shape = {120, 16, 5, 5}; /* a convolution over all of its input */
    for (size_t i : {6u, 8u}) {       /* [inputs][outputs] */
        const size_t rows = other[i].shape[0], columns = other[i].shape[1];
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++) other[i].values[c * rows + r] = tensors[i].values[r * columns + c];
        other[i].shape = {columns, rows};
    }
    Write(other);
    ExpectFills(topology, tensors);
}

TEST_F(Start, AFileOfAPopulationOfOneIsThatOfItsNetwork) {
    const lenet_topology topology = Plan("lenet5");
    const std::vector<Named> tensors = Tensors(topology);
    for (const size_t R : {1u, 2u}) {
        std::vector<Named> stacked = tensors;
        for (Named &t : stacked) {
            t.shape.insert(t.shape.begin(), R);
            const std::vector<float> one = t.values;
            for (size_t r = 1; r < R; r++) t.values.insert(t.values.end(), one.begin(), one.end());
        }
        Write(stacked, {{"members", R == 1 ? "[{\"id\":\"a\"}]" : "[{\"id\":\"a\"},{\"id\":\"b\"}]"}});
        if (R == 1)
            ExpectFills(topology, tensors);
        else
            ExpectRefused(topology, {"population of 2 networks", "one"});
    }
}

TEST_F(Start, ACheckpointsMomentsAndCountersAreLeftOut) {
    const lenet_topology topology = Plan("mlp-300");
    const std::vector<Named> tensors = Tensors(topology);
    std::vector<Named> checkpoint = tensors;
    for (const Named &t : tensors) checkpoint.push_back({"checkpoint.m." + t.name, t.shape, t.values});
    checkpoint.push_back({"checkpoint.loss", {1}, {3}});
    Write(checkpoint);
    ExpectFills(topology, tensors);
}

TEST_F(Start, ALastLayerForOtherClassesIsDrawnAndSaidToBe) {
    for (const char *name : {"lenet5", "mlp-300"})
        for (const int classes : {3, 7})
            for (const bool own_names : {true, false}) {
                const lenet_topology was = Plan(name), now = Plan(name, classes);
                std::vector<Named> tensors = Tensors(was);
                if (!own_names)
                    for (size_t i = 0; i < tensors.size(); i++) tensors[i].name = "t" + std::to_string(i);
                Write(tensors);
                std::vector<float> w, drawn(now.stride);
                ASSERT_EQ(Fill(now, &w), LENET_OK) << err_.text;
                lenet_topology_init(&now, LENET_INIT_STANDARD, 5, 1, drawn.data());
                const size_t output = now.layers[now.layer_count - 1].w;
                EXPECT_EQ(memcmp(w.data() + output, drawn.data() + output, (now.stride - output) * sizeof w[0]), 0);
                for (size_t i = 0; i + 2 < tensors.size(); i++) {
                    lenet_tensor got[2 * LENET_MAX_LAYERS];
                    lenet_topology_tensors(&now, "", w.data(), got);
                    EXPECT_EQ(memcmp(got[i].data, tensors[i].values.data(), lenet_tensor_bytes(&got[i])), 0)
                        << got[i].name;
                }
                for (const std::string &piece : {std::string("10 classes"), "have " + std::to_string(classes)})
                    EXPECT_NE(std::string(note_).find(piece), std::string::npos) << note_;
            }
    Write(Tensors(Plan("linear")));
    ExpectRefused(Plan("linear", 4), {"[10, 784]", "[4, 784]", "output.weight"});
}

TEST_F(Start, AnotherNonlinearityOrSubsamplingIsSaid) {
    const lenet_topology topology = Plan("lenet5");
    std::vector<float> w;
    Write(Tensors(topology), {{"activation", "tanh"}, {"pooling", "average"}});
    ASSERT_EQ(Fill(topology, &w), LENET_OK) << err_.text;
    for (const char *piece : {"--activation tanh", "relu", "--pooling average", "max"})
        EXPECT_NE(std::string(note_).find(piece), std::string::npos) << note_;
}

TEST_F(Start, AsManyClassesOfOtherNamesAreSaid) {
    const lenet_topology topology = Plan("linear", 2);
    std::vector<float> w;
    names_.count = 2;
    snprintf(names_.text[0], sizeof names_.text[0], "cat");
    snprintf(names_.text[1], sizeof names_.text[1], "dog");
    for (const char *were : {"cat\ndog", "dog\ncat"}) {
        Write(Tensors(topology), {{"classes", "2"}, {"classes.names", were}});
        ASSERT_EQ(Fill(topology, &w), LENET_OK) << err_.text;
        EXPECT_EQ(std::string(note_).find("other names") != std::string::npos, were[0] == 'd') << note_;
    }
}

/* ---- what is refused ---------------------------------------------------------------------------- */

TEST_F(Start, AnotherArchitectureIsNamedWithItsShapes) {
    Write(Tensors(Plan("lenet5")));
    ExpectRefused(Plan("lenet4"), {"C1.weight", "[6, 1, 5, 5]", "[4, 1, 5, 5]", "lenet4"});
    ExpectRefused(Plan("mlp-300"), {"[300, 784]", "hidden.weight", "mlp-300"});
    std::vector<Named> wider = Tensors(Plan("lenet5"));
    for (Named &t : wider) t.name = "x." + t.name;
    wider[2].shape = {32, 6, 5, 5};
    wider[2].values.resize(Count(wider[2].shape));
    Write(wider);
    ExpectRefused(Plan("lenet5"), {"x.C3.weight", "[32, 6, 5, 5]", "[16, 6, 5, 5]", "C3.weight"});
}

TEST_F(Start, AsManyNumbersInAnotherOrderAreRefused) {
    const lenet_topology topology = Plan("lenet5");
    for (const auto &[i, shape, wanted] : {std::tuple{2u, std::vector<size_t>{16, 5, 5, 6}, "[16, 6, 5, 5]"},
                                           {4u, {120, 5, 5, 16}, "[120, 400]"},
                                           {4u, {120, 20, 20}, "[120, 400]"},
                                           {6u, {84, 1, 1, 120}, "[84, 120]"}}) {
        std::vector<Named> tensors = Tensors(topology);
        tensors[i].shape = shape;
        Write(tensors);
        ExpectRefused(topology, {tensors[i].name, wanted});
    }
}

TEST_F(Start, ATensorTooFewOrTooManyIsNamed) {
    const lenet_topology topology = Plan("lenet5");
    std::vector<Named> tensors = Tensors(topology);
    Named bias = tensors[3];
    tensors.erase(tensors.begin() + 3);
    Write(tensors);
    ExpectRefused(topology, {"C3.bias", "[16]"});
    tensors.push_back(bias);
    tensors.push_back({"bn1.weight", {6}, std::vector<float>(6)});
    Write(tensors);
    ExpectRefused(topology, {"bn1.weight", "[6]", "lenet5", "C1.weight [6, 1, 5, 5]"});
    Write({});
    ExpectRefused(topology, {"no tensor", "C1.weight", "[6, 1, 5, 5]"});
    Write({{"scalar", {}, {1}}, {"empty", {0, 6}, {}}});
    ExpectRefused(topology, {"C1.weight"});
}

TEST_F(Start, AWeightThatIsNoNumberOrIsOfNoConnectionIsRefused) {
    const lenet_topology topology = Plan("lenet5"), published = Plan("lenet5-1998");
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
        std::vector<Named> tensors = Tensors(topology);
        tensors[4].values[777] = bad;
        Write(tensors);
        ExpectRefused(topology, {"C5.weight", "NaN or infinite"});
    }
    std::vector<Named> tensors = Tensors(published);
    ASSERT_EQ(tensors[4].name, "C3.weight");
    tensors[4].values[3 * 25] = 0.5f; /* from map 3 to map 0, which Table I does not connect */
    Write(tensors);
    ExpectRefused(published, {"does not connect", "lenet5-1998"});
}

TEST_F(Start, AnotherTypeOfNumbersIsNamed) {
    double values[6] = {};
    lenet_tensor tensor = {"C1.bias", LENET_F64, 1, {6}, values};
    ASSERT_EQ(lenet_tensors_write(path_.c_str(), &tensor, 1, nullptr, 0, &err_), LENET_OK);
    ExpectRefused(Plan("lenet5"), {"C1.bias", "F32", ".float()"});
}

TEST_F(Start, FilesOfOtherProgramsAreNamedForWhatTheyAre) {
    const auto bytes = [this](const std::string &content) { std::ofstream(path_, std::ios::binary) << content; };
    const std::string zip("PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0", 14);
    bytes(zip + std::string(12, '\0') + "archive/data.pkl" + std::string(500, 'x'));
    ExpectRefused(Plan("lenet5"), {"PyTorch", "convert", "torch.load('" + path_ + "')", "save_file"});
    bytes(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9) + std::string(100, 'x'));
    ExpectRefused(Plan("lenet5"), {"PyTorch", "convert"});
    bytes(zip + std::string(12, '\0') + "conv1.npy" + std::string(500, 'x'));
    ExpectRefused(Plan("lenet5"), {"zip", "safetensors"});
    bytes("\x89HDF\r\n\x1a\n" + std::string(100, 'x'));
    ExpectRefused(Plan("lenet5"), {"HDF5", "safetensors"});
    for (const std::string &cut : {std::string(), std::string("P"), std::string("PK\x03\x04"), std::string("\x80"),
                                   std::string("\x80\x02"), std::string("\x89HDF")}) {
        bytes(cut);
        ExpectRefused(Plan("lenet5"), {"safetensors"});
    }
    /* a header of 0x280 bytes begins as a pickle does */
    const std::string header = "{\"C1.bias\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}";
    bytes(std::string("\x80\x02\0\0\0\0\0\0", 8) + header + std::string(0x280 - header.size(), ' ') +
          std::string(24, '\0'));
    ExpectRefused(Plan("lenet5"), {"no tensor", "C1.weight"});
}

TEST_F(Start, AFileThatIsDamagedAnywhereGivesAnErrorOrWeights) {
    const lenet_topology topology = Plan("linear");
    Write(Tensors(topology), {{"activation", "tanh"}});
    std::ifstream in(path_, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    const size_t header = 8 + (unsigned char)bytes[0] + 256 * (unsigned char)bytes[1];
    std::vector<float> w;
    int refused = 0;
    for (size_t at = 0; at < header; at++)
        for (const int flip : {1, 0x10, 0x80}) {
            std::string damaged = bytes;
            damaged[at] = (char)(damaged[at] ^ flip);
            std::ofstream(path_, std::ios::binary) << damaged;
            const lenet_status status = Fill(topology, &w);
            EXPECT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << at << ": " << err_.text;
            refused += status == LENET_ERR_FORMAT;
        }
    EXPECT_GT(refused, (int)header);
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 20) {
        std::ofstream(path_, std::ios::binary) << bytes.substr(0, size);
        EXPECT_EQ(Fill(topology, &w), LENET_ERR_FORMAT) << size;
    }
}

TEST_F(Start, ARunsDirectoryHintsAtItsFile) {
    Write(Tensors(Plan("lenet5")));
    fs::rename(path_, directory_ / "last.safetensors");
    path_ = directory_.string();
    std::vector<float> w;
    EXPECT_EQ(Fill(Plan("lenet5"), &w), LENET_ERR_IO);
    EXPECT_NE(std::string(err_.text).find(path_ + "/last.safetensors?"), std::string::npos) << err_.text;
}

TEST_F(Start, TheHashIsThatOfTheFile) {
    std::ofstream(path_, std::ios::binary) << std::string("\2\0\0\0\0\0\0\0{}", 10);
    lenet_start start;
    ASSERT_EQ(lenet_start_open(path_.c_str(), &start, &err_), LENET_OK) << err_.text;
    /* printf '\2\0\0\0\0\0\0\0{}' | sha256sum */
    EXPECT_STREQ(start.sha256, "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd");
    lenet_start_close(&start);
    lenet_start_close(&start);
}

} // namespace
