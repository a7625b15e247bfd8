/* test_options.cc - the option table is sound, and every text is either taken as it reads or refused by name. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/json.h"
#include "lenet/options.h"
#include "lenet/topology.h"

namespace {

using Strings = std::vector<std::string>;

std::vector<const lenet_option *> Options() {
    std::vector<const lenet_option *> options;
    for (const lenet_option *option = lenet_options; option->name; option++) options.push_back(option);
    return options;
}

constexpr lenet_command kCommands[] = {LENET_CMD_TRAIN,     LENET_CMD_EVAL,   LENET_CMD_INFO,
                                       LENET_CMD_GRADCHECK, LENET_CMD_BENCH,  LENET_CMD_SWEEP,
                                       LENET_CMD_REPORT,    LENET_CMD_EXPORT, LENET_CMD_PREDICT};

/* Options with a value of their own: all but --augment. */
std::vector<const lenet_option *> StoredOptions() {
    std::vector<const lenet_option *> options;
    for (const lenet_option *option : Options())
        if (option->type != LENET_OPTION_AUGMENT) options.push_back(option);
    return options;
}

bool IsNumber(const lenet_option *option) {
    return option->type == LENET_OPTION_INTEGER || option->type == LENET_OPTION_REAL;
}

Strings Choices(const lenet_option *option) {
    Strings choices = {""};
    for (const char *c = option->choices; *c; c++)
        if (*c == '|')
            choices.push_back("");
        else
            choices.back() += *c;
    return choices;
}

lenet_config Initial() {
    lenet_config config;
    memset(&config, 0x5a, sizeof config);
    lenet_config_init(&config);
    return config;
}

std::string Get(const lenet_config &config, const char *name) {
    char text[LENET_MAX_PATH];
    lenet_option_get(&config, lenet_option_find(name), text, sizeof text);
    return text;
}

using Settings = std::vector<std::pair<const char *, const char *>>;

bool Same(const lenet_config &a, const lenet_config &b) {
    for (const lenet_option *option : StoredOptions())
        if (Get(a, option->name) != Get(b, option->name)) return false;
    return true;
}

void ExpectTaken(const char *name, const std::string &text) {
    lenet_config config = Initial();
    lenet_error err = {};
    EXPECT_EQ(lenet_option_set(&config, lenet_option_find(name), text.c_str(), &err), LENET_OK)
        << "--" << name << " '" << text.substr(0, 50) << "': " << err.text;
    EXPECT_STREQ(err.text, "");
}

/* One line that names the option and what was given. */
void ExpectRefused(const char *name, const std::string &text) {
    lenet_config config = Initial();
    lenet_error err = {};
    const lenet_option *option = lenet_option_find(name);
    const std::string what = "--" + std::string(name) + " '" + text.substr(0, 50) + "'";
    EXPECT_EQ(lenet_option_set(&config, option, text.c_str(), &err), LENET_ERR_ARG) << what;
    const std::string message = err.text;
    EXPECT_EQ(message.find("--" + std::string(name)), 0u) << what << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << what << ": " << message;
    if (text.size() < 30) {
        EXPECT_NE(message.find(text), std::string::npos) << what << ": " << message;
    }
    EXPECT_TRUE(Same(config, Initial())) << what << " changed something";
    EXPECT_EQ(lenet_option_set(&config, option, text.c_str(), nullptr), LENET_ERR_ARG)
        << "without a struct lenet_error";
}

/* ---- the table ------------------------------------------------------------------------ */

TEST(OptionTable, NamesAreUniqueAndEveryOptionIsExplained) {
    std::set<std::string> names;
    for (const lenet_option *option : Options()) {
        EXPECT_TRUE(names.insert(option->name).second) << option->name << " twice";
        EXPECT_EQ(lenet_option_find(option->name), option);
        EXPECT_EQ(strspn(option->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(option->name)) << option->name;
        EXPECT_NE(option->commands, 0) << option->name;
        EXPECT_STRNE(option->help, "") << option->name;
        EXPECT_STRNE(option->argument, "") << option->name;
        EXPECT_EQ(option->choices != nullptr, option->type == LENET_OPTION_CHOICE) << option->name;
    }
    for (const char *name : {"", "-", "epoch", "epochss", "Epochs", "--epochs"})
        EXPECT_EQ(lenet_option_find(name), nullptr) << name;
}

TEST(Options, ASwitchMayStandWithoutAValue) {
    const struct {
        std::vector<const char *> argv;
        int tf32;
        int64_t batch;
    } cases[] = {{{"--tf32"}, 1, 64},
                 {{"--tf32", "--batch", "32"}, 1, 32},
                 {{"--tf32", "on", "--batch", "32"}, 1, 32},
                 {{"--tf32", "off", "--batch", "32"}, 0, 32},
                 {{"--tf32=off"}, 0, 64},
                 {{"--batch", "32", "--tf32=on"}, 1, 32}};
    for (const auto &c : cases) {
        lenet_config config;
        lenet_error err = {};
        std::vector<char *> argv;
        for (const char *word : c.argv) argv.push_back(const_cast<char *>(word));
        lenet_config_init(&config);
        ASSERT_EQ(lenet_options_parse(LENET_CMD_TRAIN, (int)argv.size(), argv.data(), &config, &err), LENET_OK)
            << err.text;
        EXPECT_EQ(config.tf32, c.tf32) << c.argv.back();
        EXPECT_EQ(config.batch, c.batch) << c.argv.back();
    }
    for (const char *value : {"--tf32=", "--tf32=1", "--tf32=yes"}) {
        lenet_config config;
        char *argv[] = {const_cast<char *>(value)};
        lenet_config_init(&config);
        EXPECT_EQ(lenet_options_parse(LENET_CMD_TRAIN, 1, argv, &config, nullptr), LENET_ERR_ARG) << value;
    }
}

lenet_config Parsed(const std::vector<const char *> &words) {
    lenet_config config = Initial();
    lenet_error err = {};
    std::vector<char *> argv;
    for (const char *word : words) argv.push_back(const_cast<char *>(word));
    EXPECT_EQ(lenet_options_parse(LENET_CMD_TRAIN, (int)argv.size(), argv.data(), &config, &err), LENET_OK) << err.text;
    return config;
}

TEST(Recipe, AnArchitecturesSettingsGiveWayToOptionsBeforeAndAfterIt) {
    const lenet_config plain = Parsed({"--arch", "lenet5-1998"});
    EXPECT_EQ(plain.epochs, 20);
    EXPECT_EQ(plain.batch, 1);
    EXPECT_EQ(plain.optimizer, LENET_SDLM);
    for (const auto &words : {std::vector<const char *>{"--epochs", "15", "--arch", "lenet5-1998", "--batch=4"},
                              std::vector<const char *>{"--batch=4", "--arch", "lenet5-1998", "--epochs", "15"}}) {
        const lenet_config config = Parsed(words);
        EXPECT_EQ(config.epochs, 15) << "given, though it is what other architectures begin with";
        EXPECT_EQ(config.batch, 4);
        EXPECT_EQ(config.optimizer, LENET_SDLM);
        EXPECT_EQ(config.loss, LENET_MAP);
    }
}

TEST(Recipe, EndsWithItsArchitecture) {
    const lenet_config config =
        Parsed({"--arch", "lenet5-1998", "--lr", "0.3", "--augment", "shift=2", "--arch", "lenet5"});
    for (const lenet_option *option = lenet_options; option->name; option++) {
        const std::string name = option->name;
        const std::string want = name == "lr"              ? "0.3"
                                 : name == "augment-shift" ? "2"
                                 : name == "augment"       ? "shift=2"
                                                           : Get(Initial(), option->name);
        EXPECT_EQ(Get(config, option->name), want) << name;
    }
}

TEST(OptionTable, FieldsDoNotOverlapAndFitTheirType) {
    std::vector<bool> taken(sizeof(lenet_config));
    for (const lenet_option *option : StoredOptions()) {
        ASSERT_LE(option->offset + option->size, taken.size()) << option->name;
        for (size_t i = 0; i < option->size; i++) {
            EXPECT_FALSE(taken[option->offset + i]) << option->name << " shares its field";
            taken[option->offset + i] = true;
        }
        if (option->type == LENET_OPTION_INTEGER) {
            EXPECT_EQ(option->size, sizeof(int64_t)) << option->name;
        }
        if (option->type == LENET_OPTION_REAL) {
            EXPECT_EQ(option->size, sizeof(double)) << option->name;
        }
        if (option->type == LENET_OPTION_CHOICE) {
            EXPECT_EQ(option->size, sizeof(int)) << option->name;
        }
    }
}

TEST(OptionTable, WhatMakesARunIsAnOptionOfTrain) {
    for (const lenet_option *option : Options())
        if (option->identity) {
            EXPECT_TRUE(option->commands & LENET_CMD_TRAIN) << option->name;
        }
}

TEST(OptionTable, InitialValuesParseAndReadBack) {
    const lenet_config config = Initial();
    for (const lenet_option *option : StoredOptions()) {
        ExpectTaken(option->name, option->initial);
        EXPECT_EQ(Get(config, option->name), option->initial) << option->name;
    }
    EXPECT_EQ(config.epochs, 15);
    EXPECT_EQ(config.learning_rate, 0.05);
    EXPECT_EQ(config.pooling, LENET_POOL_MAX);
    EXPECT_STREQ(config.arch, "lenet5");
}

/* Texts of numbers are part of what a run's name is a hash of. */
TEST(OptionTable, InitialNumbersAreWrittenAsShortAsTheyCan) {
    for (const lenet_option *option : Options()) {
        char text[32];
        if (!IsNumber(option) || std::string(option->initial) == "auto") continue;
        lenet_real_text(std::stod(option->initial), text);
        EXPECT_STREQ(option->initial, text) << option->name;
    }
}

TEST(OptionTable, ChoicesAreTheEnumsOfTheContract) {
    const struct {
        const char *name;
        Strings want;
    } choices[] = {{"activation", {"tanh", "relu", "squash"}},
                   {"pooling", {"average", "max", "sum"}},
                   {"optimizer", {"sgd", "momentum", "nesterov", "adamw", "sdlm"}},
                   {"schedule", {"constant", "step", "cosine", "one-cycle", "published"}},
                   {"loss", {"cross-entropy", "mse", "map"}},
                   {"init", {"standard", "printed", "printed-average", "root", "root-average"}}};
    for (const auto &[name, want] : choices) EXPECT_EQ(Choices(lenet_option_find(name)), want) << name;
    EXPECT_EQ(LENET_RELU, 1);
    EXPECT_EQ(LENET_SQUASH, 2);
    EXPECT_EQ(LENET_POOL_SUM, 2);
    EXPECT_EQ(LENET_SDLM, 4);
    EXPECT_EQ(LENET_SCHEDULE_PUBLISHED, 4);
    EXPECT_EQ(LENET_MAP, 2);
    EXPECT_EQ(LENET_INIT_ROOT_AVERAGE, 4);
}

/* ---- recipes ---------------------------------------------------------------------------- */

TEST(Recipes, AreThoseOfTheOption) {
    Strings names;
    for (const lenet_recipe &recipe : lenet_recipes) names.push_back(recipe.name);
    EXPECT_EQ(names, Choices(lenet_option_find("recipe")));
}

/* By the names and values of the table, so that a setting of no option, or one that is not taken, shows. */
TEST(Recipes, SetWhatTheySay) {
    for (const lenet_recipe &recipe : lenet_recipes) {
        const lenet_config config = Parsed({"--recipe", recipe.name});
        std::istringstream settings(recipe.settings);
        for (std::string setting; settings >> setting;) {
            const size_t end = setting.find('=');
            const std::string name = setting.substr(0, end);
            EXPECT_EQ(Get(config, name.c_str()), setting.substr(end + 1)) << recipe.name << ", " << name;
            EXPECT_FALSE(lenet_option_is_given(&config, lenet_option_find(name.c_str())));
        }
    }
}

TEST(Recipes, LeaveWhatIsGivenInAnyOrder) {
    for (const auto &words : {std::vector<const char *>{"--recipe", "fast", "--epochs", "3"},
                              std::vector<const char *>{"--epochs", "3", "--recipe", "fast"}}) {
        const lenet_config config = Parsed(words);
        EXPECT_EQ(config.epochs, 3);
        EXPECT_EQ(config.batch, 128);
        EXPECT_EQ(config.learning_rate, 0.1);
    }
    const lenet_config last = Parsed({"--recipe", "fast", "--recipe", "best"});
    EXPECT_EQ(last.batch, Initial().batch) << "the last one counts";
    EXPECT_EQ(last.epochs, 40);
}

TEST(Recipes, OneWithAnArchitectureHasItsSettings) {
    const lenet_config recipe = Parsed({"--recipe", "1998"}), arch = Parsed({"--arch", "lenet5-1998"});
    for (const lenet_option *option : Options())
        if (option->identity) {
            EXPECT_EQ(Get(recipe, option->name), Get(arch, option->name)) << option->name;
        }
    const lenet_config other = Parsed({"--recipe", "1998", "--arch", "lenet1"}), plain = Parsed({"--arch", "lenet1"});
    EXPECT_EQ(Get(other, "optimizer"), Get(plain, "optimizer"));
    char text[512];
    lenet_config_idle_text(&other, text, sizeof text);
    EXPECT_STREQ(text, "--recipe has no effect with --arch lenet1");
    lenet_config_idle_text(&recipe, text, sizeof text);
    EXPECT_STREQ(text, "");
}

TEST(Recipes, TheBestHasTheStandardDistortions) {
    EXPECT_EQ(Get(Parsed({"--recipe", "best"}), "augment"), "standard");
    EXPECT_EQ(Get(Parsed({"--recipe", "best", "--augment", "none"}), "augment"), "none");
    EXPECT_EQ(Get(Parsed({"--recipe", "best", "--augment-shift", "0"}), "augment-elastic"), "2");
}

TEST(Recipes, ChangeNoRunThatHasTheSameOptions) {
    const lenet_config recipe = Parsed({"--recipe", "fast", "--schedule", "published"}),
                       options = Parsed({"--batch=128", "--epochs=2", "--lr=0.1", "--schedule", "published"});
    lenet_config a, b;
    lenet_config_canonical(&recipe, &a);
    lenet_config_canonical(&options, &b);
    for (const lenet_option *option : Options())
        if (option->identity) {
            EXPECT_EQ(Get(a, option->name), Get(b, option->name)) << option->name;
        }
}

/* ---- texts that are taken ------------------------------------------------------------- */

/* Texts that the option takes; the last ones are not how it would print them. */
Strings GoodTexts(const lenet_option *option) {
    if (option->type == LENET_OPTION_CHOICE) return Choices(option);
    if (option->type == LENET_OPTION_TEXT || option->type == LENET_OPTION_ARCH)
        return {"", "x", "a b", "--x", "\xc3\xa9", std::string(option->size - 1, 'y')};
    const bool integer = option->type == LENET_OPTION_INTEGER;
    const double max = option->max > option->min ? option->max : 9007199254740991.0;
    char text[64];
    Strings texts;
    for (double t : {0.0, 1.0, 0.5, 1 / 3.0, 0.1, 1e-7}) {
        const double value = option->min + t * (max - option->min);
        snprintf(text, sizeof text, "%.17g", integer ? std::floor(value) : value);
        texts.push_back(text);
    }
    if (option->min <= 1 && max >= 1) texts.insert(texts.end(), {"1", "1e0", "1.0", "1.", "1E+0", "001"});
    if (!integer && option->min <= 0.5 && max >= 0.5) texts.insert(texts.end(), {".5", "5e-1", "50.0E-02"});
    return texts;
}

TEST(OptionText, WhatIsSetReadsBackTheSame) {
    for (const lenet_option *option : StoredOptions())
        for (const std::string &text : GoodTexts(option)) {
            ExpectTaken(option->name, text);
            lenet_config config = Initial(), again = Initial();
            lenet_option_set(&config, option, text.c_str(), nullptr);
            const std::string printed = Get(config, option->name);
            EXPECT_EQ(lenet_option_set(&again, option, printed.c_str(), nullptr), LENET_OK) << option->name << printed;
            EXPECT_EQ(memcmp((char *)&config + option->offset, (char *)&again + option->offset, option->size), 0)
                << "--" << option->name << " " << text << " prints as " << printed;
            EXPECT_EQ(Get(again, option->name), printed);
            if (!IsNumber(option)) {
                EXPECT_EQ(printed, text);
            }
        }
}

TEST(OptionText, NumbersPrintAsShortAsTheyCan) {
    const struct {
        const char *name, *text, *want;
    } cases[] = {{"lr", "0.1", "0.1"},
                 {"lr", "0.10000000000000001", "0.1"},
                 {"lr", "0.30000000000000004", "0.30000000000000004"},
                 {"lr", "30", "30"},
                 {"lr", "100000", "100000"},
                 {"lr", "0", "0"},
                 {"lr", "-0", "0"},
                 {"lr", "1000000", "1000000"},
                 {"lr", "999999.5", "999999.5"},
                 {"steps", "90", "90"},
                 {"epsilon", "1e-8", "1e-08"},
                 {"steps", "1e12", "1000000000000"},
                 {"steps", "1e3", "1000"},
                 {"seed", "9007199254740991", "9007199254740991"}};
    for (const auto &[name, text, want] : cases) {
        lenet_config config = Initial();
        ASSERT_EQ(lenet_option_set(&config, lenet_option_find(name), text, nullptr), LENET_OK) << name << text;
        EXPECT_EQ(Get(config, name), want) << "--" << name << " " << text;
    }
}

TEST(OptionText, AnOptionSetsItsOwnFieldOnly) {
    for (const lenet_option *option : StoredOptions()) {
        if (std::string(option->name) == "recipe") continue; /* whose purpose is to set others */
        lenet_config config = Initial(), before = config;
        lenet_option_set(&config, option, GoodTexts(option)[1].c_str(), nullptr);
        memcpy((char *)&config + option->offset, (char *)&before + option->offset, option->size);
        EXPECT_NE(memcmp(config.given, before.given, sizeof config.given), 0) << "and that it was set";
        memcpy(config.given, before.given, sizeof config.given);
        EXPECT_EQ(memcmp(&config, &before, sizeof config), 0) << option->name;
    }
}

TEST(OptionText, AutoIsANumberOfTheOptionsThatHaveItInitially) {
    lenet_config config = Initial();
    EXPECT_EQ(config.warmup, LENET_AUTO);
    EXPECT_EQ(Get(config, "warmup"), "auto");
    EXPECT_GE(lenet_option_find("warmup")->max, lenet_option_find("steps")->max / 5) << "a fifth of the longest run";
    const lenet_option *warmup = lenet_option_find("warmup");
    ASSERT_EQ(lenet_option_set(&config, warmup, "3", nullptr), LENET_OK);
    EXPECT_EQ(Get(config, "warmup"), "3");
    ASSERT_EQ(lenet_option_set(&config, warmup, "auto", nullptr), LENET_OK);
    EXPECT_EQ(config.warmup, LENET_AUTO);
    for (const char *text : {"-1", "Auto", "aut", "auto ", "auto,3"}) ExpectRefused("warmup", text);
    for (const lenet_option *option : Options())
        if (IsNumber(option) && option != warmup) ExpectRefused(option->name, "auto");
}

TEST(OptionText, WholeNumbersOfAllSizesAreWrittenExactly) {
    for (const int64_t value : {INT64_MIN, INT64_C(-1), INT64_C(0), INT64_C(9), INT64_C(10), INT64_C(1) << 53,
                                (INT64_C(1) << 53) + 1, INT64_MAX}) {
        lenet_config config = Initial();
        config.seed = value;
        EXPECT_EQ(Get(config, "seed"), std::to_string(value));
    }
    for (const double value : {-1e15, -3.0, 0.0, 7.0, 999999999999999.0, 1e15, 1e16, 1e300, 0.1 + 0.2}) {
        lenet_config config = Initial();
        char text[32];
        config.learning_rate = value;
        lenet_real_text(value, text);
        EXPECT_EQ(Get(config, "lr"), text);
    }
}

/* ---- texts that are refused ------------------------------------------------------------ */

TEST(OptionText, WhatIsNotANumberIsRefused) {
    for (const lenet_option *option : Options())
        if (IsNumber(option))
            for (const char *text :
                 {"",     " ",     "x",      "1x",     "1 ",  " 1",  "1,5", "1e",   "1e+",      "1e-",    "--1",
                  "+1",   "+",     "-",      ".",      "-.",  "0x",  "0x1", "0X10", "0x1p2",    "-0x1",   "1..2",
                  "1e5.", "1e999", "-1e999", "1e-999", "nan", "NaN", "inf", "-inf", "infinity", "nan(1)", "\xc2\xbd"})
                ExpectRefused(option->name, text);
}

TEST(OptionText, ANumberOutOfRangeIsRefused) {
    for (const lenet_option *option : Options()) {
        if (!IsNumber(option)) continue;
        const bool integer = option->type == LENET_OPTION_INTEGER;
        const double max = option->max > option->min ? option->max : 9007199254740991.0;
        char text[64];
        for (double value : {option->min - 1, integer ? max + 1 : std::nextafter(max, INFINITY), 2 * max + 1, -1e300,
                             1e300, integer ? option->min - 1 : std::nextafter(option->min, -INFINITY)}) {
            snprintf(text, sizeof text, "%.17g", value);
            ExpectRefused(option->name, text);
        }
    }
    ExpectRefused("seed", "9007199254740993"); /* a double would make 2^53 of it */
}

TEST(OptionText, TheLimitsOfWholeNumbersAreWrittenInFull) {
    for (const lenet_option *option : Options()) {
        if (option->type != LENET_OPTION_INTEGER) continue;
        lenet_config config = Initial();
        lenet_error err = {};
        EXPECT_EQ(lenet_option_set(&config, option, "1e300", &err), LENET_ERR_ARG);
        const std::string want =
            "wanted " + std::to_string((long long)option->min) + " to " + std::to_string((long long)option->max);
        EXPECT_NE(std::string(err.text).find(want), std::string::npos) << err.text;
    }
    EXPECT_EQ(lenet_option_find("seed")->max, 9007199254740991.0);
}

TEST(OptionText, AMisspeltNumberIsRefusedWithItsRightSpelling) {
    const struct {
        const char *name, *text, *hint;
    } cases[] = {{"lr", "1,5", "with a decimal point it is 1.5"},
                 {"lr", "0,05", "with a decimal point it is 0.05"},
                 {"momentum", "0,9", "with a decimal point it is 0.9"},
                 {"checkpoint-seconds", "2,5", "with a decimal point it is 2.5"},
                 {"lr", "0.1,0.2", "wanted one number (lenet sweep takes lists and ranges)"},
                 {"lr", "1e-3,1", "wanted one number (lenet sweep takes lists and ranges)"},
                 {"lr", "log:1e-3..1:4", "wanted one number (lenet sweep takes lists and ranges)"},
                 {"epochs", "1,5", "wanted one number (lenet sweep takes lists and ranges)"},
                 {"seed", "1..5", "wanted one number (lenet sweep takes lists and ranges)"},
                 {"train-size", "10,000", "write 10000, without separators"},
                 {"train-size", "10.000", "write 10000, without separators"},
                 {"train-size", "10_000", "write 10000, without separators"},
                 {"train-size", "10'000", "write 10000, without separators"},
                 {"train-size", "10 000", "write 10000, without separators"},
                 {"steps", "1,000,000", "write 1000000, without separators"},
                 {"lr", "1_000", "write 1000, without separators"},
                 {"lr", " 5", "write it without spaces"},
                 {"seed", "5 ", "write it without spaces"},
                 {"seed", "\t5", "write it without spaces"},
                 {"lr", "0x10", "write 16"},
                 {"batch", "+8", "write 8"},
                 {"momentum", "0x1p-1", "write 0.5"},
                 {"warmup", "x", "wanted a number or auto"}};
    for (const auto &[name, text, hint] : cases) {
        lenet_config config = Initial();
        lenet_error err = {};
        ExpectRefused(name, text);
        lenet_option_set(&config, lenet_option_find(name), text, &err);
        EXPECT_EQ(std::string(err.text), "--" + std::string(name) + ": '" + text + "' is not a number; " + hint);
    }
    lenet_config config = Initial();
    lenet_error err = {};
    lenet_option_set(&config, lenet_option_find("threads"), "1,2", &err); /* of which no sweep takes a list */
    EXPECT_STREQ(err.text, "--threads: '1,2' is not a number");
    ExpectRefused("train-size", "0.125");
    ExpectTaken("lr", "10.000");
    ExpectTaken("train-size", "10.0");
}

/* What a message proposes is a value itself: otherwise nothing is proposed. */
TEST(OptionText, NoFaultySpellingIsProposed) {
    for (const auto &[name, text] : Settings{{"momentum", "1,5"},
                                             {"batch", "100,000"},
                                             {"batch", "100_000"},
                                             {"momentum", " 5"},
                                             {"lr", "5 x"},
                                             {"momentum", "0x10"},
                                             {"batch", "+0"},
                                             {"lr", "inf"},
                                             {"lr", "1e"}}) {
        lenet_config config = Initial();
        lenet_error err = {};
        lenet_option_set(&config, lenet_option_find(name), text, &err);
        const std::string found = "--" + std::string(name) + ": '" + text + "' is not a number";
        const bool has_comma = std::string(text).find(',') != std::string::npos;
        EXPECT_EQ(std::string(err.text),
                  found + (has_comma ? "; wanted one number (lenet sweep takes lists and ranges)" : ""));
    }
}

TEST(OptionText, AFractionIsNoWholeNumber) {
    for (const lenet_option *option : Options())
        if (option->type == LENET_OPTION_INTEGER)
            for (const char *text : {"1.5", "2.0001", "15e-1"}) ExpectRefused(option->name, text);
}

TEST(OptionText, AnUnknownChoiceIsRefusedWithTheKnownOnes) {
    for (const lenet_option *option : Options()) {
        if (option->type != LENET_OPTION_CHOICE) continue;
        const std::string first = Choices(option)[0];
        for (const std::string &text : {std::string(), std::string("x"), first + "x", first.substr(1), " " + first,
                                        first.substr(0, first.size() - 1), std::string(option->choices), first + "|",
                                        std::string("0"), std::string("TANH")}) {
            ExpectRefused(option->name, text);
            lenet_config config = Initial();
            lenet_error err = {};
            lenet_option_set(&config, option, text.c_str(), &err);
            EXPECT_NE(std::string(err.text).find(option->choices), std::string::npos) << err.text;
        }
    }
}

TEST(OptionText, ATextThatIsTooLongIsRefused) {
    for (const lenet_option *option : Options())
        if (option->type == LENET_OPTION_TEXT)
            for (size_t more : {0, 1, 5000}) ExpectRefused(option->name, std::string(option->size + more, 'y'));
}

/* ---- --augment --------------------------------------------------------------------------- */

std::vector<double> Augmentation(const lenet_config &c) { return {c.shift, c.rotate, c.scale, c.shear, c.elastic}; }

std::vector<double> AugmentationAfter(const std::string &list) {
    lenet_config config = Initial();
    lenet_error err = {};
    config.shift = config.rotate = config.scale = config.shear = config.elastic = 0.25; /* what went before is gone */
    EXPECT_EQ(lenet_option_set(&config, lenet_option_find("augment"), list.c_str(), &err), LENET_OK) << err.text;
    return Augmentation(config);
}

TEST(OptionAugment, SetsTheFiveThatItNamesAndClearsTheOthers) {
    EXPECT_EQ(AugmentationAfter("none"), std::vector<double>({0, 0, 0, 0, 0}));
    EXPECT_EQ(AugmentationAfter("shift=2"), std::vector<double>({2, 0, 0, 0, 0}));
    EXPECT_EQ(AugmentationAfter("elastic=1.5"), std::vector<double>({0, 0, 0, 0, 1.5}));
    EXPECT_EQ(AugmentationAfter("rotate=10,scale=0.1"), std::vector<double>({0, 10, 0.1, 0, 0}));
    EXPECT_EQ(AugmentationAfter("shear=0.5,scale=0.1,rotate=3,elastic=2,shift=1"),
              std::vector<double>({1, 3, 0.1, 0.5, 2}));
    EXPECT_EQ(AugmentationAfter("shift=1,shift=2"), std::vector<double>({2, 0, 0, 0, 0})) << "the last one counts";
    EXPECT_EQ(AugmentationAfter("shift=2+rotate=10"), std::vector<double>({2, 10, 0, 0, 0}));
    EXPECT_EQ(AugmentationAfter("shift=2+rotate=1e+1,scale=0.1"), std::vector<double>({2, 10, 0.1, 0, 0}))
        << "a number's own sign is no comma";
    for (double value : AugmentationAfter("standard")) EXPECT_GT(value, 0);
}

TEST(OptionAugment, ALaterOptionChangesOnePartOfIt) {
    lenet_config config = Initial();
    lenet_option_set(&config, lenet_option_find("augment"), "standard", nullptr);
    const std::vector<double> standard = Augmentation(config);
    lenet_option_set(&config, lenet_option_find("augment-elastic"), "0", nullptr);
    EXPECT_EQ(Augmentation(config), std::vector<double>({standard[0], standard[1], standard[2], standard[3], 0}));
}

TEST(OptionAugment, ReadsBackInOneWay) {
    const struct {
        const char *list, *want;
    } cases[] = {{"none", "none"},
                 {"standard", "standard"},
                 {"shift=0", "none"},
                 {"shift=2", "shift=2"},
                 {"elastic=1.5,shift=02", "shift=2+elastic=1.5"},
                 {"rotate=10+scale=0.1+shear=0.5", "rotate=10+scale=0.1+shear=0.5"},
                 {"elastic=2,shear=0.1,scale=0.1,rotate=8,shift=1.5", "standard"},
                 {"shift=1.5,rotate=8,scale=0.1,shear=0.1", "shift=1.5+rotate=8+scale=0.1+shear=0.1"}};
    for (const auto &[list, want] : cases) {
        lenet_config config = Initial();
        ASSERT_EQ(lenet_option_set(&config, lenet_option_find("augment"), list, nullptr), LENET_OK) << list;
        EXPECT_EQ(Get(config, "augment"), want) << list;
        EXPECT_EQ(AugmentationAfter(want), Augmentation(config)) << list;
    }
    /* The longest: five numbers of 17 digits. */
    lenet_config config = Initial();
    for (double *part : {&config.shift, &config.rotate, &config.scale, &config.shear, &config.elastic})
        *part = 1e-5 / 3;
    EXPECT_EQ(AugmentationAfter(Get(config, "augment")), Augmentation(config));
}

TEST(OptionAugment, WhatIsNoListIsRefused) {
    for (const std::string &list : {std::string(""),
                                    std::string("shift"),
                                    std::string("shift="),
                                    std::string("shift=x"),
                                    std::string("=2"),
                                    std::string("blur=2"),
                                    std::string("shift=2,"),
                                    std::string(",shift=2"),
                                    std::string("shift=2,,rotate=1"),
                                    std::string("shift=2+"),
                                    std::string("+shift=2"),
                                    std::string("shift=2++rotate=1"),
                                    std::string("shift+2"),
                                    std::string("none+shift=2"),
                                    std::string("none,shift=2"),
                                    std::string("standard,shift=2"),
                                    std::string("Standard"),
                                    std::string("shift=-1"),
                                    std::string("shift=17"),
                                    std::string("rotate=nan"),
                                    std::string("scale=1"),
                                    std::string("shift=2 rotate=1"),
                                    std::string(300, 's') + "=1",
                                    "shift=" + std::string(300, '0')}) {
        lenet_config config = Initial();
        lenet_error err = {};
        EXPECT_EQ(lenet_option_set(&config, lenet_option_find("augment"), list.c_str(), &err), LENET_ERR_ARG) << list;
        EXPECT_EQ(std::string(err.text).find("--augment"), 0u) << list << ": " << err.text;
    }
}

/* ---- options without effect ------------------------------------------------------------------ */

lenet_config With(const Settings &settings) {
    lenet_config config = Initial();
    lenet_error err = {};
    for (const auto &[name, text] : settings)
        EXPECT_EQ(lenet_option_set(&config, lenet_option_find(name), text, &err), LENET_OK) << err.text;
    return config;
}

std::string IdledBy(const lenet_config &config, const char *name) {
    const lenet_option *option = lenet_option_find(name), *by = lenet_option_idled_by(&config, option);
    return by ? by->name : "";
}

/* Read off the operations: optimizer_step and schedule_step in ops.h, and train/population.c. */
TEST(OptionEffect, IsAsTheOperationsSay) {
    const struct {
        const char *option, *by;
        Strings with, without;
    } cases[] = {{"momentum", "optimizer", {"momentum", "nesterov", "adamw"}, {"sgd", "sdlm"}},
                 {"beta2", "optimizer", {"adamw"}, {"sgd", "momentum", "nesterov", "sdlm"}},
                 {"epsilon", "optimizer", {"adamw", "sdlm"}, {"sgd", "momentum", "nesterov"}},
                 {"curvature-images", "optimizer", {"sdlm"}, {"sgd", "momentum", "nesterov", "adamw"}},
                 {"weight-decay", "optimizer", {"sgd", "momentum", "nesterov", "adamw", "sdlm"}, {}},
                 {"warmup", "schedule", {"constant", "step", "cosine", "one-cycle"}, {"published"}},
                 {"decay-every", "schedule", {"step", "published"}, {"constant", "cosine", "one-cycle"}},
                 {"decay-factor", "schedule", {"step"}, {"constant", "cosine", "one-cycle", "published"}},
                 {"map-j", "loss", {"map"}, {"cross-entropy", "mse"}},
                 {"epochs", "steps", {"0"}, {"1", "500"}},
                 {"patience", "validation", {"1", "500"}, {"0"}},
                 {"pooling", "arch", {"lenet5", "lenet1", "lenet5-1998"}, {"linear", "mlp-300", "mlp-300-100"}},
                 {"activation", "arch", {"lenet5", "lenet1", "lenet5-1998", "mlp-300"}, {"linear"}},
                 {"tf32", "device", {"auto", "cuda", "cuda:1"}, {"cpu"}},
                 {"tf32", "dense", {"cublas"}, {"own"}},
                 {"dense", "device", {"auto", "cuda", "cuda:1"}, {"cpu"}}};
    for (const auto &[option, by, with, without] : cases) {
        for (const std::string &value : with) EXPECT_EQ(IdledBy(With({{by, value.c_str()}}), option), "") << option;
        for (const std::string &value : without) EXPECT_EQ(IdledBy(With({{by, value.c_str()}}), option), by) << option;
    }
    for (const char *always :
         {"arch", "lr", "seed", "batch", "train-size", "validation", "augment-shift", "label-noise", "eval-every",
          "init", "init-scale", "order", "optimizer", "schedule", "loss", "steps"})
        EXPECT_EQ(IdledBy(With({}), always), "") << always;
}

TEST(OptionEffect, WhatHasNoneIsAsIfNotGivenInTheCanonicalRun) {
    const Settings vain = {{"beta2", "0.5"}, {"epsilon", "0.1"},    {"map-j", "3"},
                           {"warmup", "7"},  {"decay-every", "11"}, {"decay-factor", "0.1"}};
    for (const Settings &common : {Settings{{"schedule", "published"}},
                                   Settings{{"arch", "lenet5-1998"}, {"optimizer", "momentum"}, {"loss", "mse"}}}) {
        Settings all = common;
        for (const auto &setting : vain) all.push_back(setting);
        const lenet_config plain = With(common), given = With(all);
        lenet_config a, b;
        lenet_config_canonical(&plain, &a);
        lenet_config_canonical(&given, &b);
        for (const lenet_option *option : Options()) {
            if (!option->identity) continue;
            const std::string name = option->name;
            if (lenet_option_idled_by(&given, option) == nullptr) {
                EXPECT_EQ(Get(b, option->name), Get(given, option->name)) << name;
            } else {
                EXPECT_EQ(Get(b, option->name), Get(a, option->name)) << name;
                EXPECT_EQ(Get(b, option->name), name == "warmup" ? "3" : Get(plain, option->name)) << name;
            }
        }
    }
}

TEST(OptionEffect, AnInitialAverageNeedsTrainableSubsampling) {
    for (const auto &[arch, average, same] : {std::tuple{"lenet5", "root-average", "root"},
                                              {"lenet1", "printed-average", "printed"},
                                              {"lenet5", "printed", "printed"},
                                              {"lenet5-1998", "root-average", "root-average"},
                                              {"lenet5-1998", "printed-average", "printed-average"}}) {
        const lenet_config config = With({{"arch", arch}, {"init", average}});
        lenet_config canonical;
        lenet_config_canonical(&config, &canonical);
        EXPECT_EQ(Get(canonical, "init"), same) << arch;
    }
}

TEST(OptionEffect, OptionsGivenInVainAreNamed) {
    const struct {
        Settings settings;
        const char *want;
    } cases[] = {
        {{}, ""},
        {{{"optimizer", "sgd"}}, ""},
        {{{"beta2", "0.9"}, {"optimizer", "adamw"}}, ""},
        {{{"beta2", "0.9"}}, "--beta2 has no effect with --optimizer nesterov"},
        {{{"beta2", "0.999"}}, "--beta2 has no effect with --optimizer nesterov"},
        {{{"arch", "lenet5-1998"}, {"optimizer", "sgd"}}, ""}, /* the recipe's epsilon was not given */
        {{{"augment", "standard"}, {"augment-shift", "1"}}, ""},
        {{{"augment", "standard"}, {"augment", "none"}}, ""},
        {{{"augment-shift", "1"}, {"augment", "none"}, {"augment-shift", "2"}}, ""},
        {{{"augment-shift", "1"}, {"augment", "none"}}, "--augment-shift has no effect before --augment none"},
        {{{"augment-shift", "1"}, {"augment", "shift=2"}}, "--augment-shift has no effect before --augment shift=2"},
        {{{"steps", "500"}, {"epochs", "3"}, {"decay-factor", "0.1"}},
         "--epochs has no effect with --steps 500; --decay-factor has no effect with --schedule one-cycle"}};
    for (const auto &[settings, want] : cases) {
        const lenet_config config = With(settings);
        char text[512];
        lenet_config_idle_text(&config, text, sizeof text);
        EXPECT_STREQ(text, want);
        for (size_t size = 0; size <= strlen(want); size++) {
            memset(text, 'x', sizeof text);
            lenet_config_idle_text(&config, text, size);
            EXPECT_EQ(text[size], 'x') << "past the end of " << size;
        }
    }
}

/* ---- the command line ---------------------------------------------------------------------- */

lenet_status Parse(lenet_command command, Strings words, lenet_config *config, lenet_error *err) {
    std::vector<char *> argv;
    for (std::string &word : words) argv.push_back(word.data());
    return lenet_options_parse(command, (int)argv.size(), argv.data(), config, err);
}

void ExpectLineRefused(lenet_command command, const Strings &words, const std::string &naming) {
    lenet_config config = Initial();
    lenet_error err = {};
    EXPECT_EQ(Parse(command, words, &config, &err), LENET_ERR_ARG) << naming;
    EXPECT_NE(std::string(err.text).find(naming), std::string::npos) << "wanted " << naming << ": " << err.text;
}

TEST(CommandLine, TakesBothWaysToWriteAValue) {
    lenet_config config = Initial();
    lenet_error err = {};
    ASSERT_EQ(Parse(LENET_CMD_TRAIN,
                    {"--epochs", "3", "--lr=0.5", "--run", "a=b", "--data=c=d", "--seed", "1", "--seed=2"}, &config,
                    &err),
              LENET_OK)
        << err.text;
    EXPECT_EQ(config.epochs, 3);
    EXPECT_EQ(config.learning_rate, 0.5);
    EXPECT_STREQ(config.run, "a=b");
    EXPECT_STREQ(config.data, "c=d");
    EXPECT_EQ(config.seed, 2) << "the last one counts";
    EXPECT_EQ(Parse(LENET_CMD_TRAIN, {}, &config, &err), LENET_OK) << "nothing is fine, too";
}

TEST(CommandLine, ACommandTakesItsOwnOptionsAndNoOthers) {
    for (lenet_command command : kCommands)
        for (const lenet_option *option : Options()) {
            lenet_config config = Initial();
            lenet_error err = {};
            const std::string name = "--" + std::string(option->name);
            const bool takes = option->commands & command;
            const char *value = option->initial[0] ? option->initial : "x";
            EXPECT_EQ(Parse(command, {name, value}, &config, &err), takes ? LENET_OK : LENET_ERR_ARG)
                << name << " of command " << command;
            if (!takes) {
                EXPECT_NE(std::string(err.text).find(name), std::string::npos) << err.text;
            }
        }
}

TEST(CommandLine, AnUnknownOptionIsRefusedByName) {
    for (const char *name : {"--epoch", "--", "--no-such", "--EPOCHS", "---epochs", "--epochs ", "--learning_rate"}) {
        ExpectLineRefused(LENET_CMD_TRAIN, {name, "1"}, name);
        ExpectLineRefused(LENET_CMD_TRAIN, {std::string(name) + "=1"}, name);
    }
    /* Longer than any name: cut, but not to a known one. */
    ExpectLineRefused(LENET_CMD_TRAIN, {"--" + std::string(500, 'x'), "1"}, "--" + std::string(60, 'x'));
}

TEST(CommandLine, AWordWithoutDashesIsRefused) {
    for (const char *word : {"epochs", "-epochs", "-e", "", "=", "-"})
        ExpectLineRefused(LENET_CMD_TRAIN, {"--seed", "1", word, "3"}, "'" + std::string(word) + "'");
}

TEST(CommandLine, AMissingValueIsRefusedWithWhatIsWanted) {
    for (const lenet_option *option : Options())
        for (lenet_command command : kCommands) {
            const bool is_switch = option->choices && std::string(option->choices) == "off|on";
            if (!(option->commands & command) || is_switch) continue;
            ExpectLineRefused(command, {"--" + std::string(option->name)}, option->name);
            ExpectLineRefused(command, {"--" + std::string(option->name)}, option->argument);
        }
    ExpectLineRefused(LENET_CMD_TRAIN, {"--seed", "1", "--epochs"}, "--epochs");
    ExpectLineRefused(LENET_CMD_TRAIN, {"--epochs="}, "--epochs");
}

TEST(CommandLine, AValueOutOfRangeIsRefusedByItsOption) {
    ExpectLineRefused(LENET_CMD_TRAIN, {"--seed", "1", "--epochs", "0"}, "--epochs");
    ExpectLineRefused(LENET_CMD_TRAIN, {"--lr=-1"}, "--lr");
    ExpectLineRefused(LENET_CMD_BENCH, {"--batch", "65537"}, "--batch");
    ExpectLineRefused(LENET_CMD_TRAIN, {"--augment", "standard,blur=1"}, "--augment");
}

std::string Refusal(lenet_command command, const Strings &words) {
    lenet_config config = Initial();
    lenet_error err = {};
    EXPECT_EQ(Parse(command, words, &config, &err), LENET_ERR_ARG) << words[0];
    return err.text;
}

TEST(CommandLine, AnotherProgramsNameHintsAtOurs) {
    const struct {
        lenet_command command;
        const char *word, *meant;
    } cases[] = {{LENET_CMD_TRAIN, "--batch-size", "batch"},
                 {LENET_CMD_TRAIN, "--batch_size", "batch"},
                 {LENET_CMD_BENCH, "--batch-size", "batch"},
                 {LENET_CMD_TRAIN, "--learning-rate", "lr"},
                 {LENET_CMD_TRAIN, "--learning_rate", "lr"},
                 {LENET_CMD_SWEEP, "--learning-rate", "lr"},
                 {LENET_CMD_TRAIN, "--pretrained", "from"},
                 {LENET_CMD_SWEEP, "--predictions", "keep-predictions"},
                 {LENET_CMD_TRAIN, "--wd", "weight-decay"},
                 {LENET_CMD_TRAIN, "--dataset", "data"},
                 {LENET_CMD_TRAIN, "--output", "run"},
                 {LENET_CMD_SWEEP, "--output", "out"},
                 {LENET_CMD_EVAL, "--checkpoint", "weights"},
                 {LENET_CMD_TRAIN, "--checkpoint", "resume"},
                 {LENET_CMD_TRAIN, "--num-epochs", "epochs"},
                 {LENET_CMD_TRAIN, "--Epochs", "epochs"},
                 {LENET_CMD_TRAIN, "--LR", "lr"},
                 {LENET_CMD_TRAIN, "---epochs", "epochs"},
                 {LENET_CMD_TRAIN, "--weight_decay", "weight-decay"},
                 {LENET_CMD_TRAIN, "--gpu", "device"},
                 {LENET_CMD_TRAIN, "--optim", "optimizer"},
                 {LENET_CMD_TRAIN, "--model", "arch"},
                 {LENET_CMD_EVAL, "--model", "weights"},
                 {LENET_CMD_TRAIN, "--scheduler", "schedule"},
                 {LENET_CMD_TRAIN, "--beta1", "momentum"},
                 {LENET_CMD_SWEEP, "--resume", "out"},
                 {LENET_CMD_SWEEP, "--run", "out"},
                 {LENET_CMD_TRAIN, "--out", "run"},
                 {LENET_CMD_REPORT, "--group-by", "by"},
                 {LENET_CMD_GRADCHECK, "--random-seed", "seed"}};
    for (const auto &[command, word, meant] : cases)
        for (const std::string &end : {std::string(), std::string("=0.1")}) {
            const std::string text = Refusal(command, {word + end, "1"});
            const std::string want = std::string(word) + ": no such option; did you mean --" + meant + "?";
            EXPECT_EQ(text.substr(0, want.size()), want);
        }
}

TEST(CommandLine, ALetterTooFewOrTooManyOrSwappedHintsAtTheOption) {
    for (const lenet_option *option : Options()) {
        const std::string name = option->name;
        if (name.size() < 4) continue;
        std::string swapped = name;
        std::swap(swapped[1], swapped[2]);
        for (const std::string &typed : {name.substr(0, 2) + name.substr(3), name + "z", swapped}) {
            if (typed == name || lenet_option_find(typed.c_str())) continue;
            for (lenet_command command : kCommands)
                if (option->commands & command) {
                    EXPECT_EQ(Refusal(command, {"--" + typed, "1"}),
                              "--" + typed + ": no such option; did you mean --" + name + "?");
                }
        }
    }
    for (const char *far : {"--xyz", "--verbose", "--foo", "--q", "--"})
        EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {far, "1"}),
                  std::string(far) + ": no such option; lenet train --help lists those that there are");
}

TEST(CommandLine, TheCommandsThatHaveAnOptionAreNamed) {
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--networks", "2"}),
              "--networks: no such option (lenet bench has it); lenet train --help lists those that there are");
    EXPECT_EQ(Refusal(LENET_CMD_SWEEP, {"--run", "x"}),
              "--run: no such option; did you mean --out? (lenet train, eval, export and predict have it)");
    for (lenet_command command : kCommands)
        for (const lenet_option *option : Options()) {
            if (option->commands & command) continue;
            const std::string text = Refusal(command, {"--" + std::string(option->name), "1"});
            for (lenet_command other : kCommands)
                if (option->commands & other) {
                    EXPECT_NE(text.find(lenet_command_name(other)), std::string::npos) << text;
                }
        }
}

TEST(CommandLine, OneDashOrNoneHintsAtTwo) {
    for (const char *word : {"-lr", "lr", "lr=0.1", "-lr=0.1", "\xe2\x80\x94lr", "-learning-rate"})
        EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {word, "0.1"}),
                  "'" + std::string(word) + "': options begin with two dashes; did you mean --lr?");
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"data/mnist"}), "'data/mnist': options begin with two dashes");
    EXPECT_EQ(Refusal(LENET_CMD_SWEEP, {"--lr", "0.1", "0.2"}),
              "'0.2': options begin with two dashes, and a list has commas and no spaces");
}

TEST(CommandLine, TheNextOptionIsNoValue) {
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--lr", "--epochs", "3"}), "--lr: a value is missing (RATE)");
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--run", "--epochs", "3"}), "--run: a value is missing (DIR)");
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--lr="}), "--lr: a value is missing (RATE)");
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--lr", ""}), "--lr: a value is missing (RATE)");
    EXPECT_EQ(Refusal(LENET_CMD_TRAIN, {"--pooling="}), "--pooling: a value is missing (NAME: average|max|sum)");
    lenet_config config = Initial();
    lenet_error err = {};
    EXPECT_EQ(Parse(LENET_CMD_TRAIN, {"--run=--x"}, &config, &err), LENET_OK) << err.text;
    EXPECT_STREQ(config.run, "--x");
    EXPECT_EQ(Parse(LENET_CMD_TRAIN, {"--lr", "-1"}, &config, &err), LENET_ERR_ARG);
    EXPECT_NE(std::string(err.text).find("-1 is out of range"), std::string::npos) << err.text;
}

} // namespace
