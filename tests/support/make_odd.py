#!/usr/bin/env python3
"""make_odd.py DIR - makes a small data set in each of the odd forms in which data sets lie around.

Each function makes one form in a directory of its own, and returns what is claimed of it: the value of --data, below
that directory; other options; and `says`, pieces of the error, or of the note where it loads; or nothing.
"""
import gzip
import io
import struct
import sys
import zipfile
from pathlib import Path

SIDE, CLASSES = 28, 10
HALVES = {"train": 40, "t10k": 20}
FORMS = []


def form(function):
    FORMS.append(function)
    return function


# ---- the data set, and its files ---------------------------------------------------------------------------

def images(half):
    """A bright square on each image, whose place says of which class it is."""
    content = bytearray()
    for i in range(HALVES[half]):
        left, top = 4 + 4 * (i % CLASSES % 5), 6 + 10 * (i % CLASSES // 5) + (half == "t10k")
        content += bytes(200 + i if left <= w < left + 4 and top <= h < top + 4 else 0
                         for h in range(SIDE) for w in range(SIDE))
    return bytes(content)


def labels(half, first=0):
    return bytes(first + i % CLASSES for i in range(HALVES[half]))


def idx(magic, sizes, content, order=">"):
    return struct.pack(f"{order}I{len(sizes)}I", magic, *sizes) + content


def files(first=0, order=">"):
    """The four files by their usual names."""
    made = {}
    for half, count in HALVES.items():
        made[f"{half}-images-idx3-ubyte"] = idx(0x803, (count, SIDE, SIDE), images(half), order)
        made[f"{half}-labels-idx1-ubyte"] = idx(0x801, (count,), labels(half, first), order)
    return made


def write(directory, made, rename=lambda name: name, pack=False):
    for name, content in made.items():
        path = directory / (rename(name) + (".gz" if pack else ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if pack else content)


def claim(where="", options=(), says=(), loads=True):
    return {"where": where, "options": list(options), "says": list(says), "loads": loads}


def refused(*says, where=""):
    return claim(where, says=says, loads=False)


# ---- forms that load -----------------------------------------------------------------------------------------

@form
def dotted_names(directory):
    write(directory, files(), lambda name: name.replace("-idx", ".idx"))
    return claim()


@form
def upper_case(directory):
    write(directory, files(), str.upper)
    return claim()


@form
def packed(directory):
    write(directory, files(), pack=True)
    return claim()


@form
def a_folder_for_each_file(directory):
    write(directory, files(), lambda name: f"{name}/{name}")
    return claim()


@form
def emnist_prefix(directory):
    write(directory, files(), lambda name: "emnist-digits-" + name.replace("t10k", "test"), pack=True)
    return claim(says=["--transpose"])


@form
def several_sets(directory):
    for name in ("balanced", "digits", "letters"):
        write(directory, files(), lambda file, name=name: f"emnist-{name}-{file.replace('t10k', 'test')}")
    return refused("files of several data sets", "emnist-balanced, emnist-digits, emnist-letters", "--data ",
                   "/emnist-balanced")


@form
def one_of_several_sets(directory):
    several_sets(directory)
    return claim("emnist-letters", options=["--transpose"])


@form
def torchvision(directory):
    write(directory, files(), lambda name: f"FashionMNIST/raw/{name}")
    write(directory, files(), lambda name: f"FashionMNIST/raw/{name}", pack=True)
    return claim()


@form
def second_download(directory):
    write(directory, files(), lambda name: name + " (1)", pack=True)
    return claim()


@form
def plain_words(directory):
    write(directory, files(), lambda name: name.replace("t10k", "test").split("-idx")[0], pack=True)
    return claim()


@form
def labels_from_1(directory):
    write(directory, files(first=1))
    return claim(says=["1 to 10", "--first-label 1"])


@form
def labels_from_1_given(directory):
    write(directory, files(first=1))
    return claim(options=["--first-label", "1"])


@form
def labels_as_characters(directory):
    write(directory, files(first=48))
    return refused("labels 48 to 57", "characters", "--first-label 48")


@form
def with_names_of_classes(directory):
    write(directory, files())
    (directory / "classes.txt").write_bytes("\r\n".join(f"the {i}." for i in range(CLASSES)).encode())
    return claim()


@form
def with_too_few_names(directory):
    write(directory, files())
    (directory / "classes.txt").write_text("zero\none\n")
    return refused("classes.txt: names 2 classes", "the labels have 10")


# ---- forms that are named for what they are ------------------------------------------------------------------

@form
def reversed_order(directory):
    write(directory, files(order="<"))
    return refused("train-images-idx3-ubyte: is an IDX file in reversed byte order", "order of its machine's memory")


def exchanged(directory, name, content):
    """A good data set, but for this file."""
    write(directory, files())
    (directory / name).write_bytes(content)


@form
def floats(directory):
    count = HALVES["train"]
    exchanged(directory, "train-images-idx3-ubyte",
              idx(0xd03, (count, SIDE, SIDE), struct.pack(f">{count * SIDE ** 2}f", *(b / 255 for b in images("train")))))
    return refused("float32 values from 0 to ", "store them as bytes from 0 to 255")


@form
def signed_bytes(directory):
    exchanged(directory, "train-images-idx3-ubyte",
              idx(0x903, (HALVES["train"], SIDE, SIDE), bytes(b ^ 128 for b in images("train"))))
    return refused("signed bytes from -128 to", "store them as bytes from 0 to 255")


@form
def qmnist_labels(directory):
    """Eight numbers for each image, of which the first is the class."""
    made = files()
    for half, count in HALVES.items():
        table = struct.pack(f">{8 * count}i", *(value for label in labels(half) for value in (label, 1, 2, 3, 4, 5, 6, 0)))
        made[f"{half}-labels-idx2-int"] = idx(0xc02, (count, 8), table)
        del made[f"{half}-labels-idx1-ubyte"]
    write(directory, made, lambda name: "qmnist-" + name.replace("t10k", "test"), pack=True)
    return refused("qmnist-train-labels-idx2-int.gz", "40 x 8 int32 values", "QMNIST", "the first")


@form
def not_unpacked(directory):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, file in files().items():
            archive.writestr(name, file)
    (directory / "archive.zip").write_bytes(content.getvalue())
    return refused("archive.zip has not been unpacked")


@form
def zip_under_the_name(directory):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train-images-idx3-ubyte", files()["train-images-idx3-ubyte"])
    exchanged(directory, "train-images-idx3-ubyte", content.getvalue())
    return refused("is a zip archive", "unpack it")


@form
def lfs_pointer(directory):
    exchanged(directory, "t10k-images-idx3-ubyte",
              b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7840016\n")
    return refused("t10k-images-idx3-ubyte: is a Git LFS pointer", "git lfs pull")


@form
def web_page(directory):
    write(directory, files(), pack=True)
    (directory / "train-labels-idx1-ubyte.gz").write_text("<!DOCTYPE html><html><body>403 Forbidden</body></html>")
    return refused("train-labels-idx1-ubyte.gz: is a web page (HTML)", "instead of the file")


@form
def npz(directory):
    (directory / "mnist.npz").write_bytes(b"PK\3\4")
    return refused("another format than IDX (mnist.npz)", "scripts/to_idx.py")


@form
def csv(directory):
    (directory / "mnist_train.csv").write_text("label,1x1\n5,0\n")
    return refused("another format than IDX (mnist_train.csv)", "scripts/to_idx.py")


@form
def packed_twice(directory):
    made = files()
    made["train-images-idx3-ubyte"] = gzip.compress(made["train-images-idx3-ubyte"])
    write(directory, made, pack=True)
    return refused("train-images-idx3-ubyte.gz: unpacks to gzip", "packed twice", "gunzip")


@form
def cut_short(directory):
    exchanged(directory, "train-images-idx3-ubyte", files()["train-images-idx3-ubyte"][:-1000])
    return refused("train-images-idx3-ubyte: has 30376 bytes", "cut short")


@form
def too_many_classes(directory):
    exchanged(directory, "train-labels-idx1-ubyte", idx(0x801, (HALVES["train"],), bytes(2 * i for i in range(40))))
    return refused("label 62 at index 31", "for at most 62 classes")


@form
def several_folders(directory):
    for name in ("KMNIST", "MNIST"):
        write(directory, files(), lambda file, name=name: f"{name}/raw/{file}")
    return refused("2 folders with a data set, KMNIST/raw, MNIST/raw", "--data ", "/KMNIST/raw")


def make(directory):
    """(name, directory, claim) of each form."""
    made = []
    for function in FORMS:
        place = Path(directory) / function.__name__
        place.mkdir(parents=True)
        made.append((function.__name__, place, function(place)))
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_odd.py DIR")
    for name, place, claimed in make(sys.argv[1]):
        print(f"{place}: {'loads' if claimed['loads'] else 'is refused'}")
