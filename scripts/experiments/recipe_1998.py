#!/usr/bin/env python3
"""recipe_1998.py - LeNet-5 as published: what is each choice worth that the paper leaves open?

Initial weights, the loss and its j, and the order of the images are varied, and judged by 10,000 held-out training
images. The test set stays out of the choice: fig5_learning_curve.py and the other experiments judge what was chosen.
"""
from experiment import INK, VALIDATION, Experiment, interval, percent

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


def main():
    e = Experiment("recipe_1998", __doc__, seeds=10)
    held_out, size, passes = e.size((10000, 50000, 20), (500, 250, 3))
    groups = {}
    for place, (name, options) in enumerate(VARIANTS.items()):
        if e.quick and place not in (4, 7):
            continue
        directory = e.sweep("--arch=lenet5-1998", *options, f"--validation={held_out}", f"--train-size={size}",
                            f"--epochs={passes}", f"--eval-every={passes}", part=f"variant-{place}")
        groups[name], = e.groups(directory, "arch", "validation-error")
    rows = []
    for name, group in groups.items():
        rows.append([name, group["n"], group["diverged"], percent(group["mean"]), *interval(group),
                     percent(group["min"]), percent(group["max"])])
    e.table(["variant", "n", "diverged", "validation error %", "95 % from", "to", "least", "largest"], rows)

    def draw(axes):
        for place, group in enumerate(groups.values()):
            axes.plot([100 * v for v in group["values"]], [place] * len(group["values"]), "o", color=VALIDATION, alpha=0.4)
            if group["n"]:
                axes.plot(100 * group["mean"], place, "|", color=INK, markersize=22)
        axes.set_yticks(range(len(groups)), groups)
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel="error on held-out training images (%); each seed and the mean",
                 title=f"LeNet-5 as published: {size:,} images, {passes} passes")
        axes.xaxis.set_major_formatter("{x:g}")

    e.picture(draw, 10, 5)


if __name__ == "__main__":
    main()
