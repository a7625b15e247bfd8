#!/usr/bin/env python3
"""test_plot_sweep.py [LENET_PROGRAM] - plot_sweep.py on small made-up reports: the picture is there, and bad input gets
one clear line.

Any python3 will do to start it: plot_sweep.py hands one without numpy and matplotlib over to one that has them.
"""
import contextlib
import io
import json
import math
import os
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
import plot_sweep
import numpy

PROGRAM = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and Path(sys.argv[1]).is_file() else None


def png_size(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n", path
    return struct.unpack(">II", header[16:24])


def group(by, values, diverged=0):
    """As lenet report writes it, but for the interval's width."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known and len(known) == len(values) else None
    bounded = mean is not None and len(values) > 1
    return {"by": by, "n": len(values), "diverged": diverged, "mean": mean, "deviation": 0.1 if bounded else None,
            "interval": [mean - 0.001, mean + 0.001] if bounded else None, "min": min(known, default=None),
            "max": max(known, default=None), "values": values, "seeds": list(range(1, len(values) + 1))}


def report(groups, by=None, metric="test-error"):
    return {"metric": metric, "by": list(groups[0]["by"]) if by is None else by,
            "runs": sum(it["n"] + it["diverged"] for it in groups),
            "diverged": sum(it["diverged"] for it in groups), "groups": groups}


def by_one(name, values, **more):
    return report([group({name: value}, [0.006 + 0.001 * i, 0.007, 0.0065]) for i, value in enumerate(values)], **more)


def by_two(first, rows, second, columns):
    return report([group({first: row, second: column}, [0.006 + 0.001 * i, 0.007 + 0.0001 * k])
                   for i, row in enumerate(rows) for k, column in enumerate(columns)])


LR = by_one("lr", [0.01, 0.02, 0.05, 0.1])
OPTIMIZER = by_one("optimizer", ["sgd", "nesterov", "adamw"])
BOTH = by_two("optimizer", ["sgd", "adamw"], "lr", [0.01, 0.02, 0.05])
SEEDS = report([group({}, [0.005 + 0.0001 * (i % 9) for i in range(30)])])


class PlotSweep(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.work = Path(temporary.name)
        self.out = self.work / "out.png"

    def write(self, value, name="report.json"):
        path = self.work / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    @staticmethod
    def plot(*arguments):
        """Exit code and stderr; a warning counts as a crash."""
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()) as stderr:
            warnings.simplefilter("error")
            try:
                code = plot_sweep.main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code
        return code, stderr.getvalue()

    def assert_draws(self, value, *options):
        self.assertEqual(self.plot("--json", self.write(value), "--out", self.out, *options), (0, ""))
        width, height = png_size(self.out)
        self.assertTrue(500 <= width <= 4000 and 200 <= height <= 4000, f"{width} x {height}")
        self.assertEqual(list(self.work.glob(".*")), [])
        return self.out.read_bytes()

    def assert_refused(self, *wanted, arguments, code=3):
        """One line on stderr with all that is wanted in it, and no picture."""
        found, stderr = self.plot(*arguments)
        self.assertEqual(found, code, stderr)
        if stderr.startswith("plot_sweep: "):
            self.assertEqual(stderr.count("\n"), 1, stderr)
        else:
            self.assertTrue(stderr.startswith("usage: "), stderr)
        for text in wanted:
            self.assertIn(str(text), stderr)
        self.assertEqual(list(self.work.rglob("*.png")), [])

    def assert_bad(self, value, *wanted, options=()):
        path = self.write(value)
        self.assert_refused(*wanted, arguments=["--json", path, *options])

    def fake_lenet(self, script):
        path = self.write(f"#!/bin/sh\n{script}\n", "lenet")
        path.chmod(0o755)
        return path

    # ---- what is drawn ---------------------------------------------------------------------------

    def test_each_kind_of_report_gets_its_picture(self):
        pictures = [self.assert_draws(value) for value in (LR, OPTIMIZER, BOTH, SEEDS)]
        self.assertEqual(len(set(pictures)), 4)

    def test_the_kind_is_that_of_the_options(self):
        for value, kind in ((LR, "line"), (OPTIMIZER, "distribution"), (BOTH, "heatmap"), (SEEDS, "distribution")):
            self.assertEqual(self.assert_draws(value), self.assert_draws(value, "--kind", kind), kind)

    def test_the_same_report_gives_the_same_bytes(self):
        for value in (LR, OPTIMIZER, BOTH, SEEDS):
            self.assertEqual(self.assert_draws(value), self.assert_draws(value))

    def test_another_kind_may_be_wanted(self):
        for value, kinds in ((LR, ["distribution"]), (OPTIMIZER, ["line"]), (BOTH, ["line", "distribution"])):
            for kind in kinds:
                self.assertNotEqual(self.assert_draws(value), self.assert_draws(value, "--kind", kind))

    def test_every_metric(self):
        for metric in plot_sweep.METRICS:
            self.assert_draws(LR | {"metric": metric})

    def test_a_title(self):
        self.assertNotEqual(self.assert_draws(LR), self.assert_draws(LR, "--title", "A learning rate"))
        self.assert_draws(LR, "--title", "x" * 1000)

    def test_numbers_of_every_size(self):
        for values in ([0], [0, 1], [0, 0.0001, 0.001, 0.01], [-1, 1, 10], [1e-30, 9007199254740991], list(range(40))):
            with self.subTest(values=values[:5]):
                self.assert_draws(by_one("lr", values))
                self.assert_draws(by_two("optimizer", ["sgd", "adamw"], "lr", values))
                self.assert_draws(by_two("batch", [16, 32], "lr", values), "--kind", "line")

    def test_long_names(self):
        lists = ["none", "shift=2+rotate=10+scale=0.1+shear=0.1+elastic=2", "shift=1.2345678901234567+" * 4]
        self.assert_draws(by_one("augment", lists))
        self.assert_draws(by_one("augment", lists), "--kind", "line")
        self.assert_draws(by_two("augment", lists, "lr", [0.1, 0.2]))
        self.assert_draws(by_two("lr", [0.1, 0.2], "augment", lists))

    def test_three_options_are_rows(self):
        self.assert_draws(report([group({"lr": lr, "batch": batch, "optimizer": "sgd"}, [0.01, 0.02])
                                  for lr in (0.1, 0.2) for batch in (16, 32)]))

    def test_groups_without_a_run_a_mean_or_an_interval(self):
        for by in ([{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}], [{"optimizer": name} for name in ("sgd", "adamw", "momentum")],
                   [{"lr": 0.1, "batch": 1}, {"lr": 0.2, "batch": 1}, {"lr": 0.2, "batch": 2}]):
            for values in ([[], [], []], [[0.01], [], [0.02]], [[None, 0.01], [0.01, 0.02], [None]]):
                with self.subTest(by=by, values=values):
                    value = report([group(*both, diverged=2) for both in zip(by, values)])
                    self.assert_draws(value)
                    self.assert_draws(value, "--kind", "line")
                    self.assert_draws(value, "--kind", "distribution")

    def test_seeds_in_every_number(self):
        for values in ([], [0.01], [None], [0.01, 0.01], [0.0] * 20, [0.01] * 20, [0.01, None] * 20, [1e-9, 1e9] * 10,
                       [0.005 + 0.0001 * (i % 7) for i in range(2000)]):
            with self.subTest(values=values[:2], n=len(values)):
                self.assert_draws(report([group({}, values, diverged=1)]))

    def test_equal_values_and_zeros(self):
        for value in (0.0, 1e-12, 1e12):
            for by in ({"lr": 1}, {"optimizer": "sgd"}, {"lr": 1, "batch": 2}):
                self.assert_draws(report([group(by, [value] * 3)]))

    def test_a_histogram_counts_every_value_once(self):
        for values in ([0.1, 0.2], [0.0057] * 10 + [0.0058], [0.001 * i for i in range(100)], [1, 2, 4, 8, 1000]):
            counts, edges = plot_sweep.histogram(numpy.array(values))
            self.assertEqual(counts.sum(), len(values))
            self.assertLessEqual(len(counts), 60)

    def test_a_scale_is_logarithmic_where_steps_are_factors(self):
        for values, want in (([0.01, 0.02, 0.05, 0.1], True), ([1, 2, 3, 4, 5, 6], False), ([16, 32, 64, 128], True),
                             ([0, 0.001, 0.01, 0.1], True), ([0, 5, 10, 15], False), ([1, 2], False), ([-1, 1, 10], False),
                             ([5], False), ([0], False), ([1, 100], True)):
            self.assertEqual(plot_sweep.is_geometric(values), want, values)

    def test_numbers_are_written_with_three_digits(self):
        for value, like, want in ((0.662, None, "0.662"), (0.66, None, "0.660"), (12.34, None, "12.3"),
                                  (100, None, "100"), (0, None, "0.00"), (0.0123, 0.662, "0.012"), (-0.5, None, "-0.500"),
                                  (123456, None, "123456"), (1.5e9, None, "1.50e+09")):
            self.assertEqual(plot_sweep.show(value, like), want)

    def test_an_interval_reaches_no_further_than_a_value_can(self):
        for metric, interval, want in (("test-error", [-0.05, 0.06], (0, 6)), ("test-error", [-0.8, 1.7], (0, 100)),
                                       ("train-loss", [-0.05, 1.5], (0, 1.5)), ("seconds", [-1, 101], (0, 101)),
                                       ("test-error", [0.004, 0.006], (0.4, 0.6)), ("test-error", None, (None, None))):
            groups = [group({"lr": lr}, [0.004, 0.006]) | {"interval": interval} for lr in (0.1, 0.2)]
            value = report(groups, metric=metric)
            with self.subTest(metric=metric, interval=interval):
                drawn = plot_sweep.Report(json.dumps(value), "report").groups[0]
                for bound, wanted in zip((drawn.low, drawn.high), want):
                    self.assertTrue(math.isnan(bound) if wanted is None else math.isclose(bound, wanted), bound)
                self.assert_draws(value)

    def test_half_an_interval_is_written_whole(self):
        value = report([group({"lr": 0.1}, [0.004, 0.006]) | {"interval": [-0.0077, 0.0177]}])
        self.assertEqual(plot_sweep.show_mean(plot_sweep.Report(json.dumps(value), "report").groups[0]), "0.500 ± 1.270")

    # ---- where it comes from and goes to -----------------------------------------------------------

    def test_a_picture_is_of_the_format_that_its_ending_says(self):
        path = self.write(LR)
        for name, begin in (("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("b.PDF", b"%PDF"),
                            ("c.d.svg", b"<?xml")):
            with self.subTest(name):
                first, second = ((self.plot("--json", path, "--out", self.work / name),
                                  (self.work / name).read_bytes()) for _ in range(2))
                self.assertEqual(first[0], (0, ""))
                self.assertTrue(first[1].startswith(begin), first[1][:20])
                self.assertEqual(first, second)

    def test_a_format_that_is_not_written_is_refused_with_those_that_are(self):
        path = self.write(LR)
        for name in ("p.jpg", "p.xyz", "p", "p.", ".png", "p.pdf.gz"):
            with self.subTest(name):
                self.assert_refused(name, ".png, .pdf, .svg", arguments=["--json", path, "--out", self.work / name],
                                    code=2)
                self.assertEqual(list(self.work.iterdir()), [path])

    def test_the_picture_is_beside_what_it_is_of(self):
        lenet = self.fake_lenet(f"cat <<'END'\n{json.dumps(LR)}\nEND")
        sweep = self.work / "sweep"
        sweep.mkdir()
        self.assertEqual(self.plot(sweep, "--lenet", lenet), (0, ""))
        self.assertEqual(self.plot(self.work / "runs.jsonl", "--lenet", lenet), (0, ""))
        self.assertEqual(self.plot("--json", self.write(LR)), (0, ""))
        for path in (sweep / "sweep.png", self.work / "runs.png", self.work / "report.png"):
            png_size(path)

    def test_lenet_is_called_with_what_was_given(self):
        lenet = self.fake_lenet(f"printf '%s\\n' \"$@\" >{self.work}/called\ncat <<'END'\n{json.dumps(LR)}\nEND")
        self.assertEqual(self.plot("a", "b c", "--lenet", lenet, "--by", "lr", "--metric", "test-loss", "--out", self.out),
                         (0, ""))
        self.assertEqual((self.work / "called").read_text().splitlines(),
                         ["report", "a", "b c", "--format", "json", "--by=lr", "--metric=test-loss"])

    def test_what_lenet_complains_of_is_passed_on(self):
        for code, want in ((2, 2), (3, 3), (139, 3)):
            lenet = self.fake_lenet(f"echo 'lenet report: no such runs' >&2; exit {code}")
            self.assert_refused("lenet report: no such runs", arguments=["a", "--lenet", lenet], code=want)
        self.assert_refused("exit code 3", arguments=["a", "--lenet", self.fake_lenet("exit 3")])
        self.assert_refused("nowhere", "--lenet", arguments=["a", "--lenet", self.work / "nowhere"])
        lenet = self.fake_lenet(f"echo 'lenet report: torn' >&2; cat <<'END'\n{json.dumps(LR)}\nEND")
        self.assertEqual(self.plot("a", "--lenet", lenet, "--out", self.out), (0, "lenet report: torn\n"))

    @unittest.skipUnless(PROGRAM, "no program given")
    def test_the_program_itself_says_what_is_read_here(self):
        data = REPOSITORY / "data" / "sample"
        subprocess.run([PROGRAM, "train", "--data", data, "--device", "cpu", "--train-size", "64", "--steps", "1", "--run",
                        self.work / "run"], check=True, stdout=subprocess.DEVNULL)
        run = json.loads((self.work / "run" / "run.json").read_text())
        epoch = json.loads((self.work / "run" / "metrics.jsonl").read_text())
        lines = [{"id": f"{lr} {seed}", "status": "done" if lr < 0.5 else "diverged", "data": run["data"],
                  "config": run["config"] | {"lr": lr, "seed": seed}, "metrics": [epoch] if lr < 0.5 else []}
                 for lr in (0.01, 0.1, 1) for seed in (1, 2)]
        sweep = self.work / "sweep"
        sweep.mkdir()
        (sweep / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for options in ([], ["--by", "seed"], ["--by", "lr,seed"], ["--by", "augment", "--metric", "seconds"]):
            self.assertEqual(self.plot(sweep, "--lenet", PROGRAM, "--out", self.out, *options), (0, ""))
            png_size(self.out)
            self.out.unlink()
        self.assert_refused("'rate'", arguments=[sweep, "--lenet", PROGRAM, "--by", "rate"], code=2)
        self.assert_refused("nowhere", arguments=[self.work / "nowhere", "--lenet", PROGRAM])

    # ---- bad input -------------------------------------------------------------------------------

    def test_the_exit_code_of_the_command_is_that_of_main(self):
        done = subprocess.run([sys.executable, SCRIPTS / "plot_sweep.py", "--json", self.work / "nowhere"],
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_usage(self):
        path = self.write(LR)
        for arguments in ([], ["a", "--json", path], ["--json", path, "--by", "lr"], ["--json", path, "--metric", "seconds"],
                          ["--json", path, "--kind", "pie"], ["--size", "3"]):
            self.assert_refused(arguments=arguments, code=2)

    def test_kinds_that_do_not_fit(self):
        for value, kind in ((SEEDS, "line"), (SEEDS, "heatmap"), (LR, "heatmap")):
            self.assert_bad(value, f"--kind {kind}", "--by", options=["--kind", kind])
        three = report([group({"a": 1, "b": 1, "c": 1}, [1])])
        for kind in ("line", "heatmap"):
            self.assert_bad(three, "3 options", options=["--kind", kind])

    def test_more_than_can_be_seen(self):
        self.assert_bad(by_one("optimizer", [str(i) for i in range(61)]), "61 groups", "--by")
        self.assert_bad(by_two("lr", list(range(41)), "batch", [1, 2]), "41 x 2 cells")

    def test_what_is_not_json(self):
        for text in ("", "{", "[1]", "null", "[" * 100000, "\x00"):
            with self.subTest(text=text[:5]):
                self.assert_bad(text, "report.json")

    def test_reports_that_make_no_sense(self):
        changes = {"metric": [None, "accuracy", 3, ["test-error"]], "by": [None, "lr", [1], ["batch"]],
                   "groups": [None, {}, [], [1], [{}]]}
        for key, values in changes.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    self.assert_bad(LR | {key: value}, "report.json")

    def test_groups_that_make_no_sense(self):
        changes = {"by": [None, [], {}, {"lr": None}, {"lr": True}, {"lr": [1]}, {"lr": float("nan")}],
                   "n": [None, -1, 0.5, "3", True, float("inf")],
                   "diverged": [None, -1, "0"], "mean": ["low", True, [1]], "interval": [1, [1], [1, 2, 3], ["a", 1]],
                   "values": [None, 1, ["a"], [True]]}
        for key, values in changes.items():
            for value in values:
                broken = [dict(it) for it in LR["groups"]]
                broken[1][key] = value
                with self.subTest(key=key, value=value):
                    self.assert_bad(LR | {"groups": broken}, "report.json group 1", key)

    def test_a_place_where_nothing_can_be_written(self):
        path = self.write(LR)
        self.assert_refused(self.work / "nowhere", arguments=["--json", path, "--out", self.work / "nowhere" / "x.png"])
        directory = self.work / "directory.pdf"
        directory.mkdir()
        self.assert_refused(directory, arguments=["--json", path, "--out", directory])


if __name__ == "__main__":
    unittest.main()
