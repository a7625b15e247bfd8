#!/usr/bin/env python3
"""mutate.py - plants faults, one at a time, and shows which of them the tests find.

  mutate.py                            140 faults, drawn at random from all there could be
  mutate.py --count 30 --seed 7        fewer, and other ones
  mutate.py --files 'cuda/conv.cu'     only in files that match; --operators 'dropped barrier' likewise
  mutate.py --list                     prints them, and plants none
  mutate.py --markdown FILE            writes the table of what is known so far (docs/mutations.md)

The operators are the usual ones of mutation testing, and those for GPU kernels of Zhu and Zaidman, "Massively
parallel, highly efficient, but what about the test suite quality?" (ICST 2020): a barrier dropped, an index of another
dimension, the tail of the work lost, memory of another space, a launch of another size. A fault that does not compile
does not count. Of each fault the file is built again in a copy of the tree, and the tests of that file run until one
fails: first as they are released, then, as in scripts/test.sh, with sanitizers. Which tests these are stands in TESTS.
A fault that none of them finds has survived: tests/mutants.tsv says of those that are known why they change nothing,
and these do not count either.

Results are kept in --out as they come, so that a second call goes on. Exit codes: 0 all were found, 1 some have
survived, 2 usage, 3 the tree does not build or its tests fail without a fault.
"""
import endings  # noqa: F401
import argparse
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
KNOWN = REPOSITORY / "tests" / "mutants.tsv"  # file, line, mutated line, why nothing changes

# Where faults are planted, and what is to find them: programs and scripts of the tests, the quick ones first.
EMULATED = ["test_simt_failures_emulated", "test_every_operation_emulated", "test_simt_step_emulated", "test_cuda_emulated"]
TESTS = {
    "cuda/device.cu": ["test_cuda_errors_emulated", *EMULATED],
    "cuda/activation.cuh": ["test_activation_emulated", "test_subsample_emulated", "test_conv_maxpool_emulated",
                            *EMULATED],
    "cuda/peak.cuh": ["test_cuda_errors_emulated"],
    "cuda/gpu.cuh": ["test_dense_emulated", "test_conv_emulated", *EMULATED],
    "cuda/conv_params.cu": ["test_conv_emulated", "test_conv_maxpool_emulated", *EMULATED, "test_simt_sizes_emulated"],
    "cuda/dense_own.cu": ["test_dense_emulated", *EMULATED],
    "cuda/*.cu": ["test_{stem}_emulated", *EMULATED, "test_simt_sizes_emulated"],
    "src/cpu/parallel.c": ["test_parallel", "test_every_operation"],
    "src/cpu/queue.c": ["test_queue", "test_every_operation"],
    "src/cpu/tile.c": ["test_conv", "test_dense", "test_every_operation"],
    "src/cpu/*_batch1.c": ["test_{operation}", "test_every_operation"],
    "src/cpu/backend_cpu.c": ["test_every_operation", "test_elementwise", "test_network", "test_train"],
    "src/cpu/*.c": ["test_{stem}", "test_every_operation", "test_network"],
    "src/ops/*.h": ["test_batch", "test_optimizer", "test_every_operation", "test_conv"],
    "src/net/layer.c": ["test_network", "test_train", *EMULATED],
    "src/net/network.c": ["test_network", "test_train", "test_transfer", *EMULATED],
    "src/net/steps.c": ["test_network", "test_train", "test_stop_emulated", *EMULATED],
    "src/train/checkpoint.c": ["test_stop", "test_train", "test_sweep", "test_resume", "test_cuda_errors_emulated"],
    "src/train/trainer.c": ["test_stop", "test_train", "test_sweep", "test_resume"],
    "src/train/population.c": ["test_stop", "test_train", "test_sweep", "test_resume"],
    "src/base/files.c": ["test_files", "test_run_dir", "test_train", "test_resume"],
}
SCRIPTS = {"test_resume": "tests/training/test_resume.sh"}  # with the program and the tree as arguments
GPU_TESTS = "*cuda*:Cuda*"  # of programs whose other tests have nothing to do with the GPU
EVERYTHING = ("test_cuda_errors_emulated", "test_simt_step_emulated", "test_simt_failures_emulated",
              "test_simt_sizes_emulated")
SECONDS = 600  # for one program; longer than that is a fault that was found

# name, what is replaced, by what: in code, on one line.
OPERATORS = [
    ("dropped barrier", r"__sync(threads|warp)\(\);", ";"),
    ("other dimension", r"\b(threadIdx|blockIdx|blockDim)\.x\b", r"\1.y"),
    ("other dimension", r"\b(threadIdx|blockIdx|blockDim)\.y\b", r"\1.x"),
    ("other dimension", r"\bblockIdx\.z\b", "blockIdx.x"),
    ("lost tail", r"\bpieces\(([^,()]+(?:\([^()]*\))?), ([^,()]+)\)", r"((\1) / (\2))"),
    ("lost tail", r"\bblocks_for\((.+?), (\w+)\)", r"((unsigned)((\1) / (\2)))"),
    ("other space", r"\bSHARED\((\w+), (\w+), (.+)\);", r"\1 \2[\3];"),
    ("other launch", r"\bdim3\(THREADS\)", "dim3(THREADS / 2)"),
    ("other launch", r", a->R\)", ", 1)"),
    ("other launch", r"\ba\.R\)", "1)"),
    ("swallowed error", r"\bLENET_TRY\((.*)\);$", r"(void)(\1);"),
    ("boundary", r"(?<=[\w)\]]) < (?=[\w(])", " <= "),
    ("boundary", r"(?<=[\w)\]]) >= (?=[\w(])", " > "),
    ("boundary", r"(?<=[\w)\]]) > (?=[\w(])", " >= "),
    ("boundary", r"(?<=[\w)\]]) <= (?=[\w(])", " < "),
    ("condition", r"\bif \((?=\w)(?![^()]*(?:\([^()]*\)[^()]*)* = )(.+)\) (?=\w)", r"if (!(\1)) "),
    ("condition", r" && ", " || "),
    ("condition", r" == ", " != "),
    ("arithmetic", r"(?<=[\w)\]]) \+ (?=[\w(])", " - "),
    ("arithmetic", r"(?<=[\w)\]]) - (?=[\w(])", " + "),
    ("arithmetic", r"(?<=[\w)\]]) \* (?=[\w(])", " + "),
    ("arithmetic", r"(?<=[\w)\]]) / (?=[\w(])", " * "),
    ("arithmetic", r" \+= ", " = "),
    ("lost statement", r"^(\s+)[\w.>\[\]*()-]+ [-+*/]?= [^{]*;$", r"\1;"),
    ("lost statement", r"^(\s+)\w+\([^{}]*\);$", r"\1;"),
]


class Failure(Exception):
    """One line that says what is missing or wrong."""


# ---- which faults there could be ----------------------------------------------------------------

def code_lines(text):
    """(index, line) of lines that are code of a function: no comments, directives, declarations at the left margin."""
    in_comment = False
    for i, line in enumerate(text.split("\n")):
        begins = line.strip().startswith("/*")
        if not (begins or in_comment) and line.startswith(" ") and not line.strip().startswith(("//", "*")):
            yield i, line
        if begins or in_comment:
            in_comment = "*/" not in line


def faults_of(name, text):
    lines = text.split("\n")
    for i, line in code_lines(text):
        code = line.split("/*")[0].rstrip()
        for operator, pattern, replacement in OPERATORS:
            for match in re.finditer(pattern, code):
                mutated = code[:match.start()] + match.expand(replacement) + code[match.end():]
                if mutated == code or line.endswith("\\"):
                    continue
                before = "\n".join(lines[max(0, i - 3):i])
                key = hashlib.sha256(f"{name}\0{before}\0{line}\0{mutated}".encode()).hexdigest()[:12]
                yield {"key": key, "file": name, "operator": operator, "line": i + 1, "was": line.strip(),
                       "is": mutated.strip(), "text": mutated}


def pattern_of(name):
    return next((pattern for pattern in TESTS if fnmatch.fnmatch(name, pattern)), None)


def tests_of(name):
    stem = Path(name).stem
    return [test.format(stem=stem, operation=stem.replace("_batch1", "")) for test in TESTS[pattern_of(name)]]


def known_reasons():
    """{(file, line, mutated line): why it changes nothing}"""
    if not KNOWN.exists():
        return {}
    rows = [line.split("\t") for line in KNOWN.read_text().splitlines() if line and not line.startswith("#")]
    return {tuple(row[:3]): row[3] for row in rows}


def all_faults(files):
    """Without what is known to change nothing."""
    reasons = known_reasons()
    faults = [fault for name in sorted(files) for fault in faults_of(name, (REPOSITORY / name).read_text())]
    return [fault for fault in faults if identity(fault) not in reasons]


def draw(faults, count, seed):
    """Files and operators take turns, so that each pair has its share. Where a line changes, only its faults do."""
    def lot(*what):
        return hashlib.sha256("\0".join(map(str, (seed, *what))).encode()).hexdigest()
    pairs = defaultdict(list)
    for fault in faults:
        pairs[fault["file"], fault["operator"]].append(fault)
    for of_pair in pairs.values():
        of_pair.sort(key=lambda fault: lot(fault["key"]))
    drawn = []
    while len(drawn) < count and any(pairs.values()):
        drawn += [pairs[pair].pop() for pair in sorted(pairs, key=lambda pair: lot(*pair)) if pairs[pair]]
    return drawn[:count]


def identity(fault):
    return fault["file"], fault["was"], fault["is"]


# ---- planting and looking -------------------------------------------------------------------------

class Worker:
    """A copy of the tree with build folders of its own, of which the one with sanitizers is made when it is wanted."""

    def __init__(self, directory):
        self.tree = directory / "tree"
        self.released, self.sanitized = directory / "build", directory / "sanitized"
        shutil.rmtree(self.tree, ignore_errors=True)
        names = subprocess.run(["git", "-C", str(REPOSITORY), "ls-files", "-z"], stdout=subprocess.PIPE, check=True)
        for name in filter(None, names.stdout.decode().split("\0")):
            target = self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target)
        self.configure(self.released)

    def configure(self, build, *more):
        options = ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DLENET_CUDA=OFF", *more]
        if shutil.which("ccache"):
            options += [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX")]
        self.run(["cmake", "-S", self.tree, "-B", build, *options], "cmake")

    def run(self, command, what):
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"{what} failed without a fault: {done.stdout[-2000:]}")

    def make(self, build, test):
        target = "lenet_program" if test in SCRIPTS else test
        return subprocess.run(["ninja", "-C", str(build), target], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).returncode == 0

    def passes(self, build, test):
        if test in SCRIPTS:
            command = [self.tree / SCRIPTS[test], build / "lenet", self.tree]
        else:
            command = [build / "tests" / test, "--gtest_fail_fast", "--gtest_brief=1"]
            if test.endswith("_emulated") and test not in EVERYTHING:
                command.append(f"--gtest_filter={GPU_TESTS}")
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            return process.wait(timeout=SECONDS) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait()

    def try_fault(self, fault):
        """Which test finds it; "" for none, None where it does not compile."""
        path = self.tree / fault["file"]
        original = path.read_text()
        lines = original.split("\n")
        lines[fault["line"] - 1] = fault["text"]
        path.write_text("\n".join(lines))
        try:
            for test in tests_of(fault["file"]):
                if not self.make(self.released, test):
                    return None
                if not self.passes(self.released, test):
                    return test
            return self.sanitizer_of(fault)
        finally:
            path.write_text(original)

    def sanitizer_of(self, fault):
        """Which test finds it where it is built with AddressSanitizer and UndefinedBehaviorSanitizer; "" for none."""
        if not self.sanitized.exists():
            self.configure(self.sanitized, "-DLENET_SANITIZE=address,undefined")
        for test in tests_of(fault["file"]):
            if not self.make(self.sanitized, test) or not self.passes(self.sanitized, test):
                return f"{test} (sanitizers)"
        return ""

    def check_clean(self, files):
        """Without a fault everything must pass."""
        for test in dict.fromkeys(test for name in files for test in tests_of(name)):
            if not self.make(self.released, test) or not self.passes(self.released, test):
                raise Failure(f"{test} fails without a fault")


def work_off(worker, todo, done, lock, out):
    while True:
        with lock:
            if not todo:
                return
            fault = todo.pop(0)
        began = time.monotonic()
        found_by = worker.try_fault(fault)
        result = {**{k: v for k, v in fault.items() if k != "text"}, "found_by": found_by,
                  "seconds": round(time.monotonic() - began, 1)}
        with lock:
            done[fault["key"]] = result
            with open(out / "results.jsonl", "a") as file:
                file.write(json.dumps(result) + "\n")
            end = "does not compile" if found_by is None else f"found by {found_by}" if found_by else "SURVIVED"
            print(f"{fault['file']}:{fault['line']} {fault['operator']}: {fault['is']}\n    {end}", flush=True)


# ---- the page -------------------------------------------------------------------------------------

def cell(text):
    return "`" + text.replace("|", "\\|") + "`"


def markdown(faults, done):
    tried = [done[fault["key"]] for fault in faults if fault["key"] in done]
    valid = [result for result in tried if result["found_by"] is not None]
    found = [result for result in valid if result["found_by"]]
    survivors = [result for result in valid if not result["found_by"]]
    lines = ["# Planted faults", "",
             "Made by `scripts/mutate.py --markdown docs/mutations.md`, which says how faults are drawn and what is to find",
             "them.", "",
             f"Of {len(valid)} faults that compile, {len(found)} were found: {100 * len(found) / max(1, len(valid)):.1f} %.", "",
             "| kind of fault | planted | found |", "|---|---|---|"]
    for kind in sorted({result["operator"] for result in valid}):
        of = [result for result in valid if result["operator"] == kind]
        lines.append(f"| {kind} | {len(of)} | {sum(bool(r['found_by']) for r in of)} |")
    lines += ["", "| file | planted | found | by |", "|---|---|---|---|"]
    for name in sorted({result["file"] for result in valid}):
        of = [result for result in valid if result["file"] == name]
        by = Counter(r["found_by"] for r in of if r["found_by"])
        lines.append(f"| {name} | {len(of)} | {sum(by.values())} | "
                     + ", ".join(f"{test} {n}" for test, n in by.most_common()) + " |")
    if survivors:
        lines += ["", "## Not found", "", "| file | line | planted |", "|---|---|---|"]
        lines += [f"| {r['file']} | {cell(r['was'])} | {cell(r['is'])} |" for r in survivors]
    reasons = known_reasons()
    if reasons:
        lines += ["", "## Faults that change nothing", "",
                  "They were planted too, no test can find them, and they do not count above.", "",
                  "| file | line | planted | why nothing changes |", "|---|---|---|---|"]
        lines += [f"| {file} | {cell(was)} | {cell(now)} | {why} |" for (file, was, now), why in sorted(reasons.items())]
    return "\n".join(lines) + "\n"


# ---- all together -------------------------------------------------------------------------------------

def parse_arguments():
    parser = argparse.ArgumentParser(usage="mutate.py [option...]", description=__doc__.split("\n\n")[0],
                                     epilog=__doc__.split("\n\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=140, help="how many (initially 140)")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn (initially 1)")
    parser.add_argument("--files", default="*", help="only in files that match this pattern")
    parser.add_argument("--operators", default="*", help="only of kinds that match this pattern")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree that work at a time (initially 1)")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "mutate", help="where results are kept")
    parser.add_argument("--list", action="store_true", help="print the faults, and plant none")
    parser.add_argument("--markdown", type=Path, help="write the table of what is known so far")
    return parser.parse_args()


def main():
    options = parse_arguments()
    tracked = subprocess.run(["git", "-C", str(REPOSITORY), "ls-files"], stdout=subprocess.PIPE, text=True, check=True)
    files = [name for name in tracked.stdout.splitlines() if pattern_of(name) and fnmatch.fnmatch(name, options.files)]
    possible = all_faults(files)
    faults = draw([fault for fault in possible if fnmatch.fnmatch(fault["operator"], options.operators)], options.count,
                  options.seed)
    if options.list:
        for fault in faults:
            print(f"{fault['file']}:{fault['line']} {fault['operator']}\n    {fault['was']}\n    {fault['is']}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.jsonl"
    done = {}
    if results.exists():
        done = {result["key"]: result for result in map(json.loads, results.read_text().splitlines())}
    if options.markdown:
        options.markdown.write_text(markdown(possible, done))
        return 0
    todo = [fault for fault in faults if fault["key"] not in done]
    lock = threading.Lock()
    workers = [Worker(options.out / str(i)) for i in range(min(options.jobs, len(todo)))]
    if workers:
        workers[0].check_clean(dict.fromkeys(fault["file"] for fault in todo))
    threads = [threading.Thread(target=work_off, args=(worker, todo, done, lock, options.out)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = [done[fault["key"]]["found_by"] for fault in faults]
    valid = [end for end in ends if end is not None]
    print(f"{len(valid)} faults planted, {sum(map(bool, valid))} found, {valid.count('')} survived, "
          f"{ends.count(None)} did not compile")
    return 1 if "" in valid else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"mutate.py: {failure}", file=sys.stderr)
        sys.exit(3)
