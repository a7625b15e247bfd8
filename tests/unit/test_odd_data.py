#!/usr/bin/env python3
"""test_odd_data.py LENET_PROGRAM - each odd form of a data set loads as what it is, or is named, with what to do."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
sys.dont_write_bytecode = True
import make_odd

PROGRAM = str(Path(sys.argv.pop(1)).resolve())


class OddData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.work.cleanup)
        cls.forms = make_odd.make(Path(cls.work.name) / "odd")

    def run_lenet(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.work.name, capture_output=True, text=True)

    def read(self, place, claimed):
        """lenet info of it: the process, and what it wrote as JSON."""
        out = Path(self.work.name) / "info.json"
        out.unlink(missing_ok=True)
        done = self.run_lenet("info", "--data", place / claimed["where"], "--json", out, *claimed["options"])
        return done, json.loads(out.read_text()) if out.exists() else None

    def test_at_least_twelve_forms_load_or_are_named(self):
        self.assertGreaterEqual(len(self.forms), 12)
        hashes = set()
        for name, place, claimed in self.forms:
            with self.subTest(form=name):
                done, info = self.read(place, claimed)
                self.assertEqual(done.returncode, 0 if claimed["loads"] else 3, done.stderr)
                for piece in claimed["says"]:
                    self.assertIn(piece, done.stderr)
                if not claimed["says"]:
                    self.assertEqual(done.stderr, "")
                else:
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                if not claimed["loads"]:
                    continue
                self.assertEqual((info["data"]["train"], info["data"]["test"]), (40, 20))
                if not name.startswith("labels_from_1"):
                    hashes.add(info["data"]["hash"])
                if name != "labels_from_1":
                    self.assertEqual(info["layers"][-1]["output"][0], 10)
        self.assertEqual(len(hashes), 1, "all that load are the same data set")

    def test_a_run_on_one_of_several_sets_goes_on_and_is_evaluated(self):
        place = Path("odd/several_sets/emnist-digits")
        train = ["--device", "cpu", "--batch", "8", "--epochs", "2"]
        for options in ([], ["--transpose"]):
            run = "run" + "".join(options)
            done = self.run_lenet("train", "--data", place, "--run", run, *train, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("--transpose" in done.stderr, not options)
            done = self.run_lenet("train", "--resume", run)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = self.run_lenet("eval", "--run", run)
            self.assertEqual(done.returncode, 0, done.stderr)
            recorded = json.loads((Path(self.work.name) / run / "run.json").read_text())
            evaluated = json.loads((Path(self.work.name) / run / "eval.json").read_text())
            last = [json.loads(line) for line in
                    (Path(self.work.name) / run / "metrics.jsonl").read_text().splitlines()][-1]
            self.assertEqual(recorded["config"].get("transpose"), "on" if options else None)
            self.assertEqual(evaluated["accuracy"], last["test_accuracy"], "eval takes --transpose from the run")


if __name__ == "__main__":
    unittest.main()
