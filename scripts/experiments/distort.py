"""distort.py - images that are shifted, scaled, rotated or noisy, as IDX files that lenet reads; networks tested on them."""
import struct
import tempfile
from pathlib import Path

from experiment import np, percent
from plot_run import read_idx

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_images(directory, name=NAMES[2]):
    """[count][H][W] bytes; initially the test images."""
    return read_idx(Path(directory), name, 3)


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


def write_data_set(directory, original, test, train=None):
    """A data set with these images and the original's labels. Without training images its training half is one blank
    image, which evaluating does not look at."""
    directory.mkdir(parents=True, exist_ok=True)
    labels = [read_idx(Path(original), name, 1) for name in NAMES[1::2]]
    if train is None:
        train, labels[0] = np.zeros((1, *test.shape[1:]), np.uint8), np.zeros(1, np.uint8)
    for name, values in zip(NAMES, (train, labels[0], test, labels[1])):
        header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
        (directory / name).write_bytes(header + values.tobytes())


# ---- networks tested on them ------------------------------------------------------------------------


def compare(e, networks, distortions, title):
    """The table and the picture of an experiment: mean test errors of each sweep's networks under each distortion.

    networks: name -> (directory of a sweep that kept its weights, colour).
    distortions: name -> (function of images and an amount, the amounts)."""
    original = next(e.runs(next(iter(networks.values()))[0]))["data"]["directory"]
    images = read_images(original)
    errors = {}  # (kind, amount, name) -> a value for each seed
    with tempfile.TemporaryDirectory() as scratch:
        for kind, (function, amounts) in distortions.items():
            for amount in amounts:
                write_data_set(Path(scratch), original, function(images, amount))
                for name, (directory, _) in networks.items():
                    errors[kind, amount, name], _ = e.errors(directory, scratch)
    rows = [[kind, amount, *(percent(np.mean(errors[kind, amount, name])) for name in networks)]
            for kind, (_, amounts) in distortions.items() for amount in amounts]
    e.table(["distortion", "amount", *(f"{name}: test error %" for name in networks)], rows)

    def draw(axes):
        figure = axes.figure
        axes.remove()
        for place, (kind, (_, amounts)) in enumerate(distortions.items(), 1):
            panel = figure.add_subplot(2, 2, place)
            for name, (_, colour) in networks.items():
                values = 100 * np.array([errors[kind, amount, name] for amount in amounts])
                panel.plot(amounts, values, "-", color=colour, alpha=0.25, linewidth=1)
                panel.plot(amounts, values.mean(1), "-o", color=colour, label=name, markersize=4)
            panel.set(xlabel=kind, ylabel="test error (%)", ylim=(0, 100))
            if place == 1:
                panel.legend()
        figure.suptitle(title, x=0.02, ha="left", weight="bold")

    e.picture(draw, 9, 7)
