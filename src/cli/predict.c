/* predict.c - lenet predict: prints what networks say of picture files, and keeps it as JSON and as pictures. */
#include "lenet/predict.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/words.h"

enum { BEST = 3 };

/* What the predictions go to, besides the terminal. */
struct output {
    const struct lenet_config *config;
    struct lenet_json json; /* an array of them */
    struct lenet_shown shown;
};

/* What a class is called: its label, where it has no name. */
static const char *class_text(const struct lenet_prediction *prediction, int class_index, char number[16]) {
    snprintf(number, 16, "%d", class_index + prediction->first_label);
    return prediction->names->count ? prediction->names->text[class_index] : number;
}

/* A path's control characters do not reach the terminal. */
static void print_path(const char *path) {
    for (const char *c = path; *c; c++) putchar((unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
}

static void print_prediction(const struct lenet_prediction *prediction) {
    int best[BEST];
    char number[16];
    const int n = lenet_prediction_best(prediction, BEST, best);
    if (prediction->outcome == LENET_NOT_READ)
        print_note("predict", "%s", prediction->why);
    else if (prediction->outcome == LENET_PASSED_OVER)
        print_note("predict", "%s (skipped)", prediction->why);
    if (prediction->outcome != LENET_NO_DIGIT && !n) return;
    print_path(prediction->path);
    for (int i = 0; i < n; i++)
        printf("%s %s (%.2f %%)", i ? "," : ":", class_text(prediction, best[i], number),
               100 * prediction->probabilities[best[i]]);
    printf("%s\n", n ? "" : ": no digit here");
}

static enum lenet_status take(void *self, const struct lenet_prediction *prediction, struct lenet_error *err) {
    struct output *output = self;
    print_prediction(prediction);
    if (prediction->outcome == LENET_PASSED_OVER) return LENET_OK;
    if (output->config->json[0]) lenet_prediction_add_json(&output->json, prediction);
    return output->config->show[0] ? lenet_shown_add(&output->shown, prediction, err) : LENET_OK;
}

static enum lenet_status check(const struct lenet_config *config, int paths, struct lenet_error *err) {
    if (!paths)
        return lenet_fail(err, LENET_ERR_ARG,
                          "of which images? wanted files, directories or - for standard input, as in lenet predict "
                          "--run DIR IMAGE");
    if (!config->run[0] && !config->weights[0] && !config->show[0])
        return lenet_fail(
            err, LENET_ERR_ARG,
            "give --run DIR or --weights FILE, or --show FILE alone to see what a network would be shown");
    if (config->json[0]) LENET_TRY(lenet_file_check_place(config->json, err));
    if (!config->show[0]) return LENET_OK;
    LENET_TRY(lenet_shown_check(config->show, 0, err));
    return lenet_file_check_place(config->show, err);
}

static enum lenet_status write_files(struct output *output, struct lenet_error *err) {
    const struct lenet_config *config = output->config;
    if (config->show[0]) LENET_TRY(lenet_shown_write(config->show, &output->shown, err));
    return config->json[0] ? lenet_json_write(config->json, &output->json, err) : LENET_OK;
}

enum lenet_status predict_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct output output = {.config = config};
    size_t unread;
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that a signal takes no answer back */
    const int paths = take_words(LENET_CMD_PREDICT, argc, argv);
    LENET_TRY(lenet_options_parse(LENET_CMD_PREDICT, argc - paths, argv + paths, config, err));
    LENET_TRY(check(config, paths, err));
    lenet_json_open_array(&output.json, NULL);
    enum lenet_status status = lenet_predict(config, argv, paths, take, &output, &unread, err);
    if (status == LENET_OK) status = write_files(&output, err);
    lenet_json_drop(&output.json);
    free(output.shown.images);
    if (status == LENET_OK && unread)
        status = lenet_fail(err, LENET_ERR_IO, "%zu image%s could not be read", unread, unread == 1 ? "" : "s");
    return status;
}
