#!/usr/bin/env python3
"""make_sample.py - cuts data/sample out of the whole MNIST in data/mnist (scripts/get_mnist.sh).

The first 200 training and the first 50 test digits of each class, in file order. The same input
gives the same decompressed bytes everywhere, and the same .gz bytes with the same zlib.
"""
import endings  # noqa: F401: first
import gzip
import struct
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
CLASSES = 10


def first_of_each_class(labels, per_class):
    """Indices, in file order, of the first per_class samples of each class."""
    taken = [0] * CLASSES
    indices = []
    for index, label in enumerate(labels):
        if taken[label] < per_class:
            taken[label] += 1
            indices.append(index)
    assert taken == [per_class] * CLASSES, taken
    return indices


def write_gz(path, content):
    # No name and no time in the gzip header: they would make every sample different.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(content)


def cut(half, per_class):
    labels_name, images_name = f"{half}-labels-idx1-ubyte", f"{half}-images-idx3-ubyte"
    labels = (DATA / "mnist" / labels_name).read_bytes()
    images = (DATA / "mnist" / images_name).read_bytes()
    magic, _ = struct.unpack(">II", labels[:8])
    images_magic, _, height, width = struct.unpack(">IIII", images[:16])
    labels, images, size = labels[8:], images[16:], height * width

    indices = first_of_each_class(labels, per_class)
    write_gz(DATA / "sample" / f"{labels_name}.gz",
             struct.pack(">II", magic, len(indices)) + bytes(labels[i] for i in indices))
    write_gz(DATA / "sample" / f"{images_name}.gz",
             struct.pack(">IIII", images_magic, len(indices), height, width)
             + b"".join(images[i * size:(i + 1) * size] for i in indices))


if __name__ == "__main__":
    (DATA / "sample").mkdir(exist_ok=True)
    cut("train", 200)
    cut("t10k", 50)
