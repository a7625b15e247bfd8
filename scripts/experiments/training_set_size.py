#!/usr/bin/env python3
"""training_set_size.py - test and training error against the number of training images, and the gap between them.

The question of Fig. 6 of LeCun et al. 1998, asked of this project's own recipe: every size takes the same number of
updates. The training error is that of the last epochs' own batches, while they were trained on.
"""
from experiment import FAINT, INK, TEST, TRAIN, Experiment, interval, percent


def main():
    e = Experiment("training_set_size", __doc__, seeds=5)
    sizes = e.size([1000, 2000, 4000, 8000, 15000, 30000, 60000], [250, 500, 1000, 2000])
    steps, every = e.size((14070, 15), (320, 10))
    directory = e.sweep(f"--train-size={','.join(map(str, sizes))}", f"--steps={steps}", f"--eval-every={every}")
    test, train = ({group["by"]["train-size"]: group for group in e.groups(directory, "train-size", metric)}
                   for metric in ("test-error", "train-error"))
    rows = []
    for size in sizes:
        rows.append([size, test[size]["n"], percent(test[size]["mean"]), *interval(test[size]),
                     percent(train[size]["mean"]), percent(test[size]["mean"] - train[size]["mean"])])
    e.table(["train-size", "n", "test error %", "95 % from", "to", "training error %", "gap"], rows)

    def draw(axes):
        for groups, name, colour in ((test, "test error", TEST), (train, "training error", TRAIN)):
            for size in sizes:
                axes.plot([size] * groups[size]["n"], [100 * v for v in groups[size]["values"]], ".", color=colour,
                          alpha=0.35, markersize=5)
            axes.plot(sizes, [100 * groups[size]["mean"] for size in sizes], "-o", color=colour, label=name)
        axes.plot(sizes, [100 * (test[size]["mean"] - train[size]["mean"]) for size in sizes], "--", color=FAINT,
                  label="gap between them")
        axes.set(xscale="log", xlabel="training images", ylabel="error (%)", ylim=(0, None),
                 title=f"Error against training-set size, {steps:,} updates of 64 images, {e.seeds} seeds")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
        axes.minorticks_off()
        axes.legend(labelcolor=INK)

    e.picture(draw)


if __name__ == "__main__":
    main()
