/* sweep.c - lenet sweep: prints the plan, each run as it ends and what there is to do next. */
#include "lenet/sweep.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/terminal.h"

static void describe_plan(FILE *out, const struct lenet_sweep_plan *plan, const struct lenet_sweep_overview *o) {
    char text[8192];
    fprintf(out, "sweep: %zu run%s of %d ax%s", o->runs, o->runs == 1 ? "" : "s", plan->axes,
            plan->axes == 1 ? "is" : "es");
    if (plan->runs > o->runs) fprintf(out, " (%zu combinations, of which equal ones are one run)", plan->runs);
    if (plan->shards) fprintf(out, ", %zu of them in shard %d/%d", o->here, plan->shard, plan->shards);
    fprintf(out, "; %zu ended already", o->ended);
    if (o->diverged) fprintf(out, " (%zu diverged%s)", o->diverged, plan->base.retry_failed ? ", tried again" : "");
    if (o->unkept) fprintf(out, " (%zu without weights)", o->unkept);
    fprintf(out, "; %zu population%s", o->populations, o->populations == 1 ? "" : "s");
    if (o->resumed) fprintf(out, ", %zu of them from checkpoints", o->resumed);
    fprintf(out, "\n%s from %s: %zu training, %zu test images; on %s", o->data->name, plan->base.data,
            o->data->train.count, o->data->test.count, o->device);
    if (o->workers > 1) fprintf(out, ", %d at a time", o->workers);
    if (plan->base.out[0]) fprintf(out, "; in %s", plan->base.out);
    if (o->others) fprintf(out, "\n%zu other run%s in it already", o->others, o->others == 1 ? " is" : "s are");
    if (o->others_warmup_3 && plan->base.warmup == LENET_AUTO)
        fprintf(out, "; with --warmup 3, which was once the initial value, this sweep goes on with such runs");
    lenet_sweep_plan_text(plan, text, sizeof text);
    fprintf(out, "\n%s", text);
    for (int i = 0; i < LENET_ODDITIES; i++) {
        if (!o->odd[i]) continue;
        fprintf(out, "  --%s %s", lenet_oddities[i].option, lenet_oddities[i].text);
        if (plan->runs > 1) fprintf(out, " (%zu of %zu combinations)", o->odd[i], plan->runs);
        fprintf(out, "\n");
    }
}

static void print_plan(void *self, const struct lenet_sweep_plan *plan, const struct lenet_sweep_overview *o) {
    struct lenet_text lines;
    (void)self;
    clear_bar();
    if (!plan->base.dry_run) stop_on_signals();
    if (o->data->note[0]) print_note("sweep", "%s", o->data->note);
    FILE *out = lenet_text_open(&lines);
    if (out) describe_plan(out, plan, o);
    if (lenet_text_close(out, &lines, NULL) == LENET_OK)
        print_wrapped("%s", lines.bytes);
    else
        describe_plan(stdout, plan, o); /* without memory long lines stay long */
    free(lines.bytes);
}

static void on_planning(void *self, size_t runs, size_t of) {
    char text[80];
    (void)self;
    snprintf(text, sizeof text, "planning %zu of %zu runs", runs, of);
    show_bar(text);
}

static void print_group(void *self, const struct lenet_sweep_group *group) {
    (void)self;
    print_wrapped("%6zu run%s in %d population%s of at most %d: %s\n", group->runs, group->runs == 1 ? "" : "s",
                  group->populations, group->populations == 1 ? "" : "s", group->largest, group->key);
}

static void print_estimate(void *self, double seconds) {
    char text[32];
    (void)self;
    printf("about %s\n", duration_text(seconds, text));
}

static void on_sweep_progress(void *self, const struct lenet_sweep_progress *p) {
    char left[32], text[160];
    (void)self;
    snprintf(text, sizeof text, "%zu of %zu runs  %.0f images/s  %s left", p->ended, p->missing, p->images_per_s,
             duration_text(p->seconds_left, left));
    show_bar(text);
}

static void on_run(void *self, const struct lenet_sweep_plan *plan, const struct lenet_sweep_run *run,
                   const struct lenet_sweep_progress *progress) {
    const struct lenet_metrics *last = run->last;
    char text[512], loss[32];
    (void)self;
    clear_bar();
    lenet_sweep_describe(plan, run->config, text, sizeof text);
    char ended[400];
    if (!last)
        snprintf(ended, sizeof ended, "diverged: %s (run %s)", run->divergence, run->id);
    else
        snprintf(ended, sizeof ended, "test loss %s error %5.2f %%  %.1f s", number_text(last->test_loss, loss),
                 100 * (1 - last->test_accuracy), last->seconds);
    print_wrapped("run %zu/%zu  %s%s%s\n", progress->ended, progress->missing, text, text[0] ? "  " : "", ended);
}

static void on_note(void *self, const char *text) {
    (void)self;
    clear_bar();
    print_note("sweep", "%s", text);
}

static enum lenet_status run_sweep(struct lenet_sweep_plan *plan, struct lenet_error *err) {
    const struct lenet_sweep_observer observer = {.planning = on_planning,
                                                  .begin = print_plan,
                                                  .group = print_group,
                                                  .estimate = print_estimate,
                                                  .run = on_run,
                                                  .progress = on_sweep_progress,
                                                  .note = on_note};
    struct lenet_sweep_result result;
    const enum lenet_status status = lenet_sweep(plan, &observer, &stop_requested, &result, err);
    clear_bar();
    if (status != LENET_OK || plan->base.dry_run) return status;
    if (result.interrupted)
        print_last_words("interrupted, and kept: the same command goes on\n");
    else
        printf("done: %zu run%s", result.done, result.done == 1 ? "" : "s");
    if (!result.interrupted && result.diverged) printf(", and %zu diverged", result.diverged);
    if (!result.interrupted) printf(": lenet report %s\n", plan->base.out);
    if (result.interrupted || !result.unkept) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO,
                      "%s/weights: lacks %zu run%s of those that had ended before; were files removed, or was this "
                      "begun without --keep-weights? Another --out trains them again, and so does this one without "
                      "their lines in runs.jsonl",
                      plan->base.out, result.unkept, result.unkept == 1 ? "" : "s");
}

enum lenet_status sweep_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_sweep_plan plan;
    (void)config; /* a sweep has many */
    enum lenet_status status = lenet_sweep_plan_parse(argc, argv, &plan, err);
    if (status == LENET_OK) status = run_sweep(&plan, err);
    lenet_sweep_plan_free(&plan);
    return status;
}
