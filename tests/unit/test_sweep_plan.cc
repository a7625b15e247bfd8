/* test_sweep_plan.cc - a command line becomes just the runs that it says, and a run is known by what makes it. */
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "lenet/sweep_plan.h"
#include "train/run_dir.h"

namespace {

using Strings = std::vector<std::string>;

std::string Get(const lenet_config &config, const std::string &name) {
    char text[LENET_MAX_PATH];
    lenet_option_get(&config, lenet_option_find(name.c_str()), text, sizeof text);
    return text;
}

/* A command line, read. */
class Plan {
  public:
    explicit Plan(Strings words) {
        std::vector<char *> argv;
        for (std::string &word : words) argv.push_back(word.data());
        status = lenet_sweep_plan_parse((int)argv.size(), argv.data(), &plan, &err);
        if (status == LENET_OK) {
            EXPECT_STREQ(err.text, "");
        }
    }
    ~Plan() { lenet_sweep_plan_free(&plan); }
    Plan(const Plan &) = delete;
    Plan &operator=(const Plan &) = delete;

    lenet_config Config(size_t i) {
        lenet_config config = {};
        EXPECT_EQ(lenet_sweep_config(&plan, i, &config, &err), LENET_OK) << err.text;
        return config;
    }
    /* An option's value in each run. */
    Strings Values(const std::string &name) {
        Strings values;
        EXPECT_EQ(status, LENET_OK) << err.text;
        for (size_t i = 0; status == LENET_OK && i < plan.runs; i++) values.push_back(Get(Config(i), name));
        return values;
    }
    std::vector<double> Numbers(const std::string &name) {
        std::vector<double> numbers;
        for (const std::string &text : Values(name)) numbers.push_back(std::stod(text));
        return numbers;
    }

    lenet_sweep_plan plan = {};
    lenet_status status;
    lenet_error err = {};
};

Strings ValuesOf(const std::string &name, const std::string &list) { return Plan({"--" + name, list}).Values(name); }

void ExpectRefused(const Strings &words, const Strings &pieces) {
    Plan plan(words);
    std::string line;
    for (const std::string &word : words) line += word + " ";
    EXPECT_EQ(plan.status, LENET_ERR_ARG) << line;
    const std::string message = plan.err.text;
    for (const std::string &piece : pieces)
        EXPECT_NE(message.find(piece), std::string::npos) << line << "wanted " << piece << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

/* ---- an axis -------------------------------------------------------------------------------- */

TEST(SweepAxis, AListIsItsValuesInTheirOrder) {
    EXPECT_EQ(ValuesOf("lr", "0.01,0.002,3e-1"), Strings({"0.01", "0.002", "0.3"}));
    EXPECT_EQ(ValuesOf("seed", "7,3,5"), Strings({"7", "3", "5"}));
    EXPECT_EQ(Plan({"--seed=7,3"}).Values("seed"), Strings({"7", "3"})) << "with an equals sign";
    EXPECT_EQ(ValuesOf("optimizer", "adamw,sgd"), Strings({"adamw", "sgd"}));
    EXPECT_EQ(ValuesOf("activation", "tanh,relu"), Strings({"tanh", "relu"}));
    EXPECT_EQ(ValuesOf("arch", "lenet5,linear,mlp-300"), Strings({"lenet5", "linear", "mlp-300"}));
    EXPECT_EQ(ValuesOf("tf32", "off,on"), Strings({"off", "on"}));
}

TEST(SweepAxis, TwoDotsAreEveryWholeNumberWithBothEnds) {
    Strings want;
    for (int i = 0; i < 32; i++) want.push_back(std::to_string(i));
    EXPECT_EQ(ValuesOf("seed", "0..31"), want);
    EXPECT_EQ(ValuesOf("epochs", "5..5"), Strings({"5"}));
    EXPECT_EQ(ValuesOf("epochs", "9..11"), Strings({"9", "10", "11"}));
    EXPECT_EQ(ValuesOf("seed", "9007199254740990..9007199254740991"),
              Strings({"9007199254740990", "9007199254740991"}));
    EXPECT_EQ(ValuesOf("steps", "1e3..1002"), Strings({"1000", "1001", "1002"}));
}

TEST(SweepAxis, LinIsEvenlySpaced) {
    EXPECT_EQ(ValuesOf("momentum", "lin:0..0.9:4"), Strings({"0", "0.3", "0.6", "0.9"}));
    EXPECT_EQ(ValuesOf("momentum", "lin:.5..0.9:1"), Strings({"0.5"})) << "one value is the first";
    EXPECT_EQ(ValuesOf("lr", "lin:1..1:2"), Strings({"1", "1"})) << "the sweep drops the second";
    EXPECT_EQ(ValuesOf("train-size", "lin:100..1000:4"), Strings({"100", "400", "700", "1000"}));
    EXPECT_EQ(ValuesOf("seed", "lin:0..10:3"), Strings({"0", "5", "10"}));
}

TEST(SweepAxis, LogIsInEqualProportions) {
    EXPECT_EQ(ValuesOf("lr", "log:1e-3..1e-1:3"), Strings({"0.001", "0.01", "0.1"}));
    EXPECT_EQ(ValuesOf("lr", "log:1..4:3"), Strings({"1", "2", "4"}));
    EXPECT_EQ(ValuesOf("batch", "log:1..256:5"), Strings({"1", "4", "16", "64", "256"}));
    EXPECT_EQ(ValuesOf("lr", "log:1e-3..1e-1:2"), Strings({"0.001", "0.1"}));
}

/* Values between the ends have six digits; the ends are the user's own, which need not. */
TEST(SweepAxis, TheEndsOfARangeAreExact) {
    EXPECT_EQ(ValuesOf("lr", "lin:0.12345678..0.23456789:2"), Strings({"0.12345678", "0.23456789"}));
    EXPECT_EQ(ValuesOf("lr", "log:0.12345678..0.23456789:2"), Strings({"0.12345678", "0.23456789"}));
    EXPECT_EQ(ValuesOf("beta2", "lin:0.9..0.9999999:2"), Strings({"0.9", "0.9999999"}))
        << "six digits would make 1 of it, which is out of the option's range";
    EXPECT_EQ(ValuesOf("lr", "lin:0..1:4"), Strings({"0", "0.333333", "0.666667", "1"}));
}

TEST(SweepAxis, ListsAndRangesMayBeMixed) {
    EXPECT_EQ(ValuesOf("seed", "1..3,7,lin:10..20:3,log:100..400:3,5"),
              Strings({"1", "2", "3", "7", "10", "15", "20", "100", "200", "400", "5"}));
    EXPECT_EQ(ValuesOf("lr", "log:0.1..10:3,0.5,lin:0..1:2"), Strings({"0.1", "1", "10", "0.5", "0", "1"}));
}

TEST(SweepAxis, AugmentSetsItsFive) {
    Plan plan({"--augment", "none,standard"});
    ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
    ASSERT_EQ(plan.plan.runs, 2u);
    const lenet_config none = plan.Config(0), standard = plan.Config(1);
    for (const char *part : {"augment-shift", "augment-rotate", "augment-scale", "augment-shear", "augment-elastic"}) {
        EXPECT_EQ(Get(none, part), "0") << part;
        EXPECT_NE(Get(standard, part), "0") << part;
    }
}

/* As in lenet train, where --augment standard --augment-shift 3 shifts by 3. */
TEST(SweepAxis, ALaterOptionChangesOnePartOfEveryAugmentation) {
    Plan plan({"--augment", "none,standard", "--augment-shift", "3"});
    EXPECT_EQ(plan.Values("augment-shift"), Strings({"3", "3"}));
    EXPECT_EQ(plan.Values("augment-rotate").size(), 2u);
    EXPECT_EQ(Get(plan.Config(0), "augment-rotate"), "0");
    EXPECT_NE(Get(plan.Config(1), "augment-rotate"), "0");
    EXPECT_EQ(Plan({"--augment", "none,standard", "--augment-shift", "2,3"}).Values("augment-shift"),
              Strings({"2", "3", "2", "3"}));
    EXPECT_EQ(Plan({"--augment", "standard", "--augment-shift", "2,3"}).Values("augment-shift"), Strings({"2", "3"}));
    EXPECT_EQ(Plan({"--augment-shift", "3", "--augment", "none,standard"}).Values("augment-shift"),
              Strings({"0", "1.5"}))
        << "the later one sets all five";
}

TEST(SweepAxis, ALaterAugmentationReplacesTheAxesOfItsParts) {
    for (const Strings &words :
         {Strings{"--augment-shift", "1,2", "--augment", "standard"},
          Strings{"--augment-shift", "1,2", "--augment-rotate", "3,4", "--augment", "standard"},
          Strings{"--augment", "none,standard", "--augment-shift", "1,2", "--augment", "standard"},
          Strings{"--augment-shift", "lin:0..2", "--augment", "standard"}}) {
        Plan plan(words);
        EXPECT_EQ(plan.plan.axes, 0);
        EXPECT_EQ(plan.Values("augment"), Strings({"standard"})) << "as in lenet train";
    }
    Plan plan({"--augment-shift", "1,2", "--seed", "1,2", "--augment", "none,standard"});
    EXPECT_EQ(plan.plan.axes, 2);
    EXPECT_EQ(plan.Values("augment"), Strings({"none", "standard", "none", "standard"}));
}

TEST(SweepAxis, ANumberMayBeginWithAZeroOrBeAZero) {
    EXPECT_EQ(ValuesOf("momentum", "0,0.9"), Strings({"0", "0.9"}));
    EXPECT_EQ(ValuesOf("momentum", "0.9,0"), Strings({"0.9", "0"}));
    EXPECT_EQ(ValuesOf("augment-shift", "0,1,2"), Strings({"0", "1", "2"}));
    EXPECT_EQ(ValuesOf("label-noise", "0.0,1"), Strings({"0", "1"})) << "so two values are written";
    EXPECT_EQ(ValuesOf("label-noise", "1,0"), Strings({"1", "0"}));
    EXPECT_EQ(ValuesOf("lr", "1,5"), Strings({"1", "5"}));
    EXPECT_EQ(ValuesOf("lr", "010"), Strings({"10"})) << "as in lenet train";
    EXPECT_EQ(ValuesOf("seed", "01,02,10"), Strings({"1", "2", "10"}));
    EXPECT_EQ(ValuesOf("steps", "0,5"), Strings({"0", "5"}));
    EXPECT_EQ(ValuesOf("batch", "64,128,256"), Strings({"64", "128", "256"}));
    EXPECT_EQ(ValuesOf("warmup", "auto,1,3"), Strings({"auto", "1", "3"}));
}

TEST(SweepAxis, AugmentationsWithANameInCommonAreSeveral) {
    EXPECT_EQ(ValuesOf("augment", "none,shift=1+rotate=8"), Strings({"none", "shift=1+rotate=8"}));
    EXPECT_EQ(ValuesOf("augment", "shift=1,shift=2"), Strings({"shift=1", "shift=2"}));
    EXPECT_EQ(ValuesOf("augment", "shift=1.5,rotate=8+shift=0"), Strings({"shift=1.5", "rotate=8"}));
    EXPECT_EQ(ValuesOf("augment", "shift=1,none,rotate=8"), Strings({"shift=1", "none", "rotate=8"}));
    EXPECT_EQ(ValuesOf("augment", "shift=1e+1+rotate=8,rotate=2,standard"),
              Strings({"shift=10+rotate=8", "rotate=2", "standard"}));
}

TEST(SweepAxis, OneValueIsNoAxis) {
    for (const char *value : {"3", "3..3", "lin:3..4:1", "log:3..4:1"}) {
        Plan plan({"--seed", value});
        EXPECT_EQ(plan.plan.axes, 0) << value;
        EXPECT_EQ(plan.plan.runs, 1u) << value;
        EXPECT_EQ(plan.plan.base.seed, 3) << value;
        EXPECT_EQ(plan.Config(0).seed, 3) << value;
    }
    Plan nothing({});
    EXPECT_EQ(nothing.plan.runs, 1u) << "every option at its initial value";
    EXPECT_EQ(nothing.Config(0).epochs, 15);
}

TEST(SweepAxis, AnOptionGivenTwiceCountsTheSecondTime) {
    EXPECT_EQ(Plan({"--lr", "1,2,3", "--lr", "4,5"}).Values("lr"), Strings({"4", "5"}));
    EXPECT_EQ(Plan({"--lr", "1,2,3", "--lr", "4"}).Values("lr"), Strings({"4"}));
    EXPECT_EQ(Plan({"--lr", "4", "--lr", "1,2"}).Values("lr"), Strings({"1", "2"}));
    EXPECT_EQ(Plan({"--lr", "lin:0..1", "--lr", "1,2"}).Values("lr"), Strings({"1", "2"})) << "nothing is drawn";
    Plan plan({"--lr", "1,2", "--seed", "1,2", "--epochs", "3,4", "--lr", "5,6"});
    ASSERT_EQ(plan.plan.axes, 3);
    EXPECT_EQ(plan.Values("lr"), Strings({"5", "6", "5", "6", "5", "6", "5", "6"})) << "and is the last axis then";
    EXPECT_EQ(plan.Values("seed"), Strings({"1", "1", "1", "1", "2", "2", "2", "2"}));
}

TEST(SweepAxis, OtherOptionsAreNoAxes) {
    Plan plan({"--seed", "1,2", "--out", "a,b", "--data", "c,d", "--threads", "3", "--keep-weights", "--dry-run", "on",
               "--population-max", "5", "--checkpoint-seconds", "0.5", "--device", "cpu"});
    ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
    EXPECT_EQ(plan.plan.runs, 2u);
    for (size_t i = 0; i < 2; i++) {
        const lenet_config config = plan.Config(i);
        EXPECT_STREQ(config.out, "a,b");
        EXPECT_STREQ(config.data, "c,d");
        EXPECT_EQ(config.threads, 3);
        EXPECT_EQ(config.keep_weights, 1);
        EXPECT_EQ(config.dry_run, 1);
        EXPECT_EQ(config.retry_failed, 0);
        EXPECT_EQ(config.population_max, 5);
        EXPECT_EQ(config.checkpoint_seconds, 0.5);
    }
}

const std::set<std::string> kOfTheData = {"first-label", "transpose"};

/* All runs of a sweep share one copy of the data set. */
TEST(SweepAxis, HowTheDataIsReadCanNotBeOne) {
    for (const std::string &name : kOfTheData) {
        const bool is_switch = lenet_option_find(name.c_str())->choices != nullptr;
        ExpectRefused({"--" + name, is_switch ? "off,on" : "0,1"}, {"--" + name, "wanted one value", "data set"});
        EXPECT_EQ(ValuesOf(name, is_switch ? "on" : "1"), Strings{is_switch ? "on" : "1"});
    }
    ExpectRefused({"--first-label", "lin:0..3", "--samples", "2"}, {"--first-label lin:0..3", "wanted one value"});
}

/* Every other option that makes a run what it is: two values give two runs, which differ in it and in nothing else. */
TEST(SweepAxis, EveryOptionOfARunCanBeOne) {
    for (const lenet_option *option = lenet_options; option->name; option++) {
        if (!option->identity || option->type == LENET_OPTION_TEXT || kOfTheData.count(option->name)) continue;
        std::string list;
        if (option->choices)
            for (const char *c = option->choices; *c; c++) list += *c == '|' ? ',' : *c;
        else
            list = Get(Plan({}).Config(0), option->name) + (option->max <= 1 && option->max > 0 ? ",0.25" : ",1,2");
        Plan plan({"--" + std::string(option->name), list});
        ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
        EXPECT_EQ(plan.plan.axes, 1) << option->name;
        EXPECT_EQ(plan.plan.runs, 1u + (size_t)std::count(list.begin(), list.end(), ',')) << option->name;
        const lenet_config a = plan.Config(0), b = plan.Config(1);
        for (const lenet_option *other = lenet_options; other->name; other++)
            if (other->type != LENET_OPTION_AUGMENT && other != option) {
                EXPECT_EQ(Get(a, other->name), Get(b, other->name)) << option->name << " changed " << other->name;
            }
    }
}

/* ---- the product --------------------------------------------------------------------------------- */

TEST(SweepProduct, TheLastAxisIsTheFastest) {
    Plan plan({"--lr", "1,2", "--optimizer", "sgd,momentum,adamw", "--seed", "7..8"});
    ASSERT_EQ(plan.plan.runs, 12u);
    EXPECT_EQ(plan.plan.axes, 3);
    size_t i = 0;
    for (const char *rate : {"1", "2"})
        for (const char *optimizer : {"sgd", "momentum", "adamw"})
            for (const char *seed : {"7", "8"}) {
                const lenet_config config = plan.Config(i++);
                EXPECT_EQ(Get(config, "lr"), rate) << i;
                EXPECT_EQ(Get(config, "optimizer"), optimizer) << i;
                EXPECT_EQ(Get(config, "seed"), seed) << i;
                EXPECT_EQ(config.epochs, 15);
            }
}

TEST(SweepProduct, AnArchitecturesRecipeGivesWayToOptionsAndAxes) {
    for (const Strings &words : {Strings{"--epochs", "3", "--lr", "0.1,0.2", "--arch", "lenet5,lenet5-1998"},
                                 Strings{"--arch", "lenet5,lenet5-1998", "--lr", "0.1,0.2", "--epochs", "3"}}) {
        Plan plan(words);
        ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
        int published = 0;
        for (size_t i = 0; i < plan.plan.runs; i++) {
            const lenet_config config = plan.Config(i);
            const bool is_published = std::string(config.arch) == "lenet5-1998";
            published += is_published;
            EXPECT_EQ(config.epochs, 3);
            EXPECT_GE(config.learning_rate, 0.1);
            EXPECT_EQ(config.batch, is_published ? 1 : 64) << "its recipe's, or the initial one";
        }
        EXPECT_EQ(published, 2);
    }
}

TEST(SweepProduct, ASampleIsSlowerThanEveryList) {
    Plan plan({"--seed", "1..3", "--lr", "log:1e-3..1", "--momentum", "0,0.5", "--samples", "4"});
    ASSERT_EQ(plan.plan.runs, 24u);
    std::set<std::string> rates;
    for (size_t i = 0; i < 24; i++) {
        const lenet_config config = plan.Config(i);
        EXPECT_EQ(Get(config, "lr"), Get(plan.Config(i / 6 * 6), "lr")) << "one draw for a sample's six";
        EXPECT_EQ(config.seed, (int)(i / 2 % 3) + 1);
        EXPECT_EQ(config.momentum, i % 2 ? 0.5 : 0);
        rates.insert(Get(config, "lr"));
    }
    EXPECT_EQ(rates.size(), 4u);
}

TEST(SweepProduct, DescribesARunByItsAxes) {
    Plan plan({"--lr", "0.1,0.2", "--epochs", "3", "--optimizer", "sgd,adamw"});
    char text[200];
    const lenet_config config = plan.Config(2);
    lenet_sweep_describe(&plan.plan, &config, text, sizeof text);
    EXPECT_STREQ(text, "lr=0.2 optimizer=sgd");
    for (size_t size = 0; size < sizeof "lr=0.2 optimizer=sgd"; size++) {
        memset(text, 'x', sizeof text);
        lenet_sweep_describe(&plan.plan, &config, text, size);
        EXPECT_EQ(text[size], 'x') << "past the end of " << size;
        if (size) {
            EXPECT_EQ(std::string(text), std::string("lr=0.2 optimizer=sgd").substr(0, size - 1));
        }
    }
}

/* ---- drawn at random ------------------------------------------------------------------------------- */

TEST(SweepDraws, AreTheSameWhateverElseIsAsked) {
    const Strings few = Plan({"--lr", "log:1e-4..1", "--samples", "5"}).Values("lr");
    ASSERT_EQ(few.size(), 5u);
    EXPECT_EQ(std::set<std::string>(few.begin(), few.end()).size(), 5u);
    const Strings more = Plan({"--lr", "log:1e-4..1", "--samples", "9"}).Values("lr");
    EXPECT_EQ(Strings(more.begin(), more.begin() + 5), few) << "more samples";
    EXPECT_EQ(Plan({"--momentum", "lin:0..0.9", "--lr", "log:1e-4..1", "--samples", "5"}).Values("lr"), few)
        << "another range before it";
    EXPECT_EQ(Plan({"--lr", "log:1e-4..1", "--warmup", "lin:0..3", "--samples", "5"}).Values("lr"), few)
        << "another range after it";
    const Strings with_seeds = Plan({"--seed", "1..3", "--lr", "log:1e-4..1", "--samples", "5"}).Values("lr");
    ASSERT_EQ(with_seeds.size(), 15u);
    for (size_t i = 0; i < 15; i++) EXPECT_EQ(with_seeds[i], few[i / 3]) << "a list beside it";
}

TEST(SweepDraws, DifferFromOptionToOption) {
    /* The correlation of n pairs that have nothing to do with each other is about normal, with deviation 1 / sqrt(n).
     */
    const size_t n = 2000;
    Plan plan({"--momentum", "lin:0..0.9", "--init-scale", "lin:0..0.9", "--samples", std::to_string(n)});
    const std::vector<double> a = plan.Numbers("momentum"), b = plan.Numbers("init-scale");
    ASSERT_EQ(a.size(), n);
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - 0.45) * (b[i] - 0.45);
        aa += (a[i] - 0.45) * (a[i] - 0.45);
        bb += (b[i] - 0.45) * (b[i] - 0.45);
    }
    EXPECT_LE(std::fabs(ab / std::sqrt(aa * bb)), 6 / std::sqrt((double)n));
}

/* How often a value falls into a cell that has probability p, of n: binomial, and six standard deviations are allowed.
 */
void ExpectShare(size_t got, size_t n, double p, const std::string &cell) {
    const double wanted = (double)n * p, deviation = std::sqrt(wanted * (1 - p));
    EXPECT_LE(std::fabs((double)got - wanted), 6 * deviation) << cell << ": " << got << ", wanted " << wanted;
}

TEST(SweepDraws, OfLinAreEvenAndInside) {
    const size_t n = 8000;
    std::vector<size_t> cells(16);
    for (double value : Plan({"--lr", "lin:0.2..1", "--samples", std::to_string(n)}).Numbers("lr")) {
        ASSERT_TRUE(value >= 0.2 && value <= 1) << value;
        cells[std::min<size_t>(15, (size_t)((value - 0.2) / 0.8 * 16))]++;
    }
    for (size_t i = 0; i < 16; i++) ExpectShare(cells[i], n, 1 / 16.0, "sixteenth " + std::to_string(i));
}

TEST(SweepDraws, OfLogAreEvenInProportionAndInside) {
    const size_t n = 8000;
    std::vector<size_t> cells(12);
    for (double value : Plan({"--lr", "log:1e-4..1", "--samples", std::to_string(n)}).Numbers("lr")) {
        ASSERT_TRUE(value >= 1e-4 && value <= 1) << value;
        cells[std::min<size_t>(11, (size_t)(3 * (std::log10(value) + 4)))]++;
    }
    for (size_t i = 0; i < 12; i++) ExpectShare(cells[i], n, 1 / 12.0, "third of a decade " + std::to_string(i));
}

/* Whole numbers: the ends as often as what lies between. */
TEST(SweepDraws, OfWholeNumbersAreEven) {
    const size_t n = 6000;
    std::map<std::string, size_t> counts;
    for (const std::string &value : Plan({"--epochs", "lin:3..6", "--samples", std::to_string(n)}).Values("epochs"))
        counts[value]++;
    EXPECT_EQ(counts.size(), 4u);
    for (const char *value : {"3", "4", "5", "6"}) ExpectShare(counts[value], n, 0.25, value);

    counts.clear(); /* in proportion: k stands for all from k to k + 1 */
    for (const std::string &value : Plan({"--batch", "log:1..7", "--samples", std::to_string(n)}).Values("batch"))
        counts[value]++;
    EXPECT_EQ(counts.size(), 7u);
    for (int k = 1; k <= 7; k++)
        ExpectShare(counts[std::to_string(k)], n, std::log((k + 1.0) / k) / std::log(8), std::to_string(k));
}

/* Six digits would leave these ranges, and the last one's option. */
TEST(SweepDraws, OfANarrowRangeStayInside) {
    for (const char *range : {"lin:0.12345671..0.12345679", "log:0.12345671..0.12345679", "lin:0.9999991..0.9999994"})
        for (double value : Plan({"--lr", range, "--samples", "50"}).Numbers("lr"))
            ASSERT_TRUE(value >= std::stod(range + 4) && value <= std::stod(strstr(range, "..") + 2))
                << range << ": " << value;
    Plan plan({"--beta2", "lin:0.99999..0.9999999", "--samples", "1000"});
    for (double value : plan.Numbers("beta2")) EXPECT_TRUE(value >= 0.99999 && value <= 0.9999999) << value;
    for (const std::string &value : Plan({"--lr", "lin:0.5..0.5", "--samples", "3"}).Values("lr"))
        EXPECT_EQ(value, "0.5");
}

TEST(SweepDraws, AValueOutOfItsOptionsRangeIsRefused) {
    Plan plan({"--momentum", "lin:0.5..2", "--samples", "50"});
    ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
    size_t refused = 0;
    for (size_t i = 0; i < 50; i++) {
        lenet_config config;
        lenet_error err = {};
        if (lenet_sweep_config(&plan.plan, i, &config, &err) == LENET_OK) {
            EXPECT_LE(config.momentum, 0.999999);
            continue;
        }
        refused++;
        EXPECT_EQ(std::string(err.text).find("--momentum: "), 0u) << err.text;
        EXPECT_NE(std::string(err.text).find("out of range"), std::string::npos) << err.text;
    }
    EXPECT_GT(refused, 0u);
    EXPECT_LT(refused, 50u);
}

/* ---- what is refused -------------------------------------------------------------------------------- */

TEST(SweepErrors, ABadRangeIsNamedWithItsFault) {
    const std::string order = "the first end must not be above the second", whole = "whole numbers",
                      count = "the count must be a whole number from 1";
    const struct {
        const char *option, *text;
        std::string fault;
    } bad[] = {{"seed", "5..1", order},
               {"lr", "lin:1..0:3", order},
               {"lr", "log:1..0.5:3", order},
               {"lr", "lin:0..1e999:3", order},
               {"lr", "lin:0..1e999", order},
               {"seed", "0.5..3", whole},
               {"seed", "0..3.5", whole},
               {"seed", "0...3", whole},
               {"seed", "lin:0.5..2.5:3", whole},
               {"seed", "lin:0.5..2.5", whole},
               {"seed", "0..1e7", "ten million"},
               {"seed", "0..1e300", "ten million"},
               {"lr", "log:0..1:3", "log: wants ends above 0"},
               {"lr", "log:-2..1:3", "log: wants ends above 0"},
               {"lr", "log:0..1", "log: wants ends above 0"},
               {"lr", "lin:0..1:0", count},
               {"lr", "lin:0..1:-2", count},
               {"lr", "lin:0..1:1.5", count},
               {"lr", "lin:0..1:1e9", count},
               {"lr", "0..1", "for a number with a fraction, say how: lin:A..B:COUNT or log:A..B:COUNT"},
               {"lr", "0.1..0.5", "for a number with a fraction"},
               {"lr", "1e-3..1e-1", "for a number with a fraction"},
               {"optimizer", "0..3", "a range is for numbers"},
               {"tf32", "lin:0..1:2", "a range is for numbers"},
               {"activation", "lin:0..1", "a range is for numbers"},
               {"arch", "lin:0..1:2", "a range is for numbers"},
               {"augment", "0..1", "a range is for numbers"}};
    for (const auto &[option, text, fault] : bad) {
        ExpectRefused({"--" + std::string(option), text, "--samples", "3"},
                      {"--" + std::string(option) + ": '" + text + "'", fault});
        ExpectRefused({"--" + std::string(option), std::string(text) + ",1", "--samples", "3"},
                      {"--" + std::string(option) + ": '" + text + "'", fault});
    }
}

TEST(SweepErrors, WhatIsNoRangeIsNoNumberEither) {
    for (const char *text : {"lin:",
                             "lin:5",
                             "lin:0..1:",
                             "lin:0..1:2x",
                             "lin:0..1:2:3",
                             "lin:..1:2",
                             "lin:0..:2",
                             "0..",
                             "..1",
                             "0..1:5",
                             "0.1",
                             "log:a..b:3",
                             "0x1..3",
                             "1..0x3",
                             "lin:0..inf:3",
                             "lin:nan..1:3",
                             "lin:0..nan:3",
                             "lin:0..1:nan",
                             "+1..3",
                             "lin:0..1:0x2",
                             "0x1,2",
                             "1,+2",
                             "linear:0..1:3",
                             "0. .3",
                             "",
                             "1,,2",
                             ",",
                             "1,"})
        ExpectRefused({"--seed", text}, {"--seed: "});
}

TEST(SweepErrors, AListThatMayMeanSomethingElseIsRefusedWithItsRightSpelling) {
    const struct {
        const char *option, *text, *write;
    } cases[] = {{"lr", "0,05", "'0,05' has decimal commas, but a comma separates values; write 0.05"},
                 {"lr", "0,001", "write 0.001"},
                 {"lr", "1,05", "write 1.05"},
                 {"momentum", "0,09,0,9", "write 0.09,0.9"},
                 {"lr", "0,05,0.1", "write 0.05,0.1"},
                 {"lr", "0.1,0,05", "write 0.1,0.05"},
                 {"lr", "0,5", "write 0.5, or for several values 0.0,5"},
                 {"label-noise", "0,1", "write 0.1, or for several values 0.0,1"},
                 {"augment-shift", "0,5,0,9", "write 0.5,0.9, or for several values 0.0,5,0,9"},
                 {"momentum", "0,9", "'0,9' has decimal commas, but a comma separates values; write 0.9"},
                 {"momentum", "0,5,0,9", "'0,5,0,9' has decimal commas, but a comma separates values; write 0.5,0.9"},
                 {"train-size", "10,000", "has commas between thousands, but a comma separates values; write 10000"},
                 {"train-size", "60,000,10,000", "write 60000,10000"},
                 {"steps", "1,000,500", "write 1000500"},
                 {"train-size", "1,050", "write 1050"},
                 {"steps", "10,000..20,000", "write numbers without them"},
                 {"augment", "shift=1.5,rotate=8",
                  "'shift=1.5,rotate=8' may be one network or two; write shift=1.5+rotate=8 for one, "
                  "shift=1.5,rotate=8+shift=0 for two"},
                 {"augment", "none,shift=1+rotate=8,scale=0.1", "write shift=1+rotate=8+scale=0.1 for one"},
                 {"augment", "shift=1,shift=2,rotate=8", "'shift=2,rotate=8' may be one network or two"}};
    for (const auto &[option, text, write] : cases) {
        ExpectRefused({"--" + std::string(option), text}, {"--" + std::string(option) + ": '", write});
        const std::string message = Plan({"--" + std::string(option), text}).err.text;
        const std::string right = message.substr(message.find("write ") + strlen("write "));
        const std::string spelling = right.substr(0, right.find_first_of(" ,"));
        if (spelling != "numbers") {
            EXPECT_EQ(Plan({"--" + std::string(option), spelling}).status, LENET_OK) << spelling;
        }
        const size_t several = message.find("values 0.0");
        if (several != std::string::npos) {
            const std::string list = message.substr(several + strlen("values "));
            EXPECT_EQ(Plan({"--" + std::string(option), list}).status, LENET_OK) << list;
        }
    }
    ExpectRefused({"--batch", "100,000"}, {"has commas between thousands", "write numbers without them"});
    ExpectRefused({"--beta2", "0,99999999"}, {"--beta2: 99999999 is out of range"});
    ExpectRefused({"--augment", "shift=99,rotate=8"}, {"--augment-shift: 99 is out of range"});
}

TEST(SweepErrors, AnEmptyValueOrASpaceIsNamed) {
    for (const char *text : {"0.1,,0.2", "0.1,", ",0.1", ","})
        ExpectRefused({"--lr", text}, {"--lr: '" + std::string(text) + "' has an empty value"});
    for (const char *text : {"0.1, 0.2", " 0.1,0.2", "0.1 ,0.2", "0.1 0.2", "0.1,\t0.2"})
        ExpectRefused({"--lr", text}, {"--lr: '", "has a space in it", "no spaces"});
    ExpectRefused({"--optimizer", "sgd, adamw"}, {"--optimizer: 'sgd, adamw' has a space in it"});
    ExpectRefused({"--arch", "lenet5,"}, {"--arch: 'lenet5,' has an empty value"});
    for (const char *text : {"1..3:2", "1..", "..3", "lin:1:3", "1:3", "log:1..", "lin:0..1:"})
        ExpectRefused({"--seed", text},
                      {"--seed: '" + std::string(text) + "' is no range; wanted A..B, lin:A..B:COUNT"});
}

TEST(SweepErrors, AValueOutOfItsOptionsRangeIsNamed) {
    ExpectRefused({"--momentum", "0,0.5,1"}, {"--momentum: 1 is out of range"});
    ExpectRefused({"--momentum", "lin:0..1:3"}, {"--momentum: 1 is out of range"});
    ExpectRefused({"--epochs", "0..3"}, {"--epochs: 0 is out of range"});
    ExpectRefused({"--batch", "log:1..1e6:4"}, {"--batch: ", "out of range"});
    ExpectRefused({"--optimizer", "sgd,adam"}, {"--optimizer: 'adam' is not one of"});
    ExpectRefused({"--augment", "none,blur=1"}, {"--augment: 'blur'"});
}

TEST(SweepErrors, ADrawnRangeCannotBeOneValueOfAList) {
    for (const char *list : {"lin:0..1,0.5", "0.5,lin:0..1", "log:0.1..1,log:0.1..1"})
        ExpectRefused({"--lr", list, "--samples", "3"}, {"--lr: '", "cannot be one value of a list"});
}

TEST(SweepErrors, SamplesAndDrawnRangesNeedEachOther) {
    ExpectRefused({"--lr", "log:0.001..0.1"}, {"--lr: ", "--samples N", "log:0.001..0.1:COUNT"});
    ExpectRefused({"--seed", "1..3", "--lr", "lin:0..1"}, {"--lr: ", "--samples N", "lin:0..1:COUNT"});
    ExpectRefused({"--samples", "7"}, {"--samples 7: nothing to draw"});
    ExpectRefused({"--lr", "0.1,0.2", "--samples", "7"}, {"--samples 7: nothing to draw"});
    ExpectRefused({"--lr", "lin:0..1", "--lr", "1,2", "--samples", "7"}, {"--samples 7: nothing to draw"});
}

TEST(SweepErrors, TooManyRuns) {
    ExpectRefused({"--seed", "1..100000", "--lr", "lin:0..1:101"}, {"more than ten million runs"});
    ExpectRefused({"--seed", "1..1001", "--lr", "lin:0..1", "--samples", "10000"}, {"more than ten million runs"});
    EXPECT_EQ(Plan({"--seed", "1..1000", "--lr", "lin:0..1", "--samples", "10000"}).plan.runs, 10000000u);
    Strings words; /* a product that 64 bits would not hold */
    for (const char *option : {"seed", "epochs", "steps", "train-size", "eval-every", "validation", "patience"}) {
        words.push_back("--" + std::string(option));
        words.push_back("1..1000");
    }
    ExpectRefused(words, {"more than ten million runs"});
}

TEST(SweepErrors, ThePlanCanBeFreedAfterAnyError) {
    Plan plan({"--seed", "1..100", "--lr", "0.1,0.2,0.3", "--momentum", "0.1,0.2,9"});
    EXPECT_EQ(plan.status, LENET_ERR_ARG);
    EXPECT_EQ(plan.plan.axes, 3);
    lenet_sweep_plan_free(&plan.plan);
    EXPECT_EQ(plan.plan.axes, 0) << "and a second time";
}

TEST(SweepErrors, AnUnknownOptionIsNamed) {
    ExpectRefused({"--learning-rate", "1"}, {"--learning-rate"});
    ExpectRefused({"--run", "x"}, {"--run", "did you mean --out?", "lenet train, eval, export and predict have it"});
    ExpectRefused({"--lr"}, {"--lr", "RATE"});
}

TEST(SweepShard, IsOneOfSoMany) {
    const std::map<std::string, std::pair<int, int>> good = {
        {"1/1", {1, 1}}, {"1/4", {1, 4}}, {"4/4", {4, 4}}, {"12/100", {12, 100}}};
    for (const auto &[text, want] : good) {
        Plan plan({"--shard", text, "--seed", "1..10"});
        ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
        EXPECT_EQ(plan.plan.shard, want.first) << text;
        EXPECT_EQ(plan.plan.shards, want.second) << text;
        EXPECT_EQ(plan.plan.runs, 10u) << "the plan is the same for all";
    }
    Plan whole({});
    EXPECT_EQ(whole.plan.shard, 0);
    EXPECT_EQ(whole.plan.shards, 0);
    for (const char *text : {"0/4", "5/4", "x", "1/0", "1/4x", "1/", "/4", "1", "-1/4", "1/-4", "1 /4", "1/ 4", " 1/4",
                             "1//4", "+1/4", "1.0/4", "0/0", "1/4 ", "4294967297/4294967298"})
        ExpectRefused({"--shard", text}, {"--shard: '" + std::string(text) + "'", "I/N", "1/4"});
}

/* ---- the plan in words --------------------------------------------------------------------------- */

std::string Text(const Strings &words) {
    Plan plan(words);
    EXPECT_EQ(plan.status, LENET_OK) << plan.err.text;
    char text[4096];
    lenet_sweep_plan_text(&plan.plan, text, sizeof text);
    return text;
}

TEST(SweepText, ShowsEachAxisWithItsValues) {
    EXPECT_EQ(Text({"--epochs", "3"}), "");
    EXPECT_EQ(Text({"--lr", "0.01,5e-2"}), "  lr: 0.01, 0.05 (2 values)\n");
    EXPECT_EQ(Text({"--seed", "1..8"}), "  seed: 1, 2, 3, 4, 5, 6, 7, 8 (8 values)\n");
    EXPECT_EQ(Text({"--seed", "1..1000"}), "  seed: 1, 2, 3, ..., 1000 (1000 values)\n");
    EXPECT_EQ(Text({"--augment", "none,standard", "--augment-shift", "3"}),
              "  augment: none, standard (2 values)\n  augment-shift: 3 (1 value)\n");
    EXPECT_EQ(Text({"--lr", "log:1e-3..1", "--samples", "7"}), "  lr: drawn from log:0.001..1 (7 times)\n");
    EXPECT_EQ(Text({"--lr", "0.1,0.2,0.1,1e-1"}),
              "  lr: 0.1, 0.2, 0.1, 0.1 (4 values, 2 of them repeated: each is trained once)\n");
    EXPECT_EQ(Text({"--optimizer", "sgd,sgd"}),
              "  optimizer: sgd, sgd (2 values, 1 of them repeated: each is trained once)\n");
    EXPECT_EQ(Text({"--seed", "3,1,2"}), "  seed: 3, 1, 2 (3 values)\n");
}

TEST(SweepText, NamesWhatHasNoEffectInAnyRun) {
    EXPECT_EQ(Text({"--beta2", "0.9,0.99"}),
              "  beta2: 0.9, 0.99 (2 values)\n  --beta2 has no effect with --optimizer nesterov\n");
    EXPECT_EQ(Text({"--beta2", "0.9"}), "  --beta2 has no effect with --optimizer nesterov\n");
    EXPECT_EQ(Text({"--beta2", "0.9", "--optimizer", "sgd,momentum"}),
              "  optimizer: sgd, momentum (2 values)\n  --beta2 has no effect with any value of --optimizer\n");
    EXPECT_EQ(Text({"--beta2", "0.9", "--optimizer", "sgd,adamw"}), "  optimizer: sgd, adamw (2 values)\n");
    EXPECT_EQ(Text({"--curvature-images", "7", "--arch", "lenet5,lenet5-1998"}),
              "  arch: lenet5, lenet5-1998 (2 values)\n")
        << "the recipe of one of them is with sdlm";
    EXPECT_EQ(Text({"--pooling", "max", "--arch", "linear,mlp-300"}),
              "  arch: linear, mlp-300 (2 values)\n  --pooling has no effect with any value of --arch\n");
    EXPECT_EQ(Text({"--steps", "5", "--epochs", "3"}), "  --epochs has no effect with --steps 5\n");
    EXPECT_EQ(Text({"--tf32", "on", "--device", "cpu"}), "  --tf32 has no effect with --device cpu\n");
}

TEST(SweepText, SaysWhichDistortionsALaterAugmentationReplaces) {
    const std::string shift = "  --augment-shift has no effect before ",
                      axis = "  augment: none, standard (2 values)\n";
    EXPECT_EQ(Text({"--augment-shift", "1,2", "--augment", "none"}), shift + "--augment none\n");
    EXPECT_EQ(Text({"--augment-shift", "lin:0..1", "--augment", "standard"}), shift + "--augment standard\n");
    EXPECT_EQ(Text({"--augment-shift", "1,2", "--augment", "none,standard"}),
              axis + shift + "any value of --augment\n");
    EXPECT_EQ(Text({"--augment-shift", "1", "--augment", "none,standard"}), axis + shift + "any value of --augment\n");
    EXPECT_EQ(Text({"--augment-shift", "1", "--augment", "none", "--augment-shift", "2,3"}),
              "  augment-shift: 2, 3 (2 values)\n");
    EXPECT_EQ(Text({"--augment", "standard", "--augment", "none"}), "") << "as any option that is given twice";
}

TEST(SweepText, KeepsToItsRoom) {
    Plan plan({"--lr", "0.1,0.2", "--seed", "1..100", "--beta2", "0.5"});
    char text[400];
    const std::string all = Text({"--lr", "0.1,0.2", "--seed", "1..100", "--beta2", "0.5"});
    for (size_t size = 0; size <= all.size(); size++) {
        memset(text, 'x', sizeof text);
        lenet_sweep_plan_text(&plan.plan, text, size);
        EXPECT_EQ(text[size], 'x') << "past the end of " << size;
        if (size) {
            EXPECT_EQ(std::string(text), all.substr(0, size - 1));
        }
    }
}

/* ---- a run's name -------------------------------------------------------------------------------------- */

std::string Id(const lenet_config &config, const std::string &hash = std::string(64, 'a')) {
    lenet_error err = {};
    char id[LENET_RUN_ID];
    memset(id, 'x', sizeof id);
    EXPECT_EQ(lenet_run_id(&config, hash.c_str(), id, &err), LENET_OK) << err.text;
    EXPECT_EQ(id[LENET_RUN_ID - 1], '\0');
    return id;
}

lenet_config Initial() {
    lenet_config config;
    lenet_config_init(&config);
    return config;
}

void Set(lenet_config &config, const char *name, const std::string &text) {
    lenet_error err = {};
    ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name), text.c_str(), &err), LENET_OK) << err.text;
}

/* A value that is not the initial one. */
std::string OtherValue(const lenet_option *option) {
    if (option->choices) {
        const std::string choices = option->choices, initial = option->initial;
        const std::string first = choices.substr(0, choices.find('|'));
        return first != initial ? first : choices.substr(choices.rfind('|') + 1);
    }
    if (option->type == LENET_OPTION_TEXT) return "linear";
    return option->max > 0 && option->max < 1 ? "0.125" : std::string(option->initial) == "1" ? "2" : "1";
}

TEST(SweepRunId, IsSixteenHexadecimalDigits) {
    const std::string id = Id(Initial());
    EXPECT_EQ(id.size(), 16u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
    EXPECT_EQ(Id(Initial()), id);
}

/* Sweep directories are found by these names: they must stay for ever. */
TEST(SweepRunId, IsWhatItHasAlwaysBeen) {
    const struct {
        std::vector<std::pair<const char *, const char *>> settings;
        const char *id;
    } known[] = {{{}, "33f8f974df13feb6"},
                 {{{"arch", "lenet5-1998"}}, "49e8d82ee3d19c85"},
                 {{{"arch", "lenet5-1998"}, {"optimizer", "nesterov"}}, "1ef7d697671a5bb9"},
                 {{{"optimizer", "adamw"}, {"lr", "0.3"}}, "a6207b56d1d8aea0"},
                 {{{"arch", "linear"}}, "b7bd11e42db462da"},
                 {{{"schedule", "published"}}, "335677da3d485254"},
                 {{{"optimizer", "sgd"}}, "7ed86bf28623daee"},
                 {{{"steps", "500"}}, "c9438bc7be5d63cd"}};
    for (const auto &[settings, id] : known) {
        lenet_config config = Initial();
        for (const auto &[name, text] : settings) Set(config, name, text);
        Set(config, "warmup", "3"); /* as it was initially */
        EXPECT_EQ(Id(config), id);
    }
    lenet_config published = Initial();
    Set(published, "schedule", "published");
    EXPECT_EQ(Id(published), "335677da3d485254") << "without a warm-up it does not matter how long it is";
}

/* What an option needs for an effect. */
void MakeMatter(lenet_config &config, const std::string &name) {
    if (name == "map-j") Set(config, "loss", "map");
    if (name == "beta2" || name == "epsilon") Set(config, "optimizer", "adamw");
    if (name == "decay-every" || name == "decay-factor") Set(config, "schedule", "step");
    if (name == "curvature-images") Set(config, "optimizer", "sdlm");
    if (name == "patience") Set(config, "validation", "10");
}

TEST(SweepRunId, ChangesWithEveryOptionThatMattersAndWithNothingElse) {
    std::set<std::string> ids = {Id(Initial())};
    size_t recorded = 0;
    for (const lenet_option *option = lenet_options; option->name; option++) {
        if (option->type == LENET_OPTION_AUGMENT || std::string(option->name) == "recipe") continue; /* set others */
        lenet_config config = Initial(), needed = Initial();
        Set(config, option->name, OtherValue(option));
        ASSERT_NE(Get(config, option->name), Get(Initial(), option->name)) << option->name;
        if (!option->identity || lenet_option_idled_by(&config, option) != nullptr) {
            EXPECT_EQ(Id(config), Id(Initial())) << option->name;
        }
        if (!option->identity) continue;
        recorded++;
        MakeMatter(needed, option->name);
        config = needed;
        Set(config, option->name, OtherValue(option));
        ASSERT_EQ(lenet_option_idled_by(&config, option), nullptr) << option->name;
        EXPECT_NE(Id(config), Id(needed)) << option->name;
        EXPECT_TRUE(ids.insert(Id(config)).second) << option->name;
    }
    EXPECT_GE(recorded, 25u);
    for (const char *name : {"data", "out", "device", "threads", "shard", "samples", "checkpoint-seconds", "dry-run",
                             "keep-weights", "retry-failed", "population-max"})
        EXPECT_EQ(lenet_option_find(name)->identity, LENET_NO_IDENTITY) << name;
}

/* The name is written without cJSON, which takes its time; it must be the hash of what is recorded all the same. */
TEST(SweepRunId, IsTheHashOfTheRecordedConfigurationAndTheData) {
    Plan plan({"--lr",        "log:1e-7..1e6",
               "--momentum",  "lin:0..0.99",
               "--seed",      "0,9007199254740991",
               "--steps",     "0,1e12",
               "--arch",      "lenet5,linear,lenet5-1998",
               "--augment",   "none,standard",
               "--optimizer", "adamw,sdlm",
               "--epsilon",   "lin:1e-9..1",
               "--schedule",  "step,one-cycle",
               "--warmup",    "auto,0.333333333333333314829616256247",
               "--samples",   "3"});
    ASSERT_EQ(plan.status, LENET_OK) << plan.err.text;
    for (size_t i = 0; i < plan.plan.runs; i++) {
        const lenet_config config = plan.Config(i);
        lenet_config canonical;
        lenet_config_canonical(&config, &canonical);
        lenet_json json = {};
        lenet_config_add_json(&json, nullptr, &canonical);
        char *text, hex[65];
        ASSERT_EQ(lenet_json_print(&json, LENET_JSON_LINE, &text, nullptr), LENET_OK);
        const std::string hash(64, 'a');
        const lenet_piece pieces[] = {{text, strlen(text)}, {hash.data(), hash.size()}};
        ASSERT_EQ(lenet_sha256(pieces, 2, hex, nullptr), LENET_OK);
        EXPECT_EQ(Id(config, hash), std::string(hex).substr(0, 16)) << text;
        free(text);
    }
}

TEST(SweepRunId, FitsItsRunOnlyAlsoAsAnOlderProgramWroteIt) {
    lenet_config config = Initial();
    Set(config, "warmup", "3");
    Set(config, "beta2", "0.5"); /* without effect, and once a part of the name */
    const std::string hash(64, 'a');
    EXPECT_EQ(Id(config), "33f8f974df13feb6");
    const auto fits = [&](const std::string &data_hash, const char *id) {
        int is = -1;
        EXPECT_EQ(lenet_run_id_fits(&config, data_hash.c_str(), id, &is, nullptr), LENET_OK);
        return is;
    };
    EXPECT_EQ(fits(hash, "33f8f974df13feb6"), 1);
    EXPECT_EQ(fits(hash, "d93def220ec6f17e"), 1);
    EXPECT_EQ(fits(std::string(64, 'b'), "33f8f974df13feb6"), 0);
    Set(config, "lr", "0.3");
    EXPECT_EQ(fits(hash, "33f8f974df13feb6"), 0) << "edited by hand";
    EXPECT_EQ(fits(hash, "d93def220ec6f17e"), 0);
}

TEST(SweepRunId, IsOneForRunsThatDifferInWhatHasNoEffect) {
    const struct {
        Strings words;
        size_t runs;
    } cases[] = {{{"--beta2", "0.9,0.99,0.999"}, 1},
                 {{"--beta2", "0.9,0.99", "--optimizer", "sgd,adamw"}, 3},
                 {{"--optimizer", "sgd,momentum,nesterov,adamw", "--momentum", "0.5,0.9"}, 7},
                 {{"--epochs", "1,2,3", "--steps", "500"}, 1},
                 {{"--warmup", "1,2,3", "--schedule", "published,constant"}, 4},
                 {{"--decay-every", "1,2", "--decay-factor", "0.1,0.2", "--schedule", "constant,step,published"}, 7},
                 {{"--arch", "linear,mlp-300,lenet5", "--pooling", "average,max", "--activation", "tanh,relu"}, 7},
                 {{"--init", "printed,printed-average", "--arch", "lenet5,lenet5-1998"}, 3},
                 {{"--tf32", "off,on", "--device", "cpu"}, 2}, /* a name depends on what is recorded alone */
                 {{"--lr", "0.1,1e-1,0.1"}, 1}};
    for (const auto &[words, runs] : cases) {
        Plan plan(words);
        std::set<std::string> ids;
        for (size_t i = 0; i < plan.plan.runs; i++) ids.insert(Id(plan.Config(i)));
        EXPECT_EQ(ids.size(), runs) << words[0];
    }
}

TEST(SweepRunId, ChangesWithTheDatasHash) {
    const std::string id = Id(Initial());
    for (size_t i : {size_t{0}, size_t{31}, size_t{63}}) {
        std::string hash(64, 'a');
        hash[i] = 'b';
        EXPECT_NE(Id(Initial(), hash), id) << "digit " << i;
    }
}

TEST(SweepRunId, DoesNotDependOnHowAValueWasWritten) {
    const struct {
        const char *name, *one, *other;
    } same[] = {{"lr", "0.1", "1e-1"}, {"lr", "0.1", "0.10000000000000001"}, {"epochs", "1e3", "1000"}};
    for (const auto &[name, one, other] : same) {
        lenet_config a = Initial(), b = Initial();
        Set(a, name, one);
        Set(b, name, other);
        EXPECT_EQ(Id(a), Id(b)) << one << " and " << other;
    }
    lenet_config a = Initial(), b = Initial();
    Set(a, "lr", "0.1");
    Set(b, "lr", "0.10000000000000002");
    EXPECT_NE(Id(a), Id(b)) << "the next number";
    lenet_config standard = Initial(), parts = Initial();
    Set(standard, "augment", "shift=1,rotate=2");
    Set(parts, "augment-shift", "1");
    Set(parts, "augment-rotate", "2");
    EXPECT_EQ(Id(standard), Id(parts));
}

} // namespace
