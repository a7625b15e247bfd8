#!/usr/bin/env python3
"""plot_run.py - draws what a run reached: learning curves, confusion matrix, a grid of test images.

Reads RUN/run.json, RUN/metrics.jsonl and RUN/eval.json (written by `lenet eval --run RUN`) and the
test images of the data set; writes learning_curves.png, confusion.png and digits.png.
Exit codes: 0 done, 2 usage, 3 missing or bad input, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import gzip
import json
import math
import os
import sys
import zlib
from pathlib import Path

from pictures import (BadInput, FAINT, FORMATS, INK, STYLE, TEST, TRAIN, VALIDATION, WRONG, matplotlib, names_a_picture,
                      plt, save)
import numpy as np
from matplotlib import colors, ticker

REPOSITORY = Path(__file__).resolve().parent.parent

COLUMNS = 10     # of the grid of images
NAME_SHOWN = 16  # letters of a class's name
WRONG_SHOWN = 40
IMAGES_SHOWN = 50


# ---- reading -----------------------------------------------------------------------------------

def parse_object(text, where):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadInput(f"{where}: a JSON object was wanted")
    return value


def read_text(path, origin):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: not there; {origin}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_object(path, origin):
    return parse_object(read_text(path, origin), path)


def number(record, key, where):
    """A number; null, which stands for NaN and Inf in JSON, is NaN."""
    value = record.get(key, None)
    if value is None and key in record:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        found = f"found {value!r}" if key in record else "not there"
        raise BadInput(f'{where}: "{key}": {found}; a number was wanted')
    return float(value)


def read_metrics(path):
    """Columns of numbers by name; the optional ones only where every epoch has them."""
    text = read_text(path, "`lenet train` writes it after the first epoch")
    lines = text[:text.rfind("\n") + 1].splitlines()  # a line without its end was being written at a kill -9
    records = [(parse_object(line, f"{path} line {i}"), f"{path} line {i}")
               for i, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise BadInput(f"{path}: empty; the run has not finished an epoch")
    wanted = ["epoch", "train_loss", "test_loss", "test_accuracy"]
    wanted += [key for key in ("train_accuracy", "validation_loss", "validation_accuracy")
               if all(key in record for record, _ in records)]
    return {key: np.array([number(record, key, where) for record, where in records]) for key in wanted}


def integers(value, where, dimensions):
    """An array of non-negative integers."""
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.ndim != dimensions or array.size == 0 or array.dtype.kind not in "iu" or array.min() < 0:
        raise BadInput(f"{where}: wanted {'a list' if dimensions == 1 else 'rows'} of numbers 0, 1, 2, ...")
    return array.astype(np.int64)


def texts(value, where, count):
    """A list of so many texts, or an empty one."""
    if not isinstance(value, list) or len(value) not in (0, count) or not all(isinstance(text, str) for text in value):
        raise BadInput(f"{where}: wanted {count} texts")
    return value


def read_eval(path):
    record = read_object(path, "`lenet eval --run RUN` writes it")
    confusion = integers(record.get("confusion"), f'{path}: "confusion"', 2)
    if confusion.shape[0] != confusion.shape[1]:
        raise BadInput(f'{path}: "confusion": {confusion.shape[0]} rows of {confusion.shape[1]}; a square was wanted')
    predictions = integers(record.get("predictions"), f'{path}: "predictions"', 1)
    interval = record.get("interval")
    if not isinstance(interval, list) or len(interval) != 2:
        raise BadInput(f'{path}: "interval": wanted [low, high]')
    bounds = dict(zip(("low", "high"), interval))
    classes = texts(record.get("classes", []), f'{path}: "classes"', len(confusion))
    first_label = number(record, "first_label", path) if "first_label" in record else 0
    return {"data": record.get("data"), "confusion": confusion, "predictions": predictions,
            "classes": classes or [str(c) for c in range(len(confusion))],
            "first_label": int(first_label), "transpose": bool(record.get("transpose")),
            "files": texts(record.get("test_files", []), f'{path}: "test_files"', 2),
            "interval": tuple(number(bounds, key, f'{path}: "interval"') for key in bounds)}


def read_idx(directory, name, dimensions, recorded=()):
    """The bytes of an IDX file as an array: the one that was evaluated, or of the usual names the first that is there
    and not empty."""
    usual = [spelling + ending for spelling in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz")]
    paths = [directory / file for file in [*recorded, *usual]]
    present = [path for path in paths if path.is_file()]
    path = next((path for path in present if path.stat().st_size), (present + paths)[0])
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise BadInput(f"{path}: not there, nor with .gz; --data names the directory of the data set") from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None

    magic = bytes((0, 0, 8, dimensions))
    header = 4 + 4 * dimensions
    if content[:4] != magic or len(content) < header:
        raise BadInput(f"{path}: begins with {content[:4].hex() or 'nothing'}; wanted {magic.hex()} and "
                       f"{dimensions} sizes (IDX, bytes)")
    shape = [int.from_bytes(content[at:at + 4], "big") for at in range(4, header, 4)]
    if math.prod(shape) != len(content) - header or not math.prod(shape):
        raise BadInput(f"{path}: its header promises {' x '.join(map(str, shape))} bytes; "
                       f"found {len(content) - header}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def here(path):
    """A recorded path, from the working directory or from the repository."""
    return REPOSITORY / path if not path.exists() and (REPOSITORY / path).exists() else path


def find_data(path, data):
    recorded = data.get("directory")
    if isinstance(data.get("directory_bytes"), str):  # of a path that is not UTF-8
        recorded = os.fsdecode(bytes.fromhex(data["directory_bytes"]))
    if not isinstance(recorded, str) or not recorded:
        raise BadInput(f'{path}: "data" has no "directory"; give one with --data')
    return here(Path(recorded))


class Run:
    """Everything there is to draw, read and checked."""

    def __init__(self, directory, data):
        if not directory.is_dir():
            raise BadInput(f"{directory}: not a directory; wanted the run directory of `lenet train`")
        self.json = read_object(directory / "run.json", "wanted the run directory of `lenet train`")
        self.metrics = read_metrics(directory / "metrics.jsonl")
        evaluation = read_eval(directory / "eval.json")
        self.confusion, self.predictions = evaluation["confusion"], evaluation["predictions"]
        self.interval = evaluation["interval"]
        trained_on = self.json.get("data")
        tested_on = evaluation["data"] or trained_on
        self.trained_on, self.tested_on = (it if isinstance(it, dict) else {} for it in (trained_on, tested_on))

        self.classes = evaluation["classes"]
        recorded = [path.name if data else here(path).absolute() for path in map(Path, evaluation["files"])]
        data = data or find_data(directory / "eval.json", self.tested_on)
        self.images = read_idx(data, "t10k-images-idx3-ubyte", 3, recorded[:1])
        self.labels = read_idx(data, "t10k-labels-idx1-ubyte", 1, recorded[1:]) - evaluation["first_label"]
        if evaluation["transpose"]:
            self.images = self.images.transpose(0, 2, 1)
        if len(self.images) != len(self.labels):
            raise BadInput(f"{data}: {len(self.images)} test images but {len(self.labels)} labels")
        # The predictions belong to the images only if the labels give the same matrix.
        classes = len(self.confusion)
        counted = np.zeros_like(self.confusion)
        same_size = len(self.labels) == len(self.predictions)
        if same_size and self.labels.min() >= 0 and max(self.labels.max(), self.predictions.max()) < classes:
            np.add.at(counted, (self.labels, self.predictions), 1)
        if not np.array_equal(counted, self.confusion):
            raise BadInput(f"{data}: not the test set that {directory / 'eval.json'} was made on "
                           f"({len(self.labels)} labels, {len(self.predictions)} predictions); --data names another")

        self.count = len(self.labels)
        self.wrong = np.flatnonzero(self.labels != self.predictions)
        self.right = np.flatnonzero(self.labels == self.predictions)

    def config(self, key):
        config = self.json.get("config")
        value = config.get(key) if isinstance(config, dict) else None
        return value if isinstance(value, (str, int, float)) else None

    @property
    def noun(self):
        return "digits" if str(self.tested_on.get("name")).startswith("MNIST") else "images"

    @property
    def title(self):
        name = self.trained_on.get("name") or "unnamed data"
        seed = self.config("seed")
        return f"{self.config('arch') or 'network'} on {name}" + (f", seed {seed}" if seed is not None else "")

    @property
    def test_title(self):
        """Where it was tested on other data than it was trained on, with that data's name."""
        trained, tested = self.trained_on.get("name"), self.tested_on.get("name")
        return self.title + (f", tested on {tested}" if tested != trained else "")

    @property
    def recipe(self):
        """How it was trained, of what run.json says."""
        texts = {"optimizer": "{}", "schedule": "{} schedule", "lr": "lr {}", "batch": "batch {}",
                 "train-size": "{} training images", "weight-decay": "weight decay {}",
                 "label-noise": "label noise {}"}
        parts = [text.format(self.config(key)) for key, text in texts.items() if self.config(key)]
        augmented = [name for name in ("shift", "rotate", "scale", "shear", "elastic") if self.config(f"augment-{name}")]
        if augmented:
            parts.append(f"augmented ({', '.join(augmented)})")
        return ", ".join(parts)


# ---- words ---------------------------------------------------------------------------------------

def percent(fraction):
    """Two digits behind the point: one image of 10,000 is 0.01 %."""
    return f"{100 * fraction:.2f} %" if math.isfinite(fraction) else "not a number"


def short(text, length):
    return text if len(text) <= length else text[:length - 1] + "…"


# ---- learning curves -----------------------------------------------------------------------------

def scale_axis(axes, values, log):
    """Plain decimal ticks; ticks at 1, 2 and 5 where a log axis spans enough for them."""
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if log and len(positive):
        axes.set_yscale("log")
        low, high = positive.min(), positive.max()
        # At least a factor of three, so that a flat curve looks flat.
        margin = max(1.12, math.sqrt(3 / (high / low)))
        axes.set_ylim(low / margin, high * margin)
        span = high / low * margin ** 2
        if span < 5:
            axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
        else:
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if span < 1e3 else (1,)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    elif len(values):
        axes.set_ylim(0, max(values.max() * 1.08, 1e-3))
    else:
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", va="center", color=FAINT)
        axes.set_yticks([])
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.6g}"))


def draw_learning_curves(run):
    epochs = run.metrics["epoch"]
    curves = [("train_loss", "train_accuracy", "train (mean over the epoch, while learning)", TRAIN, "--"),
              ("validation_loss", "validation_accuracy", "validation", VALIDATION, "-"),
              ("test_loss", "test_accuracy", "test", TEST, "-")]
    figure, (loss_axes, error_axes) = plt.subplots(1, 2, figsize=(11, 4.9))
    figure.subplots_adjust(left=0.07, right=0.885, top=0.79, bottom=0.185, wspace=0.2)
    marker = "o" if len(epochs) <= 40 else None
    losses, errors, handles = [], [], []
    for loss, accuracy, label, colour, line in curves:
        look = {"color": colour, "linestyle": line, "linewidth": 1.8, "marker": marker, "markersize": 4, "label": label}
        if loss in run.metrics:
            losses.append(run.metrics[loss])
            handles += loss_axes.plot(epochs, losses[-1], **look)
        if accuracy in run.metrics:
            errors.append(100 * (1 - run.metrics[accuracy]))
            error_axes.plot(epochs, errors[-1], **look)
    losses, errors = np.concatenate(losses), np.concatenate(errors)

    loss_axes.set_title("Loss (log scale)")
    scale_axis(loss_axes, losses, log=True)
    # An error of zero has no place on a log axis.
    finite = errors[np.isfinite(errors)]
    error_log = len(finite) > 0 and finite.min() > 0 and finite.max() > 5 * finite.min()
    error_axes.set_title("Error in %" + (" (log scale)" if error_log else ""))
    scale_axis(error_axes, errors, error_log)
    for axes in (loss_axes, error_axes):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(8, integer=True, min_n_ticks=1))
        margin = max(0.04 * np.ptp(epochs), 0.4)
        axes.set_xlim(epochs.min() - margin, epochs.max() + margin)

    final = 1 - run.metrics["test_accuracy"][-1]
    if math.isfinite(final):
        error_axes.axhline(100 * final, color=TEST, linewidth=0.9, linestyle=":", zorder=1)
        error_axes.annotate("final test error", (1.02, 100 * final), xycoords=error_axes.get_yaxis_transform(),
                            xytext=(0, 11), textcoords="offset points", va="center", fontsize=9.5, color=TEST)
        error_axes.annotate(percent(final), (1.02, 100 * final), xycoords=error_axes.get_yaxis_transform(),
                            xytext=(0, -5), textcoords="offset points", va="center", fontsize=13, color=TEST,
                            weight="bold")
    figure.text(0.03, 0.945, short(run.title, 90), fontsize=15, weight="bold")
    figure.text(0.03, 0.893, short(run.recipe, 130), fontsize=10, color="#555555")
    figure.legend(handles=handles, loc="lower center", ncol=3, bbox_to_anchor=(0.48, 0.0), handlelength=2.6)
    return figure


# ---- confusion matrix ------------------------------------------------------------------------------

def draw_confusion(run):
    matrix = run.confusion
    classes = len(matrix)
    many = classes > 16
    names = [short(name, NAME_SHOWN) for name in run.classes]
    longest = max(map(len, names))
    upright = many or longest > 4                  # names above the columns, read from below
    size = max(6.4, (0.24 if many else 0.62) * classes)  # of the matrix, in inches
    cell = size / classes
    left, above = 0.65 + 0.1 * longest, 1.25 + (0.1 * longest if upright else 0.1)
    width, height = left + size + 1.25, 1.2 + size + above
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((left / width, 1.2 / height, size / width, size / height))

    # The errors have the colours for themselves: on a scale with the diagonal they would all be white.
    errors = np.where(np.eye(classes, dtype=bool), 0, matrix)
    norm = colors.PowerNorm(0.5, vmin=0, vmax=max(errors.max(), 1))
    shades = plt.get_cmap("OrRd")(0.85 * norm(errors))
    shades[errors == 0] = colors.to_rgba("white")
    shades[np.eye(classes, dtype=bool)] = colors.to_rgba("#dbe9f4")
    axes.imshow(shades, interpolation="nearest")
    digits = len(str(matrix.max()))
    fontsize = min(13, 72 * cell * 0.9 / (0.65 * max(digits, 3)))
    for true in range(classes):
        for predicted in range(classes):
            count = matrix[true, predicted]
            if many and count == 0:
                continue
            on_diagonal = true == predicted
            colour = INK if on_diagonal else "#c4c4c4" if count == 0 else \
                "white" if norm(count) > 0.75 else INK
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=fontsize, color=colour,
                      weight="bold" if on_diagonal else "normal")

    # Recall beside its row, precision below its column.
    with np.errstate(invalid="ignore"):
        recall = np.diag(matrix) / matrix.sum(axis=1)
        precision = np.diag(matrix) / matrix.sum(axis=0)
    def share(value):
        return f"{100 * value:.1f}" if math.isfinite(value) else "–"
    side = min(fontsize, 11)
    for i in range(classes):
        axes.text(classes - 0.5 + 0.45 / cell, i, share(recall[i]), ha="center", va="center", fontsize=side,
                  color="#2b5d87")
        axes.text(i, classes - 0.5 + 0.28 / cell, share(precision[i]), ha="center", va="center", fontsize=side,
                  color="#2b5d87", rotation=90 if many else 0)
    axes.text(classes - 0.5 + 0.45 / cell, -0.5 - 0.1 / cell, "recall\nin %", ha="center", va="bottom", fontsize=9,
              color="#2b5d87")
    axes.text(classes - 0.5 + 0.12 / cell, classes - 0.5 + 0.28 / cell, "precision in %", ha="left", va="center",
              fontsize=9, color="#2b5d87")

    axes.grid(False)
    axes.set_xticks(range(classes), names, rotation=90 if upright else 0)
    axes.set_yticks(range(classes), names)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labelsize=min(12, fontsize + 1), pad=4)
    axes.set_xlabel("predicted class", labelpad=6)
    axes.set_ylabel("true class", labelpad=6)
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)

    low, high = run.interval
    figure.text(0.3 / width, 1 - 0.4 / height, short(run.test_title, 60), fontsize=14, weight="bold")
    figure.text(0.3 / width, 1 - 0.68 / height,
                f"{percent(len(run.right) / run.count)} of {run.count:,} test {run.noun} right "
                f"(95 % interval {100 * max(low, 0):.2f} to {percent(high)})", fontsize=11)
    figure.text(0.3 / width, 0.28 / height,
                "Counts. Colour marks errors only: the darker, the more frequent; the diagonal is what was right.",
                fontsize=9, color="#555555")
    return figure


# ---- grid of images --------------------------------------------------------------------------------

def sample_of_right(run, wanted):
    """The first ones of each class in turn, so that every class is there; in columns by class."""
    by_class = [[i for i in run.right if run.labels[i] == c][:wanted] for c in range(len(run.confusion))]
    taken = [members[turn] for turn in range(wanted) for members in by_class if turn < len(members)]
    return taken[:wanted]


def draw_digits(run):
    wrong = list(run.wrong[:WRONG_SHOWN])
    wrong_rows = -(-len(wrong) // COLUMNS)
    right = sample_of_right(run, IMAGES_SHOWN - wrong_rows * COLUMNS)
    if len(run.wrong) > len(wrong):
        heading = f"Wrong: the first {len(wrong)} of {len(run.wrong):,}, in the test set's order"
    else:
        heading = f"Wrong: {'all ' if len(wrong) > 1 else ''}{len(wrong) or 'none'}"
    long_names = max(map(len, run.classes)) > 6
    sections = [(heading, wrong, WRONG)]
    if right:
        sections.append((f"Right: {len(right)} of {len(run.right):,}, the first of each class", right, INK))

    # In inches, from the top: a heading line, then per section a heading and rows of image + two lines.
    across, picture, row, heading_height, top, bottom = 1.12, 0.9, 1.38, 0.42, 0.85, 0.15
    width = COLUMNS * across + 0.4
    height = top + bottom + sum(heading_height + row * -(-len(members) // COLUMNS) for _, members, _ in sections)
    figure = plt.figure(figsize=(width, height))
    figure.text(0.3 / width, 1 - 0.38 / height, short(run.test_title, 80), fontsize=15, weight="bold")
    figure.text(0.3 / width, 1 - 0.66 / height,
                f"The network is wrong on {len(run.wrong):,} of {run.count:,} test {run.noun} "
                f"({percent(len(run.wrong) / run.count)})" + "; below each its class → what it was taken for" * long_names,
                fontsize=11)
    # One field for all: axes for each image would take most of the time.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    y = height - top
    for heading, members, colour in sections:
        figure.text(0.3 / width, (y - 0.27) / height, heading, fontsize=11.5, weight="bold", color=colour)
        y -= heading_height
        for at, index in enumerate(members):
            image = run.images[index]
            high, wide = (picture * side / max(image.shape) for side in image.shape)
            x = 0.2 + across * (at % COLUMNS + 0.5)
            left, below = x - wide / 2, y - row * (at // COLUMNS) - (picture + high) / 2
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="auto",
                        extent=(left, left + wide, below, below + high))
            is_wrong = run.labels[index] != run.predictions[index]
            axes.add_patch(plt.Rectangle((left, below), wide, high, fill=False, zorder=2.5,
                                         edgecolor=WRONG if is_wrong else "#cccccc", linewidth=2 if is_wrong else 0.8))
            true, predicted = run.classes[run.labels[index]], run.classes[run.predictions[index]]
            words = (short(true, 16), "→ " + short(predicted, 14)) if long_names else \
                (f"true {true}", f"predicted {predicted}")
            for line, text in enumerate(words):
                axes.annotate(text, (x, below), xytext=(0, -5 - 12 * line),
                              textcoords="offset points", ha="center", va="top", fontsize=9.5,
                              color=WRONG if is_wrong and line else INK,
                              weight="bold" if is_wrong and line else "normal")
        y -= row * -(-len(members) // COLUMNS)
    axes.set(xlim=(0, width), ylim=(0, height))
    return figure


# ---- command -----------------------------------------------------------------------------------

def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="plot_run.py", description="Draws learning_curves.png, confusion.png and digits.png of a run.",
        epilog="`lenet eval --run RUN` comes first: it writes the predictions.")
    parser.add_argument("run", metavar="RUN", type=Path, help="the run directory of `lenet train`")
    parser.add_argument("--data", metavar="DIR", type=Path, help="the data set (initially the one in run.json)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the pictures go (initially RUN)")
    parser.add_argument("--format", choices=list(FORMATS), default="png", help="of the pictures (initially png)")
    options = parser.parse_args(arguments)
    out = options.out or options.run
    if options.out and names_a_picture(out) and not out.is_dir():
        parser.error(f"--out {out}: wanted a directory, for there are three pictures; --format chooses among "
                     f"{', '.join(FORMATS)}")
    try:
        run = Run(options.run, options.data)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{out}: cannot be created ({error.strerror})") from None
        with matplotlib.rc_context(STYLE):
            save(draw_learning_curves(run), out / f"learning_curves.{options.format}")
            save(draw_confusion(run), out / f"confusion.{options.format}")
            save(draw_digits(run), out / f"digits.{options.format}")
    except BadInput as error:
        print(f"plot_run: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
