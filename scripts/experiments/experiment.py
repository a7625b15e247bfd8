"""experiment.py - what the experiments of this folder share: options, the sweep, its report, tables and pictures.

An experiment is a script with a sweep. Started again it goes on with what is missing. It writes OUT/table.csv and
OUT/NAME.png, and prints the table. --quick is a small form of it on data/sample: it shows that everything works, not
what the answer is.
Exit codes: 0 done, 2 usage, 3 something that was needed failed, and its own code where lenet fails. A signal that ends
lenet ends the experiment, too.
"""
import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import endings  # noqa: E402,F401
from common import program_path  # noqa: E402
from pictures import (BadInput, FAINT, INK, STYLE, TEST, TRAIN, VALIDATION, plt,  # noqa: E402  the path comes first
                      save)
import numpy as np  # noqa: E402

__all__ = ["Experiment", "FAINT", "INK", "TEST", "TRAIN", "VALIDATION", "np", "plt", "interval", "percent"]


def percent(value, digits=2):
    """An error as a fraction of 1, in percent; '-' for what is not known."""
    return "-" if value is None else f"{100 * value:.{digits}f}"


def interval(group, digits=2):
    """The ends of a group's 95 % interval of the mean error, in percent; '-' where one run has none. That of two runs may
    reach where no error can be."""
    low, high = group["interval"] or (None, None)
    return ["-", "-"] if low is None else [percent(max(low, 0), digits), percent(min(high, 1), digits)]


def finish(words, stdout=None):
    """Runs a program to its end; ends as it did, by its exit code or its signal, where that is no success. Ctrl-C is for
    the program, which keeps what it has done before it ends by it."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    done = subprocess.run([str(word) for word in words], check=False, text=True, stdout=stdout)
    signal.signal(signal.SIGINT, before)
    if done.returncode < 0:
        sys.stdout.flush()
        if done.returncode != -signal.SIGKILL:
            signal.signal(-done.returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -done.returncode)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


class Experiment:
    """Parses the command line; runs lenet; writes the results."""

    def __init__(self, name, description, seeds, quick_seeds=2):
        parser = argparse.ArgumentParser(prog=name, description=description)
        parser.add_argument("--quick", action="store_true", help="a small form of it on data/sample")
        parser.add_argument("--out", type=Path, help=f"the directory of its results (initially sweeps/{name})")
        parser.add_argument("--data", type=Path, help="the data set (initially what lenet itself takes)")
        parser.add_argument("--seeds", type=int, help=f"networks of each kind (initially {seeds}; quick {quick_seeds})")
        parser.add_argument("--lenet", type=program_path, default=ROOT / "build/release/lenet", help="the program")
        parser.add_argument("--device", help="auto, cpu, cuda or cuda:INDEX")
        parser.add_argument("--threads", help="of the CPU")
        given = parser.parse_args()
        self.name, self.quick = name, given.quick
        self.seeds = given.seeds or (quick_seeds if given.quick else seeds)
        self.out = given.out or Path("sweeps") / (f"{name}-quick" if given.quick else name)
        self.lenet = given.lenet
        self.data = given.data or (ROOT / "data/sample" if given.quick else None)
        self.machine = [f"--{key}={value}" for key, value in (("device", given.device), ("threads", given.threads))
                        if value]
        if not os.access(self.lenet, os.X_OK):
            sys.exit(self.fail(f"{self.lenet}: no such program; scripts/quickstart.sh builds it, --lenet names another"))
        self.out.mkdir(parents=True, exist_ok=True)

    def fail(self, text):
        print(f"{self.name}: {text}", file=sys.stderr)
        return 3

    def size(self, full, quick):
        """The one value or the other."""
        return quick if self.quick else full

    # ---- lenet ---------------------------------------------------------------------------------

    def run(self, command, *options, capture=False):
        """Runs the program, and returns what it printed where that is captured."""
        return finish([self.lenet, command, *options], stdout=subprocess.PIPE if capture else None)

    def data_options(self, data=None):
        data = data or self.data
        return [f"--data={data}"] if data else []

    def sweep(self, *options, part="sweep", shared=False, data=None, seeds=None):
        """Trains what is missing of a sweep with these options and the experiment's seeds; returns its directory. A
        shared one lies beside the experiment's own directory, for every experiment that needs the same networks."""
        directory = self.out.parent / f"{part}{'-quick' if self.quick else ''}" if shared else self.out / part
        began = time.monotonic()
        self.run("sweep", "--out", directory, *self.data_options(data), *self.machine, f"--seed=1..{seeds or self.seeds}",
                 *options)
        print(f"{directory}: {time.monotonic() - began:.0f} s", flush=True)
        return directory

    def published(self, *options, part="lenet5-1998", epochs=20, data=None, seeds=None):
        """LeNet-5 as published, on the whole training set; it keeps the weights."""
        return self.sweep("--arch=lenet5-1998", "--keep-weights", *options, f"--epochs={self.size(epochs, 3)}",
                          *self.size((), ("--train-size=250",)), part=part, shared=True, data=data, seeds=seeds)

    def published_distorted(self):
        """The same with other distortions of every image in each of 65 epochs, five of which are a pass of its schedule: at
        most four networks, which take as long as twenty of the others."""
        return self.published("--augment=shift=2+scale=0.15+shear=0.25", "--decay-every=5", part="lenet5-1998-distorted",
                              epochs=65, seeds=min(self.seeds, 4))

    def errors(self, directory, data=None):
        """Test error of each network whose weights a sweep kept, and of their ensemble, as fractions of 1: a list in
        the order of the files' names, and a number."""
        with tempfile.TemporaryDirectory() as scratch:
            results = Path(scratch) / "eval.json"
            self.run("eval", "--ensemble", "--weights", directory / "weights", "--json", results,
                     *self.data_options(data), *self.machine, capture=True)
            found = json.loads(results.read_text())
        return [1 - correct / found["count"] for correct in found["member_correct"]], 1 - found["accuracy"]

    def groups(self, directory, by, metric="test-error"):
        """The groups of `lenet report`, each a dict with "by", "n", "mean", "interval", "values", ..."""
        text = self.run("report", directory, "--by", by, "--metric", metric, "--format", "json", capture=True)
        return json.loads(text)["groups"]

    def runs(self, directory):
        """Every run that was done, as runs.jsonl has it."""
        for path in sorted(directory.glob("runs*.jsonl")):
            for line in path.read_text().splitlines():
                run = json.loads(line)
                if run["status"] == "done":
                    yield run

    # ---- results ---------------------------------------------------------------------------------

    def table(self, columns, rows, title=""):
        """Prints the rows, and writes them as table.csv."""
        with (self.out / "table.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        cells = [[str(cell) for cell in row] for row in [columns, *rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        print(f"\n{title}" if title else "")
        for row in cells:
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))

    def picture(self, draw, width=8, height=5):
        """Calls draw(axes), and writes NAME.png."""
        with plt.rc_context(STYLE):
            figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
            draw(axes)
            try:
                save(figure, self.out / f"{self.name}.png")
            except BadInput as error:
                sys.exit(self.fail(error))
        print(f"wrote {self.out}/table.csv")

    def plot_sweep(self, directory, *options):
        """NAME.png by scripts/plot_sweep.py."""
        finish([sys.executable, ROOT / "scripts/plot_sweep.py", directory, "--lenet", self.lenet,
                "--out", self.out / f"{self.name}.png", *options])
        print(f"wrote {self.out}/table.csv")
