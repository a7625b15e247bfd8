#!/usr/bin/env python3
"""test_to_idx.py - scripts/to_idx.py makes data sets that lenet trains on, from pictures, CSV and npz in the forms in
which they lie around, and says in one line why it cannot.

    test_to_idx.py --lenet build/release/lenet

All sources are made here, of the digits in data/sample.
"""
import argparse
import contextlib
import gzip
import io
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
import zipfile
import zlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPOSITORY / "scripts"))
import needs
needs.need("numpy", "PIL", packages="python3-numpy python3-pil", code=SKIPPED)
import numpy as np
from PIL import Image
import to_idx

SAMPLE = REPOSITORY / "data" / "sample"
NAMES = [f"{half}-{kind}-ubyte.gz" for half in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def read_idx(path):
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, "u1", offset=4 + 4 * content[3]).reshape(shape)


def read_set(directory):
    """Training images, training labels, test images, test labels."""
    return [read_idx(directory / name) for name in NAMES]


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


TRAIN, TRAIN_LABELS, TEST, TEST_LABELS = (values[::5] for values in read_set(SAMPLE))  # in which all digits are


def call(*arguments):
    """Exit code, stdout and stderr; a warning counts as a crash."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as stdout, \
            contextlib.redirect_stderr(io.StringIO()) as stderr:
        warnings.simplefilter("error")
        try:
            code = to_idx.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return code, stdout.getvalue(), stderr.getvalue()


class ToIdx(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = Path(directory.name)
        self.source, self.out = self.work / "source", self.work / "out"
        self.source.mkdir()

    # ---- claims -----------------------------------------------------------------------------------

    def converted(self, *arguments, says=(), skipped=()):
        """The data set; what it says on the way, and what it skips."""
        shutil.rmtree(self.out, ignore_errors=True)
        code, stdout, stderr = call(*(arguments or [self.source]), "--out", self.out)
        self.assertEqual(code, 0, stderr)
        self.assertEqual(stderr.count("skipped"), len(skipped), stderr)
        for text in says:
            self.assertIn(text, stdout)
        self.assertEqual((self.out / "skipped.txt").exists(), bool(skipped))
        if skipped:
            lines = (self.out / "skipped.txt").read_text().splitlines()
            self.assertEqual(len(lines), len(skipped), lines)
            for wanted in skipped:
                self.assertTrue(any(wanted in line for line in lines), (wanted, lines))
        self.assertEqual([path.name for path in self.work.glob(".*")], [])
        return read_set(self.out)

    def classes(self):
        return (self.out / "classes.txt").read_text().splitlines()

    def assert_is_the_sample(self, found, tolerance=0):
        for one, wanted in zip(found, (TRAIN, TRAIN_LABELS, TEST, TEST_LABELS)):
            self.assertEqual(one.shape, wanted.shape)
            self.assertLessEqual(int(np.abs(one.astype(int) - wanted).max()), tolerance)
        self.assertEqual(self.classes(), list("0123456789"))

    def assert_has_the_same_images(self, found, tolerance=0):
        """In any order."""
        def ordered(images, labels):
            return sorted((int(label), image.tobytes()) for image, label in zip(images, labels))
        self.assertEqual(ordered(*found[:2]), ordered(TRAIN, TRAIN_LABELS))
        self.assertEqual(ordered(*found[2:]), ordered(TEST, TEST_LABELS))

    def refused(self, *arguments, wanted, code=3):
        """One line with all that is wanted in it, and nothing is left."""
        before = sorted(self.work.rglob("*"))
        found, _, stderr = call(*(arguments or [self.source]), "--out", self.out)
        lines = [line for line in stderr.splitlines() if not line.startswith("to_idx: skipped")]
        self.assertEqual(found, code, stderr)
        if code == 3:
            self.assertEqual(len(lines), 1, stderr)
        for text in wanted:
            self.assertIn(text, lines[-1])
        self.assertEqual(sorted(self.work.rglob("*")), before)

    # ---- pictures ---------------------------------------------------------------------------------

    def write_pictures(self, images, labels, where=None, ending="png", change=lambda picture: picture, **how):
        for i, (image, label) in enumerate(zip(images, labels)):
            folder = (where or self.source) / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            change(Image.fromarray(image)).save(folder / f"{i}.{ending}", **how)

    def write_both(self, ending="png", change=lambda picture: picture, train="train", test="test", **how):
        self.write_pictures(TRAIN, TRAIN_LABELS, self.source / train, ending, change, **how)
        self.write_pictures(TEST, TEST_LABELS, self.source / test, ending, change, **how)

    def test_lenet_trains_on_what_is_made(self):
        self.write_both()
        self.converted()
        done = subprocess.run([settings.lenet, "train", "--data", self.out, "--steps", "3", "--run", self.work / "run"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_pictures_of_every_format_are_taken_as_they_are(self):
        for ending in ("png", "bmp", "pgm", "gif", "tiff"):
            with self.subTest(ending):
                self.write_both(ending)
                self.assert_has_the_same_images(self.converted())
                shutil.rmtree(self.source)

    def test_pictures_of_every_mode_are_taken_as_they_are(self):
        for name, change in {
                "colour": lambda picture: picture.convert("RGB"),
                "opaque": lambda picture: picture.convert("RGBA"),
                "palette": lambda picture: picture.convert("P"),
                "16 bits": lambda picture: Image.fromarray(np.asarray(picture).astype("u2") * 257)}.items():
            with self.subTest(name):
                self.write_both(change=change)
                self.assert_has_the_same_images(self.converted())
                shutil.rmtree(self.source)

    def test_ink_on_transparency_is_seen(self):
        def stamp(colour):
            def change(picture):
                stamped = Image.new("RGBA", picture.size, colour)
                stamped.putalpha(picture)
                return stamped
            return change
        for colour, says in (((0, 0, 0), ["dark on light"]), ((255, 255, 255), [])):
            self.write_both(change=stamp(colour))
            self.assert_has_the_same_images(self.converted(says=says))
            shutil.rmtree(self.source)

    def test_pictures_that_a_camera_took_on_its_side_are_turned(self):
        exif = Image.Exif()
        exif[0x112] = 6  # to be turned clockwise
        self.write_both(change=lambda picture: picture.transpose(Image.ROTATE_90), exif=exif.tobytes())
        self.assert_has_the_same_images(self.converted())

    def test_jpeg_pictures_are_nearly_the_same(self):
        self.write_both("jpg", lambda picture: picture)
        found = self.converted()
        self.assertEqual([len(part) for part in found], [len(TRAIN)] * 2 + [len(TEST)] * 2)
        places = np.argsort(TRAIN_LABELS, kind="stable")  # each folder's files are in the order of their names
        difference = np.sort(found[0].reshape(len(TRAIN), -1).mean(axis=1)) - \
            np.sort(TRAIN[places].reshape(len(TRAIN), -1).mean(axis=1))
        self.assertLess(np.abs(difference).max(), 3)

    def test_dark_on_light_is_inverted_for_the_whole_set(self):
        self.write_both(change=lambda picture: Image.fromarray(255 - np.asarray(picture)))
        self.assert_has_the_same_images(self.converted(says=["inverted", "dark on light"]))
        for choice, wanted in (("no", 255 - TRAIN), ("yes", TRAIN)):
            found = self.converted(self.source, "--invert", choice)
            self.assertEqual(int(found[0].astype(int).sum()), int(wanted.astype(int).sum()))

    def write_mixed(self, every=7):
        """Every seventh picture is dark on light."""
        self.write_both()
        paths = sorted(self.source.rglob("*.png"))
        for path in paths[::every]:
            Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        return len(paths), len(paths[::every])

    def test_pictures_are_inverted_one_by_one(self):
        total, dark = self.write_mixed()
        self.assert_has_the_same_images(self.converted(says=[f"inverted {dark} of {total} images"]))
        for path in self.source.rglob("*.png"):
            Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        self.assert_has_the_same_images(self.converted(says=[f"inverted {total - dark} of {total} images"]))

    def test_images_of_a_table_are_inverted_one_by_one_where_it_is_asked_for(self):
        mixed = TRAIN.copy()
        mixed[::7] = 255 - mixed[::7]
        path = self.npz(x_train=mixed, y_train=TRAIN_LABELS, x_test=TEST, y_test=TEST_LABELS)
        found = self.converted(path, says=[f"{len(mixed[::7])} of {len(TRAIN) + len(TEST)} images", "--invert each"])
        self.assertTrue(np.array_equal(found[0], mixed))
        self.assert_is_the_sample(self.converted(path, "--invert", "each", says=["inverted"]))
        one = TRAIN.copy()
        one[3] = 255 - one[3]
        code, stdout, _ = call(self.npz(x_train=one, y_train=TRAIN_LABELS, x_test=TEST, y_test=TEST_LABELS), "--out",
                               self.work / "another")
        self.assertEqual((code, "each" in stdout), (0, False), "a picture that fills its frame")

    def test_halves_have_the_names_that_are_in_use(self):
        for train, test in (("training", "testing"), ("Train", "Test"), ("train", "val")):
            with self.subTest(train + test):
                self.write_both(train=train, test=test)
                self.assert_has_the_same_images(self.converted())
                shutil.rmtree(self.source)

    def test_validation_images_are_training_images_where_there_is_a_test_set(self):
        self.write_pictures(TRAIN[:200], TRAIN_LABELS[:200], self.source / "train")
        self.write_pictures(TRAIN[200:], TRAIN_LABELS[200:], self.source / "valid")
        self.write_pictures(TEST, TEST_LABELS, self.source / "test")
        self.assert_has_the_same_images(self.converted(says=["validation images are taken as training images"]))

    def test_a_class_may_be_called_train(self):
        for name, value in (("train", 10), ("car", 100)):
            (self.source / name).mkdir()
            for i in range(7):
                Image.fromarray(np.full((28, 28), value + i, "u1")).save(self.source / name / f"{i}.png")
        self.converted()
        self.assertEqual(self.classes(), ["car", "train"])

    def test_classes_are_ordered_as_numbers_or_by_name(self):
        for names, wanted in ((["10", "9", "2"], ["2", "9", "10"]), (["b", "B", "a", "10"], ["10", "B", "a", "b"])):
            for value, name in enumerate(names, 50):
                (self.source / name).mkdir()
                for i in range(2):
                    Image.fromarray(np.full((28, 28), value, "u1")).save(self.source / name / f"{i}.png")
            images, labels, *_ = self.converted()
            self.assertEqual(self.classes(), wanted)
            for image, label in zip(images, labels):
                self.assertEqual(names[image[0, 0] - 50], wanted[label])
            shutil.rmtree(self.source)
            self.source.mkdir()

    def test_what_is_no_picture_is_skipped_and_said(self):
        self.write_both()
        folder = self.source / "train" / "3"
        good = next(folder.iterdir()).read_bytes()
        (folder / "cut.png").write_bytes(good[:len(good) // 2])
        (folder / "text.png").write_text("hello")
        (folder / "empty.png").write_bytes(b"")
        (folder / "folder").mkdir()
        (folder / ".DS_Store").write_bytes(b"x")
        (self.source / "train" / "readme.txt").write_text("hello")
        (self.source / "notes.txt").write_text("hello")
        os.mkfifo(folder / "pipe.png")
        bomb = bytearray(good)
        bomb[16:24] = b"\0\0\x80\0\0\0\x80\0"  # width and height
        bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
        (folder / "bomb.png").write_bytes(bomb)
        says = [f"train/3: {(TRAIN_LABELS == 3).sum()} pictures\n"]
        self.assert_has_the_same_images(self.converted(says=says, skipped=[
            "cut.png: image file is truncated", "text.png: no picture", "empty.png: no picture", "3/folder: a folder",
            "train/readme.txt: belongs to no class", "notes.txt: belongs to no class", "pipe.png: no ordinary file",
            "bomb.png: 32768x32768 pixels"]))

    def test_only_the_first_complaints_are_printed(self):
        self.write_both()
        for i in range(30):
            (self.source / "train" / "3" / f"{i}.txt").write_text("hello")
        code, _, stderr = call(self.source, "--out", self.out)
        self.assertEqual((code, stderr.count("\n")), (0, to_idx.COMPLAINTS + 1))
        self.assertEqual(len((self.out / "skipped.txt").read_text().splitlines()), 30)

    def test_pictures_of_other_sizes_are_brought_to_28_x_28(self):
        if subprocess.run([settings.lenet, "predict", "--help"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).returncode != 0:
            self.skipTest("this lenet has no predict")
        def larger(picture):
            paper = Image.new("L", (90, 70), 255)
            paper.paste(Image.fromarray(255 - np.asarray(picture.resize((56, 56)))), (20, 9))
            return paper
        for ending in ("png", "bmp", "jpg"):
            with self.subTest(ending):
                self.write_both(ending, larger)
                (self.source / "train" / "3" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
                Image.new("L", (60, 60), 255).save(self.source / "train" / "4" / "blank.png")
                found = self.converted(self.source, "--lenet", settings.lenet,
                                       skipped=["cut.png: ", "4/blank.png: nothing is drawn"])
                self.assertEqual(np.bincount(found[1]).tolist(), np.bincount(TRAIN_LABELS).tolist())
                self.assertEqual(np.bincount(found[3]).tolist(), np.bincount(TEST_LABELS).tolist())
                for images, labels, wanted, wanted_labels in ((*found[:2], TRAIN, TRAIN_LABELS),):
                    for digit in range(10):  # light on dark, in the middle, and of about as much ink
                        mean, like = images[labels == digit].mean(axis=0), wanted[wanted_labels == digit].mean(axis=0)
                        self.assertGreater(np.corrcoef(mean.ravel(), like.ravel())[0, 1], 0.9)
                shutil.rmtree(self.source)

    def test_without_lenet_other_sizes_are_refused(self):
        self.write_pictures(TRAIN, TRAIN_LABELS, change=lambda picture: picture.resize((40, 40)))
        self.refused(self.source, "--lenet", self.work / "nothing", wanted=["nothing", "cmake --build"])
        self.refused(self.source, "--lenet", "/bin/false", wanted=["/bin/false predict", "exit code 1"])

    # ---- CSV --------------------------------------------------------------------------------------

    @staticmethod
    def csv(images, labels, header=True, last=False, separator=",", quote="", form=str):
        rows = []
        if header:
            rows.append([header if isinstance(header, str) else "label", *(f"pixel{i}" for i in range(images[0].size))])
        rows += [[label, *map(form, image.ravel().tolist())] for image, label in zip(images, labels)]
        return "".join(separator.join(f"{quote}{field}{quote}" for field in (row[1:] + row[:1] if last else row)) + "\n"
                       for row in rows)

    def write_csv(self, train="train.csv", test="test.csv", **options):
        paths = []
        for name, images, labels in ((train, TRAIN, TRAIN_LABELS), (test, TEST, TEST_LABELS)):
            text = self.csv(images, labels, **options).encode()
            paths.append(self.source / name)
            paths[-1].write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return paths

    def test_csv_in_every_form_gives_the_same_set(self):
        for options in ({}, {"header": False}, {"last": True}, {"header": False, "last": True}, {"header": "Class"},
                        {"separator": ";"}, {"separator": "\t"}, {"quote": '"'}, {"form": lambda x: f"{x}.0"},
                        {"form": lambda x: f"{x / 255:.6f}"}):
            with self.subTest(str(options)):
                self.assert_is_the_sample(self.converted(*self.write_csv(**options)))
        self.assert_is_the_sample(self.converted(*self.write_csv("mnist_train.csv.gz", "mnist_test.csv.gz")))
        for path in self.source.glob("mnist*"):
            path.unlink()
        self.assert_is_the_sample(self.converted(self.source))
        for path in self.source.iterdir():
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
        self.assert_is_the_sample(self.converted(self.source))

    def test_a_header_of_numbers_is_one(self):
        for path in self.write_csv(header=False):
            path.write_text(",".join(map(str, range(785))) + "\n" + path.read_text())
        self.assert_is_the_sample(self.converted(self.source))

    def test_columns_that_a_header_calls_ids_are_left_out(self):
        for name, place in (("id", 0), ("ImageId", 0), ("", 0), ("Unnamed: 0", 0), ("index", 785), ("idx", 1)):
            for more in ({}, {"last": True}):
                paths = self.write_csv(**more)
                for path in paths:
                    rows = [line.split(",") for line in path.read_text().splitlines()]
                    for number, row in enumerate(rows):
                        row.insert(place, str(10000 + number) if number else name)
                    path.write_text("\n".join(map(",".join, rows)))
                with self.subTest(name, **more):
                    self.assert_is_the_sample(self.converted(*paths))
        shutil.rmtree(self.out)
        paths[0].write_text(paths[0].read_text() + "\n1,2,3\n")
        self.refused(*paths, wanted=["train.csv line 402: 3 columns, wanted 786"])
        for path in self.write_csv(header=False):
            path.write_text("".join(f"{i},{line}" for i, line in enumerate(path.read_text().splitlines(True))))
        self.refused(*paths, wanted=["786 columns", "where a header calls them id"])

    def test_ids_alone_are_no_labels(self):
        """As a test.csv with an id and pixels."""
        train, test = self.write_csv()
        rows = test.read_text().splitlines()
        test.write_text("\n".join(["id," + rows[0].split(",", 1)[1], *rows[1:]]))
        self.converted(skipped=["test.csv: no labels"], says=["no test set"])

    def test_csv_without_labels_is_skipped(self):
        """As Kaggle's test.csv."""
        train, test = self.write_csv()
        test.write_text("\n".join(line.split(",", 1)[1] for line in test.read_text().splitlines()))
        (self.source / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
        found = self.converted(skipped=["test.csv: no labels", "sample_submission.csv"], says=["no test set"])
        self.assertEqual(len(found[0]) + len(found[2]), len(TRAIN))

    def test_the_column_of_labels_can_be_named(self):
        train, test = self.write_csv(header=False, last=True)
        for path in (train, test):  # a first pixel that is not always the same
            path.write_text("".join(f"{i % 3}{line[1:]}" for i, line in enumerate(path.read_text().splitlines(True))))
        images, labels, *_ = self.converted(train, test, "--label", "last")
        self.assertEqual(labels.tolist(), TRAIN_LABELS.tolist())
        self.assertEqual(images[:3, 0, 0].tolist(), [0, 1, 2])
        self.assertEqual(self.converted(train, test)[1][:3].tolist(), [0, 1, 2])

    def test_three_colours_become_grey(self):
        """HAM10000 and its like: 2352 columns."""
        grey = np.repeat(TRAIN[..., None], 3, axis=3)
        path = self.source / "train.csv"
        path.write_text(self.csv(grey, TRAIN_LABELS))
        images = self.converted(path)[0]
        self.assertTrue({image.tobytes() for image in images} <= {image.tobytes() for image in TRAIN})
        red = np.zeros_like(grey)
        red[..., 0] = 200
        path.write_text(self.csv(red, TRAIN_LABELS))
        self.assertEqual(np.unique(self.converted(path)[0]).tolist(), [round(0.299 * 200)])

    def test_names_are_labels_too(self):
        path = self.source / "letters.csv"
        path.write_text(self.csv(TRAIN, ["abcdefghij"[label] for label in TRAIN_LABELS], header=False))
        self.converted(path)
        self.assertEqual(self.classes(), list("abcdefghij"))
        for form in "{}.0", "{:.18e}":  # the latter is numpy.savetxt's
            path.write_text(self.csv(TRAIN, [form.format(label) for label in TRAIN_LABELS]))
            self.converted(path)
            self.assertEqual(self.classes(), list("0123456789"))

    def test_rows_become_columns(self):
        paths = self.write_csv()
        found = self.converted(*paths, "--transpose")
        self.assertTrue(np.array_equal(found[0], TRAIN.transpose(0, 2, 1)))
        self.assertTrue(np.array_equal(found[2], TEST.transpose(0, 2, 1)))

    def test_damaged_csv_is_refused_with_its_line(self):
        path = self.write_csv()[0]
        lines = path.read_text().splitlines()
        for damaged, wanted in (
                ("", ["empty"]), (lines[0], ["a header, but no images"]), ("<html>\n", ["1 columns"]),
                ("\n".join([*lines[:4], "5,0,0", *lines[4:]]), ["line 5", "3 columns, wanted 785"]),
                ("\n".join([*lines[:4], "", lines[4].replace(",0,", ",x,", 1)]), ["line 6", "'x'", "0 to 255"]),
                ("\n".join([*lines[:4], lines[4].replace(",0,", ",256,", 1)]), ["0 to 256", "0 to 255"]),
                ("\n".join([*lines[:4], lines[4].replace(",0,", ",-1,", 1)]), ["-1 to 255"]),
                ("\n".join([*lines[:4], lines[4].replace(",0,", ",nan,", 1)]), ["nan", "0 to 255"]),
                ("\n".join([*lines[:4], lines[4].replace(",0,", ",,", 1)]), ["line 5", "''"]),
                ("5" * (3 << 20), ["line 1", "no CSV"]), ("label,\0pixel\n", ["no CSV"]),
                ("\n".join([lines[0], *(f"1{line[1:]}" for line in lines[1:])]), ["only the class '1'", "--label"]),
                ("\n".join([lines[0], *(",".join([line[0], "0" + ",0" * 783]) for line in lines[1:])]),
                 ["all pixels are 0"]),
                ("\n".join(f"{i % 70},{line}" for i, line in enumerate(line.split(",", 1)[1] for line in lines[1:])),
                 ["70 classes", "at most 62"])):
            path.write_text(damaged)
            with self.subTest(wanted):
                self.refused(path, wanted=wanted)
        packed = gzip.compress("\n".join(lines).encode())
        for damaged in (packed[:-20], packed[:2000] + b"\0" * 50 + packed[2050:]):
            path.write_bytes(damaged)
            self.refused(path, wanted=["train.csv", "damaged gzip"])

    # ---- npz --------------------------------------------------------------------------------------

    def npz(self, name="data.npz", **arrays):
        np.savez_compressed(self.source / name, **arrays)
        return self.source / name

    def keras(self, change=lambda images: images, labels=lambda labels: labels):
        return self.npz(x_train=change(TRAIN), y_train=labels(TRAIN_LABELS), x_test=change(TEST),
                        y_test=labels(TEST_LABELS))

    def test_npz_in_every_form_gives_the_same_set(self):
        for name, change in {
                "bytes": lambda images: images, "0 to 1": lambda images: images.astype("f4") / 255,
                "doubles": lambda images: images.astype("f8") / 255, "floats": lambda images: images.astype("f4"),
                "integers": lambda images: images.astype(">i4"), "channel": lambda images: images[..., None],
                "first": lambda images: images[:, None], "flat": lambda images: images.reshape(-1, 784),
                "colour": lambda images: np.repeat(images[..., None], 3, axis=3),
                "colour first": lambda images: np.repeat(images[:, None], 3, axis=1),
                "by columns": lambda images: np.asfortranarray(images)}.items():
            with self.subTest(name):
                self.assert_is_the_sample(self.converted(self.keras(change)))
        for name, labels in {"column": lambda labels: labels[:, None], "floats": lambda labels: labels.astype("f8"),
                             "texts": lambda labels: labels.astype("U1"), "bytes": lambda labels: labels.astype("S1")
                             }.items():
            with self.subTest(name):
                self.assert_is_the_sample(self.converted(self.keras(labels=labels)))

    def test_names_of_arrays_and_files_say_what_they_are(self):
        for names in (("x_train", "y_train", "x_test", "y_test"), ("trainX", "trainY", "testX", "testY"),
                      ("TRAIN_IMAGES", "TRAIN_LABELS", "TEST_IMAGES", "TEST_LABELS"),
                      ("training_data", "training_target", "t10k_data", "t10k_target")):
            arrays = dict(zip(names, (TRAIN, TRAIN_LABELS, TEST, TEST_LABELS)))
            path = self.npz(**arrays, class_names=np.array(list("0123456789")))
            self.assert_is_the_sample(self.converted(path, skipped=["npz: class_names"]))
        path.unlink()
        self.assert_is_the_sample(self.converted(*self.write_csv("MnistTrain1.csv", "MnistTest1.csv")))

    def test_black_and_white_is_seen(self):
        images = self.converted(self.keras(lambda images: images > 127))[0]
        self.assertTrue(np.array_equal(images, np.where(TRAIN > 127, 255, 0)))

    def test_kmnist_is_four_files(self):
        for half, images, labels in (("train", TRAIN, TRAIN_LABELS), ("test", TEST, TEST_LABELS)):
            self.npz(f"kmnist-{half}-imgs.npz", arr_0=images)
            self.npz(f"kmnist-{half}-labels.npz", arr_0=labels)
        self.assert_is_the_sample(self.converted(*sorted(self.source.iterdir())))
        self.assert_is_the_sample(self.converted(self.source))

    def test_medmnist_has_three_parts(self):
        path = self.npz(train_images=TRAIN[:200], train_labels=TRAIN_LABELS[:200, None], val_images=TRAIN[200:],
                        val_labels=TRAIN_LABELS[200:, None], test_images=TEST, test_labels=TEST_LABELS[:, None],
                        note=np.array("made here"))
        self.assert_is_the_sample(self.converted(path, says=["taken as training images"], skipped=["npz: note"]))

    def test_what_fits_into_32_x_32_keeps_its_size(self):
        for side in (8, 20, 32):
            images = np.random.default_rng(1).integers(0, 256, (60, side, side), "u1")
            found = self.converted(self.npz(X=images, y=np.arange(60) % 3), "--invert", "no")
            self.assertEqual(found[0].shape[1:], (side, side))
        shutil.rmtree(self.out)
        for shape in ((60, 64, 64), (60, 33, 28)):
            self.refused(self.npz(X=np.ones(shape, "u1"), y=np.arange(60) % 3),
                         wanted=["x".join(map(str, shape[1:])), "at most 32x32"])

    def test_damaged_npz_is_refused(self):
        path = self.keras()
        content = path.read_bytes()
        for damaged in (b"", b"PK\3\4", content[:-100], content[:500] + bytes(200) + content[700:]):
            path.write_bytes(damaged)
            self.refused(path, wanted=["data.npz", "not an npz file, or a damaged one"])
        lying = io.BytesIO()
        np.lib.format.write_array_header_1_0(lying, {"descr": "<f8", "fortran_order": False, "shape": (10 ** 12, 784)})
        with zipfile.ZipFile(path, "w") as members:
            members.writestr("x_train.npy", lying.getvalue())
        self.refused(path, wanted=["data.npz", "1000000000000"])
        with zipfile.ZipFile(path, "w") as members:
            members.writestr("x_train.npy", b"no array")
        self.refused(path, wanted=["data.npz", "damaged"])
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as members, members.open("x_train.npy", "w") as bomb:
            for _ in range(65):  # of 4 MB, as the limit is here
                bomb.write(bytes(1 << 16))
        limit, to_idx.MAX_BYTES = to_idx.MAX_BYTES, 1 << 22
        self.addCleanup(setattr, to_idx, "MAX_BYTES", limit)
        self.refused(path, wanted=["arrays of more than"])

    def test_pickled_objects_are_refused(self):
        class Trap:
            def __reduce__(self):
                return (os.mkdir, (str(trap),))
        trap = self.work / "trap"
        self.refused(self.npz(x_train=np.array([Trap()], object), y_train=TRAIN_LABELS), wanted=["data.npz", "object"])
        self.assertFalse(trap.exists())

    def test_arrays_that_do_not_fit_are_named(self):
        for arrays, wanted in (
                ({"x_train": TRAIN, "y_train": TRAIN_LABELS[:-1]}, ["399 labels for 400 images"]),
                ({"x_train": TRAIN}, ["x_train", "images without labels"]),
                ({"y_test": TRAIN_LABELS}, ["y_test", "labels without images"]),
                ({"x_train": TRAIN[:0], "y_train": TRAIN_LABELS[:0]}, ["0 labels for 0 images"]),
                ({"x_train": TRAIN, "y_train": np.eye(10)[TRAIN_LABELS]}, ["(400, 10)", "a label for each image"]),
                ({"x_train": TRAIN + 0j, "y_train": TRAIN_LABELS}, ["complex"]),
                ({"x_train": TRAIN[0], "y_train": TRAIN_LABELS}, ["(28, 28)"]),
                ({"x_train": TRAIN, "train_images": TRAIN, "y_train": TRAIN_LABELS}, ["images for a second time"]),
                ({"x_train": TRAIN.astype("f4") / 127.5 - 1, "y_train": TRAIN_LABELS}, ["-1 to 1"]),
                ({"x_train": np.full((400, 28, 28), np.nan), "y_train": TRAIN_LABELS}, ["nan"]),
                ({"x_test": TRAIN, "y_test": TRAIN_LABELS}, ["no training images"]),
                ({"x_train": TRAIN, "y_train": np.arange(400) % 256}, ["256 classes", "at most 62"]),
                ({"x_train": TRAIN[:2], "y_train": np.arange(2)}, ["no class has two images"]),
                ({"x_train": TRAIN, "y_train": ["a" * 64] * 200 + ["b"] * 200}, ["aaa", "1 to 63 bytes"]),
                ({"weights": TRAIN}, ["no images with labels"])):
            with self.subTest(wanted):
                self.refused(self.npz(**arrays), wanted=wanted)

    def test_the_lines_of_the_document_are_understood(self):
        lines = re.findall(r"scripts/to_idx\.py ([^`\n]+)", (REPOSITORY / "docs" / "data_sets.md").read_text())
        self.assertGreater(len(lines), 5)
        for line in lines:
            self.assertTrue(to_idx.parse_arguments(line.split()).sources)

    # ---- splitting, and ends ------------------------------------------------------------------------

    def test_a_test_set_is_drawn_by_class_and_by_seed(self):
        path = self.npz(x=TRAIN, y=TRAIN_LABELS)
        found = {seed: self.converted(path, "--seed", seed, says=["no test set", f"seed {seed}"]) for seed in (1, 2)}
        for train, train_labels, test, test_labels in found.values():
            self.assertEqual(np.bincount(test_labels).tolist(),
                             [round(count / 7) for count in np.bincount(TRAIN_LABELS).tolist()])
            both = sorted((int(label), image.tobytes()) for image, label in
                          itertools.chain(zip(train, train_labels), zip(test, test_labels)))
            self.assertEqual(both, sorted((int(label), image.tobytes()) for image, label in zip(TRAIN, TRAIN_LABELS)))
        self.assertFalse(np.array_equal(found[1][2], found[2][2]))
        self.assertEqual(len(self.converted(path, "--test-fraction", "0.25")[3]),
                         sum(round(count / 4) for count in np.bincount(TRAIN_LABELS).tolist()))

    def test_equal_images_are_not_parted(self):
        path = self.npz(x=np.concatenate([TRAIN, TRAIN[::-1]]), y=np.concatenate([TRAIN_LABELS, TRAIN_LABELS[::-1]]))
        n = len(TRAIN)
        train, _, test, test_labels = self.converted(path, says=[
            f"{n} images are there twice, such as {path}: x[{n - 1}] and {path}: x[{n}]; equal images stay together"])
        self.assertTrue({image.tobytes() for image in train}.isdisjoint(image.tobytes() for image in test))
        self.assertEqual(np.bincount(test_labels).tolist(),
                         [2 * round(count / 7) for count in np.bincount(TRAIN_LABELS).tolist()])

    def test_a_source_that_is_named_twice_is_taken_once(self):
        path = self.npz(x=TRAIN, y=TRAIN_LABELS)
        (link := self.work / "link.npz").symlink_to(path)
        wanted = self.converted(path)
        found = self.converted(path, link, skipped=["link.npz: named twice"])
        self.assertTrue(all(map(np.array_equal, found, wanted)))

    def test_test_images_that_are_training_images_are_counted(self):
        mixed = np.concatenate([TEST, TRAIN[:3]])
        path = self.npz(x_train=TRAIN, y_train=TRAIN_LABELS, x_test=mixed,
                        y_test=np.concatenate([TEST_LABELS, TRAIN_LABELS[:3]]))
        found = self.converted(path, says=[f"3 of the {len(mixed)} test images are training images, too, such as "
                                           f"{path}: x_train[0] and {path}: x_test[{len(TEST)}]"])
        self.assertTrue(np.array_equal(found[2], mixed))

    def test_the_same_source_gives_the_same_bytes(self):
        path = self.npz(x=TRAIN, y=TRAIN_LABELS)
        self.converted(path)
        first = contents(self.out)
        self.converted(path)
        self.assertEqual(contents(self.out), first)

    def test_every_class_keeps_a_training_image(self):
        labels = [0] * 3 + [1] * 2 + [2]
        found = self.converted(self.npz(x=TRAIN[:6], y=labels), "--test-fraction", "0.9")
        self.assertEqual((sorted(found[1].tolist()), sorted(found[3].tolist())), ([0, 1, 2], [0, 0, 1]))

    def test_a_fraction_beside_a_test_set_is_refused(self):
        self.refused(self.keras(), "--test-fraction", "0.2", wanted=["test set already", "--test-fraction"])

    def test_sources_that_are_none_are_named(self):
        (self.source / "notes.txt").write_text("hello")
        self.refused(self.work / "nowhere", wanted=["nowhere", "not there"])
        self.refused(self.source / "notes.txt", wanted=["notes.txt", ".csv"])
        self.refused(self.source, wanted=["source", "no pictures"])
        (self.source / "a").mkdir()
        self.refused(self.source, wanted=["source", "no pictures"])
        self.write_pictures(TRAIN[:1], TRAIN_LABELS[:1])
        self.refused(self.source, wanted=["only the class", "two or more"])

    def test_what_is_there_is_not_written_over(self):
        path = self.keras()
        self.out.mkdir()
        self.converted(path)
        shutil.rmtree(self.out)
        self.out.mkdir()
        (self.out / "mine.txt").write_text("mine")
        self.refused(path, wanted=["out", "is there already"])
        shutil.rmtree(self.out)
        self.out.write_text("a file")
        self.refused(path, wanted=["out", "is there already"])

    def test_a_missing_directory_is_named(self):
        self.out = self.work / "none" / "out"
        self.refused(self.keras(), wanted=["none/out", "there is no directory"])

    def test_a_wrong_command_line_is_refused(self):
        for options in (["--test-fraction", "1.5"], ["--test-fraction", "nan"], ["--seed", "x"], ["--label", "middle"],
                        ["--invert", "maybe"]):
            self.refused(self.source, *options, wanted=[options[0]], code=2)

    def run_script(self, *arguments, **options):
        return subprocess.Popen([sys.executable, REPOSITORY / "scripts" / "to_idx.py", *arguments, "--out", self.out],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def test_a_full_disk_leaves_nothing(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        _, stderr = (process := self.run_script(self.keras(), preexec_fn=limit)).communicate()
        self.assertEqual((process.returncode, stderr.count("\n")), (3, 1), stderr)
        self.assertIn("out: cannot be written (File too large)", stderr)
        self.assertEqual([path.name for path in self.work.iterdir()], ["source"])

    def test_ctrl_c_ends_it_by_the_signal_and_leaves_nothing(self):
        slow, here = self.work / "lenet", self.work / "here"
        slow.write_text(f"#!/bin/sh\ntouch {here}\nexec sleep 60\n")
        slow.chmod(0o755)
        self.write_pictures(TRAIN, TRAIN_LABELS, change=lambda picture: picture.resize((40, 40)))
        process = self.run_script(self.source, "--lenet", slow, start_new_session=True,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        while not here.exists() and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate()
        self.assertEqual((process.returncode, stderr), (-signal.SIGINT, ""))
        self.assertEqual(sorted(path.name for path in self.work.iterdir()), ["here", "lenet", "source"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="to_idx.py makes data sets.", epilog="Others: as unittest's.")
    parser.add_argument("--lenet", type=Path, required=True, help="the program lenet")
    settings, rest = parser.parse_known_args()
    settings.lenet = settings.lenet.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
