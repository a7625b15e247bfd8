/* fuzz_options.c - command lines, a word in each line. What was understood is written and read as the same.
 * Reads with: src/train/command_line.c src/train/options.c */
#include <string.h>

#include "fuzz.h"
#include "lenet/options.h"

static void write_and_read(const struct lenet_config *config) {
    struct lenet_config again;
    struct lenet_error err = {{0}};
    char text[LENET_MAX_PATH], now[LENET_MAX_PATH];
    lenet_config_init(&again);
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        if (!lenet_option_is_given(config, option) || option->type == LENET_OPTION_AUGMENT) continue;
        lenet_option_get(config, option, text, sizeof text);
        FUZZ_CHECK(fuzz_ok(lenet_option_set(&again, option, text, &err), &err));
        lenet_option_get(&again, option, now, sizeof now);
        FUZZ_CHECK(strcmp(text, now) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_config config, canonical;
    struct lenet_error err = {{0}};
    char *words[FUZZ_WORDS], idle[1024];
    if (size < 1) return 0;
    const int n = fuzz_words(data + 1, size - 1, words);
    lenet_config_init(&config);
    if (!fuzz_ok(lenet_options_parse((enum lenet_command)(1 << data[0] % 9), n, words, &config, &err), &err)) return 0;
    write_and_read(&config);
    lenet_config_order_freeze(&config);
    lenet_config_canonical(&config, &canonical);
    lenet_config_idle_text(&config, idle, sizeof idle);
    return 0;
}
