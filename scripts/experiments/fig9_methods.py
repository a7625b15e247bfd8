#!/usr/bin/env python3
"""fig9_methods.py - every network of the paper, with and without distortions, beside its Fig. 9.

LeNet-5 of 1998 takes the paper's recipe, the others this project's: ReLU, softmax, a one-cycle schedule, 15 epochs;
with distortions (--augment standard) 40. Two ensembles stand in for the paper's boosting. LeNet-1 had inputs of 16 x 16
pixels there, and 28 x 28 here.
"""
from experiment import FAINT, INK, TEST, TRAIN, Experiment, interval, percent

METHODS = {  # the paper's name of it, its test error %: without and with distortions
    "linear": ("linear", "12.0", "n/a"),
    "mlp-300": ("28x28-300-10", "4.7", "3.6"),
    "mlp-1000": ("28x28-1000-10", "4.5", "3.8"),
    "mlp-300-100": ("28x28-300-100-10", "3.05", "2.5"),
    "lenet1": ("LeNet-1", "1.7", "n/a"),
    "lenet4": ("LeNet-4", "1.1", "n/a"),
    "lenet5-1998": ("LeNet-5", "0.95", "0.8"),
    "lenet5": ("none", "n/a", "n/a"),
}
ENSEMBLES = {"lenet4": ("boosted LeNet-4", "n/a", "0.7"), "lenet5": ("none", "n/a", "n/a")}


def main():
    e = Experiment("fig9_methods", __doc__, seeds=10)
    plain = (f"--epochs={e.size(15, 4)}",)
    distorted = (f"--epochs={e.size(40, 6)}", "--weight-decay=0.0005", "--augment=standard")
    results = []  # (name, its place in METHODS or ENSEMBLES, the groups without and with distortions)
    for arch, paper in METHODS.items():
        if arch == "lenet5-1998":
            sweeps = e.published(), e.published_distorted()
        else:
            sweeps = [e.sweep(f"--arch={arch}", "--keep-weights", *options, part=arch + part)
                      for part, options in (("", plain), ("-distorted", distorted))]
        groups = [e.groups(directory, "arch")[0] for directory in sweeps]
        results.append((arch, paper, groups))
        if arch in ENSEMBLES:
            errors = [e.errors(directory)[1] for directory in sweeps]
            results.append((f"{arch}, {groups[0]['n']} together", ENSEMBLES[arch],
                            [{"n": 1, "mean": error, "interval": None, "values": [error]} for error in errors]))
    rows = []
    for name, paper, groups in results:
        row = [name, paper[0]]
        for group, published in zip(groups, paper[1:]):
            row += [group["n"], percent(group["mean"]), *(interval(group) if group["interval"] else ("n/a", "n/a")),
                    published]
        rows.append(row)
    columns = ["n", "test error %", "95 % from", "to", "the paper"]
    e.table(["network", "in the paper", *columns, *(f"{column}, distorted" for column in columns)], rows)

    def draw(axes):
        for place, (_, paper, groups) in enumerate(results):
            for up, group, published, colour in zip((-0.15, 0.15), groups, paper[1:], (TEST, TRAIN)):
                errors = [100 * v for v in group["values"]]
                axes.plot(errors, [place + up] * len(errors), "o", color=colour, alpha=0.35, markersize=5)
                axes.plot(100 * group["mean"], place + up, "|", color=INK, markersize=12)
                if published != "n/a":
                    axes.plot(float(published), place + up, "D", color=colour, markerfacecolor="none", markersize=7)
        for marker, colour, face, name in (("o", TEST, TEST, "without distortions"), ("o", TRAIN, TRAIN, "with distortions"),
                                           ("|", INK, INK, "mean"), ("D", FAINT, "none", "the paper's Fig. 9")):
            axes.plot([], [], marker, color=colour, markerfacecolor=face, label=name)
        axes.set_yticks(range(len(results)), [name for name, _, _ in results])
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel="test error (%)", title="The paper's networks: every seed")
        axes.set_xticks([0.2, 0.5, 1, 2, 5, 10], ["0.2", "0.5", "1", "2", "5", "10"])
        axes.minorticks_off()
        axes.legend(labelcolor=INK, loc="lower right")

    e.picture(draw, 9, 6)


if __name__ == "__main__":
    main()
