/* test_options.cc - the option table is sound, and every text is either taken as it reads or refused by name. */
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "lenet/options.h"
#include "lenet/topology.h"

namespace {

using Strings = std::vector<std::string>;

std::vector<const lenet_option *> Options() {
    std::vector<const lenet_option *> options;
    for (const lenet_option *option = lenet_options; option->name; option++) options.push_back(option);
    return options;
}

constexpr lenet_command kCommands[] = {LENET_CMD_TRAIN,     LENET_CMD_EVAL,  LENET_CMD_INFO,
                                       LENET_CMD_GRADCHECK, LENET_CMD_BENCH, LENET_CMD_REPORT};

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
    texts.push_back("+" + texts[0]);
    if (option->min <= 1 && max >= 1) texts.insert(texts.end(), {"1", "1e0", "1.0", "0x1", "001"});
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
        lenet_config config = Initial(), before = config;
        lenet_option_set(&config, option, GoodTexts(option)[1].c_str(), nullptr);
        memcpy((char *)&config + option->offset, (char *)&before + option->offset, option->size);
        EXPECT_NE(memcmp(config.given, before.given, sizeof config.given), 0) << "and that it was set";
        memcpy(config.given, before.given, sizeof config.given);
        EXPECT_EQ(memcmp(&config, &before, sizeof config), 0) << option->name;
    }
}

/* ---- texts that are refused ------------------------------------------------------------ */

TEST(OptionText, WhatIsNotANumberIsRefused) {
    for (const lenet_option *option : Options())
        if (IsNumber(option))
            for (const char *text : {"", " ", "x", "1x", "1 ", "1,5", "1e", "--1", "0x", "1e999", "-1e999", "nan",
                                     "NaN", "inf", "-inf", "infinity", "\xc2\xbd"})
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
    EXPECT_EQ(AugmentationAfter("shift=+2+rotate=1e+1,scale=0.1"), std::vector<double>({2, 10, 0.1, 0, 0}))
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

} // namespace
