#!/usr/bin/env python3
"""lenet5_1998.py - LeNet-5 as published, trained as published: does it reach the paper's 0.95 %?

What the paper does not state, or states so that it does not work, is varied: the initial weights, the loss and its j.
Variants are compared on 10,000 held-out training images. The chosen one, and it alone, is then trained on all 60,000
and judged by the test set; its learning curve stands beside that of the paper's Fig. 5.
"""
from experiment import FAINT, INK, TEST, TRAIN, Experiment, np, percent

MAP = ("--loss=map", "--map-j=10")
VARIANTS = {  # options of each
    "2.4/F, MSE": ("--init=printed", "--loss=mse"),
    "2.4/F, MAP j=10": ("--init=printed", *MAP),
    "2.4/F, S2 and S4 average, MAP j=10": ("--init=printed-average", *MAP),
    "2.4/sqrt(F), MAP j=10": ("--init=root", *MAP),
    "2.4/sqrt(F), S2 and S4 average, MAP j=10": ("--init=root-average", *MAP),
    "the same, MAP j=1": ("--init=root-average", "--loss=map", "--map-j=1"),
    "the same, MAP j=30": ("--init=root-average", "--loss=map", "--map-j=30"),
    "the same, MSE": ("--init=root-average", "--loss=mse"),
    "the same, MAP j=10, shuffled before each pass": ("--init=root-average", *MAP, "--order=shuffled"),
}
PAPER = [2.67, 2.24, 1.47, 1.42, 1.42, 1.08, 1.03, 1.05, 0.97, 0.95]  # Fig. 5, read off: test error after passes 1 to 10


def validated(e, variants):
    """For each variant, its group of validation errors."""
    held_out, size, passes = e.size((10000, 50000, 20), (500, 300, 3))
    groups = {}
    for place, (name, options) in enumerate(variants.items()):
        directory = e.sweep("--arch=lenet5-1998", *options, f"--validation={held_out}", f"--train-size={size}",
                            f"--epochs={passes}", f"--eval-every={passes}", part=f"variant-{place}")
        groups[name], = e.groups(directory, "arch", "validation-error")
    return groups


def main():
    e = Experiment("lenet5_1998", __doc__, seeds=10)
    variants = {name: options for i, (name, options) in enumerate(VARIANTS.items()) if not e.quick or i in (4, 7)}
    groups = validated(e, variants)
    rows = []
    for name, group in groups.items():
        low, high = group["interval"] or (None, None)
        rows.append(["validation", name, group["n"], group["diverged"], percent(group["mean"]), percent(low),
                     percent(high), percent(group["min"]), percent(group["max"])])
    chosen = min((name for name in groups if groups[name]["n"]), key=lambda name: groups[name]["mean"])

    directory = e.sweep("--arch=lenet5-1998", *variants[chosen], f"--epochs={e.size(20, 3)}",
                        *e.size((), ("--train-size=500",)), part="chosen")
    group, = e.groups(directory, "arch")
    low, high = group["interval"]
    rows.append(["test", chosen, group["n"], group["diverged"], percent(group["mean"]), percent(low), percent(high),
                 percent(group["min"]), percent(group["max"])])
    rows.append(["test", "the paper, one network", 1, 0, "0.95", "0.85", "1.05", "0.95", "0.95"])  # it says: about 0.1
    e.table(["judged by", "variant", "n", "diverged", "error %", "95 % from", "to", "least", "largest"], rows)

    curves = {key: np.array([[1 - m[key] for m in run["metrics"]] for run in e.runs(directory)]) * 100
              for key in ("test_accuracy", "train_accuracy")}

    def draw(axes):
        passes = np.arange(1, curves["test_accuracy"].shape[1] + 1)
        for key, name, colour in (("test_accuracy", "test", TEST), ("train_accuracy", "training, while trained on", TRAIN)):
            axes.plot(passes, curves[key].T, "-", color=colour, alpha=0.25, linewidth=1)
            axes.plot(passes, curves[key].mean(0), "-o", color=colour, markersize=4, label=f"{name}, mean of {group['n']} seeds")
        axes.plot(np.arange(1, len(PAPER) + 1), PAPER, "s--", color=FAINT, label="test, the paper's Fig. 5")
        axes.set(yscale="log", xlabel="pass over the training set", ylabel="error (%)",
                 title=f"LeNet-5 as published ({chosen})")
        axes.set_xticks(passes)
        axes.legend(labelcolor=INK)

    e.picture(draw)


if __name__ == "__main__":
    main()
