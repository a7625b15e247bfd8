#!/usr/bin/env python3
"""invariance.py - test error under shift, scale, rotation and noise: what convolution and subsampling are for.

lenet5, mlp-300 and linear are trained on undistorted digits and tested on distorted ones (distort.py).
"""
from experiment import TEST, TRAIN, VALIDATION, Experiment
import distort

ARCHITECTURES = {"lenet5": TRAIN, "mlp-300": TEST, "linear": VALIDATION}


def main():
    e = Experiment("invariance", __doc__, seeds=3)
    networks = {arch: (e.sweep(f"--arch={arch}", f"--epochs={e.size(15, 4)}", "--keep-weights", part=arch), colour)
                for arch, colour in ARCHITECTURES.items()}
    distort.compare(e, networks, {
        "shift right (pixels)": (distort.shift, e.size([-6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6], [-4, 0, 4])),
        "scale (factor)": (distort.scale, e.size([0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.45, 1.6], [0.6, 1, 1.45])),
        "rotation (degrees)": (distort.rotate, e.size([-60, -45, -30, -20, -10, 0, 10, 20, 30, 45, 60], [-30, 0, 30])),
        "inverted pixels (probability)": (distort.noise, e.size([0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3], [0, 0.1, 0.3])),
    }, f"Trained on undistorted digits, tested on distorted ones; {e.seeds} seeds")


if __name__ == "__main__":
    main()
