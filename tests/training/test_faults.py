#!/usr/bin/env python3
"""test_faults.py PROGRAM FAULTS [--every N] [--only WORD]: lets single calls of the C library fail, by tests/support/faults.c,
in every command on a tiny data set. Whatever call it is, the command either ends as if nothing had been, with the same
files and the same words, or with a documented exit code and a message; then the same command, or --resume, brings
about what an undisturbed one does.

Without --every it takes a sample of the calls."""

import argparse
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parents[2]
KINDS = ["malloc", "crypto", "stat", "open"]
TRAIN = ["--data", "data", "--arch", "lenet4", "--threads", "1", "--batch", "16", "--lr", "0.01", "--warmup", "0"]
# What decides whether there is something to go on with, or in the way.
LOOKED_FOR = ["run", "out", "/run.json", "/last.safetensors", "/metrics.jsonl", "/sweep.json", "/runs.jsonl", "/progress",
              "/weights", "/predictions", "lock", "/eval.json"]
HANGS = 120  # seconds after which a command is taken to wait for ever
SAMPLE = 5  # calls of each kind, once and for ever


def make_data(where):
    """A data set of the first 80 and 40 images of data/sample."""
    where.mkdir()
    for half, count in (("train", 80), ("t10k", 40)):
        for kind, each in (("images-idx3", 28 * 28), ("labels-idx1", 1)):
            data = gzip.open(next((HERE / "data/sample").glob(f"{half}-{kind}*"))).read()
            head = 16 if each > 1 else 8
            data = data[:4] + count.to_bytes(4, "big") + data[8:head + count * each]
            (where / f"{half}-{kind}-ubyte").write_bytes(data)


def make_picture(path):
    """A one, in pen."""
    rows = [[255 if not (12 <= x <= 15 and 4 <= y <= 24) else 0 for x in range(28)] for y in range(28)]
    path.write_bytes(b"P5 28 28 255\n" + bytes(v for row in rows for v in row))


def without_times(text):
    """What two runs have in common."""
    text = re.sub(rb'"(images_per_s|seconds)": ?[-+.e0-9]+', b"", text)
    return re.sub(rb" +[-+.e0-9]+ (images/s|s\b)", b"", text)


def files(where):
    """All that lies there, but for the data."""
    found = {}
    for path in sorted(where.rglob("*")):
        name = str(path.relative_to(where))
        # A lock's file may stay, which is of no use: what counts is who holds it.
        if path.is_file() and not name.startswith("data/") and not name.endswith("lock") and name != "counts":
            text = path.read_bytes()
            found[name] = text if name.endswith(".safetensors") else without_times(text)
    return found


def calls(where):
    """How many there were of each kind."""
    return {kind: int(n) for kind, n in map(str.split, (where / "counts").read_text().splitlines())}


class Scenario:
    """recover(where): the command that follows a failed one. halves: a population that memory does not suffice for is
    halved, so that only the runs are the same."""

    def __init__(self, name, command, template, recover=None, code=0, halves=False):
        self.name, self.command, self.template, self.code, self.halves = name, command, template, code, halves
        self.recover = recover or (lambda where: command)

    def outcome(self, where):
        found = files(where)
        if not self.halves:
            return found
        return {"runs": sorted(found.get("out/runs.jsonl", b"").splitlines())}


class Tests:
    def __init__(self, program, faults, scratch):
        self.program, self.faults, self.scratch = program, faults, scratch
        self.trials = self.wrong = 0

    def run(self, where, command, fault=None):
        environment = dict(os.environ)
        if fault:
            environment.update(LD_PRELOAD=str(self.faults), LENET_FAULT=fault, LENET_FAULT_COUNTS="counts")
        command = [self.program] + command
        try:
            return subprocess.run(command, cwd=where, env=environment, capture_output=True, timeout=HANGS)
        except subprocess.TimeoutExpired as hung:
            return subprocess.CompletedProcess(command, "never", hung.stdout or b"", hung.stderr or b"")

    def fresh(self, template):
        where = self.scratch / "trial"
        shutil.rmtree(where, ignore_errors=True)
        shutil.copytree(template, where, symlinks=True)
        return where

    def report(self, scenario, fault, what, result):
        self.wrong += 1
        print(f"WRONG {scenario.name} {fault}: {what}; exit {result.returncode}; {result.stderr.decode()[-300:]}", flush=True)

    def try_one(self, scenario, fault, wanted, said):
        where = self.fresh(scenario.template)
        result = self.run(where, scenario.command, fault)
        self.trials += 1
        now = scenario.outcome(where)
        if result.returncode == scenario.code:
            if now != wanted:
                self.report(scenario, fault, f"other files: {different(now, wanted)}", result)
            elif not scenario.halves and without_times(result.stdout) != said:
                self.report(scenario, fault, "other words: " + result.stdout.decode(), result)
            return
        if result.returncode not in (3, 4):
            self.report(scenario, fault, "not a documented exit", result)
            return
        if not re.search(rb"^lenet.*: .", result.stderr, re.M):
            self.report(scenario, fault, "no message", result)
        left = [name for name in files(where) if ".tmp." in name]
        if left:
            self.report(scenario, fault, f"left behind: {left}", result)
        again = self.run(where, scenario.recover(where))
        now = scenario.outcome(where)
        if again.returncode != scenario.code or now != wanted:
            self.report(scenario, fault, f"not as undisturbed afterwards: {again.stderr.decode()[-200:]} "
                        f"{different(now, wanted)}", result)

    def try_all(self, scenario, every):
        where = self.fresh(scenario.template)
        result = self.run(where, scenario.command, "none")
        assert result.returncode == scenario.code, (scenario.name, result)
        wanted, said = scenario.outcome(where), without_times(result.stdout)
        counts = calls(where)
        for kind in KINDS:
            count = counts[kind]
            for n in range(1, count + 1, every or max(1, count // SAMPLE)):
                for often in ("", "+"):
                    self.try_one(scenario, f"{kind}:{n}{often}", wanted, said)
            print(f"{scenario.name}: {count} calls of {kind}", flush=True)
        for ending in LOOKED_FOR:
            self.run(self.fresh(scenario.template), scenario.command, f"none@{ending}")
            counts = calls(self.scratch / "trial")
            faults = [f"stat:{n}" for n in range(1, min(counts["stat"], 3) + 1)]
            faults += ["stat:1+"] * (counts["stat"] > 1) + ["open:1"] * (counts["open"] > 0)
            for fault in faults:
                self.try_one(scenario, f"{fault}@{ending}", wanted, said)


def different(now, wanted):
    return sorted(name for name in now.keys() | wanted.keys() if now.get(name) != wanted.get(name))


def scenarios(tests, scratch):
    empty, begun, ended, swept, partly = (scratch / name for name in ("empty", "begun", "ended", "swept", "partly"))
    train = ["train"] + TRAIN + ["--epochs", "3", "--validation", "16", "--run", "run"]
    sweep = ["sweep"] + TRAIN[:-4] + ["--warmup", "0", "--epochs", "2", "--lr", "0.01,0.02", "--seed", "1..2", "--out", "out",
             "--keep-weights", "--keep-predictions"]
    populations = sweep + ["--population-max", "2"]
    make_data(scratch / "data")
    empty.mkdir()
    shutil.copytree(scratch / "data", empty / "data")
    make_picture(empty / "one.pgm")
    for where, command in ((ended, train), (swept, sweep)):
        shutil.copytree(empty, where)
        result = tests.run(where, command)
        assert result.returncode == 0, result
    shutil.copytree(swept, partly)
    lines = (swept / "out/runs.jsonl").read_bytes().splitlines(True)
    (partly / "out/runs.jsonl").write_bytes(b"".join(lines[:2]))
    # A run whose disk fails when its second checkpoint is written has the first one.
    for n in range(1, 1000):
        shutil.rmtree(begun, ignore_errors=True)
        shutil.copytree(empty, begun)
        result = tests.run(begun, train, f"open:{n}+")
        metrics = begun / "run/metrics.jsonl"
        if metrics.exists() and len(metrics.read_bytes().splitlines()) == 2:
            break
    (begun / "counts").unlink()

    def resumes(run, command):
        """What brings a run to its end after a fault."""
        return lambda where: ["train", "--resume", run] if (where / run / "run.json").exists() else command

    transfer = train[:-1] + ["second", "--from", "run/last.safetensors", "--freeze", "C1"]
    yield Scenario("train", train, empty, resumes("run", train))
    yield Scenario("train where a run has ended", train, ended, code=3)
    yield Scenario("resume", ["train", "--resume", "run"], begun)
    yield Scenario("resume of a run that has ended", ["train", "--resume", "run"], ended)
    yield Scenario("transfer", transfer, ended, resumes("second", transfer))
    yield Scenario("sweep", sweep, empty)
    yield Scenario("sweep of populations", populations, empty, halves=True)
    yield Scenario("sweep, half of which has ended", sweep, partly)
    yield Scenario("sweep that has ended", sweep, swept)
    yield Scenario("report", ["report", "out", "--format", "json"], swept)
    yield Scenario("report as a table", ["report", "out"], swept)
    yield Scenario("eval", ["eval", "--run", "run", "--predictions", "p.safetensors"], ended)
    yield Scenario("eval of many", ["eval", "--ensemble", "--weights", "out/weights", "--data", "data", "--json",
                                    "eval.json"], swept)
    yield Scenario("predict", ["predict", "--run", "run", "one.pgm", "--json", "p.json", "--show", "s.png", "--threads",
                               "1"], ended)
    yield Scenario("export", ["export", "--run", "run", "--format", "c", "--out", "net.c", "--json", "net.json"], ended)
    yield Scenario("gradcheck", ["gradcheck", "--arch", "linear", "--entries", "1", "--threads", "1", "--seed", "1",
                                 "--json", "g.json"], empty)
    yield Scenario("info", ["info", "--weights", "run/last.safetensors", "--data", "data", "--json", "i.json"], ended)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("faults", type=pathlib.Path)
    parser.add_argument("--every", type=int, help="every N-th call, 1 for all; without it a sample")
    parser.add_argument("--only", default="", help="scenarios whose name has this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tests = Tests(options.program.resolve(), options.faults.resolve(), pathlib.Path(scratch))
        for scenario in scenarios(tests, pathlib.Path(scratch)):
            if options.only in scenario.name:
                tests.try_all(scenario, options.every)
    print(f"{tests.trials} faults, {tests.wrong} wrong")
    return 1 if tests.wrong or not tests.trials else 0


if __name__ == "__main__":
    sys.exit(main())
