#!/usr/bin/env python3
"""fig5_learning_curve.py - test and training error of LeNet-5 as published against passes over the training set.

The question of Fig. 5 of LeCun et al. 1998. The training error is that of each pass while it is trained on: a little
above what the weights at its end would have.
"""
from experiment import FAINT, INK, TEST, TRAIN, Experiment, interval, np, percent

PAPER = [2.67, 2.24, 1.47, 1.42, 1.42, 1.08, 1.03, 1.05, 0.97, 0.95]  # test error after passes 1 to 10, read off


def main():
    e = Experiment("fig5_learning_curve", __doc__, seeds=16)
    directory = e.published()
    group, = e.groups(directory, "arch")
    errors = {key: np.array([[1 - m[key] for m in run["metrics"]] for run in e.runs(directory)]) * 100
              for key in ("test_accuracy", "train_accuracy")}
    means = {key: values.mean(0) for key, values in errors.items()}
    least, largest = errors["test_accuracy"].min(0), errors["test_accuracy"].max(0)
    paper = [*PAPER, *[PAPER[-1]] * len(least)]  # it says: stable from about pass 10
    e.table(["pass", "n", "test error %", "least", "largest", "training error %", "test error %: the paper"],
            [[i + 1, group["n"], *(f"{v[i]:.2f}" for v in (means["test_accuracy"], least, largest,
                                                           means["train_accuracy"])), paper[i]]
             for i in range(len(least))])
    print(f"after the last pass: {percent(group['mean'])} %, 95 % interval of the mean {' to '.join(interval(group))}; "
          "the paper: 0.95 %, which it calls uncertain by about 0.1")

    def draw(axes):
        passes = np.arange(1, len(least) + 1)
        for key, name, colour in (("test_accuracy", "test", TEST), ("train_accuracy", "training, while trained on", TRAIN)):
            axes.plot(passes, errors[key].T, "-", color=colour, alpha=0.25, linewidth=1)
            axes.plot(passes, means[key], "-o", color=colour, markersize=4, label=f"{name}: mean of {group['n']} seeds")
        axes.plot(np.arange(1, len(PAPER) + 1), PAPER, "s--", color=FAINT, label="test: Fig. 5 of the paper")
        axes.set(yscale="log", xlabel="pass over the training set", ylabel="error (%)", title="LeNet-5 as published")
        axes.set_xticks(passes)
        axes.set_yticks(e.size([0.1, 0.2, 0.5, 1, 2, 5], [1, 2, 5, 10, 20, 50]))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.legend(labelcolor=INK)

    e.picture(draw)


if __name__ == "__main__":
    main()
