#!/usr/bin/env python3
"""test_same_bytes.py DRIVER SOURCE_DIR - what training computes on a CPU has the same bytes on every level of
processors with fused multiply-adds, for any number of threads, compiled by gcc and by clang, optimized little or much,
and on an ARM processor. DRIVER is tests/training/same_bytes.c, as the build has it. What is missing here is left out, and said.
"""
import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

driver, source = (Path(argument).resolve() for argument in sys.argv[1:])
REST = ["tests/training/same_bytes.c",
        *(f"src/base/{name}.c" for name in ("clock", "elementary", "processors", "status")),
        *(f"src/net/{name}.c" for name in ("architectures", "curvature", "evaluate", "layer", "network", "steps",
                                        "topology"))]
FUSED = """
lenet5             c17466b33420db27
lenet5 of double   3d58dfa4177ff82c
lenet5 of 1        b107a952c82a218d
adamw              205aeaab1bb989fc
lenet5-1998        c22f38c3818080c8
lenet5-1998 of 1   045087ed68ad3b1a
lenet1             0432687d5b7c7c65
mlp-300            8a774acfcf2112c4
"""
# Where nothing is fused there are two roundings in place of one.
NOT_FUSED = """
lenet5             53fbca01f8de46d5
lenet5 of double   3d58dfa4177ff82c
lenet5 of 1        91dee72b85dddeee
adamw              1d958d152fe45f13
lenet5-1998        8394716ff4905583
lenet5-1998 of 1   510245bba3d684d6
lenet1             1c307475c3dd54db
mlp-300            af17ccb16c7e6e1e
"""
failures = []


def run(what, command, level=None):
    """What the driver prints, or None where the processor is of no such level, which is said."""
    environment = dict(os.environ)
    environment.pop("LENET_CPU", None)
    if level:
        environment["LENET_CPU"] = level
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode == 77:
        print(f"{what}: left out: {done.stderr.strip()}")
        return None
    if done.returncode:
        failures.append(f"{what}: exit code {done.returncode}: {done.stderr}")
        return None
    return done.stdout


def check(what, command, level=None):
    printed = run(what, command, level)
    if printed is None:
        return
    machine, hashes = printed.split("\n", 1)
    wanted = NOT_FUSED if "without fused multiply-adds" in machine else FUSED
    if hashes.strip() == wanted.strip():
        print(f"{what}: as wanted")
    else:
        failures.append(f"{what}: other bytes, {machine}\n{hashes}")


def compiled(compiler, options, folder):
    """The driver, compiled for one level of processors as these options say, with CMakeLists.txt's names."""
    common = [*compiler, "-std=gnu11", "-D_POSIX_C_SOURCE=200809L", "-DNDEBUG", "-DLENET_ONE_LEVEL",
              "-DLENET_LEVEL=base", f"-I{source}/include", f"-I{source}/src", "-ffp-contract=off", "-fno-math-errno", *options]
    once = {source / f"src/cpu/{name}.c" for name in ("level", "parallel", "queue")}
    single = {path for path in (source / "src/cpu").glob("*_batch1.c")}
    replaced = {path.with_name(path.name.replace("_batch1", "")) for path in single}
    operations = set((source / "src/cpu").glob("*.c")) - once
    parts = {"float": (operations - single, ["-DLENET_REAL=float"]),
             "double": (operations - single, ["-DLENET_REAL=double", "-DLENET_CPU64"]),
             "batch1": (operations - replaced, ["-DLENET_REAL=float", "-DLENET_BATCH1"]),
             "rest": (once | {source / path for path in REST}, [])}
    waiting = []
    for name, (paths, definitions) in parts.items():
        (folder / name).mkdir(parents=True)
        waiting.append(subprocess.Popen([*common, *definitions, "-c", *sorted(paths)], cwd=folder / name))
    assert not any([process.wait() for process in waiting]), f"{compiler} fails"
    subprocess.run([*common, "-o", folder / "driver", *folder.glob("*/*.o"), "-lpthread", "-lm"], check=True)
    return folder / "driver"


LEVELS = ["v4", "v3", "v2"] if platform.machine() == "x86_64" else ["base"]
# In the build it is gcc, as a rule, at -O3. Without further options, x86-64 has no fused multiply-adds.
COMPILED = [(["gcc"], ["-O1", "-march=native"]), (["clang"], ["-O1", "-mavx2", "-mfma"]),
            (["clang"], ["-O3", "-march=native"]), (["clang"], ["-O2"])]

with tempfile.TemporaryDirectory() as scratch:
    scratch = Path(scratch)
    data = []
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        data.append(scratch / name)
        data[-1].write_bytes(gzip.decompress((source / "data/sample" / f"{name}.gz").read_bytes()))
    for level in LEVELS:
        for threads in range(1, 6):
            check(f"{level}, {threads} threads", [driver, *data, str(threads)], level)
    for number, (compiler, options) in enumerate(COMPILED):
        what = " ".join([*compiler, *options])
        if "-mavx2" in options and ("v3" not in LEVELS or run(what, [driver, *data, "1"], "v3") is None):
            continue
        if shutil.which(compiler[0]):
            check(what, [compiled(compiler, options, scratch / str(number)), *data, "2"])
        else:
            print(f"{what}: left out: there is no {compiler[0]}")
    cross, emulator = "aarch64-linux-gnu-gcc", shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if shutil.which(cross) and emulator:
        check(f"{cross}, emulated", [emulator, compiled([cross], ["-O2", "-static"], scratch / cross), *data, "2"])
    else:
        print("ARM: left out: there is no aarch64-linux-gnu-gcc, or no qemu-aarch64 (Debian: gcc-aarch64-linux-gnu, "
              "libc6-dev-arm64-cross, qemu-user)")

print("\n".join(failures))
sys.exit(1 if failures else 0)
