#!/usr/bin/env python3
"""to_idx.py - makes a data set for lenet from folders of pictures, CSV or npz: four IDX files under MNIST's names, and
classes.txt with a class's name in each line.

docs/data_sets.md shows every form with a line that works.
Exit codes: 0 done, 2 usage, 3 missing or bad input, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import gzip
import itertools
import json
import math
import os
import random
import re
import shutil
import struct
import sys
import tempfile
import warnings
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from common import LENET, BadInput, exit_code, printable, program_path, run_lenet
from needs import need

need("numpy", "PIL", packages="python3-numpy python3-pil")
import numpy as np  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

Image.MAX_IMAGE_PIXELS = None  # a limit of this script's own stands below, and is checked before anything is decoded

SIDE = 28                     # of what larger pictures become
MAX_SIDE = 32                 # the largest that a network takes
MAX_CLASSES = 62              # digits, capitals and small letters
MAX_NAME = 63                 # bytes of a class's name
MAX_PIXELS = 1 << 26          # of a picture, as in `lenet predict`
MAX_BYTES = 4 << 30           # of numbers in memory, four times the largest data set of this kind
MAX_LINE = 1 << 20            # characters of a line of CSV
ROWS = 1024                   # of CSV, converted together
PICTURES = 500                # that one `lenet predict` is given
COMPLAINTS = 10               # that are printed; skipped.txt has all

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "GIF", "TIFF")  # Pillow's names; PPM has PGM in it
READ_BY_LENET = ("PNG", "JPEG", "PPM")
TRAIN, TEST, VALIDATION = "train", "test", "validation"
HALVES = {"train": TRAIN, "training": TRAIN, "test": TEST, "testing": TEST, "t10k": TEST,
          "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION}
LABEL_WORDS = {"label", "labels", "class", "classes", "target", "targets", "y"}
IMAGE_WORDS = {"image", "images", "img", "imgs", "x", "data", "pixels"}
ID_WORDS = {"id", "image_id", "imageid", "index", "idx", "unnamed: 0", ""}  # of columns that are left out; pandas' last
CLEAR = 0.95                  # of an image's edges, which are paper, or black
SOME = 0.01                   # of a set


class Part:
    """Images, the names of their classes and where each was found: some of the training images, of the test images, or
    of those between."""

    def __init__(self, half, images, names, places, ready=False, are_pictures=False):
        self.half, self.images, self.names, self.places = half, images, names, places
        self.ready = ready  # light on dark and 28 x 28, by `lenet predict`
        self.are_pictures = are_pictures  # each made by itself, where those of a table have one origin


class Log:
    """What was skipped, and why."""

    def __init__(self):
        self.lines = []

    def skip(self, what, why):
        self.lines.append(f"{printable(what)}: {printable(why)}")
        if len(self.lines) <= COMPLAINTS:
            print(f"to_idx: skipped {self.lines[-1]}", file=sys.stderr)
        elif len(self.lines) == COMPLAINTS + 1:
            print("to_idx: skipped more, see skipped.txt", file=sys.stderr)


def words_of(name):
    """In lower case: x and train, of x_train, xTrain and X-TRAIN1."""
    return [word.lower() for word in re.findall(r"t10k|[A-Z]?[a-z]+|[A-Z]+", name)]


def half_of(name):
    """That a file or an array belongs to, by its name; None where that does not say."""
    return next((HALVES[word] for word in words_of(name) if word in HALVES), None)


def class_name(text):
    """5, 5.0 and 5.000e+00, as numpy writes it, are one class."""
    text = printable(text)
    number = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?(e[+-][0-9]{2})?", text) else math.nan
    return str(int(number)) if number.is_integer() and number < 1e9 else text


# ---- folders of pictures -----------------------------------------------------------------------

def visible(directory):
    return sorted(path for path in directory.iterdir() if not path.name.startswith((".", "__")))


def is_half(path):
    """A folder `train` may also be a class; then it has no folders in it."""
    return path.name.lower() in HALVES and path.is_dir() and any(entry.is_dir() for entry in visible(path))


def read_folder(directory, options, log):
    """DIR/train/CLASS/* with DIR/test/CLASS/*, or DIR/CLASS/*, or files of CSV or npz whose names say the half."""
    entries = visible(directory)
    tables = [path for path in entries if is_table(path) and half_of(path.name)]
    halves = [path for path in entries if is_half(path)]
    used = halves or [path for path in entries if path.is_dir()] or tables
    for path in entries:
        if path not in used:
            log.skip(path, "belongs to no class")
    if used and used == tables:
        return [part for path in tables for part in read_file(path, options, log)]
    classes = [(path, HALVES[half.name.lower()]) for half in halves for path in visible(half)] if halves else \
        [(path, TRAIN) for path in used]
    parts = [part for path, half in classes for part in read_class(path, half, options, log)]
    if not parts:
        raise BadInput(f"{directory}: no pictures; wanted a folder for each class in it, or in {directory}/train and "
                       f"{directory}/test, with PNG, JPEG, BMP, PGM, GIF or TIFF files")
    return parts


def read_class(folder, half, options, log):
    """Pictures of 28 x 28 pixels as they are; `lenet predict` finds the digit in all others."""
    if not folder.is_dir():
        log.skip(folder, "belongs to no class")
        return
    ready, others, name = [], [], printable(folder.name)
    with tempfile.TemporaryDirectory() as scratch:
        for path in visible(folder):
            try:
                picture = read_picture(path)
            except Image.UnidentifiedImageError:
                log.skip(path, "no picture, or one of another format")
            except Exception as error:  # Pillow fails in its own many ways on damaged files
                log.skip(path, str(error) or type(error).__name__)
            else:
                if isinstance(picture, np.ndarray):
                    ready.append((path, picture))
                elif isinstance(picture, Path):
                    others.append((path, picture))
                else:
                    others.append((path, Path(scratch) / f"{len(others)}.png"))
                    picture.save(others[-1][1])
        shown = show(others, options.lenet, log)
    print(f"{printable(folder)}: {len(ready) + len(shown):,} pictures", flush=True)  # a large set takes minutes
    for found, are_shown in (ready, False), (shown, True):
        if found:
            places, images = zip(*found)
            yield Part(half, np.stack(images), [name] * len(images), places, are_shown, are_pictures=True)


def read_picture(path):
    """The bytes of a picture of 28 x 28 pixels; else its path, or the picture if `lenet predict` reads no such file."""
    if not path.is_file():
        raise BadInput("a folder" if path.is_dir() else "no ordinary file")
    with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as picture:
        warnings.simplefilter("ignore")  # of odd metadata
        if picture.width * picture.height > MAX_PIXELS:
            raise BadInput(f"{picture.width}x{picture.height} pixels; wanted at most {MAX_PIXELS >> 20} million")
        if picture.size != (SIDE, SIDE) and picture.format in READ_BY_LENET:
            return path
        upright = ImageOps.exif_transpose(picture)
        if picture.size == (SIDE, SIDE):
            return grey(upright)
        if is_deep(upright):
            return Image.fromarray(grey(upright))
        return upright.convert("RGBA" if has_alpha(upright) else "RGB")


def is_deep(picture):
    """16 bits or more."""
    return picture.mode.startswith(("I", "F"))


def has_alpha(picture):
    return "A" in picture.getbands() or "transparency" in picture.info


def grey(picture):
    """Bytes. What is transparent becomes a ground from which the rest stands out."""
    if is_deep(picture):
        values = np.asarray(picture, "f8")
        if values.min() < 0 or values.max() > 65535:
            raise BadInput("pixels that are not of 8 or 16 bits")
        return np.rint(values / (257 if values.max() > 255 else 1)).astype("u1")
    if not has_alpha(picture):
        return np.asarray(picture.convert("L"))
    picture = picture.convert("RGBA")
    ink, alpha = np.asarray(picture.convert("L"), "f8"), np.asarray(picture.getchannel("A")) / 255
    ground = 255 if (ink * alpha).sum() < 127.5 * alpha.sum() else 0
    return np.rint(ink * alpha + ground * (1 - alpha)).astype("u1")


def show(files, lenet, log):
    """What `lenet predict` would show a network of pictures of any size, for each in which it finds something: (as it
    is called, 28 x 28 bytes), light on dark. files: (as it is called, where it lies)."""
    shown = []
    for begin in range(0, len(files), PICTURES):
        some = files[begin:begin + PICTURES]
        images, outcomes = run_predict(lenet, [str(path.absolute()) for _, path in some])
        for (path, _), image, outcome in zip(some, images, outcomes):
            if outcome["status"] == "ok":
                shown.append((path, image))
            else:
                log.skip(path, outcome.get("error", "nothing is drawn in it").removeprefix(f"{outcome['file']}: "))
    return shown


def run_predict(lenet, paths):
    with tempfile.TemporaryDirectory() as directory:
        images, outcomes = Path(directory) / "shown-ubyte", Path(directory) / "outcomes.json"
        run = run_lenet(lenet, "predict", "--show", images, "--json", outcomes, *paths)
        try:
            found, pixels = json.loads(outcomes.read_text()), np.frombuffer(images.read_bytes(), "u1", offset=16)
            return pixels.reshape(len(paths), SIDE, SIDE), found
        except (OSError, ValueError):
            raise BadInput(f"{lenet} predict ended with exit code {run.returncode}: {run.stderr}") from None


# ---- CSV ---------------------------------------------------------------------------------------

def is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@contextmanager
def text_of(path):
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig", errors="replace") as text:
            yield text
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: a damaged gzip file ({error})") from None


def lines_of(text, path):
    """(number, fields) of each line that is not blank."""
    separator = None
    for number in itertools.count(1):
        line = text.readline(MAX_LINE)
        if not line:
            return
        if len(line) == MAX_LINE or "\0" in line:
            raise BadInput(f"{path} line {number}: no CSV; wanted a label and 784 pixels in each line")
        if not line.strip():
            continue
        separator = separator or max(",;\t", key=line.count)
        yield number, line.replace('"', "").strip().split(separator)


def image_shape(columns):
    """Of as many pixels, grey or with three colours; None where they are neither."""
    for channels in (1, 3):
        side = math.isqrt(columns // channels)
        if channels * side * side == columns and side > 1:
            return (side, side) if channels == 1 else (side, side, 3)
    return None


def is_header(first):
    names = [field.strip().lower() for field in first]
    return (not all(map(is_number, names[1:-1])) or names == [str(i) for i in range(len(names))] or
            not ID_WORDS.isdisjoint([names[0], names[-1]]))


def id_columns(first):
    """Those that a header names as such, the last one first."""
    return [i for i in reversed(range(len(first))) if is_header(first) and first[i].strip().lower() in ID_WORDS]


def without(columns, lines):
    for number, fields in lines:
        for i in columns:
            del fields[i:i + 1]
        yield number, fields


def label_column(path, first, lines, header, options):
    """(the column, the shape of images); None where there are no labels."""
    columns = len(first)
    named = [i for i, field in enumerate(first) if field.strip().lower() in LABEL_WORDS] if header else []
    if not named and image_shape(columns):
        return None, image_shape(columns)
    if not image_shape(columns - 1):
        raise BadInput(f"{path}: {columns} columns; wanted a label and the pixels of a square image, such as 1 + 784; "
                       "others are left out where a header calls them id or index")
    ends = [{fields[i] for _, fields in lines} for i in (0, -1)]
    is_last = not all(map(is_number, ends[1])) or len(ends[0]) == 1 < len(ends[1])  # pixels in a corner are all alike
    column = columns - 1 if is_last else 0
    if options.label or named:
        column = {"first": 0, "last": columns - 1}[options.label] if options.label else named[0]
    return column, image_shape(columns - 1)


def read_csv(path, options, log):
    images, names, places = [], [], []
    with text_of(path) as text:
        lines = lines_of(text, path)
        begin = list(itertools.islice(lines, ROWS))
        if not begin:
            raise BadInput(f"{path}: empty; wanted a label and 784 pixels in each line")
        header, others = is_header(begin[0][1]), id_columns(begin[0][1])
        begin, lines = list(without(others, begin)), without(others, lines)
        label, shape = label_column(path, begin[0][1], begin[1:], header, options)
        if label is None:
            log.skip(path, "no labels in it")
            return
        columns = len(begin[0][1])
        lines = itertools.chain(begin[header:], lines)
        while some := list(itertools.islice(lines, ROWS)):
            for number, fields in some:
                if len(fields) != columns:
                    raise BadInput(f"{path} line {number}: {len(fields) + len(others)} columns, wanted "
                                   f"{columns + len(others)} as in the first")
                names.append(class_name(fields.pop(label)))
                places.append(f"{path} line {number}")
            images.append(numbers(path, some).reshape(len(some), *shape))
            if sum(block.nbytes for block in images) > MAX_BYTES:
                raise BadInput(f"{path}: more than {len(names):,} images")
    if not names:
        raise BadInput(f"{path}: a header, but no images")
    yield Part(half_of(path.name), np.concatenate(images), names, places)


def numbers(path, lines):
    texts = [",".join(fields) for _, fields in lines]
    for dtype in ("u1", "f4"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # that it would cut 0.5 to 0
                return np.loadtxt(texts, delimiter=",", dtype=dtype, ndmin=2, comments=None)
        except (ValueError, DeprecationWarning) as error:
            failure = str(error)
    row = re.search(r"(.*) to float32 at row (\d+)", failure)
    where, what = (f" line {lines[int(row[2])][0]}", row[1]) if row else ("", failure)
    raise BadInput(f"{path}{where}: {what}; wanted numbers 0 to 255")


# ---- npz ---------------------------------------------------------------------------------------

def arrays_of(path):
    """(name, array) of each; refused before they are read where their sizes are not what the file can hold."""
    try:
        with zipfile.ZipFile(path) as members:
            if sum(member.file_size for member in members.infolist()) > MAX_BYTES:
                raise BadInput(f"{path}: arrays of more than {MAX_BYTES >> 30} GiB")
            for member in members.infolist():
                with members.open(member) as array:
                    yield Path(member.filename).stem, read_array(array, member.file_size)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path}: not an npz file, or a damaged one ({error})") from None


def read_array(file, size):
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"array format {version}")
    shape, by_columns, dtype = read_header[version](file)
    count = math.prod(shape)
    if dtype.hasobject or count * dtype.itemsize > size:
        raise ValueError(f"an array of {dtype}, {shape}, in {size} bytes")
    values = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    return values.reshape(shape, order="F" if by_columns else "C")


def read_npz(path, options, log):
    """Images and labels still apart: KMNIST has them in files of their own."""
    for name, values in arrays_of(path):
        words = set(words_of(path.stem if re.fullmatch(r"arr_[0-9]+", name) else name))
        role = "labels" if words & LABEL_WORDS else "images" if words & IMAGE_WORDS else None
        if role is None or "names" in words:
            log.skip(f"{path}: {name}", "neither images nor labels by its name")
            continue
        yield role, half_of(name) or half_of(path.name), values, f"{path}: {name}"


def pair(arrays):
    """Parts of arrays (role, half, values, where)."""
    halves = {}
    for role, half, values, where in arrays:
        if role in halves.setdefault(half, {}):
            raise BadInput(f"{where}: {half or 'their'} {role} for a second time")
        halves[half][role] = values, where
    for half, roles in halves.items():
        if len(roles) < 2:
            (role, (_, where)), = roles.items()
            other = "labels" if role == "images" else "images"
            raise BadInput(f"{where}: {role} without {other}; wanted arrays such as x_train and y_train")
        (images, images_where), (labels, labels_where) = roles["images"], roles["labels"]
        images, names = channels_last(images, images_where), label_names(labels, labels_where)
        if not names or len(images) != len(names):
            raise BadInput(f"{labels_where}: {len(names)} labels for {len(images)} images")
        yield Part(half, images, names, [f"{images_where}[{i}]" for i in range(len(images))])


def channels_last(images, where):
    """[N][H][W] or [N][H][W][3]"""
    if images.dtype.kind in "buif":
        if images.ndim == 2 and image_shape(images.shape[1]):
            return images.reshape(len(images), *image_shape(images.shape[1]))
        if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] > 3:
            images = np.moveaxis(images, 1, 3)
        if images.ndim == 4 and images.shape[3] == 1:
            images = images[..., 0]
        if images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3:
            return images
    raise BadInput(f"{where}: {images.dtype} of shape {images.shape}; wanted numbers, [images][28][28], with one or "
                   "three colours")


def label_names(labels, where):
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "biufUS":
        raise BadInput(f"{where}: {labels.dtype} of shape {labels.shape}; wanted a label for each image")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return [class_name(label) for label in labels.tolist()]


# ---- reading -----------------------------------------------------------------------------------

def is_table(path):
    return path.name.lower().endswith((".csv", ".csv.gz", ".npz"))


def read_file(path, options, log):
    return (read_npz if path.name.lower().endswith(".npz") else read_csv)(path, options, log)


def read_source(path, options, log):
    if path.is_dir():
        return read_folder(path, options, log)
    if not path.exists():
        raise BadInput(f"{path}: not there")
    if not path.is_file() or not is_table(path):
        raise BadInput(f"{path}: wanted a folder with pictures, or a file .csv, .csv.gz or .npz")
    return read_file(path, options, log)


def named_once(paths, log):
    """Without those that were there before, by whatever name."""
    seen = set()
    for path in paths:
        if path.resolve() in seen:
            log.skip(path, "named twice")
        else:
            seen.add(path.resolve())
            yield path


def read_all(options, log):
    found = [part for path in named_once(options.sources, log) for part in read_source(path, options, log)]
    parts = [part for part in found if isinstance(part, Part)]
    parts += pair(part for part in found if not isinstance(part, Part))
    if not parts:
        raise BadInput(f"{options.sources[0]}: no images with labels in it")
    return parts


# ---- to bytes ----------------------------------------------------------------------------------

def to_bytes(parts):
    """Numbers 0 to 1 as well as 0 to 255, decided for all; three colours as grey."""
    least, largest = (function([function(part.images) for part in parts]) for function in (np.min, np.max))
    if not (least >= 0 and largest <= 255):  # nor NaN
        raise BadInput(f"pixels are {least:g} to {largest:g}; wanted 0 to 255, or 0 to 1")
    if largest == 0:
        raise BadInput("all pixels are 0: there is nothing to see in the images")
    for part in parts:
        images = part.images
        if images.ndim == 4:  # luminance, of ITU-R BT.601
            images = images @ np.array([0.299, 0.587, 0.114], "f4")
        if largest <= 1:
            images = images * np.float32(255)
        part.images = images if images.dtype == np.uint8 else np.rint(images).astype("u1")
    sizes = sorted({part.images.shape[1:] for part in parts})
    if len(sizes) > 1 or max(sizes[0]) > MAX_SIDE:
        raise BadInput(f"images of {' and '.join(f'{h}x{w}' for h, w in sizes)} pixels; wanted one size of at most "
                       f"{MAX_SIDE}x{MAX_SIDE}")


def edges_of(images):
    """[images][pixels]"""
    return np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)


def are_other(images, most_are_light):
    """Whether an image is clearly dark on light where most are light on dark, or the reverse."""
    light = (edges_of(images) > 127).mean(axis=1)
    return light <= 1 - CLEAR if most_are_light else light >= CLEAR


def make_light_on_dark(parts, choice):
    """All, where most of the pixels at the edges are light. Pictures that are clearly the other way round are decided
    one by one, and so are the images of tables where it is asked for."""
    parts = [part for part in parts if not part.ready]
    if choice == "no" or not parts:
        return
    are_light = choice == "yes" or np.median(np.concatenate([edges_of(part.images).ravel() for part in parts])) > 127
    inverted = others = 0
    total = sum(len(part.images) for part in parts)
    for part in parts:
        other = are_other(part.images, are_light) if choice != "yes" else np.zeros(len(part.images), bool)
        if choice == "auto" and not part.are_pictures:
            others += other.sum()
            other[:] = False
        which = other != are_light
        part.images = np.where(which[:, None, None], 255 - part.images, part.images)
        inverted += which.sum()
    if others >= SOME * total:
        print(f"{others:,} of {total:,} images have {'dark' if are_light else 'light'} edges, which most have not: are "
              "they the other way round? --invert each decides image by image")
    if inverted:
        print(f"inverted {'the' if inverted == total else f'{inverted:,} of {total:,}'} images, to light on dark" +
              (": they are dark on light (--invert no leaves them)" if choice != "yes" else ""))


# ---- classes and halves --------------------------------------------------------------------------

def classes_of(parts):
    """In numerical order where all are numbers, else by name."""
    names = {name for part in parts for name in part.names}
    if len(names) > MAX_CLASSES:
        raise BadInput(f"{len(names)} classes, such as {', '.join(sorted(names)[:3])}; wanted at most {MAX_CLASSES}; "
                       "is the label in another column?")
    if len(names) < 2:
        raise BadInput(f"only the class '{min(names)}'; wanted two or more: a folder for each in the folder that is "
                       "given, or the right column of labels (--label)")
    for name in names:
        if not 1 <= len(name.encode()) <= MAX_NAME:
            raise BadInput(f"a class is called '{name[:80]}'; wanted a name of 1 to {MAX_NAME} bytes")
    are_numbers = all(name.isdecimal() for name in names)
    return sorted(names, key=lambda name: (int(name) if are_numbers else 0, name))


def joined(parts, classes):
    """Images and labels of parts, one after another, and where each image was found."""
    labels = [classes.index(name) for part in parts for name in part.names]
    places = [place for part in parts for place in part.places]
    return np.concatenate([part.images for part in parts]), np.array(labels, "u1"), places


def firsts_of(images):
    """For each image the place of the first one with the same pixels."""
    places = {}
    return np.array([places.setdefault(image.tobytes(), place) for place, image in enumerate(images)])


def split(images, labels, places, fraction, seed):
    """The same share of each class goes to the test set, as the seed draws it; where it has two, one at least. Equal
    images go together, or the test set would have some that were trained on; unless a class has no others."""
    draw, drawn = random.Random(seed), np.zeros(len(labels), bool)
    firsts, itself = firsts_of(images), np.arange(len(images))
    if len(np.unique(firsts)) == len(np.unique(labels[firsts])):  # nothing could be drawn
        firsts = itself
    different = firsts == itself
    for label in np.unique(labels):
        some = np.flatnonzero((labels == label) & different)
        count = min(max(round(fraction * len(some)), 1), len(some) - 1)
        if count > 0:
            drawn[some[draw.sample(range(len(some)), count)]] = True
    if not drawn.any():
        raise BadInput("a test set cannot be split off: no class has two images")
    again = np.flatnonzero(~different)
    if len(again):
        print(f"{len(again):,} images are there twice, such as {printable(places[firsts[again[0]]])} and "
              f"{printable(places[again[0]])}; equal images stay together")
    drawn = drawn[firsts]
    return (images[~drawn], labels[~drawn]), (images[drawn], labels[drawn])


def note_common(train, test):
    """In the halves that are given nothing is changed."""
    known = {image.tobytes(): place for image, _, place in zip(*train)}
    common = [(known[image.tobytes()], place) for image, _, place in zip(*test) if image.tobytes() in known]
    if common:
        print(f"{len(common):,} of the {len(test[0]):,} test images are training images, too, such as "
              f"{printable(common[0][0])} and {printable(common[0][1])}")


def make_halves(parts, classes, options):
    """((training images, labels), (test images, labels))"""
    of = {half: [part for part in parts if (part.half or TRAIN) == half] for half in (TRAIN, TEST, VALIDATION)}
    if of[VALIDATION]:
        becomes = TRAIN if of[TEST] else TEST
        of[becomes] += of[VALIDATION]
        print(f"the validation images are taken as {'training' if becomes == TRAIN else 'test'} images")
    if not of[TRAIN]:
        raise BadInput(f"{options.sources[0]}: test images, but no training images")
    if not of[TEST]:
        fraction = options.test_fraction or 1 / 7
        print(f"there is no test set: {fraction:.3g} of each class, drawn by seed {options.seed}, is split off")
        return split(*joined(of[TRAIN], classes), fraction, options.seed)
    if options.test_fraction:
        raise BadInput(f"{options.sources[0]}: there is a test set already; leave out --test-fraction")
    train, test = joined(of[TRAIN], classes), joined(of[TEST], classes)
    note_common(train, test)
    return train[:2], test[:2]


# ---- writing -----------------------------------------------------------------------------------

def write_idx(path, values):
    """The same values give the same bytes: no name and no time in gzip's header."""
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(struct.pack(f">I{values.ndim}I", 0x800 + values.ndim, *values.shape))
        packed.write(np.ascontiguousarray(values).tobytes())


def check_out(out):
    """Before anything is read."""
    if not out.parent.is_dir():
        raise BadInput(f"{out}: there is no directory {out.parent}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out}: is there already; remove it, or give another --out")


def write_data_set(out, halves, classes, log):
    """In a directory beside it first, which takes its name at the end."""
    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        part.mkdir()
        for name, (images, labels) in zip(("train", "t10k"), halves):
            write_idx(part / f"{name}-images-idx3-ubyte.gz", images)
            write_idx(part / f"{name}-labels-idx1-ubyte.gz", labels)
        for name, lines in (("classes.txt", classes), ("skipped.txt", log.lines)):
            if lines:
                (part / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.replace(part, out)
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


# ---- command -----------------------------------------------------------------------------------

EXAMPLES = """
examples:
  scripts/to_idx.py letters --out data/letters                  letters/a/1.png, letters/a/2.png, letters/b/1.jpg ...
  scripts/to_idx.py letters --out data/letters                  letters/train/a/1.png ..., letters/test/a/1.png ...
  scripts/to_idx.py train.csv --out data/kaggle                 label,pixel0,...,pixel783: a seventh is for testing
  scripts/to_idx.py mnist_train.csv mnist_test.csv --out data/csv
  scripts/to_idx.py mnist.npz --out data/keras                  x_train, y_train, x_test, y_test
  scripts/to_idx.py kmnist-*.npz --out data/kmnist
  scripts/to_idx.py pneumoniamnist.npz --out data/pneumonia     validation images become training images

Names say what is for training and what for testing. Pictures of 28x28 pixels are taken as they are; in all others
`lenet predict` finds the digit. Then: lenet train --data DIR
"""


def fraction(text):
    value = float(text) if is_number(text) else 0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}'; wanted a number between 0 and 1, such as 0.2")
    return value


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        prog="to_idx.py", description="Makes a data set for lenet from folders of pictures, CSV or npz.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", metavar="SOURCE", type=Path, nargs="+",
                        help="a folder with a folder of pictures for each class, or files .csv, .csv.gz, .npz")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the data set, a new directory")
    parser.add_argument("--test-fraction", metavar="F", type=fraction,
                        help="share of each class that becomes the test set where there is none (initially a seventh)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="draws the test set (initially 1)")
    parser.add_argument("--label", choices=("first", "last"),
                        help="the column of a CSV file that has the label (initially by its header or its values)")
    parser.add_argument("--invert", choices=("auto", "each", "yes", "no"), default="auto",
                        help="whether dark is made light (initially auto: where the edges are light, of a table's "
                        "images all together; each: image by image)")
    parser.add_argument("--transpose", action="store_true", help="rows become columns, for the CSV files of EMNIST")
    parser.add_argument("--lenet", metavar="PROGRAM", type=program_path, default=LENET,
                        help="reads pictures that are not 28x28 (initially build/release/lenet)")
    return parser.parse_args(arguments)


def run(options):
    log = Log()
    check_out(options.out)
    parts = read_all(options, log)
    to_bytes(parts)
    make_light_on_dark(parts, options.invert)
    classes = classes_of(parts)
    halves = make_halves(parts, classes, options)
    if options.transpose:
        halves = [(images.transpose(0, 2, 1), labels) for images, labels in halves]
    write_data_set(options.out, halves, classes, log)
    (train, _), (test, _) = halves
    height, width = train.shape[1:]
    print(f"wrote {options.out}: {len(train):,} training and {len(test):,} test images of {height}x{width} pixels, "
          f"{len(classes)} classes: {' '.join(classes)}")
    if log.lines:
        print(f"skipped {len(log.lines):,}, see {options.out / 'skipped.txt'}")


def main(arguments=None):
    return exit_code("to_idx", run, parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
