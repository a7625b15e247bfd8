#!/usr/bin/env python3
"""test_plot_run.py - plot_run.py on small made-up runs: the pictures are there, and bad input gets one clear line.

Any python3 will do to start it: plot_run.py hands one without numpy and matplotlib over to one that has them.
"""
import contextlib
import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SCRIPTS = REPOSITORY / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True
import plot_run

PICTURES = ("learning_curves.png", "confusion.png", "digits.png")
HEIGHT, WIDTH = 9, 7  # not LeNet's, not square


def idx(magic, shape, content):
    return struct.pack(f">I{len(shape)}I", magic, *shape) + bytes(content)


def png_size(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n", path
    return struct.unpack(">II", header[16:24])


class PlotRun(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.work = Path(temporary.name)
        self.run_dir, self.data = self.work / "run", self.work / "data"
        self.make()

    def make(self, classes=10, count=60, wrong=7, epochs=3, validation=False, name="MNIST", packed=False):
        for directory in (self.run_dir, self.data):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        labels = [i * 7 % classes for i in range(count)]
        predictions = [(label + (i < wrong)) % classes for i, label in enumerate(labels)]
        confusion = [[0] * classes for _ in range(classes)]
        for label, prediction in zip(labels, predictions):
            confusion[label][prediction] += 1
        accuracy = (count - wrong) / count
        data = {"name": name, "hash": "0" * 64, "directory": str(self.data), "train": 600, "test": count}
        self.write("run.json", {"command": "train", "device": "cpu", "data": data, "version": "0",
                                "config": {"arch": "lenet5", "batch": 64, "epochs": epochs, "seed": 5, "lr": 0.08}})
        metrics = []
        for epoch in range(1, epochs + 1):
            record = {"epoch": epoch, "step": 10 * epoch, "train_loss": 1 / epoch, "train_accuracy": 1 - 0.5 / epoch,
                      "test_loss": 0.8 / epoch, "test_accuracy": accuracy, "images_per_s": 1e4, "seconds": epoch}
            if validation:
                record |= {"validation_loss": 0.9 / epoch, "validation_accuracy": accuracy}
            metrics.append(record)
        self.write_metrics(metrics)
        self.write("eval.json", {"weights": "last.safetensors", "count": count, "correct": count - wrong,
                                 "accuracy": accuracy, "interval": [0.7, 0.95], "loss": 0.3, "confusion": confusion,
                                 "predictions": predictions, "data": data})
        pixels = [i % 256 for i in range(count * HEIGHT * WIDTH)]
        for kind, content in (("images-idx3", idx(0x803, (count, HEIGHT, WIDTH), pixels)),
                              ("labels-idx1", idx(0x801, (count,), labels))):
            path = self.data / f"t10k-{kind}-ubyte"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)

    def write(self, name, value):
        (self.run_dir / name).write_text(value if isinstance(value, str) else json.dumps(value))

    def write_metrics(self, records):
        self.write("metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))

    def change(self, name, **values):
        """Sets values of a JSON file; those that are ... are removed."""
        record = json.loads((self.run_dir / name).read_text()) | values
        self.write(name, {key: value for key, value in record.items() if value is not ...})

    def metrics(self):
        return [json.loads(line) for line in (self.run_dir / "metrics.jsonl").read_text().splitlines()]

    @staticmethod
    def plot(*arguments):
        """Exit code and stderr; a warning counts as a crash."""
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()) as stderr:
            warnings.simplefilter("error")
            try:
                code = plot_run.main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code
        return code, stderr.getvalue()

    def enter_directory(self, directory):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)

    def assert_draws(self, *options, out=None):
        self.assertEqual(self.plot(self.run_dir, *options), (0, ""))
        for picture in PICTURES:
            width, height = png_size((out or self.run_dir) / picture)
            self.assertTrue(500 <= width <= 2500 and 300 <= height <= 2500, f"{picture}: {width} x {height}")
        self.assertEqual([path.name for path in (out or self.run_dir).glob(".*")], [])

    def assert_refused(self, *wanted, options=(), code=3):
        """One line on stderr with all that is wanted in it, and no picture."""
        found, stderr = self.plot(self.run_dir, *options)
        self.assertEqual(found, code, stderr)
        if code == 3:
            self.assertEqual(stderr.count("\n"), 1, stderr)
            self.assertTrue(stderr.startswith("plot_run: "), stderr)
        for text in wanted:
            self.assertIn(str(text), stderr)
        self.assertEqual(list(self.work.rglob("*.png")), [])

    # ---- what is drawn ---------------------------------------------------------------------------

    def test_a_run_gets_its_three_pictures(self):
        self.assert_draws()

    def test_the_same_run_gives_the_same_bytes(self):
        self.assert_draws()
        first = [(self.run_dir / picture).read_bytes() for picture in PICTURES]
        self.assert_draws()
        self.assertEqual(first, [(self.run_dir / picture).read_bytes() for picture in PICTURES])

    def test_out_names_a_new_directory_for_them(self):
        out = self.work / "new" / "pictures"
        self.assert_draws("--out", out, out=out)
        self.assertFalse((self.run_dir / PICTURES[0]).exists())

    def test_the_format_is_the_one_that_is_wanted(self):
        self.assert_refused("gif", "svg", options=["--format", "gif"], code=2)
        for kind, begin in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
            self.assertEqual(self.plot(self.run_dir, "--format", kind), (0, ""))
            for picture in PICTURES:
                self.assertTrue((self.run_dir / picture).with_suffix(f".{kind}").read_bytes().startswith(begin))

    def test_out_is_no_picture_for_there_are_three(self):
        for name in ("p.pdf", "p.png", "p.jpg"):
            self.assert_refused(name, "directory", "--format", options=["--out", self.work / name], code=2)
            self.assertFalse((self.work / name).exists())

    def test_one_epoch_is_enough(self):
        self.make(epochs=1, validation=True)
        self.assert_draws()

    def test_many_epochs_with_a_validation_set(self):
        self.make(epochs=100, validation=True)
        self.assert_draws()

    def test_nothing_wrong(self):
        self.make(wrong=0)
        self.assert_draws()

    def test_everything_wrong(self):
        self.make(wrong=60)
        self.assert_draws()

    def test_two_classes_of_other_things_than_digits(self):
        self.make(classes=2, name="cats")
        self.assert_draws()

    def test_many_classes_with_and_without_names(self):
        for classes, names in ((16, ...), (17, ...), (47, ["é"] * 47), (62, [f"class {i} of all 62" for i in range(62)])):
            self.make(classes=classes, count=200, wrong=50, name="letters")
            self.change("eval.json", classes=names)
            with self.subTest(classes=classes):
                self.assert_draws()

    def test_names_of_ten_classes(self):
        self.change("eval.json", classes=["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                                          "Sneaker", "Bag", "Ankle boot"])
        self.assert_draws()

    def test_labels_that_begin_at_1_and_images_on_their_side_are_as_they_were_evaluated(self):
        self.assert_draws()
        upright = (self.run_dir / "digits.png").read_bytes()
        content = (self.data / "t10k-labels-idx1-ubyte").read_bytes()
        (self.data / "t10k-labels-idx1-ubyte").write_bytes(content[:8] + bytes(label + 1 for label in content[8:]))
        content = (self.data / "t10k-images-idx3-ubyte").read_bytes()
        images = plot_run.np.frombuffer(content, "u1", offset=16).reshape(-1, HEIGHT, WIDTH).transpose(0, 2, 1)
        (self.data / "t10k-images-idx3-ubyte").write_bytes(idx(0x803, images.shape, images.tobytes()))
        self.change("eval.json", first_label=1, transpose=True)
        self.assert_draws()
        self.assertEqual((self.run_dir / "digits.png").read_bytes(), upright)
        self.change("eval.json", first_label=2)
        self.assertIn("not the test set", self.plot(self.run_dir)[1])

    def test_fewer_images_than_the_grid_has_places(self):
        self.make(count=3, wrong=1)
        self.assert_draws()

    def test_a_class_that_the_test_set_does_not_have(self):
        self.make(classes=10, count=4, wrong=0)
        self.assert_draws()

    def test_packed_files(self):
        self.make(packed=True)
        self.assert_draws()

    def test_losses_that_are_zero_or_not_finite(self):
        records = self.metrics()
        records[0]["train_loss"], records[1]["test_loss"], records[2]["train_loss"] = 0, None, None
        self.write_metrics(records)
        self.assert_draws()
        for record in records:
            record |= {"train_loss": None, "test_loss": None, "test_accuracy": None, "train_accuracy": None}
        self.write_metrics(records)
        self.assert_draws()

    def test_a_half_written_last_line_is_left_out(self):
        with open(self.run_dir / "metrics.jsonl", "a", encoding="ascii") as file:
            file.write('{"epoch": 4, "tr')
        self.assert_draws()

    # ---- where the data is -----------------------------------------------------------------------

    def test_data_given_wins_over_data_recorded(self):
        self.change("eval.json", data={"name": "MNIST", "directory": "/nowhere"})
        self.assert_refused("/nowhere")
        self.assert_draws("--data", self.data)

    def test_a_relative_directory_is_looked_for_in_the_working_directory(self):
        self.change("eval.json", data={"name": "MNIST", "directory": "data"})
        self.enter_directory(self.work)
        self.assert_draws()

    def test_a_relative_directory_is_looked_for_in_the_repository(self):
        labels = gzip.decompress((REPOSITORY / "data/sample/t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
        confusion = [[50 * (true == predicted) for predicted in range(10)] for true in range(10)]
        self.change("eval.json", data={"name": "MNIST sample", "directory": "data/sample"},
                    predictions=list(labels), confusion=confusion)
        self.enter_directory(self.work)
        self.assert_draws()

    def test_data_under_every_name_that_lenet_takes(self):
        for ending in ("", ".gz"):
            self.make(packed=bool(ending))
            for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
                (self.data / (name + ending)).rename(self.data / (name.replace("-idx", ".idx") + ending))
            with self.subTest(ending=ending):
                self.assert_draws()

    def test_the_files_that_were_evaluated_are_read_wherever_they_lie(self):
        folder = self.data / "EMNIST" / "raw"
        folder.mkdir(parents=True)
        files = []
        for kind in ("images-idx3", "labels-idx1"):
            files.append(folder / f"emnist-letters-test-{kind}-ubyte (1).gz")
            raw = self.data / f"t10k-{kind}-ubyte"
            files[-1].write_bytes(gzip.compress(raw.read_bytes()))
            raw.unlink()
        self.assert_refused(self.data, "not there")
        self.change("eval.json", test_files=[str(file) for file in files])
        self.assert_draws()
        moved = folder.rename(self.work / "moved")
        self.assertIn("not there", self.plot(self.run_dir)[1])
        self.assert_draws("--data", moved)

    def test_an_empty_file_gives_way_to_a_packed_one(self):
        self.make(packed=True)
        (self.data / "t10k-images-idx3-ubyte").touch()
        self.assert_draws()

    def test_without_data_in_eval_json_that_of_run_json_counts(self):
        self.change("eval.json", data=...)
        self.assert_draws()

    # ---- bad input -------------------------------------------------------------------------------

    def test_the_exit_code_of_the_command_is_that_of_main(self):
        (self.run_dir / "eval.json").unlink()
        done = subprocess.run([sys.executable, SCRIPTS / "plot_run.py", self.run_dir], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_usage(self):
        self.assertEqual(self.plot()[0], 2)
        self.assert_refused("--size", options=["--size", "3"], code=2)

    def test_no_run_there(self):
        self.run_dir = self.work / "no_run"
        self.assert_refused(self.run_dir, "not a directory")

    def test_each_missing_file_is_named(self):
        for name in ("run.json", "metrics.jsonl", "eval.json"):
            self.make()
            (self.run_dir / name).unlink()
            self.assert_refused(self.run_dir / name, "not there")
        for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            self.make()
            (self.data / name).unlink()
            self.assert_refused(self.data / name, "not there", "--data")

    def test_what_is_not_json(self):
        for name in ("run.json", "metrics.jsonl", "eval.json"):
            for content in ("{", "[1]\n", "\xff\n", "[" * 100000 + "\n"):
                self.make()
                (self.run_dir / name).write_bytes(content.encode("latin-1") + b"\n")
                with self.subTest(name=name, content=content[:5]):
                    self.assert_refused(self.run_dir / name)

    def test_metrics_without_an_epoch(self):
        self.write("metrics.jsonl", "\n")
        self.assert_refused("metrics.jsonl", "empty")

    def test_metrics_that_are_not_numbers(self):
        for value in ("high", True, [1], ...):
            records = self.metrics()
            records[1]["test_loss"] = value
            if value is ...:
                del records[1]["test_loss"]
            self.write_metrics(records)
            with self.subTest(value=value):
                self.assert_refused("metrics.jsonl line 2", '"test_loss"')
            self.make()

    def test_evaluations_that_make_no_sense(self):
        cases = {"confusion": [..., [], 3, [[1, 2]], [[1], [1, 2]], [[-1]], [["a"]], [[0.5]], [[10 ** 30]]],
                 "predictions": [..., [], [[1]], [0] * 59, [9] * 60, [10] * 60, ["0"] * 60, None],
                 "interval": [..., 1, [0.5], ["a", "b"]],
                 "classes": [["a"], [1] * 10, "0123456789"], "test_files": [["a"], [1, 2], "ab"],
                 "first_label": ["1", -1, 1]}
        for key, values in cases.items():
            for value in values:
                self.make()
                self.change("eval.json", **{key: value})
                with self.subTest(key=key, value=str(value)[:20]):
                    self.assert_refused("eval.json")

    def test_no_directory_recorded(self):
        for data in ({"name": "MNIST"}, {"directory": ""}, {"directory": 3}, "MNIST"):
            self.change("eval.json", data=data)
            with self.subTest(data=data):
                self.assert_refused("directory", "--data")

    def test_another_data_set(self):
        self.assert_refused("not the test set", "500 labels, 60 predictions",
                            options=["--data", REPOSITORY / "data" / "sample"])

    def test_damaged_data_files(self):
        images, labels = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
        whole = {name: (self.data / name).read_bytes() for name in (images, labels)}
        cases = [("empty", images, b"", "nothing"), ("half a header", images, whole[images][:9], "wanted"),
                 ("truncated", images, whole[images][:-1], "promises 60 x 9 x 7 bytes"),
                 ("too long", labels, whole[labels] + b"\0", "promises 60 bytes"),
                 ("labels for images", images, whole[labels], "begins with 00000801; wanted 00000803"),
                 ("images for labels", labels, whole[images], "begins with 00000803; wanted 00000801"),
                 ("no images", images, idx(0x803, (0, HEIGHT, WIDTH), b""), "promises"),
                 ("fewer labels", labels, idx(0x801, (59,), bytes(59)), "60 test images but 59 labels"),
                 ("label of 11", labels, whole[labels][:-1] + b"\x0b", "not the test set")]
        for case, name, content, wanted in cases:
            self.make()
            (self.data / name).write_bytes(content)
            with self.subTest(case):
                self.assert_refused(self.data, wanted)

    def test_damaged_packed_files(self):
        self.make(packed=True)
        path = self.data / "t10k-images-idx3-ubyte.gz"
        whole = path.read_bytes()
        for case, content in (("truncated", whole[:-20]), ("not gzip", b"no gzip"), ("empty", b""),
                              ("flipped", whole[:40] + bytes([whole[40] ^ 0xff]) + whole[41:])):
            path.write_bytes(content)
            with self.subTest(case):
                self.assert_refused(path.name)

    def test_a_place_where_nothing_can_be_written(self):
        file = self.work / "file"
        file.touch()
        self.assert_refused(file, options=["--out", file])
        (self.run_dir / PICTURES[0]).mkdir()
        code, stderr = self.plot(self.run_dir)
        self.assertEqual((code, stderr.count("\n")), (3, 1))
        self.assertIn(PICTURES[0], stderr)


if __name__ == "__main__":
    unittest.main()
