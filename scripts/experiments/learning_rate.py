#!/usr/bin/env python3
"""learning_rate.py - test error against learning rate and batch size: which rates work, and how they move with the
batch. Runs that diverge are counted as such."""
from experiment import Experiment, interval, percent


def main():
    e = Experiment("learning_rate", __doc__, seeds=3)
    rates = e.size("log:0.002..0.5:9", "log:0.002..0.5:4")
    batches, epochs = e.size(("16,64,256", 5), ("16,64", 2))
    directory = e.sweep(f"--lr={rates}", f"--batch={batches}", f"--epochs={epochs}", "--warmup=1")
    rows = []
    for group in e.groups(directory, "lr,batch"):
        rows.append([group["by"]["lr"], group["by"]["batch"], group["n"], group["diverged"], percent(group["mean"]),
                     *interval(group)])
    e.table(["lr", "batch", "n", "diverged", "test error %", "95 % from", "to"], rows)
    e.plot_sweep(directory, "--by", "lr,batch", "--title", f"Test error after {epochs} epochs (%)")


if __name__ == "__main__":
    main()
