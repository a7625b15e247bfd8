#!/usr/bin/env python3
"""kernel_report.py - what ptxas says of the CUDA kernels: registers, shared memory, spills; what the tests count of
their accesses to memory; and what a step must cost.

  kernel_report.py --check                    compiles cuda/*.cu; exit 1 if a kernel spills or has a local array, or a
                                              file has no kernel
  kernel_report.py --check --build DIR        the same of what a build has compiled already (scripts/keep_ptxas.sh)
  kernel_report.py --build DIR --markdown FILE   writes docs/kernels.md

Theoretical occupancy is the warps that an SM of compute capability 9.0 holds at a time, of 64. A block needs
  - registers: each warp 32 times the thread's, in units of 256, from one of four partitions of 16,384;
  - shared memory: static and dynamic in units of 128 bytes, and 1 KB that is reserved, of 228 KB;
  - one of 32 places for blocks, and its warps' places.
Exit codes: 0 done, 1 a check failed, 2 usage, 3 something is missing or does not compile, 77 no nvcc (skipped).
"""
import endings  # noqa: F401: first
import argparse
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = sorted((REPOSITORY / "cuda").glob("*.cu"))
REPORTED = "90"

# NVIDIA's data sheet of the H100 SXM: FP32 without tensor cores, and the memory.
FLOPS, BYTES = 67e12, 3.35e12
BATCH, EPOCH, POPULATIONS = 128, 60000, (1, 64)
IMAGE = 28 * 28  # bytes, MNIST's


class Failure(Exception):
    """One line that says what is missing or wrong."""


# ---- ptxas ---------------------------------------------------------------------------------------

def build_architectures():
    """Those that the build is for, from CMakeLists.txt."""
    line = re.search(r"set\(CMAKE_CUDA_ARCHITECTURES ([^)]*)\)", (REPOSITORY / "CMakeLists.txt").read_text())
    return re.findall(r"\d+", line.group(1))


def find_nvcc():
    """$NVCC, that of the PATH, or that of the usual place; None where there is none."""
    return shutil.which(os.environ.get("NVCC", "nvcc")) or shutil.which("/usr/local/cuda/bin/nvcc")


def compile_sources(nvcc, architectures):
    """{file name: what ptxas says}, from as many compilers at a time as there are processors."""
    def compiled(source, architecture, directory):
        command = [nvcc, "-O3", "-std=c++17", f"-I{REPOSITORY}/include", f"-I{REPOSITORY}/src", f"-I{REPOSITORY}/cuda", "-cubin", '-DLENET_CUBLAS="libcublas.so"',
                   f"-arch=sm_{architecture}", "-Xptxas=-v", "-o", f"{directory}/{source.stem}.{architecture}", source]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"{source.name} does not compile for sm_{architecture}:\n{done.stdout}")
        return done.stdout

    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(s, pool.submit(compiled, s, a, directory)) for s in SOURCES for a in architectures]
        texts = dict.fromkeys((s.name for s in SOURCES), "")
        for source, job in jobs:
            texts[source.name] += job.result()
        return texts


def kept_texts(build):
    """{file name: what ptxas said}, of the objects in a build directory."""
    return {path.name[:-len(".o.ptxas")]: path.read_text() for path in Path(build).glob("CMakeFiles/**/*.cu.o.ptxas")}


def demangle(text):
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    return subprocess.run([tool], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout if tool else text


def short_name(name):
    """'void correlate_kernel<(int)5, (int)8>(correlate)' becomes 'correlate_kernel<5,8>'."""
    name = re.sub(r"\(anonymous namespace\)::|\((int|bool|unsigned int)\)", "", name)
    return re.sub(r"^void |\(.*|(?<=,) ", "", name)


def parse(text):
    """{(kernel, architecture): its numbers}. Functions that a kernel calls add their spills to the kernel's."""
    kernels, current = {}, None
    for line in demangle(text).splitlines():
        entry = re.search(r"Compiling entry function '(.+)' for 'sm_(\w+)'", line)
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        used = re.search(r"Used (\d+) registers", line)
        if entry:
            current = {"registers": 0, "shared": 0, "stack": 0, "stores": 0, "loads": 0}
            kernels[short_name(entry.group(1)), entry.group(2)] = current
        elif frame and current:
            for key, value in zip(("stack", "stores", "loads"), frame.groups()):
                current[key] += int(value)
        elif used and current:
            shared = re.search(r"(\d+)(?:\+\d+)? bytes smem", line)
            current.update(registers=int(used.group(1)), shared=int(shared.group(1)) if shared else 0)
    return kernels


def problems_of(sources, texts, architectures):
    """A line for each spill and each local array, which both are slow memory where registers were meant, and for each
    file whose kernels ptxas did not compile for an architecture."""
    problems = []
    for source in sources:
        if "__global__" not in source.read_text():
            continue
        kernels = parse(texts.get(source.name, ""))
        names = {name for name, _ in kernels}
        if not names:
            problems.append(f"{source.name}: ptxas names no kernel, and the file has some")
        for architecture in architectures:
            for name in sorted(names):
                kernel = kernels.get((name, architecture))
                if not kernel or kernel["registers"] == 0:
                    problems.append(f"{source.name}: {name} was not compiled for sm_{architecture}")
        for (name, architecture), kernel in kernels.items():
            if kernel["stores"] + kernel["loads"] > 0:
                problems.append(f"{source.name}: {name} for sm_{architecture} spills: {kernel['stores']} bytes of "
                                f"stores, {kernel['loads']} of loads, with {kernel['registers']} registers")
            elif kernel["stack"] > 0:
                problems.append(f"{source.name}: {name} for sm_{architecture} has a local array: {kernel['stack']} "
                                "bytes that are indexed at run time")
    return problems


def check(texts, architectures):
    """Prints what is wrong, or how much was looked at. Returns the exit code."""
    problems = problems_of(SOURCES, texts, architectures)
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        kernels = {key: kernel for text in texts.values() for key, kernel in parse(text).items()}
        (name, architecture), most = max(kernels.items(), key=lambda item: item[1]["registers"])
        print(f"{len({name for name, _ in kernels})} kernels on {len({a for _, a in kernels})} architectures: "
              f"no spills, no local arrays; at most {most['registers']} registers ({name}, sm_{architecture})")
    return 1 if problems else 0


# ---- launches and occupancy ------------------------------------------------------------------------

def occupancy(registers, threads, shared):
    """(blocks, warps) that an SM of sm_90 holds; the rules are above."""
    warps = math.ceil(threads / 32)
    by_registers = 4 * (16384 // (math.ceil(registers * 32 / 256) * 256)) // warps
    by_shared = 228 * 1024 // (math.ceil(shared / 128) * 128 + 1024)
    blocks = min(32, 64 // warps, by_registers, by_shared)
    return blocks, blocks * warps


def counted_launches(build):
    """What the emulated GPU counts of each launch of a training step of lenet5: dicts, in the order of the launches."""
    with tempfile.TemporaryDirectory() as directory:
        counts = Path(directory) / "counts"
        run([f"{build}/tests/test_simt_counts_emulated"], LENET_COUNTS=str(counts))
        return [json.loads(line) for line in counts.read_text().splitlines()]


def use_of(launch):
    return short_name(launch["kernel"]), launch["threads"], launch["dynamic"]


def uses_of(counted):
    """{(kernel, threads, bytes of dynamic shared memory): [the populations whose training step launches it so]}"""
    uses = {}
    for launch in counted:
        if launch["R"] in POPULATIONS:
            uses.setdefault(use_of(launch), set()).add(launch["R"])
    return {use: sorted(networks) for use, networks in uses.items()}


def shares_of(counted, use):
    """The columns of a kernel's use: the share of useful sectors in its reads and in its writes, wavefronts for each
    that would do, and barriers of a block."""
    mine = [c for c in counted if c["R"] in POPULATIONS and use_of(c) == use]
    least, used = ({key: sum(c[key][i] for c in mine) for key in ("read", "written", "wavefronts")} for i in (0, 1))
    useful = [f"{100 * least[key] / used[key]:.0f} %" if used[key] else "" for key in ("read", "written")]
    wavefronts = f"{used['wavefronts'] / least['wavefronts']:.2f}" if least["wavefronts"] else ""
    barriers = sum(c["barriers"] for c in mine) / sum(c["blocks"] for c in mine)
    return f"{useful[0]} | {useful[1]} | {wavefronts} | {barriers:.0f} |"


def run(command, **environment):
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{error}; --build names a build directory with everything in it") from None


def kernel_table(kernels, counted):
    """counted: what counted_launches returns."""
    columns = ("registers", "static shared", "stack", "spills", "R", "threads", "dynamic shared", "blocks/SM",
               "warps/SM", "useful of reads", "of writes", "wavefronts", "barriers")
    yield f"| kernel | {' | '.join(columns)} |"
    yield "|---" + "|--:" * len(columns) + "|"
    launched = uses_of(counted)
    for (name, architecture), k in sorted(kernels.items()):
        if architecture != REPORTED:
            continue
        first = f"| `{name}` | {k['registers']} | {k['shared']} | {k['stack']} | {k['stores'] + k['loads']} "
        uses = sorted((threads, dynamic, of) for (kernel, threads, dynamic), of in launched.items() if kernel == name)
        if not uses:
            yield first + "| " * (len(columns) - 4) + "|"
        for threads, dynamic, of in uses:
            blocks, warps = occupancy(k["registers"], threads, k["shared"] + dynamic)
            shares = shares_of(counted, (name, threads, dynamic))
            yield first + f"| {', '.join(map(str, of))} | {threads} | {dynamic} | {blocks} | {warps} | {shares}"
            first = "| | | | | "


# ---- what a training step must do -------------------------------------------------------------------

def architecture_of(build):
    """lenet5's layers and sizes, as the program has them."""
    with tempfile.TemporaryDirectory() as directory:
        run([f"{build}/lenet", "info", "--arch", "lenet5", "--json", f"{directory}/info.json"])
        return json.loads((Path(directory) / "info.json").read_text())


def is_fused(layers, at):
    """Whether the GPU computes a convolution together with the subsampling above it, whose outputs then have places."""
    above = layers[at + 1] if at + 1 < len(layers) else {}
    return layers[at]["kind"] == "conv" and above.get("pooling") == "max" and above["size"] == 2


def is_with_activation(layers, at):
    """Whether layer `at` is fully connected and computed together with the activation above it."""
    return layers[at]["kind"] == "dense" and at + 1 < len(layers) and layers[at + 1]["kind"] == "activation"


def is_behind_activation(layers, at):
    """Whether layer `at` is fully connected and its gradient computed together with that of the activation below it."""
    return at > 0 and layers[at]["kind"] == "dense" and layers[at - 1]["kind"] == "activation"


def step_operations(info, images):
    """(operation, layer, FLOP, bytes) of one network's step in its order, each input read once, each output written
    once. As in `lenet bench`, only matrix products count as FLOP. schedule_step moves a few bytes and is left out."""
    rows, layers = [], info["layers"]
    field, classes = info["field"] ** 2, layers[-1]["output"][0]

    def add(operation, layer, floats, flops=0, others=0):
        rows.append((operation, layer, flops, 4 * floats + others))

    add("batch_draw", "", images * field, others=images * (IMAGE + 2))
    forward, backward = [], []
    for at, layer in enumerate(layers):
        kind, name = layer["kind"], layer["name"]
        x, y = images * math.prod(layer["input"]), images * math.prod(layer["output"])
        weights, biases = layer["weights"], layer["biases"]
        flops = 2 * weights * images * math.prod(layer["output"][1:])
        steps = [(kind + "_backward_params", name, x + y + weights + biases, flops)] if weights else []
        if is_fused(layers, at):
            windows = y // 4
            if at == 0:  # nobody else wants the gradient of its outputs
                steps = [("conv_maxpool_backward_params", name, x + 2 * windows + weights + biases, flops, windows)]
            forward.append(("conv_maxpool_forward", name, x + windows + weights + biases, flops, windows))
        elif not (at > 0 and (is_fused(layers, at - 1) or is_with_activation(layers, at - 1))):
            forward.append((kind + "_forward", name, x + y + weights + biases, flops))
        if at > 1 and is_fused(layers, at - 1):
            steps.append(("maxpool_backward_input", name, x + 2 * y, 0, y))
        elif at > 0 and not (is_fused(layers, at - 1) or
                             (at + 1 < len(layers) and is_behind_activation(layers, at + 1))):
            inputs = x + y + {"subsample": x, "activation": x}.get(kind, weights)  # x for the maximum, y for the slope
            inputs += x if is_behind_activation(layers, at) else 0
            steps.append((kind + "_backward_input", name, inputs, flops))
        backward.append(steps)
    for row in forward:
        add(*row)
    add("softmax_loss", "", 2 * images * classes, others=2 * images)
    for row in (row for steps in reversed(backward) for row in steps):
        add(*row)
    add("optimizer_step", "", 5 * info["parameters"])  # w, dw, m in; w, m out
    counted = sum(row[2] for row in rows)
    if counted != images * info["training_flops"]:
        raise Failure(f"{counted} FLOP a step by this script, {images * info['training_flops']} by the program")
    return rows


def counted_bytes(rows, counted):
    """For each operation of step_operations: the bytes that the launches of one network's step were seen to move. What
    it must move is the same by the test that counts, but that there the optimizer also has what pads the parameters."""
    operations = []
    for key, launches_of in itertools.groupby((c for c in counted if c["R"] == 1 and c["operation"] != "schedule_step"),
                                              key=lambda c: (c["operation"], c["layer"], c["least"])):
        operations.append((*key, sum(c["moved"] for c in launches_of)))
    if [o[:2] for o in operations] != [row[:2] for row in rows]:
        raise Failure("a step has not the operations that tests/training/test_simt_counts.cc has counted")
    for (operation, layer, by_test, _), (_, _, _, by_script) in zip(operations, rows):
        if not math.isclose(by_test, by_script, rel_tol=0.01):
            raise Failure(f"{operation} {layer} must move {by_script} bytes by this script, and {by_test} by "
                          "tests/training/test_simt_counts.cc")
    return [o[3] for o in operations]


def step_table(info, counted):
    rows = step_operations(info, BATCH)
    seen = counted_bytes(rows, counted)
    floors = {networks: 0 for networks in POPULATIONS}
    yield ("| operation | layer | MFLOP | MB | MB counted | bound by |" +
           "".join(f" floor, R = {r} |" for r in POPULATIONS))
    yield "|---|---|--:|--:|--:|---|" + "--:|" * len(POPULATIONS)
    for (operation, layer, flops, moved), bytes_seen in zip(rows, seen):
        floor = max(flops / FLOPS, moved / BYTES)
        line = f"| {operation} | {layer} | {flops / 1e6:.2f} | {moved / 1e6:.3f} | {bytes_seen / 1e6:.3f} | "
        line += "FLOP |" if flops / FLOPS > moved / BYTES else "bytes |"
        for networks in POPULATIONS:
            floors[networks] += networks * floor
            line += f" {1e6 * networks * floor:.2f} us |"
        yield line
    total = f"| {sum(row[2] for row in rows) / 1e6:.2f} | {sum(row[3] for row in rows) / 1e6:.3f} | "
    total += f"{sum(seen) / 1e6:.3f} | "
    yield f"| **a step** | {total}|" + "".join(f" **{1e6 * floors[r]:.1f} us** |" for r in POPULATIONS)
    steps = math.ceil(EPOCH / BATCH)
    times = "".join(f" **{1e3 * steps * floors[r]:.1f} ms** |" for r in POPULATIONS)
    yield f"| **an epoch**, {steps} steps | | | | | |{times}"


def markdown(texts, build, nvcc):
    """The whole of docs/kernels.md."""
    kernels = {key: kernel for text in texts.values() for key, kernel in parse(text).items()}
    counted = counted_launches(build)
    version = subprocess.run([nvcc, "--version"], stdout=subprocess.PIPE, text=True).stdout if nvcc else ""
    release = re.search(r"release ([\d.]+)", version)
    return "\n".join([
        "# The CUDA kernels", "",
        "Made by `scripts/kernel_report.py --build build/release --markdown docs/kernels.md`: compiler output and "
        "arithmetic. **Nothing here was measured on a GPU.**", "",
        f"## What the compiler made of them: sm_{REPORTED}, nvcc {release.group(1) if release else 'of the build'}", "",
        f"R, threads and dynamic shared memory (bytes) are those of the launches in a training step of `lenet5` with "
        f"batch {BATCH} and R networks; kernels without them are for other shapes and layers, evaluation, gradient "
        "checks or benchmarks. Warps/SM, of 64, are the theoretical occupancy; the "
        "script's head has the rules. A stack frame is an array that is indexed at run time; the tests allow none.", "",
        "The last four columns were counted where the tests run the kernels on a CPU: the share of the 32-byte sectors "
        "of global memory that a warp's reads and writes would need at least, of those that they touch; wavefronts of "
        "shared memory for each that is needed, of which 1.00 is without bank conflicts; and barriers of a block. For "
        "R = 64 every 31st block was counted.", "",
        *kernel_table(kernels, counted), "",
        "## What a training step must cost on an H100, at least", "",
        f"`lenet5`, batch {BATCH}, Nesterov momentum; FLOP and bytes of one network. The floor is the larger of "
        f"FLOP / {FLOPS / 1e12:g} TFLOP/s (FP32) and bytes / {BYTES / 1e12:g} TB/s, the data sheet's numbers of the "
        "H100 SXM, with every input of an operation read once and every output written once; R networks cost R times "
        "as much. Launches, and what a kernel reads twice, come on top. The tensors of a single network fit the 50 MB "
        "of L2 cache, so for R = 1 memory may be faster than that, and launches, of some microseconds each, are what "
        "a step consists of. MB counted is what the launches of R = 1 touched in the tests: every sector once a "
        "launch, and every matrix once a product of cuBLAS.", "",
        *step_table(architecture_of(build), counted), ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", metavar="N", help="90, ...; initially those that the build is for")
    parser.add_argument("--build", metavar="DIR", help="read what this build directory's compilers have said")
    parser.add_argument("--check", action="store_true", help="fail where a kernel spills or has a local array")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there; needs --build")
    arguments = parser.parse_args()
    if not arguments.check and not arguments.markdown or arguments.markdown and not arguments.build:
        parser.error("wanted --check, or --markdown FILE with --build DIR")
    nvcc, architectures = find_nvcc(), arguments.arch or build_architectures()
    if not arguments.build and not nvcc:
        print("no nvcc on the PATH, as $NVCC or in /usr/local/cuda/bin")
        return 77
    try:
        texts = kept_texts(arguments.build) if arguments.build else compile_sources(nvcc, architectures)
        code = check(texts, architectures) if arguments.check else 0
        if arguments.markdown:
            Path(arguments.markdown).write_text(markdown(texts, arguments.build, nvcc))
        return code
    except BrokenPipeError:  # nobody reads any more
        raise
    except (Failure, OSError) as error:
        print(f"kernel_report: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
