/* test_eval.cc - the figures that lenet eval prints, against values worked out by hand. */
#include <gtest/gtest.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/half.h"
#include "lenet/eval.h"
#include "train/run_dir.h"

namespace {

namespace fs = std::filesystem;

/* ---- Wilson's interval ------------------------------------------------------------------ */

std::pair<double, double> Wilson(uint64_t correct, uint64_t count) {
    double interval[2] = {NAN, NAN};
    lenet_wilson_interval(correct, count, interval);
    return {interval[0], interval[1]};
}

/* The formula in 40 decimal digits (python's decimal), z = 1.959963984540054235524594430520551527. */
TEST(Wilson, GivesTheValuesOfTheFormula) {
    const struct {
        uint64_t correct, count;
        double low, high;
    } want[] = {{9934, 10000, 0.991612549225747852, 0.994808521182068482},
                {495, 500, 0.976806900244269296, 0.995721246103409506},
                {5, 10, 0.236593090512563977, 0.763406909487436022},
                {1, 2, 0.094531205734230713, 0.905468794265769286},
                {1, 1000000000, 1.765245549569631317e-10, 5.664934243297439400e-9}};
    for (const auto &[correct, count, low, high] : want) {
        const auto [got_low, got_high] = Wilson(correct, count);
        /* A dozen roundings of numbers up to 1, and their difference. */
        EXPECT_NEAR(got_low, low, 1e-15) << correct << "/" << count;
        EXPECT_NEAR(got_high, high, 1e-15) << correct << "/" << count;
    }
}

TEST(Wilson, NoneAndAllRightGiveAnEndOfTheRange) {
    /* z^2 / (n + z^2) */
    EXPECT_EQ(Wilson(0, 10).first, 0);
    EXPECT_NEAR(Wilson(0, 10).second, 0.277532799862889252, 1e-15);
    EXPECT_NEAR(Wilson(10, 10).first, 0.722467200137110747, 1e-15);
    EXPECT_NEAR(Wilson(10, 10).second, 1, 1e-15);
    EXPECT_NEAR(Wilson(0, 1).second, 0.793450685622762612, 1e-15);
    EXPECT_NEAR(Wilson(1, 1).first, 0.206549314377237387, 1e-15);
    for (uint64_t n : {1u, 2u, 3u, 10u, 500u, 10000u}) {
        EXPECT_GE(Wilson(0, n).first, 0) << n;
        EXPECT_LE(Wilson(n, n).second, 1) << n;
    }
}

TEST(Wilson, HoldsTheShareIsSymmetricAndNarrowsWithTheCount) {
    for (uint64_t n : {1u, 7u, 100u, 10000u})
        for (uint64_t k = 0; k <= n; k += 1 + n / 13) {
            const double share = (double)k / (double)n;
            const auto [low, high] = Wilson(k, n);
            EXPECT_LE(low, share + 1e-15) << k << "/" << n;
            EXPECT_GE(high, share - 1e-15) << k << "/" << n;
            EXPECT_NEAR(low, 1 - Wilson(n - k, n).second, 1e-15) << k << "/" << n;
            EXPECT_LT(Wilson(4 * k, 4 * n).second - Wilson(4 * k, 4 * n).first, high - low) << k << "/" << n;
        }
}

TEST(Wilson, OfNothingEverythingIsPossible) { EXPECT_EQ(Wilson(0, 0), std::make_pair(0.0, 1.0)); }

/* ---- precision and recall ---------------------------------------------------------------- */

TEST(PrecisionAndRecall, AreSharesOfAColumnAndARow) {
    lenet_evaluation e = {};
    e.classes = 4; /* class 2 is never predicted, class 3 never there */
    const uint64_t confusion[4][4] = {{3, 1, 0, 0}, {1, 5, 0, 2}, {2, 0, 0, 0}, {0, 0, 0, 0}};
    for (int t = 0; t < 4; t++)
        for (int p = 0; p < 4; p++) e.confusion[t][p] = confusion[t][p];
    EXPECT_DOUBLE_EQ(lenet_recall(&e, 0), 3 / 4.0);
    EXPECT_DOUBLE_EQ(lenet_recall(&e, 1), 5 / 8.0);
    EXPECT_EQ(lenet_recall(&e, 2), 0);
    EXPECT_DOUBLE_EQ(lenet_precision(&e, 0), 3 / 6.0);
    EXPECT_DOUBLE_EQ(lenet_precision(&e, 1), 5 / 6.0);
    EXPECT_EQ(lenet_precision(&e, 3), 0);
}

TEST(PrecisionAndRecall, AreNoNumberWhereThereIsNothingToDivideBy) {
    lenet_evaluation e = {};
    e.classes = 4;
    e.confusion[0][1] = 7;
    EXPECT_TRUE(std::isnan(lenet_precision(&e, 0))) << "never predicted";
    EXPECT_EQ(lenet_recall(&e, 0), 0);
    EXPECT_TRUE(std::isnan(lenet_recall(&e, 1))) << "never there";
    EXPECT_EQ(lenet_precision(&e, 1), 0);
    EXPECT_TRUE(std::isnan(lenet_precision(&e, 3)));
    EXPECT_TRUE(std::isnan(lenet_recall(&e, 3)));
}

/* ---- a network that is known to the last weight ---------------------------------------------- */

constexpr int kSide = 28, kClasses = 4;
constexpr float kWeight = 2;

std::string BigEndian(uint32_t value) {
    return {char(value >> 24), char(value >> 16 & 255), char(value >> 8 & 255), char(value & 255)};
}

/* A data set in which image i has one bright pixel, number shown[i], and label[i]; and a linear network whose output o
 * is kWeight where pixel o is bright, else 0. */
class Evaluate : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_eval_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        WriteHalf("train", std::vector<int>(kClasses, 0), {0, 1, 2, 3});
        WriteModel("linear", kClasses);
        lenet_config_init(&config_);
        snprintf(config_.data, sizeof config_.data, "%s", directory_.c_str());
        snprintf(config_.weights, sizeof config_.weights, "%s", Path("w.safetensors").c_str());
        snprintf(config_.device, sizeof config_.device, "cpu");
        config_.threads = 1;
    }
    void TearDown() override {
        Free();
        fs::remove_all(directory_);
    }

    std::string Path(const std::string &name) const { return (directory_ / name).string(); }
    void Write(const std::string &name, const std::string &bytes) const {
        std::ofstream(directory_ / name, std::ios::binary) << bytes;
    }
    void WriteHalf(const std::string &half, const std::vector<int> &shown, const std::vector<int> &label,
                   int side = kSide) const {
        const auto n = (uint32_t)shown.size(), pixels = (uint32_t)(side * side);
        std::string images((size_t)n * pixels, '\0'), labels;
        for (size_t i = 0; i < n; i++) {
            images[i * pixels + (size_t)shown[i]] = '\xff';
            labels += char(label[i]);
        }
        Write(half + "-images-idx3-ubyte",
              BigEndian(0x803) + BigEndian(n) + BigEndian((uint32_t)side) + BigEndian((uint32_t)side) + images);
        Write(half + "-labels-idx1-ubyte", BigEndian(0x801) + BigEndian(n) + labels);
    }
    /* Inputs are 0 and 1. */
    void WriteModel(const char *arch, int classes, const char *name = "w.safetensors") const {
        lenet_model model = {};
        lenet_error err = {};
        ASSERT_EQ(
            lenet_topology_make(lenet_arch_find(arch), LENET_RELU, LENET_POOL_MAX, classes, &model.topology, &err),
            LENET_OK)
            << err.text;
        model.scaling = {1 / 255.0f, 0};
        std::vector<float> w(model.topology.stride);
        const size_t inputs = lenet_layer_inputs(&model.topology.layers[0]);
        for (size_t o = 0; o < (size_t)model.topology.layers[0].O; o++) w[o * inputs + o] = kWeight;
        ASSERT_EQ(lenet_model_write(Path(name).c_str(), &model, w.data(), &err), LENET_OK) << err.text;
    }

    /* A linear network of which pixel 0 makes output `o` as large as `weight`, in DIRECTORY/networks. */
    void WriteOpinion(const std::string &name, size_t o, float weight) const {
        lenet_model model = {};
        fs::create_directory(directory_ / "networks");
        lenet_topology_make(lenet_arch_find("linear"), LENET_RELU, LENET_POOL_MAX, kClasses, &model.topology, nullptr);
        model.scaling = {1 / 255.0f, 0};
        std::vector<float> w(model.topology.stride);
        w[o * lenet_layer_inputs(&model.topology.layers[0])] = weight;
        ASSERT_EQ(lenet_model_write(Path("networks/" + name).c_str(), &model, w.data(), nullptr), LENET_OK);
    }

    lenet_status Run() {
        Free();
        return lenet_evaluate(&config_, &evaluation_, &data_, &err_);
    }
    /* What the results' JSON has behind this key of the data, "" where it is not there. */
    std::string Json(const std::string &key) {
        EXPECT_EQ(lenet_evaluation_write(Path("e.json").c_str(), &config_, &evaluation_, &data_, &err_), LENET_OK);
        std::ifstream in(Path("e.json"));
        const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
        const size_t at = text.find(key);
        if (at == std::string::npos) return "";
        const size_t begin = text.find('"', at + key.size()) + 1;
        return text.substr(begin, text.find('"', begin) - begin);
    }
    void Free() {
        lenet_evaluation_free(&evaluation_);
        lenet_dataset_free(&data_);
    }
    void ExpectFails(lenet_status want, const std::vector<std::string> &pieces) {
        EXPECT_EQ(Run(), want) << err_.text;
        for (const std::string &piece : pieces)
            EXPECT_NE(std::string(err_.text).find(piece), std::string::npos) << "wanted " << piece << ": " << err_.text;
        EXPECT_EQ(data_.train.images, nullptr);
    }

    fs::path directory_;
    lenet_config config_;
    lenet_evaluation evaluation_ = {};
    lenet_dataset data_ = {};
    lenet_error err_ = {};
};

TEST_F(Evaluate, CountsWhatTheNetworkSays) {
    /* A pixel beyond the classes: all outputs are alike, and the first is taken. Class 3 is shown, never true. */
    WriteHalf("t10k", {0, 1, 2, 3, 3, 700, 1}, {0, 1, 1, 0, 2, 0, 1});
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(evaluation_.classes, kClasses);
    EXPECT_EQ(evaluation_.count, 7u);
    EXPECT_EQ(evaluation_.correct, 4u);
    EXPECT_EQ(std::vector<uint8_t>(evaluation_.predicted, evaluation_.predicted + 7),
              std::vector<uint8_t>({0, 1, 2, 3, 3, 0, 1}));
    const uint64_t want[kClasses][kClasses] = {{2, 0, 0, 1}, {0, 2, 1, 0}, {0, 0, 0, 1}, {0, 0, 0, 0}};
    for (int t = 0; t < kClasses; t++)
        for (int p = 0; p < kClasses; p++) EXPECT_EQ(evaluation_.confusion[t][p], want[t][p]) << t << " as " << p;
    /* Right: log(e^2 + 3) - 2, three times; wrong: log(e^2 + 3), three times; no output above another: log 4. */
    const double all = std::log(std::exp((double)kWeight) + 3);
    /* Outputs are exact; the loss is computed in double. */
    EXPECT_NEAR(evaluation_.loss, (6 * all - 3 * kWeight + std::log(4)) / 7, 1e-14);
    EXPECT_STREQ(data_.name, directory_.filename().c_str());
}

TEST_F(Evaluate, TakesAnyNumberOfImages) {
    for (size_t n : {1u, 127u, 128u, 129u, 300u}) {
        std::vector<int> shown(n), label(n);
        for (size_t i = 0; i < n; i++) {
            shown[i] = (int)(i * 7 % kClasses);
            label[i] = (int)(i % 3);
        }
        WriteHalf("t10k", shown, label);
        ASSERT_EQ(Run(), LENET_OK) << err_.text;
        EXPECT_EQ(evaluation_.count, n);
        uint64_t correct = 0, counted = 0;
        for (size_t i = 0; i < n; i++) {
            EXPECT_EQ(evaluation_.predicted[i], shown[i]) << i << " of " << n;
            correct += shown[i] == label[i];
        }
        for (const auto &row : evaluation_.confusion)
            for (uint64_t count : row) counted += count;
        EXPECT_EQ(evaluation_.correct, correct);
        EXPECT_EQ(counted, n);
    }
}

TEST_F(Evaluate, ANetworkOfMoreClassesThanTheDataIsFine) {
    WriteModel("linear", 10);
    WriteHalf("t10k", {0, 9, 2}, {0, 1, 2});
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(evaluation_.classes, 10);
    EXPECT_EQ(evaluation_.confusion[1][9], 1u);
    EXPECT_EQ(evaluation_.correct, 2u);
}

TEST_F(Evaluate, WritesItAllAsJson) {
    WriteHalf("t10k", {0, 1, 1}, {0, 1, 2});
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    ASSERT_EQ(lenet_evaluation_write(Path("e.json").c_str(), &config_, &evaluation_, &data_, &err_), LENET_OK);
    std::ifstream in(Path("e.json"));
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    const std::unique_ptr<cJSON, void (*)(cJSON *)> json(cJSON_Parse(text.c_str()), cJSON_Delete);
    ASSERT_TRUE(json) << text;
    const auto item = [&](const char *name) { return cJSON_GetObjectItem(json.get(), name); };
    const auto numbers = [](const cJSON *array) { /* null becomes -1 */
                                                  std::vector<double> values;
                                                  for (const cJSON *i = array ? array->child : nullptr; i; i = i->next)
                                                      values.push_back(cJSON_IsNull(i) ? -1 : cJSON_GetNumberValue(i));
                                                  return values;
    };
    EXPECT_EQ(cJSON_GetNumberValue(item("count")), 3);
    EXPECT_EQ(cJSON_GetNumberValue(item("correct")), 2);
    EXPECT_DOUBLE_EQ(cJSON_GetNumberValue(item("accuracy")), 2 / 3.0);
    EXPECT_DOUBLE_EQ(cJSON_GetNumberValue(item("loss")), evaluation_.loss);
    EXPECT_EQ(numbers(item("interval")), std::vector<double>({Wilson(2, 3).first, Wilson(2, 3).second}));
    EXPECT_EQ(numbers(item("predictions")), std::vector<double>({0, 1, 1}));
    EXPECT_EQ(numbers(item("precision")), std::vector<double>({1, 0.5, -1, -1}));
    EXPECT_EQ(numbers(item("recall")), std::vector<double>({1, 1, 0, -1}));
    ASSERT_EQ(cJSON_GetArraySize(item("confusion")), kClasses);
    EXPECT_EQ(numbers(cJSON_GetArrayItem(item("confusion"), 2)), std::vector<double>({0, 1, 0, 0}));
    EXPECT_EQ(cJSON_GetStringValue(item("weights")), Path("w.safetensors"));
    EXPECT_EQ(cJSON_GetStringValue(cJSON_GetObjectItem(item("data"), "hash")), std::string(data_.hash));
}

/* ---- predictions that are kept ------------------------------------------------------------------ */

/* A file of predictions: its tensors' values, row after row, and what its metadata say. */
struct Kept {
    std::map<std::string, std::vector<int>> values; /* of U8; of F16 the bits */
    std::string members, trained_on, data;
    explicit Kept(const std::string &path) {
        lenet_tensor_file file;
        lenet_error err = {};
        if (lenet_tensors_read(path.c_str(), &file, &err) != LENET_OK) throw std::runtime_error(err.text);
        for (int i = 0; i < file.n; i++) {
            const lenet_tensor &tensor = file.tensors[i];
            for (size_t k = 0; k < tensor.shape[0] * tensor.shape[1]; k++)
                values[tensor.name].push_back(tensor.dtype == LENET_U8 ? static_cast<uint8_t *>(tensor.data)[k]
                                                                       : static_cast<uint16_t *>(tensor.data)[k]);
        }
        members = lenet_metadata_find(&file, "members");
        trained_on = lenet_metadata_find(&file, "trained_on");
        data = lenet_metadata_find(&file, "data");
        lenet_tensors_free(&file);
    }
};

TEST_F(Evaluate, KeepsWhatTheNetworkAnswersForEveryImageAndWithWhichLoss) {
    WriteHalf("t10k", {0, 1, 2, 3, 3, 700, 1}, {0, 1, 1, 0, 2, 0, 1});
    snprintf(config_.predictions, sizeof config_.predictions, "%s", Path("p.safetensors").c_str());
    config_.predictions_loss = 1;
    config_.predictions_of = 2;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    const Kept kept(Path("p.safetensors"));
    /* as in CountsWhatTheNetworkSays */
    const double all = std::log(std::exp((double)kWeight) + 3);
    const int right = lenet_half(all - kWeight), wrong = lenet_half(all), even = lenet_half(std::log(4));
    const std::map<std::string, std::vector<int>> want = {
        {"predictions", {0, 1, 2, 3, 3, 0, 1}},
        {"loss", {right, right, wrong, wrong, wrong, even, right}},
        {"train_predictions", {0, 0, 0, 0}},
        {"train_loss", {right, wrong, wrong, wrong}},
    };
    EXPECT_EQ(kept.values, want);
    EXPECT_EQ(kept.members, "[{\"weights\":\"" + Path("w.safetensors") + "\"}]");
    EXPECT_EQ(kept.trained_on, "unknown");
    EXPECT_NE(kept.data.find(data_.hash), std::string::npos);
}

TEST_F(Evaluate, KeepsTheAnswersOfEachNetworkOfAnEnsemble) {
    WriteHalf("t10k", {0, 1}, {0, 1});
    for (const int of : {0, 2, 1}) WriteOpinion("w" + std::to_string(of) + ".safetensors", (size_t)of, 1);
    snprintf(config_.weights, sizeof config_.weights, "%s", Path("networks").c_str());
    snprintf(config_.predictions, sizeof config_.predictions, "%s", Path("p.safetensors").c_str());
    config_.ensemble = 1;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    const Kept kept(Path("p.safetensors"));
    EXPECT_EQ(kept.values.at("predictions"), std::vector<int>({0, 0, 1, 0, 2, 0})) << "in the order of their names";
    EXPECT_EQ(kept.values.size(), 1u);
    EXPECT_LT(kept.members.find("w0"), kept.members.find("w1"));
    EXPECT_LT(kept.members.find("w1"), kept.members.find("w2"));
    for (const char *among : {"networks/w0.safetensors", "networks/p.safetensors"}) {
        snprintf(config_.predictions, sizeof config_.predictions, "%s", Path(among).c_str());
        ExpectFails(LENET_ERR_ARG, {"--predictions", among, "lie among them"});
    }
}

TEST_F(Evaluate, AnswersToTrainingImagesNeedThese) {
    WriteHalf("t10k", {0, 1}, {0, 1});
    snprintf(config_.predictions, sizeof config_.predictions, "%s", Path("p.safetensors").c_str());
    config_.predictions_of = 1;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(Kept(Path("p.safetensors")).values.at("train_predictions"), std::vector<int>({0, 0, 0, 0}));
    fs::remove(Path("p.safetensors"));
    fs::remove(Path("train-images-idx3-ubyte"));
    ExpectFails(LENET_ERR_IO, {directory_.string(), "train-images"});
    EXPECT_FALSE(fs::exists(Path("p.safetensors")));
    config_.predictions_of = 0;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(Kept(Path("p.safetensors")).values.at("predictions"), std::vector<int>({0, 1}));
}

TEST_F(Evaluate, PredictionsThatCannotBeKeptAreAnError) {
    WriteHalf("t10k", {0}, {0});
    snprintf(config_.predictions, sizeof config_.predictions, "%s", Path("nowhere/p.safetensors").c_str());
    ExpectFails(LENET_ERR_IO, {"nowhere/p.safetensors"});
    snprintf(config_.predictions, sizeof config_.predictions, "%s", Path("./w.safetensors").c_str());
    ExpectFails(LENET_ERR_ARG, {"--predictions", "replace the weights"});
    config_.predictions[0] = '\0';
    snprintf(config_.json, sizeof config_.json, "%s", Path("./w.safetensors").c_str());
    ExpectFails(LENET_ERR_ARG, {"--json", "replace the weights"});
    config_.json[0] = '\0';
    for (const char *name : {"predictions-of", "predictions-loss"}) {
        const lenet_option *option = lenet_option_find(name);
        lenet_config_init(&config_);
        ASSERT_EQ(lenet_option_set(&config_, option, option->initial, &err_), LENET_OK);
        ExpectFails(LENET_ERR_ARG, {std::string("--") + name, "--predictions FILE"});
    }
}

TEST_F(Evaluate, WithoutWeightsItSaysWhichOptionsAreWanted) {
    WriteHalf("t10k", {0}, {0});
    config_.weights[0] = '\0';
    ExpectFails(LENET_ERR_ARG, {"--run", "--weights"});
}

TEST_F(Evaluate, RefusesDataOfMoreClassesThanTheNetworkHas) {
    WriteModel("linear", 3);
    WriteHalf("t10k", {0}, {0});
    ExpectFails(LENET_ERR_FORMAT, {"w.safetensors", "3 classes", directory_.string(), "4"});
}

TEST_F(Evaluate, RefusesImagesThatAreLargerThanTheFieldNamingTheData) {
    WriteHalf("train", {0, 1}, {0, 3}, kSide + 1);
    WriteHalf("t10k", {0}, {0}, kSide + 1);
    ExpectFails(LENET_ERR_FORMAT, {"29 x 29", "28 x 28", directory_.string()});
}

TEST_F(Evaluate, NamesTheFileThatIsMissing) {
    ExpectFails(LENET_ERR_IO, {directory_.string(), "t10k-images"});
    WriteHalf("t10k", {0}, {0});
    fs::remove(Path("w.safetensors"));
    ExpectFails(LENET_ERR_IO, {"w.safetensors"});
    config_.weights[0] = '\0';
    snprintf(config_.run, sizeof config_.run, "%s", Path("no-run").c_str());
    ExpectFails(LENET_ERR_IO, {"no-run/run.json"});
}

TEST_F(Evaluate, NamesADeviceThatIsNone) {
    WriteHalf("t10k", {0}, {0});
    snprintf(config_.device, sizeof config_.device, "tpu");
    ExpectFails(LENET_ERR_ARG, {"--device", "tpu"});
}

/* ---- a test half alone ------------------------------------------------------------------------ */

TEST_F(Evaluate, NeedsTheTestHalfOnly) {
    WriteHalf("t10k", {0, 1, 1}, {0, 1, 2});
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    const double loss = evaluation_.loss;
    const std::string hash = data_.hash, test_hash = data_.test_hash;
    EXPECT_EQ(Json("\"hash\""), hash);
    EXPECT_EQ(Json("\"test_hash\""), "");
    for (const char *file : {"train-labels-idx1-ubyte", "train-images-idx3-ubyte"}) {
        fs::remove(Path(file));
        ASSERT_EQ(Run(), LENET_OK) << err_.text;
        EXPECT_EQ(evaluation_.loss, loss);
        EXPECT_EQ(evaluation_.correct, 2u);
        EXPECT_EQ(Json("\"hash\""), "");
        EXPECT_EQ(Json("\"test_hash\""), test_hash);
    }
}

TEST_F(Evaluate, OfATestHalfAloneTheLabelsAreStillChecked) {
    fs::remove(Path("train-images-idx3-ubyte"));
    WriteModel("linear", 3);
    WriteHalf("t10k", {0}, {3});
    ExpectFails(LENET_ERR_FORMAT, {"w.safetensors", "3 classes", directory_.string(), "4"});
}

/* ---- where the results go ------------------------------------------------------------------------ */

/* The run in DIRECTORY/name of this class's data set and of the weights in w.safetensors. */
class EvaluateRun : public Evaluate {
  protected:
    void MakeRun(const std::string &name) {
        lenet_config trained = config_;
        lenet_dataset data;
        snprintf(trained.run, sizeof trained.run, "%s", Path(name).c_str());
        ASSERT_EQ(lenet_dataset_read(trained.data, &data, &err_), LENET_OK) << err_.text;
        lenet_lock lock = {};
        ASSERT_EQ(lenet_run_create(&trained, "cpu", "this machine", &data, &lock, &err_), LENET_OK) << err_.text;
        lenet_lock_release(&lock);
        lenet_dataset_free(&data);
        fs::copy(Path("w.safetensors"), Path(name + "/last.safetensors"));
    }
    void SetUp() override {
        Evaluate::SetUp();
        WriteHalf("t10k", {0, 1, 1}, {0, 1, 2});
        MakeRun("r");
        MakeRun("other");
    }
    /* Where the results of these options are kept, "" for nowhere. */
    std::string Kept(const std::string &run, const std::string &weights, const std::string &data) {
        Choose(run, weights, data);
        EXPECT_EQ(Run(), LENET_OK) << err_.text;
        char path[LENET_MAX_PATH] = "?";
        EXPECT_EQ(lenet_evaluation_path(&config_, &evaluation_, path, &err_), LENET_OK) << err_.text;
        return path;
    }
    void Choose(const std::string &run, const std::string &weights, const std::string &data) {
        snprintf(config_.run, sizeof config_.run, "%s", run.c_str());
        snprintf(config_.weights, sizeof config_.weights, "%s", weights.c_str());
        snprintf(config_.data, sizeof config_.data, "%s", data.c_str());
    }
    /* A copy of the four files. */
    void CopyData(const std::string &name) const {
        fs::create_directory(Path(name));
        for (const auto &entry : fs::directory_iterator(directory_))
            if (entry.path().filename().string().find("-ubyte") != std::string::npos)
                fs::copy(entry.path(), Path(name));
    }
};

TEST_F(EvaluateRun, ResultsOfItsOwnWeightsAndDataAreTheRuns) {
    const std::string own = Path("r/eval.json"), last = Path("r/last.safetensors");
    CopyData("copy");
    EXPECT_EQ(Kept(Path("r"), "", ""), own);
    EXPECT_EQ(Kept(Path("r"), "", directory_), own);
    EXPECT_EQ(Kept(Path("r"), "", Path("copy")), own) << "the same data elsewhere";
    EXPECT_EQ(Kept(Path("r"), last, ""), own);
    EXPECT_EQ(Kept(Path("r"), Path("r/../r//last.safetensors"), ""), own);
}

TEST_F(EvaluateRun, ResultsOfOtherWeightsOrDataAreNotTheRuns) {
    CopyData("changed");
    std::fstream labels(Path("changed/t10k-labels-idx1-ubyte"), std::ios::binary | std::ios::in | std::ios::out);
    labels.seekp(8);
    labels.put('\2');
    labels.close();
    EXPECT_EQ(Kept(Path("r"), Path("other/last.safetensors"), ""), "");
    EXPECT_EQ(Kept(Path("r"), "", Path("changed")), "");
    EXPECT_EQ(Kept("", Path("r/last.safetensors"), directory_), "");
}

TEST_F(EvaluateRun, WhereResultsAreToGoIsWhereTheyGo) {
    snprintf(config_.json, sizeof config_.json, "here.json");
    EXPECT_EQ(Kept(Path("r"), "", ""), "here.json");
    EXPECT_EQ(Kept(Path("r"), Path("other/last.safetensors"), ""), "here.json");
    EXPECT_EQ(Kept("", Path("r/last.safetensors"), directory_), "here.json");
}

TEST_F(EvaluateRun, ATestHalfAloneIsTheRunsWhereTheRunsDataLay) {
    CopyData("half");
    fs::remove(Path("half/train-images-idx3-ubyte"));
    fs::remove(Path("train-images-idx3-ubyte"));
    EXPECT_EQ(Kept(Path("r"), "", ""), Path("r/eval.json"));
    EXPECT_EQ(Kept(Path("r"), "", Path("half")), "");
}

/* ---- hints ---------------------------------------------------------------------------------------- */

TEST_F(EvaluateRun, AFileInPlaceOfTheRunIsAHintToWeights) {
    Choose(Path("r/last.safetensors"), "", "");
    ExpectFails(LENET_ERR_IO, {"--run", "a file", "did you mean --weights " + Path("r/last.safetensors"),
                               "or --run " + Path("r") + "?"});
    Choose(Path("w.safetensors"), "", "");
    ExpectFails(LENET_ERR_IO, {"--run", "a file", "did you mean --weights " + Path("w.safetensors") + "?"});
    fs::current_path(Path("r"));
    Choose("last.safetensors", "", "");
    ExpectFails(LENET_ERR_IO, {"did you mean --weights last.safetensors, or --run .?"});
    fs::current_path("/");
}

TEST_F(EvaluateRun, AnotherDirectoryInPlaceOfTheRunIsNamed) {
    Choose(directory_, "", "");
    ExpectFails(LENET_ERR_IO, {directory_.string() + "/run.json", "data set", "did you mean --data"});
    fs::create_directory(Path("sweep"));
    Write("sweep/sweep.json", "{}");
    Choose(Path("sweep"), "", "");
    ExpectFails(LENET_ERR_IO, {"sweep/run.json", "a sweep's directory", "lenet report", "--weights", "--keep-weights"});
    fs::create_directory(Path("empty"));
    Choose(Path("empty"), "", "");
    ExpectFails(LENET_ERR_IO, {"empty/run.json"});
}

TEST_F(EvaluateRun, ARunInPlaceOfTheWeightsIsAHintToRun) {
    Choose("", Path("r"), directory_);
    ExpectFails(LENET_ERR_ARG, {"--weights", "did you mean --run " + Path("r") + "?"});
    Choose(Path("r"), Path("other"), "");
    ExpectFails(LENET_ERR_ARG, {"did you mean --run " + Path("other")});
    fs::create_directory(Path("sweep"));
    Write("sweep/sweep.json", "{}");
    Choose("", Path("sweep"), directory_);
    ExpectFails(LENET_ERR_ARG, {"a sweep's directory", Path("sweep/weights"), "--keep-weights"});
}

TEST_F(EvaluateRun, DataThatIsNoLongerWhereTheRunFoundItIsSaidToBeTheRuns) {
    CopyData("moved");
    Choose("", "", Path("moved"));
    MakeRun("late");
    fs::rename(Path("moved"), Path("elsewhere"));
    Choose(Path("late"), "", "");
    ExpectFails(LENET_ERR_IO, {Path("moved"), Path("late"), "the run began with", "--data"});
    EXPECT_EQ(Kept(Path("late"), "", Path("elsewhere")), Path("late/eval.json"));
}

/* ---- ensembles ------------------------------------------------------------------------------- */

TEST_F(Evaluate, OneSureNetworkOutweighsTwoUnsureOnesButIsOutvoted) {
    WriteHalf("t10k", {0}, {0});
    WriteOpinion("a.safetensors", 1, 0.1f);
    WriteOpinion("b.safetensors", 1, 0.1f);
    WriteOpinion("c.safetensors", 0, 5);
    snprintf(config_.weights, sizeof config_.weights, "%s", Path("networks").c_str());
    config_.ensemble = 1;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    ASSERT_EQ(evaluation_.members, 3);
    EXPECT_EQ(std::vector<uint64_t>(evaluation_.member_correct, evaluation_.member_correct + 3),
              (std::vector<uint64_t>{0, 0, 1}));
    EXPECT_EQ(evaluation_.vote_correct, 0u);
    EXPECT_EQ(evaluation_.correct, 1u);
    /* softmax of class 0: 1/(3 + e^0.1) twice, e^5/(3 + e^5) once; outputs are floats, so 1e-6 */
    const double mean = (2 / (3 + exp(0.1)) + exp(5) / (3 + exp(5))) / 3;
    EXPECT_NEAR(evaluation_.loss, -log(mean), 1e-6);
}

TEST_F(Evaluate, ATiedVoteIsDecidedByTheMeanOfTheOutputs) {
    WriteHalf("t10k", {0, 0}, {0, 1});
    WriteOpinion("a.safetensors", 1, 0.1f);
    WriteOpinion("b.safetensors", 0, 5);
    snprintf(config_.weights, sizeof config_.weights, "%s", Path("networks").c_str());
    config_.ensemble = 1;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(evaluation_.vote_correct, 1u) << "class 0 for both images, of which one is of class 0";
    EXPECT_EQ(evaluation_.correct, 1u);
}

TEST_F(Evaluate, AnEnsembleOfOneIsThatNetwork) {
    WriteHalf("t10k", {0, 1, 2, 3, 3, 700, 1}, {0, 1, 1, 0, 2, 0, 1});
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    const uint64_t correct = evaluation_.correct;
    const double loss = evaluation_.loss;
    config_.ensemble = 1;
    ASSERT_EQ(Run(), LENET_OK) << err_.text;
    EXPECT_EQ(evaluation_.correct, correct);
    EXPECT_EQ(evaluation_.loss, loss);
}

TEST_F(Evaluate, SeveralNetworksWithoutEnsembleOrOfTwoKindsAreRefused) {
    WriteHalf("t10k", {0}, {0});
    snprintf(config_.weights, sizeof config_.weights, "%s", Path("networks").c_str());
    fs::create_directory(directory_ / "networks");
    ExpectFails(LENET_ERR_IO, {"networks", "no .safetensors file"});
    WriteOpinion("a.safetensors", 0, 1);
    WriteOpinion("b.safetensors", 0, 1);
    ExpectFails(LENET_ERR_ARG, {"networks", "2 networks", "--ensemble"});
    config_.ensemble = 1;
    WriteModel("mlp-300", kClasses, "networks/c.safetensors");
    ExpectFails(LENET_ERR_FORMAT, {"networks/c.safetensors", "another kind"});
}

} // namespace
