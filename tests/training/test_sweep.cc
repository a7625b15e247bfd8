/* test_sweep.cc - every run of a sweep ends as the same run alone, whatever it trains with and wherever it is stopped;
 * none is lost, none is done twice. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/stop.h"
#include "lenet/eval.h"
#include "lenet/sweep.h"
#include "lenet/version.h"
#include "support/fill.h"
#include "support/idx.h"
#include "support/rewrite.h"
#include "sweep/sweep_dir.h"
#include "train/checkpoint.h"
#include "train/run_dir.h"

/* Milliseconds more than the system's own fsync, in whose place the program calls this one. */
static std::atomic<int> fsync_takes{0};
extern "C" int fsync(int fd) {
    std::this_thread::sleep_for(std::chrono::milliseconds(fsync_takes));
    return static_cast<int>(syscall(SYS_fsync, fd));
}

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using Weights = std::vector<float>;

/* ---- files --------------------------------------------------------------------------------- */

std::string Read(const fs::path &path) { return ReadFile(path); }
void Write(const fs::path &path, const std::string &bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/* Every file below a directory with its contents. */
using Snapshot = std::map<std::string, std::string>;
Snapshot Contents(const fs::path &directory) {
    Snapshot files;
    if (!fs::exists(directory)) return files;
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(directory))
        files[fs::relative(entry.path(), directory).string()] = entry.is_directory() ? "/" : Read(entry.path());
    return files;
}

Strings Split(const std::string &line) {
    std::istringstream words(line);
    return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

Strings FilesIn(const fs::path &directory) {
    Strings names;
    if (fs::exists(directory))
        for (const fs::directory_entry &entry : fs::directory_iterator(directory))
            names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

Strings Lines(const fs::path &path) {
    std::ifstream in(path);
    Strings lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string Untimed(const std::string &text) { return WithoutTimes(text); }

/* An object's or an array's text in a line of JSON, as it was written. */
std::string Part(const std::string &line, const std::string &key) {
    const size_t at = line.find("\"" + key + "\":") + key.size() + 3;
    size_t end = at;
    int depth = 0;
    do depth += (line[end] == '{' || line[end] == '[') - (line[end] == '}' || line[end] == ']');
    while (depth > 0 && ++end < line.size());
    return line.substr(at, end + 1 - at);
}

void *DataOf(const lenet_tensor_file &file, const char *name) {
    const lenet_tensor *tensor = lenet_tensors_find(&file, name);
    if (!tensor) throw std::runtime_error(std::string("no tensor ") + name);
    return tensor->data;
}

/* ---- a sweep ------------------------------------------------------------------------------------ */

/* Watches a sweep, and stops it after so many calls. */
class Watcher {
  public:
    volatile sig_atomic_t stop = 0;
    int stop_after = INT_MAX;
    bool slow = false; /* makes progress due after every run, whatever the machine: it is told ten times a second */
    std::function<void()> on_run;
    int begins = 0, runs = 0, progresses = 0;
    lenet_sweep_overview work = {};
    size_t grouped_runs = 0, grouped_populations = 0;
    std::vector<int> largest;
    double estimate = -1;
    std::string notes;
    std::map<std::string, std::string> divergences;

    lenet_sweep_observer Observer() { return {Begin, Group, Estimate, Run, Progress, this, Note, nullptr}; }

  private:
    static Watcher &Of(void *self) { return *static_cast<Watcher *>(self); }
    void Count() {
        if (begins + runs + progresses >= stop_after) lenet_stop_set(&stop, 1);
    }
    static void Begin(void *self, const lenet_sweep_plan *, const lenet_sweep_overview *work) {
        Of(self).work = *work;
        Of(self).begins++;
        Of(self).Count();
    }
    static void Group(void *self, const lenet_sweep_group *group) {
        Of(self).grouped_runs += group->runs;
        Of(self).grouped_populations += (size_t)group->populations;
        Of(self).largest.push_back(group->largest);
    }
    static void Note(void *self, const char *text) { Of(self).notes += std::string(text) + "\n"; }
    static void Estimate(void *self, double seconds) { Of(self).estimate = seconds; }
    static void Run(void *self, const lenet_sweep_plan *, const lenet_sweep_run *run,
                    const lenet_sweep_progress *progress) {
        Watcher &w = Of(self);
        w.runs++;
        if (!run->last) w.divergences[run->id] = run->divergence;
        EXPECT_EQ(progress->ended, (size_t)w.runs);
        EXPECT_LE(progress->ended, progress->missing);
        if (w.on_run) w.on_run();
        w.Count();
        if (w.slow) std::this_thread::sleep_for(std::chrono::milliseconds(110));
    }
    static void Progress(void *self, const lenet_sweep_progress *progress) {
        EXPECT_GE(progress->seconds_left, 0);
        EXPECT_GE(progress->images_per_s, 0);
        Of(self).progresses++;
        Of(self).Count();
    }
};

/* A line of runs.jsonl. */
struct Line {
    std::string status, config, metrics, device, divergence;
    double step = 0;
    bool operator==(const Line &o) const {
        return status == o.status && config == o.config && metrics == o.metrics && device == o.device &&
               divergence == o.divergence && step == o.step;
    }
};

class Sweep : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_sweep_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        /* A build may have been carried to where the tree lies elsewhere; scripts/gpu_check.sh says where. */
        const char *moved = std::getenv("LENET_SOURCE_DIR");
        const std::string sample = std::string(moved ? moved : LENET_SOURCE_DIR) + "/data/sample";
        lenet_error err = {};
        ASSERT_EQ(lenet_dataset_read(sample.c_str(), &sample_, &err), LENET_OK) << err.text;
        WriteHalf(directory_ / "few", "train", sample_.train, 300, 28, 28);
        WriteHalf(directory_ / "few", "t10k", sample_.test, 20, 28, 28);
    }
    void TearDown() override {
        lenet_dataset_free(&sample_);
        fs::remove_all(directory_);
    }

    fs::path Dir(const std::string &name) const { return directory_ / name; }
    /* Of the data set that the sweeps here train on. */
    std::string Hash() const {
        lenet_dataset few = {};
        lenet_error err = {};
        EXPECT_EQ(lenet_dataset_read(Dir("few").c_str(), &few, &err), LENET_OK) << err.text;
        const std::string hash = few.hash;
        lenet_dataset_free(&few);
        return hash;
    }

    /* The command line of a sweep of short runs. */
    Strings Words(const std::string &out, const Strings &more) const {
        Strings words = {"--data",
                         (directory_ / "few").string(),
                         "--out",
                         Dir(out).string(),
                         "--device",
                         device_,
                         "--threads",
                         "1",
                         "--keep-weights",
                         "--checkpoint-seconds",
                         "1e9",
                         "--batch",
                         "8",
                         "--train-size",
                         "40",
                         "--epochs",
                         "2"};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
    lenet_status Start(const std::string &out, const Strings &more, Watcher &watcher) {
        Strings words = Words(out, more);
        std::vector<char *> argv;
        for (std::string &word : words) argv.push_back(word.data());
        lenet_sweep_plan plan;
        err_ = {};
        lenet_status status = lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err_);
        EXPECT_EQ(status, LENET_OK) << err_.text;
        const lenet_sweep_observer observer = watcher.Observer();
        if (status == LENET_OK) status = lenet_sweep(&plan, &observer, &watcher.stop, &result_, &err_);
        lenet_sweep_plan_free(&plan);
        return status;
    }
    /* A sweep that ends. */
    Watcher Finish(const std::string &out, const Strings &more) {
        Watcher watcher;
        EXPECT_EQ(Start(out, more, watcher), LENET_OK) << err_.text;
        EXPECT_FALSE(result_.interrupted);
        EXPECT_EQ((size_t)watcher.runs, result_.done + result_.diverged);
        EXPECT_EQ(FilesIn(Dir(out) / "progress"), Strings()) << "checkpoints are gone";
        return watcher;
    }

    /* What runs*.jsonl say. A run that is there twice is a failure. */
    std::map<std::string, Line> Recorded(const std::string &out, bool may_repeat = false) const {
        std::map<std::string, Line> runs;
        for (const std::string &name : FilesIn(Dir(out))) {
            if (name.rfind("runs", 0) != 0) continue;
            for (const std::string &text : Lines(Dir(out) / name)) {
                cJSON *json = cJSON_Parse(text.c_str());
                const auto string = [json](const char *key) {
                    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(json, key));
                    return std::string(value ? value : "");
                };
                EXPECT_TRUE(json) << text;
                const std::string id = string("id");
                EXPECT_TRUE(may_repeat || runs.count(id) == 0) << id << " is recorded twice";
                runs[id] = {string("status"),
                            Part(text, "config"),
                            Untimed(Part(text, "metrics")),
                            string("device"),
                            cJSON_GetObjectItem(json, "divergence") ? Part(text, "divergence") : "",
                            cJSON_GetNumberValue(cJSON_GetObjectItem(json, "step"))};
                cJSON_Delete(json);
            }
        }
        return runs;
    }
    /* All weights that were kept, by the run's id. */
    std::map<std::string, Weights> Kept(const std::string &out) const {
        std::map<std::string, Weights> kept;
        for (const std::string &name : FilesIn(Dir(out) / "weights")) {
            lenet_model model;
            lenet_error err = {};
            int R = 0;
            float *w = nullptr;
            cJSON *members = nullptr;
            EXPECT_EQ(lenet_weights_read((Dir(out) / "weights" / name).c_str(), &model, &R, &w, &members, &err),
                      LENET_OK)
                << err.text;
            for (int r = 0; w && r < R; r++) {
                const cJSON *id = cJSON_GetObjectItem(cJSON_GetArrayItem(members, r), "id");
                const float *first = w + (size_t)r * model.topology.stride;
                const Weights weights(first, first + model.topology.stride);
                const auto before = kept.emplace(cJSON_GetStringValue(id), weights);
                EXPECT_TRUE(before.second || before.first->second == weights) << name << " has others than before";
            }
            cJSON_Delete(members);
            free(w);
        }
        return kept;
    }
    /* All tensors of a file of predictions, network by network: a run's id and a tensor's name give its bytes. What is
     * not the run's own is left out. */
    using Answers = std::map<std::string, std::map<std::string, std::string>>;
    void AddPredicted(const fs::path &path, Answers &all) const {
        lenet_tensor_file file;
        lenet_error err = {};
        ASSERT_EQ(lenet_tensors_read(path.c_str(), &file, &err), LENET_OK) << err.text;
        cJSON *members = cJSON_Parse(lenet_metadata_find(&file, "members"));
        cJSON *data = cJSON_Parse(lenet_metadata_find(&file, "data"));
        EXPECT_EQ(cJSON_GetStringValue(cJSON_GetObjectItem(data, "hash")), Hash());
        const auto R = (size_t)cJSON_GetArraySize(members);
        for (size_t r = 0; r < R; r++) {
            const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(members, (int)r), "id"));
            for (int i = 0; i < file.n; i++) {
                const lenet_tensor &tensor = file.tensors[i];
                EXPECT_EQ(tensor.rank, 2);
                EXPECT_EQ(tensor.shape[0], R);
                const size_t bytes = lenet_tensor_bytes(&tensor) / R;
                EXPECT_TRUE(
                    all[id ? id : ""].emplace(tensor.name, std::string((char *)tensor.data + r * bytes, bytes)).second)
                    << "there twice";
            }
        }
        cJSON_Delete(members);
        cJSON_Delete(data);
        lenet_tensors_free(&file);
    }
    Answers Predicted(const std::string &out) const {
        Answers all;
        for (const std::string &name : FilesIn(Dir(out) / "predictions"))
            AddPredicted(Dir(out) / "predictions" / name, all);
        return all;
    }
    /* What lenet eval keeps of the networks that these options name; in place of the usual options. */
    Answers Asked(std::map<std::string, std::string> options) {
        lenet_config config;
        lenet_evaluation evaluation;
        lenet_dataset data;
        Answers all;
        const std::string path = Dir("asked.safetensors").string();
        lenet_config_init(&config);
        options.insert({{"predictions", path},
                        {"predictions-of", "both"},
                        {"predictions-loss", "on"},
                        {"device", device_},
                        {"threads", "1"}});
        for (const auto &[name, value] : options)
            EXPECT_EQ(lenet_option_set(&config, lenet_option_find(name.c_str()), value.c_str(), &err_), LENET_OK)
                << err_.text;
        EXPECT_EQ(lenet_evaluate(&config, &evaluation, &data, &err_), LENET_OK) << err_.text;
        lenet_evaluation_free(&evaluation);
        lenet_dataset_free(&data);
        AddPredicted(path, all);
        return all;
    }
    /* The same of the last run that Train has made. */
    std::map<std::string, std::string> Asked() {
        return Asked({{"run", Dir("train" + std::to_string(trained_)).string()}})[""];
    }
    /* The same of the weights that a sweep has kept. */
    Answers AskedOfKept(const std::string &out, const Strings &more = {}) {
        std::map<std::string, std::string> options = {
            {"weights", (Dir(out) / "weights").string()}, {"ensemble", "on"}, {"data", Dir("few").string()}};
        for (size_t i = 0; i + 1 < more.size(); i += 2) options[more[i]] = more[i + 1];
        return Asked(options);
    }
    void ExpectSame(const std::string &want, const std::string &got) const {
        const auto wanted = Recorded(want), recorded = Recorded(got);
        ASSERT_EQ(wanted.size(), recorded.size());
        for (const auto &[id, line] : wanted) {
            ASSERT_TRUE(recorded.count(id)) << id;
            EXPECT_TRUE(recorded.at(id) == line) << id << "\n" << line.metrics << "\n" << recorded.at(id).metrics;
        }
        EXPECT_TRUE(Kept(want) == Kept(got)) << got << " has other weights than " << want;
        EXPECT_TRUE(Predicted(want) == Predicted(got)) << got << " has other predictions than " << want;
    }

    /* The same run by lenet train: its weights and its metrics, as in runs.jsonl. */
    void Train(const std::string &config_text, Weights *weights, std::string *metrics) {
        lenet_config config;
        lenet_config_init(&config);
        cJSON *json = cJSON_Parse(config_text.c_str());
        ASSERT_EQ(lenet_config_from_json("the line", json, &config, &err_), LENET_OK) << err_.text;
        cJSON_Delete(json);
        snprintf(config.data, sizeof config.data, "%s", (directory_ / "few").c_str());
        snprintf(config.run, sizeof config.run, "%s", (directory_ / ("train" + std::to_string(++trained_))).c_str());
        snprintf(config.device, sizeof config.device, "%s", device_.c_str());
        config.threads = 1;
        config.checkpoint_seconds = 1e9;
        const lenet_observer nobody = {};
        const volatile sig_atomic_t stop = 0;
        lenet_ending ending;
        ASSERT_EQ(lenet_train(&config, &nobody, &stop, &ending, &err_), LENET_OK) << err_.text;
        lenet_model model;
        int R = 0;
        float *w = nullptr;
        cJSON *members = nullptr;
        ASSERT_EQ(
            lenet_weights_read((fs::path(config.run) / "last.safetensors").c_str(), &model, &R, &w, &members, &err_),
            LENET_OK)
            << err_.text;
        EXPECT_EQ(R, 1);
        EXPECT_EQ(members, nullptr) << "a single network's";
        weights->assign(w, w + model.topology.stride);
        free(w);
        *metrics = "[";
        for (const std::string &line : Lines(fs::path(config.run) / "metrics.jsonl"))
            *metrics += (metrics->size() > 1 ? "," : "") + Untimed(line);
        *metrics += "]";
    }
    /* Every run of a sweep that was done is, to the last bit, what lenet train makes of its configuration. */
    void ExpectAsTrained(const std::string &out, size_t runs) {
        const auto recorded = Recorded(out);
        const auto kept = Kept(out);
        ASSERT_EQ(recorded.size(), runs);
        for (const auto &[id, line] : recorded) {
            ASSERT_EQ(line.status, "done") << line.config;
            ASSERT_TRUE(kept.count(id)) << id;
            Weights weights;
            std::string metrics;
            Train(line.config, &weights, &metrics);
            EXPECT_TRUE(weights == kept.at(id)) << line.config;
            EXPECT_EQ(metrics, line.metrics) << line.config;
        }
    }
    bool Says(const std::string &piece) const { return std::string(err_.text).find(piece) != std::string::npos; }

    std::string device_ = "cpu";
    int trained_ = 0;
    lenet_dataset sample_ = {};
    fs::path directory_;
    lenet_error err_ = {};
    lenet_sweep_result result_ = {};
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};

/* Runs that differ in all that members of a population may differ in, and have equally many steps. */
const Strings kEverything = Split("--steps 12 --samples 3 --seed lin:1..1000 --lr log:1e-3..2e-2 --warmup lin:0..1.5 "
                                  "--momentum lin:0..0.9 --weight-decay log:1e-4..1e-2 --init-scale lin:0.5..1.5 "
                                  "--train-size lin:20..60 --eval-every lin:1..3 " /* 3 to 8 steps an epoch */
                                  "--augment-shift lin:0..2 --augment-rotate lin:0..10 --augment-elastic lin:0..2 "
                                  "--decay-every lin:0.5..2 --schedule constant,step,cosine,one-cycle");

Strings With(Strings words, const Strings &more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/* ---- a member is the single run ---------------------------------------------------------------------- */

TEST_F(Sweep, EveryRunIsThatOfTrainWhateverThePopulationAndTheThreads) {
    Finish("reference", kEverything);
    ExpectAsTrained("reference", 12);
    for (const char *most : {"1", "2", "5"})
        for (const char *threads : {"1", "2", "3"}) {
            const std::string out = std::string(most) + "-" + threads;
            const Watcher run = Finish(out, With(kEverything, {"--population-max", most, "--threads", threads}));
            EXPECT_EQ(run.work.populations, (size_t)std::ceil(12.0 / std::stod(most)));
            EXPECT_EQ(FilesIn(Dir(out) / "weights").size(), run.work.populations);
            ExpectSame("reference", out);
        }
}

TEST_F(Sweep, EveryRunIsThatOfTrainWithEveryOptimizerAndAValidationSet) {
    const Watcher run = Finish(
        "run", With(kEverything, Split("--optimizer sgd,momentum,nesterov,adamw --schedule cosine --lr log:1e-3..5e-3 "
                                       "--init standard,printed --validation 30 --population-max 6 --threads 2")));
    EXPECT_EQ(run.work.populations, 4u) << "one of each optimizer, with both kinds of initial weights";
    ExpectAsTrained("run", 24);
    for (const auto &[id, line] : Recorded("run"))
        EXPECT_NE(line.metrics.find("validation_accuracy"), std::string::npos) << id;
}

TEST_F(Sweep, EveryRunIsThatOfTrainInEveryPopulationOfAMixedSweep) {
    const Watcher run =
        Finish("run", Split("--arch lenet5,linear,mlp-300 --activation tanh,relu --epochs 1,2 --augment none,standard "
                            "--population-max 100 --threads 3"));
    /* 2 activations of 2 architectures, and the third one, which has none; each with 2 lengths and 2 augmentations */
    EXPECT_EQ(run.work.runs, (2u * 2 + 1) * 2 * 2);
    EXPECT_EQ(run.work.populations, 10u) << "with and without augmentation train together, all else has its own";
    ExpectAsTrained("run", 20);
}

TEST_F(Sweep, EveryRunIsThatOfTrainWithTheRecipeOf1998) {
    const Watcher run = Finish(
        "run",
        Split("--arch lenet5-1998 --batch 1 --train-size 10 --curvature-images 7 --epochs 2 --augment none,standard "
              "--init root,root-average --loss map,mse --threads 2 --seed 1..2 --population-max 5"));
    EXPECT_EQ(run.work.populations, 4u) << "8 of each loss, in halves";
    ExpectAsTrained("run", 16);
}

TEST_F(Sweep, WithPatienceEveryRunIsAloneAndEndsAsInTrain) {
    const Watcher run =
        Finish("run", Split("--patience 2 --validation 50 --lr 0,0.01,0.03 --schedule constant --epochs 9 "
                            "--population-max 5"));
    EXPECT_EQ(run.work.populations, 3u);
    ExpectAsTrained("run", 3);
    std::set<double> steps;
    for (const auto &[id, line] : Recorded("run")) steps.insert(line.step);
    EXPECT_EQ(*steps.begin(), 3 * 5) << "at rate 0 the first epoch stays the best one";
}

/* A name of a weights file: the run's own where it is alone; members say which is which. */
TEST_F(Sweep, WeightsFilesSayWhoseTheyAre) {
    Finish("alone", {"--seed", "1,2"});
    for (const auto &[id, line] : Recorded("alone")) {
        EXPECT_TRUE(fs::exists(Dir("alone") / "weights" / (id + ".safetensors")));
        EXPECT_EQ(line.device, "cpu");
    }
    Finish("together", {"--seed", "1,2", "--population-max", "2"});
    ASSERT_EQ(FilesIn(Dir("together") / "weights").size(), 1u);
    ExpectSame("alone", "together");
    Finish("none", {"--seed", "1,2", "--keep-weights", "off"});
    EXPECT_FALSE(fs::exists(Dir("none") / "weights"));
    EXPECT_EQ(FilesIn(Dir("none")), Strings({"progress", "runs.jsonl", "sweep.json"}));
}

/* ---- what they answer --------------------------------------------------------------------------------- */

const Strings kAnswers = Split("--keep-predictions --predictions-of both --predictions-loss");

TEST_F(Sweep, PredictionsAreThoseOfTrainAndEval) {
    const Strings words = With(kAnswers, Split("--train-size 0,40 --validation 30 --seed 1,2 --steps 20"));
    for (const char *most : {"1", "3"}) Finish(most, With(words, {"--population-max", most}));
    ExpectSame("1", "3");
    const auto recorded = Recorded("3");
    const Answers predicted = Predicted("3");
    ASSERT_EQ(predicted.size(), 4u);
    for (const auto &[id, line] : recorded) {
        Weights weights;
        std::string metrics;
        Train(line.config, &weights, &metrics);
        const auto asked = Asked();
        ASSERT_EQ(asked.size(), 5u);
        EXPECT_TRUE(predicted.at(id) == asked) << line.config;
        EXPECT_EQ(asked.at("predictions").size(), 20u);
        EXPECT_EQ(asked.at("train_predictions").size(), 300u);
        EXPECT_EQ(asked.at("loss").size(), 2 * 20u);
        EXPECT_EQ(asked.at("train_loss").size(), 2 * 300u);
        int images = 0;
        for (const char byte : asked.at("training_images")) images += __builtin_popcount((uint8_t)byte);
        EXPECT_EQ(images, line.config.find("\"train-size\":40,") != std::string::npos ? 40 : 300 - 30);
    }
}

TEST_F(Sweep, EvalKnowsOfKeptWeightsWhichTrainingImagesEachNetworkHad) {
    const Strings words = Split("--train-size 0,40 --validation 30 --seed 1,2 --steps 20 --population-max 3");
    Finish("run", With(kAnswers, words));
    EXPECT_TRUE(AskedOfKept("run") == Predicted("run"));
    for (const auto &[id, tensors] : AskedOfKept("run", {"transpose", "on"}))
        EXPECT_EQ(tensors.count("training_images"), 0u) << "these are other images than those of " << id;
}

TEST_F(Sweep, PredictionsAreOfTheTestImagesUnlessOthersAreAskedFor) {
    const Strings few = Split("--train-size 0 --epochs 1");
    Finish("usual", With(few, {"--keep-predictions"}));
    Finish("train", With(few, Split("--keep-predictions --predictions-of train --predictions-loss")));
    Finish("none", few);
    const auto names = [this](const std::string &out) {
        Strings found;
        for (const auto &[id, tensors] : Predicted(out))
            for (const auto &tensor : tensors) found.push_back(tensor.first);
        return found;
    };
    EXPECT_EQ(names("usual"), Strings({"predictions"})) << "it had all training images";
    EXPECT_EQ(names("train"), Strings({"train_loss", "train_predictions"}));
    EXPECT_FALSE(fs::exists(Dir("none") / "predictions"));
    Watcher watcher;
    EXPECT_EQ(Start("refused", With(few, {"--predictions-of", "train"}), watcher), LENET_ERR_ARG);
    EXPECT_TRUE(Says("--predictions-of") && Says("--keep-predictions")) << err_.text;
    EXPECT_FALSE(fs::exists(Dir("refused")));
}

TEST_F(Sweep, WeightsThatAreGoneAreCounted) {
    const auto lacking = [&](const Strings &words) {
        Watcher watcher;
        EXPECT_EQ(Start("run", words, watcher), LENET_OK) << err_.text;
        EXPECT_EQ(watcher.work.unkept, result_.unkept);
        return result_.unkept;
    };
    Finish("run", {"--seed", "1..3", "--population-max", "3"});
    Finish("run", {"--seed", "4,5", "--population-max", "1"});
    Finish("run", {"--seed", "6", "--keep-weights", "off"});
    EXPECT_EQ(lacking({"--seed", "1..5"}), 0u) << "of populations of three and of one";
    EXPECT_EQ(lacking({"--seed", "1..7"}), 1u) << "kept none; the seventh is trained";
    EXPECT_EQ(lacking({"--seed", "1..7", "--keep-weights", "off"}), 0u);
    for (const std::string &name : FilesIn(Dir("run") / "weights"))
        if (fs::file_size(Dir("run") / "weights" / name) > 400000) fs::remove(Dir("run") / "weights" / name);
    EXPECT_EQ(lacking({"--seed", "1..7"}), 4u);
    fs::remove_all(Dir("run") / "weights");
    EXPECT_EQ(lacking({"--seed", "1..7"}), 7u);
    EXPECT_EQ(lacking({"--seed", "1..7", "--shard", "1/2"}), 4u) << "of this shard";
}

/* How many rows the files of a kind have, of whatever run. */
TEST_F(Sweep, RunsThatAreTrainedAgainInOtherPopulationsAreThereOnce) {
    const auto rows = [&](const std::string &kind) {
        size_t n = 0;
        for (const std::string &name : FilesIn(Dir("run") / kind)) {
            lenet_tensor_file file;
            EXPECT_EQ(lenet_tensors_read((Dir("run") / kind / name).c_str(), &file, &err_), LENET_OK) << err_.text;
            n += file.tensors[0].shape[0];
            lenet_tensors_free(&file);
        }
        return n;
    };
    const auto sweep = [&](const char *seeds, const char *most, size_t files) {
        SCOPED_TRACE(std::string(seeds) + ", " + most + " together");
        Finish("run", With(kAnswers, {"--seed", seeds, "--population-max", most}));
        EXPECT_EQ(FilesIn(Dir("run") / "weights").size(), files);
        EXPECT_EQ(FilesIn(Dir("run") / "predictions").size(), files);
        EXPECT_EQ(rows("weights"), 5u);
        EXPECT_EQ(rows("predictions"), 5u);
        EXPECT_TRUE(Kept("run") == Kept("reference"));
        EXPECT_TRUE(Predicted("run") == Predicted("reference"));
    };
    Finish("reference", With(kAnswers, {"--seed", "1..5"}));
    sweep("1..5", "5", 1);
    fs::remove(Dir("run") / "runs.jsonl");
    sweep("2,4", "1", 3); /* and three are left of the five */
    EXPECT_EQ(Recorded("run").size(), 2u);
    sweep("1..5", "2", 4); /* two, one, and the two from before */
    EXPECT_EQ(AskedOfKept("run").size(), 5u);
    fs::remove(Dir("run") / "runs.jsonl");
    sweep("1..5", "5", 1);
    ExpectSame("reference", "run");
}

TEST_F(Sweep, RunsThatAreThereTwiceAreNoEnsemble) {
    Finish("run", {"--seed", "1,2", "--population-max", "2"});
    Finish("other", {"--seed", "2"});
    const std::string id = Recorded("other").begin()->first;
    fs::copy(Dir("other") / "weights" / (id + ".safetensors"), Dir("run") / "weights");
    lenet_config config;
    lenet_evaluation evaluation;
    lenet_dataset data;
    lenet_config_init(&config);
    for (const auto &[name, value] :
         {std::pair{"weights", (Dir("run") / "weights").string()}, {"data", Dir("few").string()}, {"ensemble", "on"}})
        ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name), value.c_str(), &err_), LENET_OK);
    EXPECT_EQ(lenet_evaluate(&config, &evaluation, &data, &err_), LENET_ERR_FORMAT);
    EXPECT_TRUE(Says(id + ".safetensors") && Says("run " + id + " is in")) << err_.text;
}

TEST_F(Sweep, RunsThatAreTheSameAreDoneOnce) {
    const Watcher run = Finish("run", {"--seed", "1,2,1,1..2", "--lr", "0.01,1e-2"});
    EXPECT_EQ(run.work.runs, 2u);
    EXPECT_EQ(Recorded("run").size(), 2u);
}

TEST_F(Sweep, RunsThatDifferInWhatIsNothingToThemAreDoneOnce) {
    const Strings axes = {"--batch", "40,41,65536", "--tf32", "on,off", "--eval-every", "2,7"};
    const Watcher run = Finish("run", axes);
    EXPECT_EQ(run.work.runs, 1u);
    EXPECT_EQ(run.work.odd[0], 8u) << "more than 40 images";
    EXPECT_EQ(Recorded("run").size(), 1u);
    EXPECT_EQ(Finish("run", axes).runs, 0);
    EXPECT_EQ(Finish("run", {"--batch", "40", "--tf32", "off"}).runs, 1) << "evaluated after each epoch";
    EXPECT_EQ(Finish("run", {"--batch", "1000", "--tf32", "on"}).runs, 0) << "the same run";
    EXPECT_EQ(Finish("run", {"--batch", "1000", "--dense", "own,cublas"}).runs, 0) << "the same run on a CPU";
    EXPECT_EQ(Finish("run", {"--batch", "1000", "--tf32", "on", "--seed", "2"}).runs, 1);
    EXPECT_EQ(Finish("run", {"--batch", "1000", "--tf32", "on", "--seed", "2"}).runs, 0) << "as it was given";
    const Watcher curved = Finish("curved", {"--arch", "lenet5-1998", "--curvature-images", "40,41,1000000000"});
    EXPECT_EQ(curved.work.runs, 1u);
    EXPECT_EQ(curved.work.odd[2], 2u) << "more than 40 images";
}

TEST_F(Sweep, AnObserverMayWatchNothing) {
    Strings words = Words("run", {"--seed", "1,2"});
    std::vector<char *> argv;
    for (std::string &word : words) argv.push_back(word.data());
    lenet_sweep_plan plan;
    ASSERT_EQ(lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err_), LENET_OK) << err_.text;
    const lenet_sweep_observer nobody = {};
    const volatile sig_atomic_t stop = 0;
    EXPECT_EQ(lenet_sweep(&plan, &nobody, &stop, &result_, &err_), LENET_OK) << err_.text;
    lenet_sweep_plan_free(&plan);
    EXPECT_EQ(result_.done, 2u);
}

/* ---- runs that diverge ------------------------------------------------------------------------------- */

/* At these rates weights double with every step, or more: they are not numbers after two epochs. */
const Strings kTame = With(kAnswers, Split("--lr 0.01,0.02 --epochs 6 --optimizer sgd --schedule constant --warmup 0"));
const Strings kWild = With(kTame, {"--lr", "0.01,1000,0.02,3000"});

TEST_F(Sweep, ARunThatDivergesIsRecordedAndTheOthersDoNotNotice) {
    Finish("tame", kTame);
    ExpectAsTrained("tame", 2);
    const auto tame = Recorded("tame");
    std::map<std::string, std::string> divergences;
    for (const char *most : {"1", "2", "4"}) {
        SCOPED_TRACE(most);
        const Watcher watcher = Finish(most, With(kWild, {"--population-max", most}));
        if (divergences.empty()) divergences = watcher.divergences;
        EXPECT_EQ(watcher.divergences, divergences) << "told of each by its id";
        EXPECT_EQ(result_.done, 2u);
        EXPECT_EQ(result_.diverged, 2u);
        EXPECT_TRUE(Kept(most) == Kept("tame")) << "no weights are kept of those that diverged";
        EXPECT_TRUE(Predicted(most) == Predicted("tame")) << "and no predictions";
        size_t diverged = 0;
        for (const auto &[id, line] : Recorded(most)) {
            if (line.status == "diverged") {
                diverged++;
                EXPECT_EQ(line.metrics.find("null"), std::string::npos) << "what it was measured at is all numbers";
                EXPECT_LT(line.step, 30);
                EXPECT_NE(divergences[id].find(" at step "), std::string::npos) << divergences[id];
                continue;
            }
            ASSERT_TRUE(tame.count(id));
            EXPECT_TRUE(line == tame.at(id));
        }
        EXPECT_EQ(diverged, 2u);
        size_t explained = 0;
        for (const std::string &line : Lines(Dir(most) / "runs.jsonl"))
            explained += line.find("\"divergence\":{\"step\":") != std::string::npos;
        EXPECT_EQ(explained, 2u);
    }
}

TEST_F(Sweep, RunsThatHaveDivergedAreLeftUnlessTheyAreAskedFor) {
    for (const char *most : {"1", "4"}) {
        SCOPED_TRACE(most);
        const Strings words = With(kWild, {"--population-max", most});
        Finish(most, words);
        const auto first = Recorded(most);
        const std::string before = Read(Dir(most) / "runs.jsonl");
        const Watcher again = Finish(most, words);
        EXPECT_EQ(again.work.ended, 4u);
        EXPECT_EQ(again.work.diverged, 2u);
        EXPECT_EQ(again.work.populations, 0u);
        EXPECT_EQ(again.runs, 0);
        EXPECT_EQ(Read(Dir(most) / "runs.jsonl"), before);

        const Watcher retried = Finish(most, With(words, {"--retry-failed"}));
        EXPECT_EQ(retried.runs, 2);
        EXPECT_EQ(result_.diverged, 2u);
        EXPECT_EQ(Lines(Dir(most) / "runs.jsonl").size(), 6u);
        EXPECT_TRUE(Recorded(most, true) == first) << "they have diverged in the same way";
    }
}

/* ---- stopped and gone on with ------------------------------------------------------------------------ */

TEST_F(Sweep, StoppedBeforeAnythingItHasDoneNothing) {
    Watcher watcher;
    watcher.stop = 1;
    ASSERT_EQ(Start("run", {"--seed", "1..4"}, watcher), LENET_OK) << err_.text;
    EXPECT_TRUE(result_.interrupted);
    EXPECT_EQ(result_.done, 0u);
    EXPECT_EQ(Recorded("run").size(), 0u);
    EXPECT_EQ(FilesIn(Dir("run") / "progress"), Strings());
    Finish("run", {"--seed", "1..4"});
    EXPECT_EQ(result_.done, 4u);
}

TEST_F(Sweep, StoppedAfterAnyCallItGoesOnToTheSameEnd) {
    /* Where a member diverges the callback comes in mid-population, and with `slow` the next one in mid-epoch. */
    Finish("undisturbed", kWild);
    for (const char *most : {"1", "3", "4"}) {
        const Strings words = With(kWild, {"--population-max", most});
        for (const int calls : {1, 3}) {
            SCOPED_TRACE(std::string(most) + " together, stopped after each " + std::to_string(calls) + " calls");
            const std::string out = std::string(most) + "-" + std::to_string(calls);
            size_t resumed = 0;
            int sittings = 0;
            do {
                Watcher watcher;
                /* after the first call of all, nothing is trained yet; later ones would not get any further */
                watcher.stop_after = calls > 1 || sittings == 0 ? calls : 2;
                watcher.slow = true;
                ASSERT_EQ(Start(out, words, watcher), LENET_OK) << err_.text;
                resumed += watcher.work.resumed;
                ASSERT_LT(++sittings, 40);
            } while (result_.interrupted);
            EXPECT_GT(sittings, 1);
            if (most[0] != '1') {
                EXPECT_GT(resumed, 0u);
            }
            EXPECT_EQ(FilesIn(Dir(out) / "progress"), Strings());
            ExpectSame("undisturbed", out);
        }
    }
}

TEST_F(Sweep, StoppedAtRandomMomentsItGoesOnToTheSameEnd) {
    const Strings words =
        With(kEverything, Split("--steps 200 --schedule one-cycle --optimizer momentum,adamw --lr log:1e-4..3e-3 "
                                "--samples 3 --validation 20"));
    const auto began = std::chrono::steady_clock::now();
    Finish("undisturbed", words);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    size_t resumed = 0;
    for (const char *most : {"1", "3"}) {
        SCOPED_TRACE(most);
        const std::string out = std::string("run") + most;
        for (uint64_t sitting = 0; sitting < 60; sitting++) {
            Watcher watcher;
            std::atomic<bool> ended{false};
            const double share = (double)lenet_unit(RandomWord(1, sitting)) / 5;
            std::thread clock([&] {
                const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(took * share);
                while (!ended && std::chrono::steady_clock::now() < end)
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                lenet_stop_set(&watcher.stop, 1);
            });
            const lenet_status status =
                Start(out, With(words, {"--population-max", most, "--threads", sitting % 2 ? "2" : "1"}), watcher);
            ended = true;
            clock.join();
            ASSERT_EQ(status, LENET_OK) << err_.text;
            resumed += watcher.work.resumed;
            if (!result_.interrupted) break;
        }
        Finish(out, With(words, {"--population-max", most}));
        ExpectSame("undisturbed", out);
    }
    EXPECT_GT(resumed, 0u);
}

/* What kill -9 leaves: the directory at the moment of a callback, when lines are written and the checkpoint is there
 * still; and the same with the end of the lines, or all of them, torn off. */
class KilledSweep : public Sweep {
  protected:
    /* Trains `words` with a checkpoint at each step; Dir("killed") becomes what the first run's end left. */
    void MakeCheckpoint(const Strings &words) {
        Watcher watcher;
        watcher.on_run = [&] {
            if (!fs::exists(Dir("killed"))) fs::copy(Dir("made"), Dir("killed"), fs::copy_options::recursive);
        };
        ASSERT_EQ(Start("made", With(words, {"--checkpoint-seconds", "0"}), watcher), LENET_OK) << err_.text;
        ASSERT_EQ(FilesIn(Dir("killed") / "progress").size(), 1u);
        checkpoint_ = FilesIn(Dir("killed") / "progress")[0];
    }
    /* A copy of it, with so much of runs.jsonl. */
    void Revive(const std::string &out, size_t bytes) const {
        fs::remove_all(Dir(out));
        fs::copy(Dir("killed"), Dir(out), fs::copy_options::recursive);
        fs::resize_file(Dir(out) / "runs.jsonl", bytes);
    }
    fs::path Checkpoint(const std::string &out) const { return Dir(out) / "progress" / checkpoint_; }
    void ExpectRefused(const std::string &out, const Strings &words, const Strings &pieces) {
        const Snapshot before = Contents(Dir(out) / "progress");
        Watcher watcher;
        EXPECT_EQ(Start(out, words, watcher), LENET_ERR_FORMAT) << err_.text;
        EXPECT_TRUE(Says(Checkpoint(out).string())) << err_.text;
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_EQ(watcher.runs, 0);
        EXPECT_TRUE(Contents(Dir(out) / "progress") == before);
    }
    std::string checkpoint_;
};

TEST_F(KilledSweep, KilledWhileItRecordsItEndsTheSame) {
    for (const char *most : {"1", "3"}) {
        SCOPED_TRACE(most);
        const Strings words = {"--seed", "1..3", "--population-max", most};
        for (const char *old : {"made", "killed"}) fs::remove_all(Dir(old));
        MakeCheckpoint(words);
        const std::string lines = Read(Dir("killed") / "runs.jsonl");
        std::vector<size_t> lengths = {0, 1, 30, lines.size() - 1, lines.size()};
        for (size_t end = lines.find('\n'); end != std::string::npos; end = lines.find('\n', end + 1))
            for (const size_t length : {end - 1, end, end + 1, end + 50})
                if (length < lines.size()) lengths.push_back(length);
        for (const size_t length : lengths) {
            SCOPED_TRACE(std::to_string(length) + " of " + std::to_string(lines.size()) + " bytes");
            Revive("run", length);
            const size_t whole = (size_t)std::count(lines.begin(), lines.begin() + (long)length, '\n');
            const size_t members = most[0] == '1' ? 1 : 3;
            const Watcher rest = Finish("run", words);
            EXPECT_EQ(rest.work.ended, whole);
            EXPECT_EQ(rest.work.resumed, whole < members ? 1u : 0u) << "where all have ended the checkpoint just goes";
            EXPECT_EQ((size_t)rest.runs, 3 - whole);
            ExpectSame("made", "run");
        }
    }
}

TEST_F(KilledSweep, OtherPopulationsAndThreadsMayGoOn) {
    const Strings words = {"--seed", "1..5", "--population-max", "3"};
    MakeCheckpoint(words);
    for (const char *most : {"1", "2", "5"}) {
        Revive("run", 0);
        const Watcher rest = Finish("run", {"--seed", "1..5", "--population-max", most, "--threads", "3"});
        EXPECT_EQ(rest.work.resumed, 1u) << "as it was cut then";
        ExpectSame("made", "run");
    }
}

TEST_F(KilledSweep, ItIsToldOnceThatAnotherMachineHasBegun) {
    const Strings words = {"--seed", "1..3", "--population-max", "3"};
    MakeCheckpoint(words);
    Revive("run", 0);
    EXPECT_EQ(Finish("run", words).notes, "") << "the same one";
    Revive("run", 0);
    SetMachine(Checkpoint("run"), "a processor of 1998");
    const std::string notes = Finish("run", words).notes;
    EXPECT_NE(
        notes.find("training of 1 population began with a processor of 1998, and goes on with lenet " LENET_VERSION),
        std::string::npos)
        << notes;
    EXPECT_EQ(std::count(notes.begin(), notes.end(), '\n'), 1) << notes;
    ExpectSame("made", "run");
    Revive("run", 0);
    SetMachine(Checkpoint("run"), "");
    EXPECT_EQ(Finish("run", words).notes, "") << "of an older program";
}

TEST_F(KilledSweep, ACheckpointWithADivergedMemberGoesOn) {
    const Strings words = With(kWild, {"--population-max", "4"});
    Finish("undisturbed", words);
    Watcher watcher; /* the second callback is that of the second run that has diverged, or of progress after it */
    watcher.stop_after = 3;
    watcher.slow = true;
    ASSERT_EQ(Start("run", words, watcher), LENET_OK) << err_.text;
    ASSERT_TRUE(result_.interrupted);
    ASSERT_EQ(FilesIn(Dir("run") / "progress").size(), 1u);
    fs::copy(Dir("run"), Dir("with retries"), fs::copy_options::recursive);
    EXPECT_EQ(Finish("run", words).work.resumed, 1u);
    ExpectSame("undisturbed", "run");

    Watcher retried;
    retried.slow = true;
    ASSERT_EQ(Start("with retries", With(words, {"--retry-failed"}), retried), LENET_OK) << err_.text;
    EXPECT_GE(retried.progresses, 1) << "and no time left was less than none";
    EXPECT_EQ(retried.work.resumed, 1u);
    EXPECT_EQ(retried.runs, 4) << "two go on, two are done again";
    EXPECT_TRUE(Recorded("with retries", true) == Recorded("undisturbed"));
    EXPECT_TRUE(Kept("with retries") == Kept("undisturbed"));
}

TEST_F(KilledSweep, ACheckpointOfAnotherPlanIsLeftAlone) {
    MakeCheckpoint({"--seed", "1..3", "--population-max", "3"});
    Revive("run", 0);
    const std::string before = Read(Checkpoint("run"));
    Watcher other;
    ASSERT_EQ(Start("run", {"--seed", "3..5", "--population-max", "3"}, other), LENET_OK) << err_.text;
    EXPECT_EQ(other.work.resumed, 0u);
    EXPECT_EQ(other.runs, 3);
    EXPECT_TRUE(Read(Checkpoint("run")) == before);
    const Watcher own = Finish("run", {"--seed", "1..3", "--population-max", "3"});
    EXPECT_EQ(own.work.resumed, 1u);
    EXPECT_EQ(own.runs, 2) << "seed 3 has ended";
    Finish("whole", {"--seed", "1..5"});
    ExpectSame("whole", "run");
}

TEST_F(KilledSweep, ACheckpointOfAnotherShardIsLeftAlone) {
    const Strings words = {"--seed", "1..6", "--population-max", "3"}, first = With(words, {"--shard", "1/2"}),
                  second = With(words, {"--shard", "2/2"});
    Finish("whole", words);
    Watcher watcher;
    watcher.on_run = [&] {
        if (!fs::exists(Dir("run"))) fs::copy(Dir("made"), Dir("run"), fs::copy_options::recursive);
    };
    ASSERT_EQ(Start("made", With(first, {"--checkpoint-seconds", "0"}), watcher), LENET_OK) << err_.text;
    fs::remove(Dir("run") / "runs.1-of-2.jsonl");
    checkpoint_ = FilesIn(Dir("run") / "progress").at(0);
    const std::string before = Read(Checkpoint("run"));
    Watcher other;
    ASSERT_EQ(Start("run", second, other), LENET_OK) << err_.text;
    EXPECT_EQ(other.work.resumed, 0u);
    EXPECT_EQ(other.work.here, 3u);
    EXPECT_EQ(other.runs, 3);
    EXPECT_TRUE(Read(Checkpoint("run")) == before);
    EXPECT_EQ(Finish("run", first).work.resumed, 1u);
    EXPECT_EQ(Lines(Dir("run") / "runs.1-of-2.jsonl").size(), 3u);
    EXPECT_EQ(Lines(Dir("run") / "runs.2-of-2.jsonl").size(), 3u);
    EXPECT_FALSE(fs::exists(Dir("run") / "runs.jsonl"));
    ExpectSame("whole", "run");
    EXPECT_EQ(Finish("run", words).runs, 0) << "the whole finds all of them";
}

TEST_F(KilledSweep, ACheckpointOfAnotherDeviceIsLeftAlone) {
    MakeCheckpoint({"--seed", "1..3", "--population-max", "3"});
    Revive("run", 0);
    Rewrite(Checkpoint("run"), [](lenet_tensor_file &file) {
        for (int i = 0; i < file.n_metadata; i++)
            if (strcmp(file.metadata[i].key, "device") == 0) file.metadata[i].value = "gpu";
    });
    const std::string before = Read(Checkpoint("run"));
    Watcher watcher;
    ASSERT_EQ(Start("run", {"--seed", "1..3", "--population-max", "3"}, watcher), LENET_OK) << err_.text;
    EXPECT_EQ(watcher.work.resumed, 0u);
    EXPECT_EQ(watcher.runs, 3);
    EXPECT_TRUE(Read(Checkpoint("run")) == before || FilesIn(Dir("run") / "progress").empty())
        << "the same runs have ended here, under the same name";
    ExpectSame("made", "run");
}

TEST_F(KilledSweep, ADamagedCheckpointIsNamed) {
    const Strings words = {"--seed", "1..3", "--population-max", "3"};
    MakeCheckpoint(words);
    Revive("run", 0);
    const std::string bytes = Read(Checkpoint("run"));
    for (const size_t kept : {size_t{0}, size_t{5}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
        Write(Checkpoint("run"), bytes.substr(0, kept));
        ExpectRefused("run", words, {});
    }
    const auto spoil = [&](const std::function<void(lenet_tensor_file &)> &how, const Strings &pieces) {
        Write(Checkpoint("run"), bytes);
        Rewrite(Checkpoint("run"), how);
        ExpectRefused("run", words, pieces);
    };
    const std::string counters = "counters do not fit";
    for (const int64_t step : {INT64_MIN, INT64_C(-1), INT64_C(0), INT64_C(8), INT64_C(10), INT64_MAX}) /* it is 9 */
        spoil([step](lenet_tensor_file &file) { memcpy(DataOf(file, "checkpoint.step"), &step, sizeof step); },
              {counters});
    for (const double seconds : {-1.0, (double)NAN})
        spoil([seconds](lenet_tensor_file &f) { memcpy(DataOf(f, "checkpoint.seconds"), &seconds, sizeof seconds); },
              {counters});
    for (const double loss : {(double)NAN, (double)INFINITY})
        spoil([loss](lenet_tensor_file &file) { memcpy(DataOf(file, "checkpoint.loss"), &loss, sizeof loss); },
              {counters});
    for (const int which : {0, 1, 2, 3, 9, 11}) /* of images, right ones, non-finite ones, and whether it diverged */
        for (const int64_t count : {INT64_C(-1), INT64_C(1000)})
            spoil(
                [which, count](lenet_tensor_file &file) {
                    char *counts = static_cast<char *>(DataOf(file, "checkpoint.count_correct_nonfinite_diverged"));
                    memcpy(counts + (size_t)which * sizeof count, &count, sizeof count);
                },
                {counters});
    for (size_t left = 1; left < bytes.size() / 2; left *= 3) { /* of its last tensors, the weights among them */
        std::string changed = bytes;
        changed[bytes.size() - left] ^= 1;
        Write(Checkpoint("run"), changed);
        ExpectRefused("run", words, {"its tensors have the checksum"});
    }
    Write(Checkpoint("run"), bytes);
    EXPECT_EQ(Finish("run", words).work.resumed, 1u) << "as it was";
    ExpectSame("made", "run");
}

TEST_F(KilledSweep, ADamagedCheckpointOfASweepThatHasEndedIsNotedAndLeft) {
    const Strings words = {"--seed", "1..3", "--population-max", "3"};
    MakeCheckpoint(words);
    Revive("run", 0);
    const std::string bytes = Read(Checkpoint("run"));
    EXPECT_EQ(Finish("run", words).work.resumed, 1u);
    for (const std::string &left : {std::string(), std::string("x"), bytes.substr(0, bytes.size() / 2)}) {
        Write(Checkpoint("run"), left);
        Watcher watcher;
        EXPECT_EQ(Start("run", words, watcher), LENET_OK) << err_.text;
        EXPECT_EQ(watcher.runs, 0);
        EXPECT_NE(watcher.notes.find(Checkpoint("run").string() + ": "), std::string::npos) << watcher.notes;
        EXPECT_NE(watcher.notes.find("no run needs it any more"), std::string::npos) << watcher.notes;
        EXPECT_EQ(Read(Checkpoint("run")), left);
        ExpectRefused("run", {"--seed", "1..4"},
                      {Checkpoint("run").string(), "without the file, its runs begin again"});
    }
    fs::remove(Checkpoint("run"));
    ExpectSame("made", "run");
}

TEST_F(KilledSweep, AWeightThatIsNoNumberIsNamed) {
    const Strings words = {"--seed", "1..3", "--population-max", "3"};
    MakeCheckpoint(words);
    for (const char *tensor : {"C1.weight", "checkpoint.m.C1.weight"})
        for (const float bad : {NAN, INFINITY}) {
            Revive("run", 0);
            Rewrite(Checkpoint("run"),
                    [=](lenet_tensor_file &file) { memcpy(DataOf(file, tensor), &bad, sizeof bad); });
            ExpectRefused("run", words, {"NaN or infinite"});
        }
}

TEST_F(KilledSweep, AHistoryThatDoesNotFitIsNamed) {
    const Strings words = {"--seed", "1..3", "--population-max", "3"};
    MakeCheckpoint(words);
    const std::string epoch = "{\"epoch\":1,\"step\":5,", other = "{\"epoch\":1,\"step\":4,";
    const std::vector<std::function<void(std::string &)>> spoilers = {
        [](std::string &text) { text.replace(text.find("\"metrics\":["), 11, "\"metrixx\":["); },
        [](std::string &text) { text.replace(text.find("\"test_loss\""), 11, "\"test_lass\""); },
        [&](std::string &text) { text.replace(text.find(epoch), epoch.size(), other); },
        [](std::string &text) {
            const size_t first = text.find('[', 1), end = text.find(']', first);
            text.erase(first + 1, end - first - 1); /* no epoch */
        },
        [](std::string &text) {
            const size_t first = text.find('[', 1), end = text.find(']', first);
            text.insert(end, "," + text.substr(first + 1, end - first - 1)); /* twice the same */
        }};
    for (const auto &spoiler : spoilers) {
        Revive("run", 0);
        std::string members;
        Rewrite(Checkpoint("run"), [&](lenet_tensor_file &file) {
            for (int i = 0; i < file.n_metadata; i++)
                if (strcmp(file.metadata[i].key, "members") == 0) {
                    members = file.metadata[i].value;
                    spoiler(members);
                    file.metadata[i].value = members.c_str();
                }
        });
        ExpectRefused("run", words, {"metrics"});
    }
}

/* Another shard ends a population, and takes its checkpoint away, while this one looks through the directory. */
TEST_F(Sweep, ACheckpointThatVanishesMeanwhileIsNoError) {
    fs::create_directories(Dir("run") / "progress");
    fs::create_symlink("nowhere", Dir("run") / "progress" / "0123456789abcdef.safetensors");
    Watcher watcher;
    EXPECT_EQ(Start("run", {"--seed", "1,2", "--shard", "1/2"}, watcher), LENET_OK) << err_.text;
    EXPECT_EQ(watcher.runs, 1);
}

/* ---- runs.jsonl ------------------------------------------------------------------------------------------ */

TEST_F(Sweep, ATornLastLineIsRepairedAndItsRunDoneAgain) {
    Finish("want", {"--seed", "1..3"});
    const std::string lines = Read(Dir("want") / "runs.jsonl");
    const size_t last = lines.rfind('\n', lines.size() - 2) + 1;
    for (const size_t length : {last + 1, (last + lines.size()) / 2, lines.size() - 1}) {
        fs::remove_all(Dir("run"));
        fs::create_directories(Dir("run"));
        Write(Dir("run") / "runs.jsonl", lines.substr(0, length));
        const Watcher run = Finish("run", {"--seed", "1..3"});
        EXPECT_EQ(run.work.ended, 2u);
        EXPECT_EQ(Read(Dir("run") / "runs.jsonl").substr(0, last), lines.substr(0, last));
        EXPECT_EQ(Recorded("run").size(), 3u);
        EXPECT_TRUE(Recorded("run") == Recorded("want"));
    }
}

TEST_F(Sweep, ADamagedLineIsNamedWithItsNumber) {
    Finish("run", {"--seed", "1..3"});
    const fs::path file = Dir("run") / "runs.jsonl";
    const Strings good = Lines(file);
    const std::string id = good[1].substr(good[1].find("\"id\":\"") + 6, 16);
    const Strings bad = {"null",
                         "{}",
                         "x" + good[1],
                         good[1] + "x",
                         good[1] + good[2],
                         good[1].substr(0, 100),
                         good[1].substr(0, 100) + good[2],
                         "{\"id\":\"" + id + "\"}",
                         "{\"id\":\"" + id + "\",\"status\":\"don\"}",
                         "{\"id\":\"" + id.substr(1) + "\",\"status\":\"done\"}",
                         "{\"id\":\"" + id + "0\",\"status\":\"done\"}",
                         "{\"id\":7,\"status\":\"done\"}",
                         "{\"status\":\"done\"}"};
    for (const std::string &line : bad)
        for (size_t number = 1; number <= 3; number++) {
            Strings lines = good;
            lines[number - 1] = line;
            Write(file, lines[0] + "\n" + lines[1] + "\n" + lines[2] + "\n");
            const Snapshot before = Contents(Dir("run"));
            Watcher watcher;
            EXPECT_EQ(Start("run", {"--seed", "1..4"}, watcher), LENET_ERR_FORMAT) << line;
            EXPECT_TRUE(Says(file.string() + " line " + std::to_string(number) + ":")) << err_.text;
            EXPECT_EQ(watcher.begins, 0);
            EXPECT_TRUE(Contents(Dir("run")) == before);
        }
}

TEST_F(Sweep, ARunInAnyRunsFileIsNotDoneAgain) {
    Finish("run", {"--seed", "1..4"});
    const Strings lines = Lines(Dir("run") / "runs.jsonl");
    fs::remove(Dir("run") / "runs.jsonl");
    Write(Dir("run") / "runs.1-of-2.jsonl", lines[0] + "\n");
    Write(Dir("run") / "runs.copied-from-elsewhere.jsonl", lines[2] + "\n" + lines[3].substr(0, 60));
    const std::string torn = Read(Dir("run") / "runs.copied-from-elsewhere.jsonl");
    const Watcher rest = Finish("run", {"--seed", "1..4"});
    EXPECT_EQ(rest.work.ended, 2u);
    EXPECT_EQ(rest.runs, 2);
    EXPECT_EQ(Lines(Dir("run") / "runs.jsonl").size(), 2u);
    EXPECT_EQ(Read(Dir("run") / "runs.copied-from-elsewhere.jsonl"), torn) << "only its own file is repaired";
}

TEST_F(Sweep, AnAxisThatGrowsDoesOnlyWhatIsNew) {
    Finish("run", {"--seed", "1..2", "--lr", "0.01,0.02"});
    const std::string before = Read(Dir("run") / "runs.jsonl");
    const Watcher more = Finish("run", {"--lr", "0.02,0.005,0.01", "--seed", "1..3"});
    EXPECT_EQ(more.work.runs, 9u);
    EXPECT_EQ(more.work.ended, 4u);
    EXPECT_EQ(more.runs, 5);
    EXPECT_EQ(Read(Dir("run") / "runs.jsonl").substr(0, before.size()), before);
    EXPECT_EQ(Finish("run", {"--seed", "2", "--lr", "0.005"}).runs, 0) << "one of them";
    EXPECT_EQ(Recorded("run").size(), 9u);
    const Watcher samples = Finish("drawn", {"--lr", "log:1e-3..1e-2", "--samples", "2"});
    EXPECT_EQ(samples.runs, 2);
    EXPECT_EQ(Finish("drawn", {"--lr", "log:1e-3..1e-2", "--samples", "5"}).runs, 3);
}

/* Runs on several data sets would be a directory that no report can be had of. */
TEST_F(Sweep, OtherDataIsRefusedBeforeAnythingIsWritten) {
    WriteHalf(directory_ / "other", "train", sample_.train, 300, 28, 28);
    WriteHalf(directory_ / "other", "t10k", sample_.test, 21, 28, 28);
    const auto expect_refused = [&](const Strings &more, const std::string &naming) {
        const Snapshot before = Contents(Dir("run"));
        Watcher watcher;
        EXPECT_EQ(Start("run", With({"--seed", "1..2", "--data", Dir("other").string()}, more), watcher),
                  LENET_ERR_ARG);
        for (const std::string &piece : {(Dir("run") / naming).string(), Dir("few").string(), std::string("--data")})
            EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_EQ(watcher.begins, 0);
        EXPECT_TRUE(Contents(Dir("run")) == before);
    };
    Finish("run", {"--seed", "1..2"});
    expect_refused({}, "runs.jsonl line 1");
    expect_refused({"--shard", "1/2"}, "runs.jsonl line 1");
    expect_refused({"--dry-run"}, "runs.jsonl line 1");
    fs::remove(Dir("run") / "runs.jsonl");
    expect_refused({}, "sweep.json"); /* begun, and stopped before a run had ended */
    fs::copy(directory_ / "few", directory_ / "the same elsewhere");
    Finish("run", {"--seed", "1..2"});
    EXPECT_EQ(Finish("run", {"--seed", "1..2", "--data", (directory_ / "the same elsewhere").string()}).runs, 0);
}

TEST_F(Sweep, ARecordThatWasEditedIsNamed) {
    Finish("run", {"--seed", "1..2"});
    const fs::path file = Dir("run") / "runs.jsonl";
    const std::string text = Read(file);
    for (const auto &[what, with] : {std::pair("\"batch\":8", "\"batch\":9"), std::pair("\"relu\"", "\"tanh\""),
                                     std::pair("\"id\":\"", "\"id\":\"0123456789abcdef\",\"was\":\"")}) {
        const size_t at = text.rfind(what);
        ASSERT_NE(at, std::string::npos) << what;
        Write(file, std::string(text).replace(at, strlen(what), with));
        Watcher watcher;
        EXPECT_EQ(Start("run", {"--seed", "1..3"}, watcher), LENET_ERR_FORMAT) << with;
        EXPECT_TRUE(Says(file.string() + " line 2: its id")) << err_.text;
        EXPECT_EQ(watcher.begins, 0);
    }
}

TEST_F(Sweep, LinesMayBeBlankAndEndInCrlf) {
    Finish("run", {"--seed", "1..2"});
    const fs::path file = Dir("run") / "runs.jsonl";
    const Strings lines = Lines(file);
    for (const std::string &text :
         {lines[0] + "\r\n" + lines[1] + "\r\n", "\n" + lines[0] + "\n \t\r\n" + lines[1] + "\n\n\n"}) {
        Write(file, text);
        EXPECT_EQ(Finish("run", {"--seed", "1..2"}).runs, 0);
        EXPECT_EQ(Read(file), text);
    }
    EXPECT_EQ(Finish("run", {"--seed", "1..3"}).runs, 1);
}

TEST_F(Sweep, ShardsShareTheRunsAmongThem) {
    const Strings words = {"--seed", "1..7"};
    Finish("whole", words);
    size_t runs = 0;
    for (const char *shard : {"2/3", "1/3", "3/3"}) {
        const Watcher part = Finish("run", With(words, {"--shard", shard}));
        EXPECT_EQ(part.work.runs, 7u);
        EXPECT_EQ(part.work.here, (size_t)part.runs);
        EXPECT_EQ(part.work.here, shard[0] == '1' ? 3u : 2u);
        runs += (size_t)part.runs;
    }
    EXPECT_EQ(runs, 7u);
    ExpectSame("whole", "run");
}

/* ---- one process at a time ------------------------------------------------------------------------------ */

class SweepLock : public Sweep {
  protected:
    void ExpectRefused(const Strings &words) {
        const Snapshot before = Contents(Dir("run"));
        Watcher watcher;
        EXPECT_EQ(Start("run", words, watcher), LENET_ERR_IO);
        EXPECT_TRUE(Says(Dir("run").string()) && Says("another process is at work")) << err_.text;
        EXPECT_EQ(watcher.begins, 0);
        Snapshot after = Contents(Dir("run"));
        for (const char *lock : {"lock", "lock.1-of-2", "lock.2-of-2"}) after.erase(lock);
        for (const auto &[name, bytes] : after) EXPECT_TRUE(before.count(name) && before.at(name) == bytes) << name;
    }
    void Open(int shard, int shards) {
        ASSERT_EQ(lenet_sweep_dir_open(Dir("run").c_str(), shard, shards, Hash().c_str(), &dir_, &err_), LENET_OK)
            << err_.text;
    }
    void TearDown() override {
        lenet_sweep_dir_close(&dir_);
        Sweep::TearDown();
    }
    lenet_sweep_dir dir_ = {};
};

TEST_F(SweepLock, ASecondSweepInTheSameDirectoryIsRefused) {
    Open(0, 0);
    ExpectRefused({"--seed", "1,2"});
    ExpectRefused({"--seed", "1,2", "--shard", "1/2"});
    lenet_sweep_dir_close(&dir_);
    EXPECT_EQ(Finish("run", {"--seed", "1,2"}).runs, 2);
}

TEST_F(SweepLock, AShardKeepsOutTheWholeAndItself) {
    Open(1, 2);
    ExpectRefused({"--seed", "1,2"});
    ExpectRefused({"--seed", "1,2", "--shard", "1/2"});
    EXPECT_EQ(Finish("run", {"--seed", "1,2", "--shard", "2/2"}).runs, 1) << "the other shard may";
    lenet_sweep_dir_close(&dir_);
    EXPECT_EQ(Finish("run", {"--seed", "1,2"}).runs, 1);
}

/* A sweep at work is refused to a second one that starts from its callback. */
TEST_F(SweepLock, ASweepAtWorkHoldsItsDirectory) {
    Watcher watcher;
    int refused = 0;
    watcher.on_run = [&] {
        lenet_sweep_dir second;
        lenet_error err = {};
        refused += lenet_sweep_dir_open(Dir("run").c_str(), 0, 0, Hash().c_str(), &second, &err) == LENET_ERR_IO;
        lenet_sweep_dir_close(&second);
    };
    ASSERT_EQ(Start("run", {"--seed", "1..3"}, watcher), LENET_OK) << err_.text;
    EXPECT_EQ(refused, 3);
}

/* What a process that was killed while it wrote has left, and what is nobody's. */
TEST_F(SweepLock, TemporaryFilesOfAKilledProcessAreClearedUnlessAnotherIsAtWork) {
    const Strings left = {".runs.jsonl.tmp.7.0", ".runs.1-of-2.jsonl.tmp.7.1", ".sweep.json.tmp.7.0",
                          "progress/.0123456789abcdef.safetensors.tmp.7.0",
                          "weights/.0123456789abcdef.safetensors.tmp.12345.63"};
    const Strings mine = {".mine", "progress/.notes.tmp", "weights/mine.tmp.1"};
    const auto leave = [&] {
        for (const char *directory : {"progress", "weights"}) fs::create_directories(Dir("run") / directory);
        for (const Strings &names : {left, mine})
            for (const std::string &name : names) Write(Dir("run") / name, "half");
    };
    const auto expect = [&](bool there) {
        for (const std::string &name : left) EXPECT_EQ(fs::exists(Dir("run") / name), there) << name;
        for (const std::string &name : mine) EXPECT_TRUE(fs::exists(Dir("run") / name)) << name;
    };
    Watcher watcher;
    leave();
    ASSERT_EQ(Start("run", {"--seed", "1,2", "--keep-weights", "off"}, watcher), LENET_OK) << err_.text;
    expect(false);

    leave();
    Open(1, 2);
    expect(false); /* a shard that is alone */
    leave();
    ASSERT_EQ(Start("run", {"--seed", "1,2", "--shard", "2/2", "--keep-weights", "off"}, watcher), LENET_OK)
        << err_.text;
    expect(true);
    lenet_sweep_dir_close(&dir_);
    ASSERT_EQ(Start("run", {"--seed", "1,2", "--shard", "2/2", "--keep-weights", "off"}, watcher), LENET_OK)
        << err_.text;
    expect(false);
}

/* ---- a dry run --------------------------------------------------------------------------------------------- */

TEST_F(Sweep, ADryRunWritesNothing) {
    Watcher dry;
    const Strings words = {"--seed", "1..5", "--arch", "linear,mlp-300", "--population-max", "2"};
    ASSERT_EQ(Start("run", With(words, {"--dry-run"}), dry), LENET_OK) << err_.text;
    EXPECT_FALSE(fs::exists(Dir("run")));
    EXPECT_EQ(dry.begins, 1);
    EXPECT_EQ(dry.runs, 0);
    EXPECT_EQ(dry.work.populations, 6u);
    EXPECT_EQ(dry.grouped_runs, 10u);
    EXPECT_EQ(dry.grouped_populations, 6u);
    EXPECT_EQ(dry.largest, std::vector<int>({2, 2}));
    EXPECT_GT(dry.estimate, 0);
    EXPECT_EQ(result_.done, 0u);

    Finish("run", {"--seed", "1..3", "--arch", "linear"});
    const Snapshot before = Contents(Dir("run"));
    Watcher again;
    ASSERT_EQ(Start("run", With(words, {"--dry-run"}), again), LENET_OK) << err_.text;
    EXPECT_TRUE(Contents(Dir("run")) == before);
    EXPECT_EQ(again.work.ended, 3u);
    EXPECT_EQ(again.grouped_runs, 7u);

    lenet_sweep_dir dir; /* nor does it wait for anybody */
    ASSERT_EQ(lenet_sweep_dir_open(Dir("run").c_str(), 0, 0, Hash().c_str(), &dir, &err_), LENET_OK) << err_.text;
    Watcher third;
    EXPECT_EQ(Start("run", With(words, {"--dry-run"}), third), LENET_OK) << err_.text;
    lenet_sweep_dir_close(&dir);
    EXPECT_TRUE(Contents(Dir("run")) == before);
}

/* On a disk that takes a tenth of a second, the records of twelve runs take more than one, whatever they train. */
/* The histories of all members are in the header of a checkpoint, which has at most 100 MB; a measurement is some 400
 * bytes there. */
TEST_F(Sweep, APopulationIsNoLargerThanItsCheckpointCanTell) {
    const std::map<std::string, int> largest = {{"200", 8}, {"50000", 3}, {"1000000", 1}};
    for (const auto &[epochs, want] : largest) {
        Watcher watcher;
        ASSERT_EQ(Start("dry", {"--seed", "1..8", "--population-max", "8", "--epochs", epochs, "--dry-run"}, watcher),
                  LENET_OK)
            << err_.text;
        EXPECT_EQ(watcher.largest, std::vector<int>({want})) << epochs << " epochs";
    }
}

TEST_F(Sweep, AnEstimateCountsTheRecords) {
    const Strings words = {"--seed", "1..12", "--steps", "1", "--arch", "linear", "--threads", "4", "--dry-run"};
    if (lenet_directory_sync_seconds(directory_.c_str()) == 0) GTEST_SKIP() << "no nameless files on this file system";
    fsync_takes = 100;
    Watcher dry, weights;
    EXPECT_EQ(Start("run", With(words, {"--keep-weights", "off"}), dry), LENET_OK) << err_.text;
    EXPECT_EQ(Start("run", words, weights), LENET_OK) << err_.text;
    fsync_takes = 0;
    EXPECT_GE(dry.estimate, 12 * 0.1);
    EXPECT_GE(weights.estimate, 12 * 0.1 * 1.5) << "two more for each, by four workers at a time";
    EXPECT_FALSE(fs::exists(Dir("run")));
}

/* ---- what cannot begin ------------------------------------------------------------------------------------- */

TEST_F(Sweep, WhatCannotBeTrainedIsNamedAndLeavesNothing) {
    const struct {
        Strings words;
        lenet_status status;
        Strings pieces;
    } bad[] = {{{"--arch", "lenet5,lenet7"}, LENET_ERR_ARG, {"--arch", "lenet7"}},
               {{"--device", "tpu"}, LENET_ERR_ARG, {"--device", "tpu"}},
               {{"--train-size", "100,301"}, LENET_ERR_ARG, {"--train-size", "301", "300"}},
               {{"--validation", "100,300"}, LENET_ERR_ARG, {"--validation", "300"}},
               {{"--patience", "0,2"}, LENET_ERR_ARG, {"--patience", "--validation"}},
               {{"--momentum", "lin:0.9..3", "--samples", "20"}, LENET_ERR_ARG, {"--momentum", "out of range"}},
               {{"--data", "/no/such/place"}, LENET_ERR_IO, {"/no/such/place"}}};
    for (const auto &[words, status, pieces] : bad) {
        Watcher watcher;
        EXPECT_EQ(Start("run", words, watcher), status) << err_.text;
        for (const std::string &piece : pieces) EXPECT_TRUE(Says(piece)) << "wanted " << piece << ": " << err_.text;
        EXPECT_FALSE(fs::exists(Dir("run"))) << err_.text;
        EXPECT_EQ(watcher.begins, 0);
    }
}

TEST_F(Sweep, WithoutADirectoryItSaysSo) {
    char seed[] = "--seed=1,2";
    char *argv[] = {seed};
    lenet_sweep_plan plan;
    ASSERT_EQ(lenet_sweep_plan_parse(1, argv, &plan, &err_), LENET_OK);
    const lenet_sweep_observer nobody = {};
    const volatile sig_atomic_t stop = 0;
    EXPECT_EQ(lenet_sweep(&plan, &nobody, &stop, &result_, &err_), LENET_ERR_ARG);
    EXPECT_TRUE(Says("--out DIR")) << err_.text;
    lenet_sweep_plan_free(&plan);
}

/* Lines that cannot be written end the sweep; the runs are there when it can go on. */
TEST_F(Sweep, WhatCannotBeRecordedIsAnErrorAndDoneLater) {
    Watcher watcher;
    watcher.on_run = [&] { /* a directory takes the file's place, once it has been written */
                           if (watcher.runs > 1) return;
                           fs::rename(Dir("run") / "runs.jsonl", Dir("kept"));
                           fs::create_directory(Dir("run") / "runs.jsonl");
    };
    EXPECT_EQ(Start("run", {"--seed", "1..5"}, watcher), LENET_ERR_IO);
    EXPECT_TRUE(Says((Dir("run") / "runs.jsonl").string())) << err_.text;
    EXPECT_EQ(watcher.runs, 1);
    fs::remove(Dir("run") / "runs.jsonl");
    fs::rename(Dir("kept"), Dir("run") / "runs.jsonl");
    EXPECT_EQ(Finish("run", {"--seed", "1..5"}).runs, 4);
    Finish("want", {"--seed", "1..5"});
    ExpectSame("want", "run");
}

/* ---- the same on a GPU, or on the emulated one ------------------------------------------------------------ */

class CudaSweep : public KilledSweep {
  protected:
    void SetUp() override {
        const char *why = nullptr, *required = std::getenv("LENET_REQUIRE_GPU");
        const bool there = lenet_backend_cuda(&why) != nullptr;
        Sweep::SetUp();
        device_ = "cuda";
        if (!there && required && std::string(required) == "1") FAIL() << "cuda: " << why;
        if (!there) GTEST_SKIP() << "cuda: " << why;
    }
    /* An epoch is 3 to 5 steps of a small network. */
    const Strings words_ = Split("--arch linear --optimizer adamw --lr log:1e-3..1e-2 --train-size lin:20..40 "
                                 "--seed lin:1..1000 --warmup lin:0..1.5 --augment-shift lin:0..2 "
                                 "--eval-every lin:1..2 --samples 4 --steps 9");
};

/* cuBLAS may add in another order where it multiplies for more networks; each of nine steps then changes a weight by a
 * few roundings, 2^-24 of sums of 784 terms, and training amplifies what went before a few times over: SMOOTH in
 * test_cuda.cc, which is a tenth of what one wrong image makes. On the emulated GPU both are equal to the last bit. */
TEST_F(CudaSweep, EveryRunIsThatOfTrain) {
    for (const char *most : {"1", "4"}) {
        const Watcher run = Finish(most, With(With(words_, kAnswers), {"--population-max", most}));
        EXPECT_EQ(run.work.populations, most[0] == '1' ? 4u : 1u);
    }
    const auto recorded = Recorded("4");
    const auto kept = Kept("4"), alone = Kept("1");
    const Answers predicted = Predicted("1");
    ASSERT_EQ(kept.size(), 4u);
    ASSERT_EQ(alone.size(), 4u);
    const auto error = [](const Weights &got, const Weights &want) {
        double difference = 0, norm = 0;
        for (size_t i = 0; i < want.size(); i++) {
            difference += std::pow((double)got[i] - want[i], 2);
            norm += std::pow((double)want[i], 2);
        }
        return std::sqrt(difference / norm);
    };
    for (const auto &[id, line] : recorded) {
        Weights weights;
        std::string metrics;
        Train(line.config, &weights, &metrics);
        EXPECT_EQ(line.device, "cuda");
        EXPECT_TRUE(predicted.at(id) == Asked()) << line.config;
        EXPECT_LE(error(kept.at(id), weights), 2e-5) << line.config;
        EXPECT_TRUE(alone.at(id) == weights) << "alone it is the same computation: " << line.config;
        EXPECT_EQ(std::count(line.metrics.begin(), line.metrics.end(), '{'),
                  std::count(metrics.begin(), metrics.end(), '{'));
    }
}

TEST_F(CudaSweep, ARunThatDivergesDoesNotDisturbTheOthers) {
    const Strings tame = Split("--arch linear --lr 0.01,0.02,0.03 --optimizer sgd --weight-decay 100 "
                               "--schedule constant --warmup 0 --epochs 1");
    Finish("tame", With(tame, {"--population-max", "3"}));
    Finish("wild", With(tame, {"--population-max", "3", "--lr", "0.01,1e6,0.03"}));
    EXPECT_EQ(result_.done, 2u);
    EXPECT_EQ(result_.diverged, 1u);
    const auto want = Kept("tame"), got = Kept("wild");
    ASSERT_EQ(got.size(), 2u);
    for (const auto &[id, weights] : got) EXPECT_TRUE(want.at(id) == weights);
}

TEST_F(CudaSweep, KilledWhileItTrainsItEndsTheSame) {
    const Strings words = With(words_, {"--population-max", "4"});
    MakeCheckpoint(words); /* at the last measurement before the end: steps are enqueued up to the next one */
    Revive("run", 0);
    const Watcher rest = Finish("run", With(words, {"--checkpoint-seconds", "0"}));
    EXPECT_EQ(rest.work.resumed, 1u);
    ExpectSame("made", "run");
}

} // namespace
