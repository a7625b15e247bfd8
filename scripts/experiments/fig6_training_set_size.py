#!/usr/bin/env python3
"""fig6_training_set_size.py - LeNet-5 as published against the number of training images.

The question of Fig. 6 of LeCun et al. 1998, with both of its losses; 20 passes each. Training errors are those of the
last pass, while it is trained on.
"""
from experiment import FAINT, INK, TEST, TRAIN, Experiment, interval, percent

PAPER = {15000: ("1.68", "0.05"), 30000: ("1.14", "0.31"), 60000: ("0.94", "0.35")}  # test, training error %: read off
LOSSES = {"map": "MAP, j = 10", "mse": "MSE"}


def main():
    e = Experiment("fig6_training_set_size", __doc__, seeds=10)
    sizes = e.size([15000, 30000, 60000], [60, 125, 250])
    part = e.sweep("--arch=lenet5-1998", "--loss=map,mse", f"--train-size={sizes[0]},{sizes[1]}",
                   f"--epochs={e.size(20, 3)}")
    whole = {"map": e.published(), "mse": e.published("--loss=mse", part="lenet5-1998-mse")}
    groups = {}  # (loss, size, metric) -> its group
    for metric in ("test-error", "train-error"):
        for group in e.groups(part, "loss,train-size", metric):
            groups[group["by"]["loss"], group["by"]["train-size"], metric] = group
        for loss, directory in whole.items():
            groups[loss, sizes[2], metric], = e.groups(directory, "arch", metric)
    rows = []
    for loss, name in LOSSES.items():
        for size, paper in zip(sizes, PAPER.values()):
            test, train = groups[loss, size, "test-error"], groups[loss, size, "train-error"]
            rows.append([name, size, test["n"], percent(test["mean"]), *interval(test),
                         percent(train["mean"]), *paper])
    e.table(["loss", "training images", "n", "test error %", "95 % from", "to", "training error %", "paper: test error %",
             "paper: training error %"], rows)

    def draw(axes):
        for loss, name in LOSSES.items():
            line = "-o" if loss == "map" else "--s"
            for metric, what, colour in (("test-error", "test", TEST), ("train-error", "training", TRAIN)):
                for size in sizes:
                    values = groups[loss, size, metric]["values"]
                    axes.plot([size] * len(values), [100 * v for v in values], ".", color=colour, alpha=0.25, markersize=4)
                axes.plot(sizes, [100 * groups[loss, size, metric]["mean"] for size in sizes], line, color=colour,
                          label=f"{what}, {name}", markersize=5)
        for i, what in enumerate(("test", "training")):
            axes.plot(list(PAPER), [float(values[i]) for values in PAPER.values()], "^:", color=FAINT,
                      label="the paper's Fig. 6: test, training" if i == 0 else None)
        axes.set(xscale="log", xlabel="training images", ylabel="error (%)", ylim=(0, None),
                 title=f"LeNet-5 as published against training-set size; at least {e.seeds} seeds")
        axes.set_xticks(sorted({*sizes, *PAPER}), [f"{size:,}" for size in sorted({*sizes, *PAPER})])
        axes.minorticks_off()
        axes.legend(labelcolor=INK)

    e.picture(draw)


if __name__ == "__main__":
    main()
