#!/usr/bin/env python3
"""invariance.py - test error under shift, scale, rotation and noise: what convolution and subsampling are for.

lenet5, mlp-300 and linear are trained on undistorted digits and tested on distorted ones (distort.py).
"""
import json
import tempfile
from pathlib import Path

from experiment import TEST, TRAIN, VALIDATION, Experiment, percent  # first: it says what is missing
import distort

ARCHITECTURES = {"lenet5": TRAIN, "mlp-300": TEST, "linear": VALIDATION}
DISTORTIONS = {
    "shift right (pixels)": (distort.shift, [-6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6], [-4, 0, 4]),
    "scale (factor)": (distort.scale, [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.45, 1.6], [0.6, 1, 1.45]),
    "rotation (degrees)": (distort.rotate, [-60, -45, -30, -20, -10, 0, 10, 20, 30, 45, 60], [-30, 0, 30]),
    "inverted pixels (probability)": (distort.noise, [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3], [0, 0.1, 0.3]),
}


def error_of(e, weights, data):
    """Test error of one weights file, as a fraction of 1."""
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch) / "eval.json"
        e.run("eval", "--weights", weights, "--data", data, "--json", results, *e.machine, capture=True)
        return 1 - json.loads(results.read_text())["accuracy"]


def main():
    e = Experiment("invariance", __doc__, seeds=3)
    directory = e.sweep(f"--arch={','.join(ARCHITECTURES)}", f"--epochs={e.size(15, 4)}", "--keep-weights",
                        "--population-max=1")
    runs = list(e.runs(directory))
    images = distort.read_images(runs[0]["data"]["directory"])
    errors = {}  # (kind, amount, arch) -> a value for each seed
    with tempfile.TemporaryDirectory() as scratch:
        for kind, (function, full, quick) in DISTORTIONS.items():
            for amount in e.size(full, quick):
                data = Path(scratch) / "distorted"
                distort.write_data_set(data, runs[0]["data"]["directory"], function(images, amount))
                for run in runs:
                    weights = directory / "weights" / f"{run['id']}.safetensors"
                    errors.setdefault((kind, amount, run["config"]["arch"]), []).append(error_of(e, weights, data))
    rows = [[kind, amount, *(percent(sum(errors[kind, amount, arch]) / e.seeds) for arch in ARCHITECTURES)]
            for kind, (_, full, quick) in DISTORTIONS.items() for amount in e.size(full, quick)]
    e.table(["distortion", "amount", *(f"{arch}: test error %" for arch in ARCHITECTURES)], rows)

    def draw(axes):
        figure = axes.figure
        axes.remove()
        for place, (kind, (_, full, quick)) in enumerate(DISTORTIONS.items(), 1):
            panel = figure.add_subplot(2, 2, place)
            amounts = e.size(full, quick)
            for arch, colour in ARCHITECTURES.items():
                for seed in range(e.seeds):
                    panel.plot(amounts, [100 * errors[kind, amount, arch][seed] for amount in amounts], "-", color=colour,
                               alpha=0.35, linewidth=1)
                means = [100 * sum(errors[kind, amount, arch]) / e.seeds for amount in amounts]
                panel.plot(amounts, means, "-o", color=colour, label=arch, markersize=4)
            panel.set(xlabel=kind, ylabel="test error (%)", ylim=(0, 100))
            if place == 1:
                panel.legend()
        figure.suptitle(f"Trained on undistorted digits, tested on distorted ones; {e.seeds} seeds", x=0.02, ha="left",
                        weight="bold")

    e.picture(draw, 9, 7)


if __name__ == "__main__":
    main()
