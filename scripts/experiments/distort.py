"""distort.py - test sets that are shifted, scaled, rotated or noisy, as IDX files that lenet eval reads."""
import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def find(directory, name):
    """The file, raw or .gz."""
    for path in (Path(directory) / name, Path(directory) / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{directory}: no {name} there, nor {name}.gz")


def read_images(directory):
    """The test images, [count][H][W] bytes."""
    path = find(directory, NAMES[2])
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return np.frombuffer(data, np.uint8, offset=16).reshape(struct.unpack(">III", data[4:16]))


def warp(images, matrix, offset):
    """Each pixel p of the result is the image at matrix (p - centre) + centre + offset, (row, column), bilinear and 0
    outside."""
    count, height, width = images.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    points = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1) - centre
    rows, columns = np.moveaxis(points @ np.asarray(matrix).T + centre + offset, -1, 0)
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1)))  # so that a neighbour outside is 0
    rows, columns = (np.clip(a + 1, 0, n) for a, n in ((rows, height + 1 - 1e-4), (columns, width + 1 - 1e-4)))
    i, j = rows.astype(int), columns.astype(int)
    down, right = rows - i, columns - j
    result = ((padded[:, i, j] * (1 - right) + padded[:, i, j + 1] * right) * (1 - down)
              + (padded[:, i + 1, j] * (1 - right) + padded[:, i + 1, j + 1] * right) * down)
    return np.rint(result).astype(np.uint8)


def shift(images, pixels):
    """To the right; negative to the left."""
    return warp(images, np.eye(2), [0, -pixels])


def shift_down(images, pixels):
    return warp(images, np.eye(2), [-pixels, 0])


def scale(images, factor):
    """Larger where factor > 1, about the centre."""
    return warp(images, np.eye(2) / factor, [0, 0])


def rotate(images, degrees):
    """Counter-clockwise, as seen."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return warp(images, [[c, s], [-s, c]], [0, 0])


def noise(images, probability, seed=1):
    """Each pixel inverted with this probability."""
    inverted = np.random.default_rng(seed).random(images.shape) < probability
    return np.where(inverted, 255 - images, images)


def write_data_set(directory, original, images):
    """A data set with these test images and the original's labels; its training half is one image, which evaluating
    does not look at."""
    directory.mkdir(parents=True, exist_ok=True)
    count, height, width = images.shape
    (directory / NAMES[2]).write_bytes(struct.pack(">IIII", 0x803, count, height, width) + images.tobytes())
    (directory / NAMES[0]).write_bytes(struct.pack(">IIII", 0x803, 1, height, width) + bytes(height * width))
    (directory / NAMES[1]).write_bytes(struct.pack(">II", 0x801, 1) + b"\0")
    path = find(original, NAMES[3])
    labels = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    (directory / NAMES[3]).write_bytes(labels)
