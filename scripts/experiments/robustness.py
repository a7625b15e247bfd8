#!/usr/bin/env python3
"""robustness.py - LeNet-5 as published under scale, shift, rotation and noise that it was, or was not, trained with.

Section III.E of LeCun et al. 1998 says of its networks: robust to about a factor of two in scale, to vertical shifts of
half a character's height (10 pixels here), to rotations of 30 degrees, and, trained with noise, to pixels inverted
with a probability of 0.1. A digit that is moved or enlarged is cut off at the border of its 28 x 28 pixels.
"""
from experiment import TEST, TRAIN, VALIDATION, Experiment
import distort


def noisy_training_set(e, original):
    """The data set with one pixel in ten inverted in its training images: written if it is not there."""
    directory = e.out / "noisy-data"
    if not (directory / distort.NAMES[3]).exists():
        distort.write_data_set(directory, original, distort.read_images(original),
                               distort.noise(distort.read_images(original, distort.NAMES[0]), 0.1, seed=2))
    return directory


def main():
    e = Experiment("robustness", __doc__, seeds=4)
    published = e.published()
    noisy = noisy_training_set(e, next(e.runs(published))["data"]["directory"])
    distort.compare(e, {
        "as published": (published, TRAIN),
        "trained with distortions": (e.published_distorted(), TEST),
        "trained with noise": (e.published(part="lenet5-1998-noise", data=noisy), VALIDATION),
    }, {
        "scale (factor)": (distort.scale, e.size([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.15, 1.3, 1.45, 1.6], [0.6, 1, 1.45])),
        "shift down (pixels)": (distort.shift_down, e.size([-10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10], [-4, 0, 4])),
        "rotation (degrees)": (distort.rotate, e.size([-60, -45, -30, -20, -10, 0, 10, 20, 30, 45, 60], [-30, 0, 30])),
        "inverted pixels (probability)": (distort.noise, e.size([0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3], [0, 0.1, 0.3])),
    }, f"LeNet-5 of 1998, tested on distorted digits; at least {e.seeds} seeds")


if __name__ == "__main__":
    main()
