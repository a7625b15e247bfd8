#!/usr/bin/env python3
"""make_classes.py DIR - makes a data set in the form of EMNIST's: as many classes as are wanted, images on their side.

Each class has a smooth random figure, half of which it shares with two others; an image is that figure, moved by up to
two pixels, with noise. So a network learns them, and takes some for others.
"""
import argparse
import gzip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
sys.dont_write_bytecode = True
from needs import need
need("numpy", packages="python3-numpy")
import numpy as np

SIDE, NODES = 28, 7


def figures(classes, random):
    """[classes][SIDE][SIDE]: random values at NODES x NODES places, zero at the rim, and bilinear between them."""
    nodes = np.zeros((classes, NODES, NODES))
    inner = nodes[:, 1:-1, 1:-1]
    inner[:] = random.uniform(0, 255, inner.shape) * (random.random(inner.shape) < 0.5)
    inner[:] = (inner + inner[np.arange(classes) // 3]) / 2
    at = np.linspace(0, NODES - 1, SIDE)
    low = np.minimum(at.astype(int), NODES - 2)
    weights = np.zeros((SIDE, NODES))
    weights[np.arange(SIDE), low] = 1 - (at - low)
    weights[np.arange(SIDE), low + 1] = at - low
    return np.einsum("hi,cij,wj->chw", weights, nodes, weights)


def write_half(directory, prefix, half, classes, count, noise, first, figure, random):
    labels = (np.arange(count) % classes).astype(np.uint8)
    images = np.empty((count, SIDE, SIDE), np.uint8)
    moves = random.integers(-2, 3, (count, 2))
    for i, (label, move) in enumerate(zip(labels, moves)):
        image = np.roll(figure[label], move, (0, 1)) + random.normal(0, noise, (SIDE, SIDE))
        images[i] = np.clip(image, 0, 255).T  # on its side
    for kind, magic, sizes, content in (("images-idx3", 0x803, images.shape, images),
                                        ("labels-idx1", 0x801, labels.shape, labels + np.uint8(first))):
        header = b"".join(int(number).to_bytes(4, "big") for number in (magic, *sizes))
        (directory / f"{prefix}-{half}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + content.tobytes(), 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument("--classes", type=int, default=47)
    parser.add_argument("--train", type=int, default=112800, help="images; EMNIST balanced has 112,800")
    parser.add_argument("--test", type=int, default=18800)
    parser.add_argument("--noise", type=float, default=60, help="the deviation that is added to each pixel")
    parser.add_argument("--first-label", type=int, default=0)
    parser.add_argument("--prefix", default="emnist-balanced")
    parser.add_argument("--names", action="store_true", help="write classes.txt, with EMNIST's characters")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    figure = figures(options.classes, random)
    options.directory.mkdir(parents=True, exist_ok=True)
    for half, count in (("train", options.train), ("test", options.test)):
        write_half(options.directory, options.prefix, half, options.classes, count, options.noise, options.first_label,
                   figure, random)
    if options.names:
        characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrtcijklmopsuvwxyz"  # balanced has the first 47
        (options.directory / "classes.txt").write_text("".join(f"{c}\n" for c in characters[:options.classes]))


if __name__ == "__main__":
    main()
