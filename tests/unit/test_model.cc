/* test_model.cc - weights and checkpoints come back bit by bit, and a file that is damaged or another's is refused. */
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "lenet/data.h"
#include "lenet/model.h"
#include "support/compare.h"
#include "support/fill.h"
#include "train/checkpoint.h"

namespace {

namespace fs = std::filesystem;

lenet_model Model(const char *arch, lenet_activation activation = LENET_RELU, lenet_pooling pooling = LENET_POOL_MAX,
                  int classes = 10) {
    lenet_model model = {};
    lenet_error err = {};
    EXPECT_EQ(lenet_topology_make(lenet_arch_find(arch), activation, pooling, classes, &model.topology, &err), LENET_OK)
        << err.text;
    model.scaling = {1 / 78.5675f, -0.4242129f};
    return model;
}

std::vector<lenet_tensor> Tensors(const lenet_topology &topology, std::vector<float> &data, const char *prefix = "") {
    std::vector<lenet_tensor> tensors(2 * LENET_MAX_LAYERS);
    data.resize(topology.stride);
    tensors.resize((size_t)lenet_topology_tensors(&topology, prefix, data.data(), tensors.data()));
    return tensors;
}

/* Random numbers where there are parameters, and zero between them; some that are easily lost. */
std::vector<float> Weights(const lenet_topology &topology, uint32_t stream) {
    std::vector<float> w;
    for (const lenet_tensor &t : Tensors(topology, w)) {
        const size_t count = lenet_tensor_bytes(&t) / sizeof(float);
        const Values values = Reals(count, stream++, 2);
        std::copy(values.begin(), values.end(), static_cast<float *>(t.data));
    }
    const float odd[] = {-0.0f, 1e-45f, -1e-38f, 3.4e38f, 0x1.fffffep-1f};
    std::copy(std::begin(odd), std::end(odd), w.begin());
    return w;
}

std::vector<uint8_t> Bytes(const float *values, size_t n) {
    std::vector<uint8_t> bytes(n * sizeof *values);
    memcpy(bytes.data(), values, bytes.size());
    return bytes;
}

/* What a test writes of a run under way. */
struct Checkpoint {
    uint64_t step;
    double seconds;
    lenet_tally tally;
    const float *m, *v; /* [stride], nullptr for none */
};

class ModelFile : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_model_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = (directory_ / "m.safetensors").string();
    }
    void TearDown() override {
        free(w_);
        fs::remove_all(directory_);
    }

    void Write(const lenet_model &model, const std::vector<float> &w, const Checkpoint *checkpoint = nullptr) {
        if (!checkpoint) {
            ASSERT_EQ(lenet_model_write(path_.c_str(), &model, w.data(), &err_), LENET_OK) << err_.text;
            return;
        }
        lenet_snapshot snapshot = Room(model.topology, (checkpoint->m != nullptr) + (checkpoint->v != nullptr));
        const float *parts[] = {w.data(), checkpoint->m, checkpoint->v};
        for (int i = 0; i <= snapshot.moments; i++)
            std::copy_n(parts[i], snapshot.stride, state_.begin() + i * (long)snapshot.stride);
        snapshot.step = checkpoint->step;
        snapshot.seconds = checkpoint->seconds;
        tally_ = checkpoint->tally;
        const lenet_checkpoint_labels labels = {};
        ASSERT_EQ(lenet_checkpoint_write(path_.c_str(), &model, &snapshot, &labels, &err_), LENET_OK) << err_.text;
    }
    /* A snapshot of one network, whose arrays are the fixture's. */
    lenet_snapshot Room(const lenet_topology &topology, int moments) {
        state_.assign((size_t)(1 + moments) * topology.stride, 0);
        tally_ = {};
        diverged_ = 0;
        of_member_ = state_.data();
        return {1, moments, topology.stride, 0, 0, &tally_, &diverged_, &of_member_};
    }
    lenet_status Read() {
        free(w_);
        read_ = {};
        err_ = {};
        return lenet_model_read(path_.c_str(), &read_, &w_, &err_);
    }
    lenet_status ReadCheckpoint(const lenet_topology &topology, int moments) {
        lenet_model model = {};
        model.topology = topology;
        snapshot_ = Room(topology, moments);
        err_ = {};
        return lenet_checkpoint_read(path_.c_str(), &model, nullptr, &snapshot_, &ended_, &err_);
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }
    void ExpectRefused(const std::vector<std::string> &pieces) {
        EXPECT_EQ(Read(), LENET_ERR_FORMAT) << err_.text;
        EXPECT_EQ(w_, nullptr);
        ExpectSays(pieces);
    }
    void ExpectCheckpointRefused(const lenet_topology &topology, int moments, const std::vector<std::string> &pieces) {
        EXPECT_EQ(ReadCheckpoint(topology, moments), LENET_ERR_FORMAT) << err_.text;
        ExpectSays(pieces);
    }
    void ExpectSays(const std::vector<std::string> &pieces) const {
        EXPECT_TRUE(Says(path_)) << err_.text;
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_EQ(std::string(err_.text).find('\n'), std::string::npos) << err_.text;
    }
    std::string File() const {
        std::ifstream in(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    void WriteFile(const std::string &bytes) const {
        fs::remove(path_); /* ext4 waits for the disk where an old file is cut to nothing and written again */
        std::ofstream(path_, std::ios::binary) << bytes;
    }

    fs::path directory_;
    std::string path_;
    lenet_model read_ = {};
    lenet_snapshot snapshot_ = {};
    std::vector<float> state_;
    float *of_member_ = nullptr;
    lenet_tally tally_ = {};
    int diverged_ = 0, ended_ = -1;
    float *w_ = nullptr;
    lenet_error err_ = {};

  private:
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

/* ---- round trips ------------------------------------------------------------------------ */

TEST_F(ModelFile, EveryNetworkComesBackBitByBit) {
    for (const lenet_arch *arch = lenet_archs; arch->name; arch++)
        for (lenet_activation activation : {LENET_TANH, LENET_RELU})
            for (lenet_pooling pooling : {LENET_POOL_AVERAGE, LENET_POOL_MAX})
                for (int classes : {1, 10, 62}) {
                    SCOPED_TRACE(arch->name);
                    if (classes > 10 && arch->layers[arch->layer_count - 1].kind == LENET_RBF) continue;
                    const lenet_model model = Model(arch->name, activation, pooling, classes);
                    const std::vector<float> w = Weights(model.topology, 1);
                    Write(model, w);
                    ASSERT_EQ(Read(), LENET_OK) << err_.text;
                    EXPECT_EQ(read_.topology.arch, arch);
                    EXPECT_EQ(read_.topology.activation, activation);
                    EXPECT_EQ(read_.topology.pooling, pooling);
                    EXPECT_EQ(read_.topology.classes, classes);
                    EXPECT_EQ(read_.topology.stride, model.topology.stride);
                    EXPECT_EQ(read_.scaling.factor, model.scaling.factor);
                    EXPECT_EQ(read_.scaling.offset, model.scaling.offset);
                    EXPECT_TRUE(SameBytes(Bytes(w.data(), w.size()), Bytes(w_, w.size())));
                }
}

TEST_F(ModelFile, TheSameModelGivesTheSameBytes) {
    const lenet_model model = Model("lenet5");
    const std::vector<float> w = Weights(model.topology, 1);
    Write(model, w);
    const std::string first = File();
    Write(model, w);
    EXPECT_EQ(File(), first);
}

TEST_F(ModelFile, ACheckpointComesBackWithItsMoments) {
    const lenet_model model = Model("lenet5");
    const size_t stride = model.topology.stride;
    const std::vector<float> w = Weights(model.topology, 1), m = Weights(model.topology, 20),
                             v = Weights(model.topology, 40);
    for (int moments = 0; moments <= 2; moments++) {
        SCOPED_TRACE(moments);
        const Checkpoint checkpoint = {.step = 9007199254740993, /* more than a double can say */
                                       .seconds = 1e6 / 7,
                                       .tally = {1 / 3.0, 12345678901234567, 123, 1},
                                       .m = moments > 0 ? m.data() : nullptr,
                                       .v = moments > 1 ? v.data() : nullptr};
        Write(model, w, &checkpoint);
        ASSERT_EQ(ReadCheckpoint(model.topology, moments), LENET_OK) << err_.text;
        EXPECT_EQ(ended_, 0);
        EXPECT_EQ(snapshot_.step, checkpoint.step);
        EXPECT_EQ(snapshot_.seconds, checkpoint.seconds);
        EXPECT_EQ(tally_.loss, checkpoint.tally.loss);
        EXPECT_EQ(tally_.count, checkpoint.tally.count);
        EXPECT_EQ(tally_.correct, checkpoint.tally.correct);
        EXPECT_EQ(tally_.nonfinite, checkpoint.tally.nonfinite);
        const std::vector<float> *const parts[] = {&w, &m, &v};
        for (size_t i = 0; i <= (size_t)moments; i++)
            EXPECT_TRUE(SameBytes(Bytes(parts[i]->data(), stride), Bytes(state_.data() + i * stride, stride))) << i;

        ASSERT_EQ(Read(), LENET_OK) << "a checkpoint is a weights file, too: " << err_.text;
        EXPECT_TRUE(SameBytes(Bytes(w.data(), stride), Bytes(w_, stride)));
        ExpectCheckpointRefused(Model("mlp-300").topology, moments, {"another architecture"});
        if (moments < 2)
            ExpectCheckpointRefused(model.topology, moments + 1, {moments ? "checkpoint.v." : "checkpoint.m."});
    }
}

TEST_F(ModelFile, AFileOfWeightsAloneIsARunThatHasEnded) {
    const lenet_model model = Model("linear");
    Write(model, Weights(model.topology, 1));
    ASSERT_EQ(ReadCheckpoint(model.topology, 2), LENET_OK) << err_.text;
    EXPECT_EQ(ended_, 1);
}

/* ---- what is wrong ---------------------------------------------------------------------- */

TEST_F(ModelFile, AFileThatIsMissingIsNamed) {
    EXPECT_EQ(Read(), LENET_ERR_IO);
    ExpectSays({});
    EXPECT_EQ(w_, nullptr);
    EXPECT_EQ(ReadCheckpoint(Model("linear").topology, 0), LENET_ERR_IO);
    ExpectSays({});
}

TEST_F(ModelFile, APlaceThatCannotBeWrittenIsNamed) {
    const lenet_model model = Model("linear");
    path_ = (directory_ / "no" / "such" / "m.safetensors").string();
    EXPECT_EQ(lenet_model_write(path_.c_str(), &model, Weights(model.topology, 1).data(), &err_), LENET_ERR_IO);
    ExpectSays({});
}

TEST_F(ModelFile, AFileCutAnywhereIsRefused) {
    const lenet_model model = Model("linear", LENET_TANH, LENET_POOL_MAX, 1);
    const std::vector<float> w = Weights(model.topology, 1);
    const Checkpoint checkpoint = {.step = 1, .seconds = 0, .tally = {}, .m = w.data(), .v = w.data()};
    Write(model, w, &checkpoint);
    const std::string valid = File();
    for (size_t size = 0; size < valid.size(); size += size < 1500 ? 1 : 97) {
        WriteFile(valid.substr(0, size));
        ExpectRefused({});
        ExpectCheckpointRefused(model.topology, 2, {});
    }
    WriteFile(valid + "x");
    ExpectRefused({});
    WriteFile(valid);
    EXPECT_EQ(Read(), LENET_OK) << err_.text;
}

TEST_F(ModelFile, AChangedByteOfTheHeaderGivesAnErrorOrAValidModel) {
    const lenet_model model = Model("linear", LENET_TANH, LENET_POOL_MAX, 1);
    const std::vector<float> w = Weights(model.topology, 1);
    const Checkpoint checkpoint = {.step = 1, .seconds = 0, .tally = {}, .m = w.data(), .v = nullptr};
    Write(model, w, &checkpoint);
    const std::string valid = File();
    const size_t end = valid.find("}}") + 2;
    ASSERT_LT(end, 1500u);
    for (size_t i = 0; i < end; i++)
        for (const char mask : {1, 2, 8, 0x10, 0x40}) {
            std::string bytes = valid;
            bytes[i] = char(bytes[i] ^ mask);
            WriteFile(bytes);
            const lenet_status status = Read(), checkpoint_status = ReadCheckpoint(model.topology, 1);
            ASSERT_TRUE(status == LENET_OK || status == LENET_ERR_FORMAT) << "byte " << i << ": " << err_.text;
            ASSERT_TRUE(checkpoint_status == LENET_OK || checkpoint_status == LENET_ERR_FORMAT) << "byte " << i;
            ASSERT_EQ(w_ != nullptr, status == LENET_OK);
        }
}

TEST_F(ModelFile, WhatIsNoModelIsRefused) {
    for (const std::string &bytes :
         {std::string(), std::string("{}"), std::string("\x89PNG\r\n\x1a\n and more than that"),
          std::string(1000, '\0'), std::string("\2\0\0\0\0\0\0\0{}", 10)}) {
        WriteFile(bytes);
        ExpectRefused({});
    }
}

TEST_F(ModelFile, AWeightThatIsNoNumberIsRefused) {
    const lenet_model model = Model("lenet5");
    std::vector<float> data;
    const std::vector<lenet_tensor> tensors = Tensors(model.topology, data);
    for (const float bad : {NAN, INFINITY, -INFINITY})
        for (const lenet_tensor &t : {tensors.front(), tensors[3], tensors.back()}) {
            const size_t at = (size_t)(static_cast<float *>(t.data) - data.data());
            const size_t last = at + lenet_tensor_bytes(&t) / sizeof(float) - 1;
            std::vector<float> w = Weights(model.topology, 1);
            w[last] = bad;
            Write(model, w);
            ExpectRefused({"NaN"});
        }
}

TEST_F(ModelFile, AMomentThatIsNoNumberIsRefused) {
    const lenet_model model = Model("linear");
    const std::vector<float> w = Weights(model.topology, 1);
    std::vector<float> bad = w;
    bad[5] = NAN;
    Checkpoint checkpoint = {.step = 1, .seconds = 0, .tally = {}, .m = bad.data(), .v = w.data()};
    Write(model, w, &checkpoint);
    ExpectCheckpointRefused(model.topology, 2, {"NaN"});
    checkpoint.m = w.data();
    checkpoint.v = bad.data();
    Write(model, w, &checkpoint);
    ExpectCheckpointRefused(model.topology, 2, {"NaN"});
}

TEST_F(ModelFile, NamesOfClassesAreKeptWhereThereAreSome) {
    lenet_model model = Model("linear");
    const std::vector<float> w = Weights(model.topology, 1);
    Write(model, w);
    EXPECT_EQ(File().find("classes.names"), std::string::npos);
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(read_.names.count, 0);
    model.names.count = model.topology.classes;
    for (int c = 0; c < 10; c++)
        snprintf(model.names.text[c], sizeof model.names.text[c], "%s",
                 ("\"\u00e4\\" + std::string(59, 'a' + (char)c)).c_str());
    Write(model, w);
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    ASSERT_EQ(read_.names.count, 10);
    for (int c = 0; c < 10; c++) EXPECT_STREQ(read_.names.text[c], model.names.text[c]);
}

/* ---- metadata and tensors of others ---------------------------------------------------------- */

using Metadata = std::map<std::string, std::string>;

/* A lenet5's file from its parts, of which any may be wrong. */
class ForeignModel : public ModelFile {
  protected:
    void SetUp() override {
        ModelFile::SetUp();
        tensors_ = Tensors(model_.topology, data_);
    }
    void WriteParts() {
        std::vector<lenet_metadata> metadata;
        for (const auto &[key, value] : metadata_) metadata.push_back({key.c_str(), value.c_str()});
        ASSERT_EQ(lenet_tensors_write(path_.c_str(), tensors_.data(), (int)tensors_.size(), metadata.data(),
                                      (int)metadata.size(), &err_),
                  LENET_OK)
            << err_.text;
    }
    lenet_tensor &Find(const char *name) {
        for (lenet_tensor &t : tensors_)
            if (std::strcmp(t.name, name) == 0) return t;
        throw std::runtime_error(name);
    }

    lenet_model model_ = Model("lenet5");
    std::vector<float> data_;
    std::vector<lenet_tensor> tensors_;
    Metadata metadata_ = {{"format", "lenet"},    {"arch", "lenet5"},        {"activation", "relu"},
                          {"pooling", "max"},     {"classes", "10"},         {"input_factor", "0.5"},
                          {"input_offset", "-1"}, {"loss", "cross-entropy"}, {"map_j", "10"}};
};

TEST_F(ForeignModel, TheseAreTheParts) {
    WriteParts();
    ASSERT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_EQ(read_.topology.parameters, 61706u);
    EXPECT_EQ(read_.scaling.offset, -1);
    std::reverse(tensors_.begin(), tensors_.end());
    WriteParts();
    EXPECT_EQ(Read(), LENET_OK) << "in any order: " << err_.text;
}

TEST_F(ForeignModel, WithoutMetadataItIsNotOfThisProgram) {
    metadata_.clear();
    WriteParts();
    ExpectRefused({"metadata", "not a weights file of this program"});
}

TEST_F(ForeignModel, EveryEntryOfTheMetadataIsNeeded) {
    for (const char *key :
         {"arch", "activation", "pooling", "classes", "input_factor", "input_offset", "loss", "map_j"}) {
        const Metadata all = metadata_;
        metadata_.erase(key);
        WriteParts();
        ExpectRefused({key});
        metadata_ = all;
    }
}

TEST_F(ForeignModel, MetadataOutOfRangeIsNamed) {
    const std::vector<std::pair<const char *, std::vector<std::string>>> bad = {
        {"arch", {"", "lenet", "alexnet", std::string(500, 'x')}},
        {"activation", {"", "gelu", "0"}},
        {"pooling", {"", "median", "tanh"}},
        {"classes", {"", "0", "-3", "63", "x", "10x", "nan", "1e9"}},
        {"input_factor", {"", "nan", "inf", "1e7", "x"}},
        {"input_offset", {"", "nan", "-inf", "1e7", "x"}},
        {"loss", {"", "hinge", "0"}},
        {"map_j", {"", "nan", "-1", "x"}}};
    for (const auto &[key, values] : bad)
        for (const std::string &value : values) {
            const Metadata all = metadata_;
            metadata_[key] = value;
            WriteParts();
            ExpectRefused({key});
            metadata_ = all;
        }
}

TEST_F(ForeignModel, NamesOfClassesThatDoNotFitAreRefused) {
    const std::string nine = "0\n1\n2\n3\n4\n5\n6\n7\n8";
    for (const std::string &text : {std::string(), nine, nine + "\n9\n10", nine + "\n\t",
                                    nine + "\n" + std::string(64, 'x'), std::string(100000, '\n') + "x"}) {
        metadata_["classes.names"] = text;
        WriteParts();
        ExpectRefused({path_});
    }
    metadata_["classes.names"] = nine + "\nnine";
    WriteParts();
    EXPECT_EQ(Read(), LENET_OK) << err_.text;
    EXPECT_STREQ(read_.names.text[9], "nine");
}

TEST_F(ForeignModel, RbfOutputsForMoreThanTheDigitsAreRefused) {
    metadata_["arch"] = "lenet5-1998";
    metadata_["classes"] = "11";
    WriteParts();
    ExpectRefused({"lenet5-1998", "RBF", "10 digits", "11 classes"});
}

TEST_F(ForeignModel, WeightsOfAnotherArchitectureAreRefused) {
    for (const char *claimed : {"mlp-300", "linear"}) {
        metadata_["arch"] = claimed;
        WriteParts();
        ExpectRefused({"another"});
    }
    metadata_["arch"] = "lenet5";
    metadata_["classes"] = "9";
    WriteParts();
    ExpectRefused({"output.weight", "another"});
}

TEST_F(ForeignModel, AMissingTensorIsNamed) {
    for (const char *name : {"C1.weight", "C3.bias", "output.bias"}) {
        const std::vector<lenet_tensor> all = tensors_;
        tensors_.erase(tensors_.begin() + (&Find(name) - tensors_.data()));
        WriteParts();
        ExpectRefused({name});
        tensors_ = all;
    }
}

TEST_F(ForeignModel, ATensorOfAnotherTypeOrShapeIsNamed) {
    const std::vector<std::function<void(lenet_tensor &)>> spoilers = {
        [](lenet_tensor &t) { std::swap(t.shape[0], t.shape[1]); },
        [](lenet_tensor &t) { t.rank = 1, t.shape[0] = 120 * 84; },
        [](lenet_tensor &t) { t.rank = 3, t.shape[2] = 1; },
        [](lenet_tensor &t) { t.shape[1]--; },
        [](lenet_tensor &t) { t.dtype = LENET_U8; },
        [](lenet_tensor &t) { t.dtype = LENET_F64, t.shape[1] /= 2; }};
    for (size_t i = 0; i < spoilers.size(); i++) {
        const std::vector<lenet_tensor> all = tensors_;
        spoilers[i](Find("F6.weight"));
        WriteParts();
        SCOPED_TRACE(i);
        ExpectRefused({"F6.weight"});
        tensors_ = all;
    }
}

TEST_F(ForeignModel, ACheckpointWithoutItsCountersIsRefused) {
    double seconds = 0.5;
    int64_t step = 7;
    tensors_.push_back({"checkpoint.seconds", LENET_F64, 0, {}, &seconds});
    WriteParts();
    ExpectCheckpointRefused(model_.topology, 0, {"checkpoint.step"});
    tensors_.push_back({"checkpoint.step", LENET_I64, 0, {}, &step});
    WriteParts();
    ExpectCheckpointRefused(model_.topology, 0, {"checkpoint.loss"});
}

TEST_F(ForeignModel, ACheckpointOfVersion01IsRead) {
    std::vector<double> reals = {1.5, 2.5};
    std::vector<int64_t> integers = {7, 640, 600, 0};
    tensors_.push_back({"checkpoint.loss_seconds", LENET_F64, 1, {2}, reals.data()});
    WriteParts();
    ExpectCheckpointRefused(model_.topology, 0, {"checkpoint.step"});
    tensors_.push_back({"checkpoint.step_count_correct_nonfinite", LENET_I64, 1, {4}, integers.data()});
    WriteParts();
    EXPECT_EQ(ReadCheckpoint(model_.topology, 0), LENET_OK) << err_.text;
    EXPECT_EQ(snapshot_.step, 7u);
    EXPECT_EQ(snapshot_.seconds, 2.5);
    EXPECT_EQ(tally_.loss, 1.5);
    EXPECT_EQ(tally_.count, 640u);
    EXPECT_EQ(tally_.correct, 600u);
    EXPECT_EQ(diverged_, 0);
    tensors_.back().shape[0] = 3;
    WriteParts();
    ExpectCheckpointRefused(model_.topology, 0, {"checkpoint.step"});
}

} // namespace
