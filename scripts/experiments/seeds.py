#!/usr/bin/env python3
"""seeds.py - how much the test error of one and the same recipe depends on its seed: initial weights and the order of
the images. What a single run's figure is worth."""
from experiment import Experiment, interval, np, percent


def main():
    e = Experiment("seeds", __doc__, seeds=32, quick_seeds=6)
    directory = e.sweep(f"--epochs={e.size(15, 3)}")
    group, = e.groups(directory, "arch")
    values = np.array(group["values"])
    low, high = interval(group, 3)
    rows = [["runs", group["n"]], ["mean", percent(group["mean"], 3)], ["95 % interval from", low],
            ["to", high], ["standard deviation", percent(group["deviation"], 3)],
            ["least", percent(values.min())], ["median", percent(np.median(values), 3)],
            ["largest", percent(values.max())]]
    e.table(["test error %", "value"], rows)
    e.plot_sweep(directory, "--by", "arch", "--kind", "distribution", "--title",
                 f"Test error of {group['n']} seeds of one recipe")


if __name__ == "__main__":
    main()
