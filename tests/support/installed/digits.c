/* digits.c - a program that uses the installed library: trains ten steps, and asks the network about a picture.
 *   digits DATA_DIRECTORY RUN_DIRECTORY PICTURE */
#include <lenet/options.h>
#include <lenet/predict.h>
#include <lenet/train.h>
#include <stdio.h>

static enum lenet_status set(struct lenet_config *config, const char *name, const char *text, struct lenet_error *err) {
    return lenet_option_set(config, lenet_option_find(name), text, err);
}

static enum lenet_status train(const char *data, const char *run, struct lenet_error *err) {
    static const struct lenet_observer nobody = {.self = NULL};
    static volatile sig_atomic_t stop;
    const char *const options[][2] = {{"data", data}, {"run", run}, {"device", "cpu"}, {"steps", "10"}};
    struct lenet_config config;
    enum lenet_ending ending;
    lenet_config_init(&config);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (set(&config, options[i][0], options[i][1], err) != LENET_OK) return LENET_ERR_ARG;
    return lenet_train(&config, &nobody, &stop, &ending, err);
}

static enum lenet_status print(void *self, const struct lenet_prediction *prediction, struct lenet_error *err) {
    int best;
    (void)self;
    (void)err;
    if (lenet_prediction_best(prediction, 1, &best) == 1) printf("%s: %d\n", prediction->path, best);
    return LENET_OK;
}

static enum lenet_status predict(const char *run, char *picture, struct lenet_error *err) {
    struct lenet_config config;
    size_t unread;
    lenet_config_init(&config);
    if (set(&config, "run", run, err) != LENET_OK) return LENET_ERR_ARG;
    return lenet_predict(&config, &picture, 1, print, NULL, &unread, err);
}

int main(int argc, char **argv) {
    struct lenet_error err = {{0}};
    if (argc != 4) return 2;
    if (train(argv[1], argv[2], &err) == LENET_OK && predict(argv[2], argv[3], &err) == LENET_OK) return 0;
    fprintf(stderr, "digits: %s\n", err.text);
    return 1;
}
