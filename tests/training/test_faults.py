#!/usr/bin/env python3
"""test_faults.py PROGRAM FAULTS EMULATED [--every N] [--only WORD] [--kinds KIND,...] [--jobs N]: lets single calls
fail in every command on a tiny data set: calls of the C library, by tests/support/faults.c, and of the CUDA runtime and
cuBLAS, in the program on the emulated GPU. Whatever call it is, the command either ends as if nothing had been, with
the same files and the same words, or with a documented exit code and a message, and nothing half-written; then the
same command, or --resume, brings about what an undisturbed one does.

Without --every it takes a sample of the calls. At the end there is a table, scenarios by kinds, and a total."""

import argparse
import concurrent.futures
import gzip
import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading

try:
    from PIL import Image
except ImportError:  # then there is no JPEG
    Image = None

HERE = pathlib.Path(__file__).resolve().parents[2]
# Those of faults.c; and of the GPU: a launch that failed, no memory, an illegal address.
CALLS = ["malloc", "stat", "open", "read", "write", "full", "fsync", "rename", "close", "mmap", "thread",
         "mkdir", "unlink", "readdir", "flock", "print", "complain", "short-read", "short-write", "interrupt"]
GPU_CALLS = ["cuda-719", "cuda-2", "cuda-700"]
HARMLESS = ["short-read", "short-write", "interrupt"]  # after which the program has to go on as if nothing had been
TRAIN = ["--data", "data", "--batch", "16", "--lr", "0.01", "--warmup", "0"]
SWEEP = ["--data", "data", "--batch", "16", "--arch", "linear", "--warmup", "0", "--epochs", "2", "--lr", "0.01,0.02",
         "--seed", "1..2", "--out", "out"]
SDLM = ["--data", "data", "--batch", "16", "--arch", "lenet5-1998", "--train-size", "16", "--epochs", "1",
        "--curvature-images", "4", "--run", "run"]
GRADCHECK = ["--arch", "linear", "--entries", "1", "--seed", "1", "--json", "g.json"]
# What decides whether there is something to go on with, or in the way.
LOOKED_FOR = ["run", "out", "/run.json", "/last.safetensors", "/metrics.jsonl", "/sweep.json", "/runs.jsonl",
              "/progress", "/weights", "/predictions", "lock", "/eval.json"]
HANGS = 120  # seconds after which a command is taken to wait for ever


def make_data(where):
    """A data set of the first 48 and 16 images of data/sample."""
    where.mkdir()
    for half, count in (("train", 48), ("t10k", 16)):
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


def without_numbers(text):
    """What two measurements have in common."""
    return re.sub(rb"[ (]*[-+.e0-9]+", b"", text)


def state(where):
    """All that lies there, but for the data; of a directory, nothing."""
    paths = [path for path in sorted(where.rglob("*")) if path.name not in ("data", "counts")]
    return {str(path.relative_to(where)): path.read_bytes() if path.is_file() else None for path in paths}


def files(where):
    """What two runs have in common. A lock's file may stay, which is of no use: what counts is who holds it."""
    return {name: text if name.endswith(".safetensors") else without_times(text) for name, text in state(where).items()
            if text is not None and not re.search(r"lock(\.\d+-of-\d+)?$", name)}


def calls(where):
    """How many there were of each kind."""
    return {kind: int(n) for kind, n in map(str.split, (where / "counts").read_text().splitlines())}


class Scenario:
    """A command, the directory that it begins in, and what is expected of it. recover(where): the command that follows
    a failed one; initially the same. grows: files that a failed command leaves may hold less than they come to.
    halves: a population that memory does not suffice for is halved, so that only the runs are the same. measures: its
    numbers differ each time. devices: it tells whether they work, whatever that is. gpu: it runs on the emulated one.
    most: it takes so long that only its first calls fail, and each of them has to end it. looks: what it looks for is
    a target of its own."""

    def __init__(self, name, command, template, recover=None, code=0, grows=False, halves=False, measures=False,
                 devices=False, gpu=False, most=None, looks=False, stdin=None):
        self.name, self.command, self.template, self.code, self.grows = name, command, template, code, grows
        self.halves, self.measures, self.devices, self.gpu, self.most = halves, measures, devices, gpu, most
        self.recover, self.looks, self.stdin = recover or (lambda where: command), looks, stdin
        self.times_disk = command[0] == "sweep"  # which plans by how long fsync takes, and so may do without

    def kinds(self):
        return GPU_CALLS if self.gpu else CALLS

    def outcome(self, where):
        found = files(where)
        if self.measures:
            return {name: without_numbers(text) for name, text in found.items()}
        if not self.halves:
            return found
        return {"runs": sorted(found.get("out/runs.jsonl", b"").splitlines())}

    def words(self, said):
        if self.devices:
            said = re.sub(rb"^(  cpu|  cuda:?\d*) .*(\n {8}.*)*$", rb"\1", said, flags=re.M)
        return b"" if self.halves else without_numbers(said) if self.measures else without_times(said)


class Tests:
    def __init__(self, programs, faults, scratch):
        self.programs, self.faults, self.scratch = programs, faults, scratch
        self.trials, self.wrong = {}, {}  # of (scenario, kind)
        self.lock = threading.Lock()

    def run(self, where, command, fault="", gpu=False, stdin=None):
        environment = dict(os.environ)
        if fault and gpu:
            environment["SIMT_CALLS"] = "counts"
            if fault != "none":
                error, call = fault.removeprefix("cuda-").split(":")
                environment["SIMT_FAULT"] = f"{call}:{error}"
        elif fault:
            environment.update(LD_PRELOAD=str(self.faults), LENET_FAULT=fault, LENET_FAULT_COUNTS="counts")
        command = [self.programs[gpu]] + command
        with open(where / stdin if stdin else os.devnull, "rb") as given:
            try:
                return subprocess.run(command, cwd=where, env=environment, capture_output=True, timeout=HANGS,
                                      stdin=given)
            except subprocess.TimeoutExpired as hung:
                return subprocess.CompletedProcess(command, "never", hung.stdout or b"", hung.stderr or b"")

    def fresh(self, scenario):
        """A directory of its own for each thread."""
        where = self.scratch / f"trial-{threading.get_ident()}"
        shutil.rmtree(where, ignore_errors=True)
        shutil.copytree(scenario.template, where, symlinks=True)
        return where

    def judge(self, scenario, fault, wanted, said):
        """What is wrong with the outcome of a fault, or None."""
        where = self.fresh(scenario)
        result = self.run(where, scenario.command, fault, scenario.gpu, scenario.stdin)
        end = f"exit {result.returncode}; {result.stderr.decode(errors='replace')[-300:]}"
        now = scenario.outcome(where)
        if result.returncode == scenario.code == 0:
            if fault.startswith("fsync") and not scenario.times_disk:
                return f"not on the disk, and nobody knows; {end}"
            if now != wanted:
                return f"other files: {different(now, wanted)}; {end}"
            if scenario.words(result.stdout) != said:
                return f"other words: {result.stdout.decode(errors='replace')}; {end}"
            return None
        if result.returncode not in (3, 4) or (scenario.code == 0 and fault.split(":")[0] in HARMLESS):
            return f"not a documented exit; {end}"
        if not re.search(rb"^lenet.*: .", result.stderr, re.M) and not fault.startswith("complain"):
            return f"no message; {end}"
        left = [name for name in files(where) if ".tmp." in name]
        if left:
            return f"left behind: {left}; {end}"
        before, whole = scenario.outcome(scenario.template), wanted or {}
        half = [name for name in now if now[name] not in (before.get(name), whole.get(name))]
        if half and not scenario.grows:
            return f"half-written: {half}; {end}"
        if state(where) == state(scenario.template):
            return None
        again = self.run(where, scenario.recover(where), gpu=scenario.gpu, stdin=scenario.stdin)
        now = scenario.outcome(where)
        if again.returncode != scenario.code or now != wanted:
            return (f"not as undisturbed afterwards: {different(now, wanted)}, exit {again.returncode}, "
                    f"{again.stderr.decode(errors='replace')[-200:]}; {end}")
        return None

    def try_one(self, scenario, fault, wanted, said):
        found = self.judge(scenario, fault, wanted, said)
        key = scenario.name, fault.split(":")[0]
        with self.lock:
            self.trials[key] = self.trials.get(key, 0) + 1
            if found:
                self.wrong[key] = self.wrong.get(key, 0) + 1
                print(f"WRONG {scenario.name} {fault}: {found.strip()}", flush=True)

    def faults_of(self, scenario, kinds, every):
        """Faults of a scenario: those of each kind, and those of what is looked for."""
        counts, wanted, said = dict.fromkeys(CALLS + GPU_CALLS, scenario.most), None, None
        if not scenario.most:
            where = self.fresh(scenario)
            result = self.run(where, scenario.command, "none", scenario.gpu, scenario.stdin)
            assert result.returncode == scenario.code, (scenario.name, result.returncode, result.stderr)
            wanted, said = scenario.outcome(where), scenario.words(result.stdout)
            counts = dict.fromkeys(GPU_CALLS, int((where / "counts").read_text())) if scenario.gpu else calls(where)
        faults = []
        for kind in [kind for kind in scenario.kinds() if kind in kinds]:
            count = counts[kind]
            picked = range(1, count + 1, every or 1)
            if every:
                faults += [f"{kind}:{n}{often}" for n in picked for often in ("", "+")]
            elif count:
                draw = random.Random(scenario.name + kind)
                faults += [f"{kind}:{draw.choice(picked)}", f"{kind}:{draw.choice(picked)}+"]
        for ending in LOOKED_FOR if scenario.looks else []:
            where = self.fresh(scenario)
            self.run(where, scenario.command, f"none@{ending}")
            counts = calls(where)
            looks = [f"stat:{n}" for n in range(1, min(counts["stat"], 3) + 1)]
            looks += ["stat:1+"] * (counts["stat"] > 1) + ["open:1"] * (counts["open"] > 0)
            faults += [f"{fault}@{ending}" for fault in looks if fault.split(":")[0] in kinds]
        return [(scenario, fault, wanted, said) for fault in faults]

    def try_all(self, scenarios, kinds, every, jobs):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            try:
                for scenario in scenarios:
                    trials = self.faults_of(scenario, kinds, every)
                    for _ in pool.map(lambda trial: self.try_one(*trial), trials):
                        pass
                    print(f"{scenario.name}: {len(trials)} faults", flush=True)
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise

    def table(self):
        names = list(dict.fromkeys(name for name, _ in self.trials))
        kinds = [kind for kind in CALLS + GPU_CALLS if any(kind == key[1] for key in self.trials)]
        width = max(map(len, names), default=0)
        print("\nfaults/wrong")
        print(" " * width, *(f"{kind:>7}" for kind in kinds))
        for name in names:
            keys = [(name, kind) for kind in kinds]
            row = [f"{self.trials[key]}/{self.wrong.get(key, 0)}" if key in self.trials else "-" for key in keys]
            print(f"{name:{width}}", *(f"{cell:>{max(7, len(kind))}}" for cell, kind in zip(row, kinds)))


def different(now, wanted):
    return sorted(name for name in now.keys() | wanted.keys() if now.get(name) != wanted.get(name))


class Templates:
    """Directories to begin in."""

    def __init__(self, tests, scratch):
        self.tests, self.scratch = tests, scratch
        make_data(scratch / "data")
        self.empty = scratch / "empty"
        self.empty.mkdir()
        (self.empty / "data").symlink_to(scratch / "data")
        make_picture(self.empty / "one.pgm")

    def after(self, name, template, command, gpu=False):
        """Where a command has ended."""
        where = self.scratch / name
        shutil.copytree(template, where, symlinks=True)
        result = self.tests.run(where, command, gpu=gpu)
        assert result.returncode == 0, (command, result)
        return where

    def begun(self, name, command, fault, gpu=False):
        """Where a run of three epochs has been cut short after one: calls fail from such a one on."""
        where = self.scratch / name
        for n in itertools.count(1):
            shutil.rmtree(where, ignore_errors=True)
            shutil.copytree(self.empty, where, symlinks=True)
            result = self.tests.run(where, command, fault.format(n), gpu)
            metrics = where / "run/metrics.jsonl"
            assert result.returncode != 0, (command, fault, n)
            if metrics.exists() and len(metrics.read_bytes().splitlines()) == 2:
                (where / "counts").unlink(missing_ok=True)
                return where

    def partly(self, name, template, runs, without=()):
        """A sweep of which so many runs have ended, and that has lost some files."""
        where = self.scratch / name
        shutil.copytree(template, where, symlinks=True)
        lines = (template / "out/runs.jsonl").read_bytes().splitlines(True)
        (where / "out/runs.jsonl").write_bytes(b"".join(lines[:runs]))
        for pattern in without:
            next(where.glob(pattern)).unlink()
        return where


def resumes(run, command, *options):
    """What brings a run to its end after a fault."""
    return lambda where: ["train", "--resume", run, *options] if (where / run / "run.json").exists() else command


def cpu_scenarios(templates):
    make, empty = templates, templates.empty
    one, two = ["--threads", "1"], ["--threads", "2"]
    train = ["train", *TRAIN, "--arch", "linear", *two, "--epochs", "3", "--validation", "16", "--run", "run"]
    sdlm = ["train", *SDLM, *one, "--augment", "standard"]
    sweep = ["sweep", *SWEEP, *one]
    keeping = sweep + ["--keep-weights", "--keep-predictions"]
    populations = keeping + ["--population-max", "2"]
    ended, swept = make.after("ended", empty, train), make.after("swept", empty, keeping)
    begun = make.begun("begun", train, "open:{}+")
    half, lost = make.partly("half", swept, 2), make.partly("lost", swept, 4, ["out/weights/*", "out/predictions/*"])
    transfer = ["train", *TRAIN, "--arch", "linear", *one, "--epochs", "1", "--run", "second", "--from",
                "run/last.safetensors"]
    predict = ["predict", "--run", "run", *one]
    yield Scenario("train", train, empty, resumes("run", train), grows=True, looks=True)
    yield Scenario("train by sdlm", sdlm, empty, resumes("run", sdlm), grows=True)
    yield Scenario("train where a run has ended", train, ended, code=3, grows=True, looks=True)
    yield Scenario("resume", ["train", "--resume", "run"], begun, grows=True, looks=True)
    yield Scenario("resume of a run that has ended", ["train", "--resume", "run"], ended, grows=True, looks=True)
    yield Scenario("transfer", transfer, ended, resumes("second", transfer), grows=True, looks=True)
    yield Scenario("sweep", keeping, empty, grows=True, looks=True)
    yield Scenario("sweep on two threads", ["sweep", *SWEEP, *two], empty, grows=True, halves=True)
    yield Scenario("sweep of populations", populations, empty, grows=True, halves=True, looks=True)
    yield Scenario("sweep of a shard", sweep + ["--shard", "1/2"], empty, grows=True)
    yield Scenario("sweep from weights", sweep + ["--from", "run/last.safetensors"], ended, grows=True)
    yield Scenario("sweep, half of which has ended", keeping, half, grows=True, looks=True)
    yield Scenario("sweep that has lost weights", keeping, lost, code=3, grows=True)
    yield Scenario("sweep that has ended", keeping, swept, grows=True, looks=True)
    yield Scenario("plan of a sweep", sweep + ["--dry-run"], half, measures=True)
    yield Scenario("report", ["report", "out", "--format", "json"], swept, looks=True)
    yield Scenario("report as a table", ["report", "out"], swept, looks=True)
    yield Scenario("report as csv", ["report", "out", "--format", "csv", "--by", "lr"], swept)
    yield Scenario("eval", ["eval", "--run", "run", "--predictions", "p.safetensors"], ended, looks=True)
    many = ["eval", "--ensemble", "--weights", "out/weights", "--data", "data", "--json", "eval.json"]
    yield Scenario("eval of many", many, swept, looks=True)
    answers = ["--predictions", "p.safetensors", "--predictions-of", "both"]
    yield Scenario("eval of many, with predictions", many + answers, swept)
    shown = make.after("shown", ended, [*predict, "one.pgm", "--show", "one.png"])
    (shown / "pictures").mkdir()
    for name in ("one.pgm", "one.png"):
        shutil.copy(shown / name, shown / "pictures" / name)
    yield Scenario("predict", [*predict, "one.pgm", "--json", "p.json", "--show", "s.png"], ended, grows=True,
                   looks=True)
    yield Scenario("predict a PNG", [*predict, "one.png", "--as-is", "--show", "s.idx3"], shown, grows=True)
    yield Scenario("predict a directory", [*predict, "pictures", "--json", "p.json"], shown, grows=True)
    yield Scenario("predict standard input", [*predict, "-"], shown, stdin="one.pgm")
    by_many = ["predict", "--weights", "out/weights", *two, "one.pgm", "--json", "p.json"]
    yield Scenario("predict by many", by_many, swept, grows=True)
    if Image:
        Image.open(shown / "one.png").convert("L").save(shown / "one.jpg")
        yield Scenario("predict a JPEG", [*predict, "one.jpg", "--json", "p.json"], shown, grows=True)
    export = ["export", "--run", "run", "--format", "c", "--out", "net.c"]
    yield Scenario("export", export + ["--json", "net.json"], ended, looks=True)
    yield Scenario("export in 4 bits", export + ["--bits", "4"], ended)
    yield Scenario("gradcheck", ["gradcheck", *GRADCHECK, *two], empty, looks=True)
    forward = ["bench", "--forward", "--arch", "linear", "--batch", "1", *one, "--json", "b.json"]
    bench = ["bench", "--arch", "linear", "--batch", "1", *one, "--json", "b.json"]
    yield Scenario("bench", bench, empty, measures=True)
    yield Scenario("bench of answers", forward, empty, measures=True)
    yield Scenario("info", ["info", "--weights", "run/last.safetensors", "--data", "data", "--json", "i.json"], ended,
                   looks=True)
    yield Scenario("info of all", ["info"], empty, devices=True)


def gpu_scenarios(templates):
    make, empty = templates, templates.empty
    gpu = ["--device", "cuda"]
    train = ["train", *TRAIN, *gpu, "--arch", "linear", "--epochs", "3", "--validation", "16", "--run", "run"]
    sdlm = ["train", *SDLM, *gpu]
    sweep = ["sweep", *SWEEP, *gpu]
    keeping = sweep + ["--keep-weights", "--keep-predictions", "--population-max", "2"]
    ended, swept = make.after("gpu ended", empty, train, gpu=True), make.after("gpu swept", empty, keeping, gpu=True)
    begun, half = make.begun("gpu begun", train, "cuda-719:{}+", gpu=True), make.partly("gpu half", swept, 2)
    resume = ["train", "--resume", "run", *gpu]
    yield Scenario("train on a GPU", train, empty, resumes("run", train, *gpu), grows=True, gpu=True)
    yield Scenario("train by sdlm on a GPU", sdlm, empty, resumes("run", sdlm, *gpu), grows=True, gpu=True)
    yield Scenario("resume on a GPU", resume, begun, grows=True, gpu=True)
    yield Scenario("sweep on a GPU", sweep + ["--population-max", "1"], empty, grows=True, gpu=True)
    yield Scenario("sweep of populations on a GPU", keeping, empty, grows=True, halves=True, gpu=True)
    yield Scenario("sweep, half of which has ended, on a GPU", keeping, half, grows=True, halves=True, gpu=True)
    yield Scenario("eval on a GPU", ["eval", "--run", "run", *gpu, "--predictions", "p.safetensors"], ended, gpu=True)
    many = ["eval", "--ensemble", "--weights", "out/weights", "--data", "data", "--json", "eval.json", *gpu]
    yield Scenario("eval of many on a GPU", many, swept, gpu=True)
    predict = ["predict", "--run", "run", *gpu, "one.pgm", "--json", "p.json"]
    yield Scenario("predict on a GPU", predict, ended, grows=True, gpu=True)
    yield Scenario("gradcheck on a GPU", ["gradcheck", *GRADCHECK, *gpu], empty, gpu=True)
    # What is left of its calls are the same ones, again and again.
    bench = ["bench", "--arch", "linear", "--batch", "1", *gpu, "--json", "b.json"]
    yield Scenario("bench on a GPU", bench, empty, measures=True, gpu=True, most=200)
    yield Scenario("info on a GPU", ["info"], empty, devices=True, gpu=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("faults", type=pathlib.Path)
    parser.add_argument("emulated", type=pathlib.Path)
    parser.add_argument("--every", type=int, help="every N-th call, 1 for all; without it a sample")
    parser.add_argument("--only", default="", help="scenarios whose name has this word")
    parser.add_argument("--kinds", default=",".join(CALLS + GPU_CALLS), help="these kinds of fault, joined by commas")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        programs = {False: options.program.resolve(), True: options.emulated.resolve()}
        tests = Tests(programs, options.faults.resolve(), pathlib.Path(scratch))
        templates = Templates(tests, pathlib.Path(scratch))
        scenarios = itertools.chain(cpu_scenarios(templates), gpu_scenarios(templates))
        chosen = [scenario for scenario in scenarios if options.only in scenario.name]
        tests.try_all(chosen, options.kinds.split(","), options.every, options.jobs)
    tests.table()
    trials, wrong = sum(tests.trials.values()), sum(tests.wrong.values())
    print(f"{trials} faults, {wrong} wrong")
    return 1 if wrong or not trials else 0


if __name__ == "__main__":
    sys.exit(main())
