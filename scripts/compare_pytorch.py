#!/usr/bin/env python3
"""compare_pytorch.py - times a training step of LeNet-5 in PyTorch and in `lenet bench`, in turn, on one machine.

Both train the same network (relu, max, Nesterov momentum) in float32 on the same amount of random images that
lie on the device as bytes. One step of lenet gathers the batch, and so does PyTorch's in the column "with
gather"; "step only" leaves that out, which favours PyTorch. Several rounds of both, the median counts.
Exit codes: 0 done, 2 usage, 3 PyTorch or lenet is missing or fails, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from common import LENET, BadInput, program_path, run_lenet, write_file
from needs import need

need("numpy", "torch", packages="python3-torch")
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import sound_torch  # noqa: E402

# As in src/check/bench.c.
IMAGES, SIDE, CLASSES = 4096, 28, 10
RATE, MOMENTUM = 0.01, 0.9
WARM_UP = 20  # steps

FIELD = 32
SECONDS = 1.5          # of PyTorch's steps in a round
STEPS_AT_LEAST = 5
# A GPU's steps are only enqueued, and a framework lives on running ahead of the GPU. So that PyTorch may do so,
# its steps are timed in groups there; on the CPU one by one, as lenet's everywhere.
GROUP = {"cpu": 1, "cuda": 20}


# ---- PyTorch -----------------------------------------------------------------------------------

def lenet5():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 16, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(400, 120), torch.nn.ReLU(),
        torch.nn.Linear(120, 84), torch.nn.ReLU(),
        torch.nn.Linear(84, CLASSES))


class Data:
    """Random images on the device, as bytes, and the batches that are drawn of them."""

    def __init__(self, device, batch):
        self.images = torch.randint(0, 256, (IMAGES, 1, SIDE, SIDE), dtype=torch.uint8, device=device)
        self.labels = torch.arange(IMAGES, device=device) % CLASSES
        pixels = self.images.float()
        self.mean, self.deviation = pixels.mean().item(), pixels.std().item()
        self.order, self.batch, self.at = torch.randperm(IMAGES, device=device), batch, 0

    def gather(self):
        """The next batch: normalised, and in the middle of the field on a ground of byte 0."""
        if self.at + self.batch > IMAGES:
            self.order, self.at = torch.randperm(IMAGES, device=self.order.device), 0
        chosen = self.order[self.at:self.at + self.batch]
        self.at += self.batch
        x = F.pad(self.images[chosen], [(FIELD - SIDE) // 2] * 4).float()
        return x.sub_(self.mean).div_(self.deviation), self.labels[chosen]


class Training:
    """A network in PyTorch with its optimizer, eager or compiled."""

    def __init__(self, device, batch, compiled):
        torch.manual_seed(1)
        self.device, self.data = device, Data(device, batch)
        model = lenet5().to(device)
        self.model = torch.compile(model) if compiled else model
        self.optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, nesterov=True)
        self.ready = self.data.gather()

    def step(self, with_gather):
        x, label = self.data.gather() if with_gather else self.ready
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(x), label).backward()
        self.optimizer.step()

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds_a_step(self, with_gather):
        """The median over groups of steps."""
        group, times = GROUP[self.device], []
        for _ in range(WARM_UP):
            self.step(with_gather)
        self.wait()
        began = time.perf_counter()
        while len(times) < STEPS_AT_LEAST or time.perf_counter() - began < SECONDS:
            group_began = time.perf_counter()
            for _ in range(group):
                self.step(with_gather)
            self.wait()
            times.append((time.perf_counter() - group_began) / group)
        return median(times)


def compile_works(device):
    """Whether there is a torch.compile that compiles here; prints why not where there is one that does not."""
    if not hasattr(torch, "compile"):
        return False
    try:
        Training(device, 16, compiled=True).step(with_gather=False)
    except Exception as error:  # it fails in its own many ways: no compiler, an unknown Python, no Triton
        print(f"torch.compile does not work here, so only eager is timed: {one_line(error)}", file=sys.stderr)
        return False
    return True


# ---- lenet -------------------------------------------------------------------------------------

def one_line(text):
    return " ".join(str(text).split())[:300]


def lenet_bench(options, batch):
    """The JSON of one `lenet bench`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bench.json"
        run = run_lenet(options.lenet, "bench", "--arch", "lenet5", "--activation", "relu", "--pooling", "max",
                        "--optimizer", "nesterov", "--batch", batch, "--device", options.device,
                        "--threads", options.threads, "--json", path)
        if run.returncode != 0:
            raise BadInput(f"lenet bench ended with exit code {run.returncode}: {one_line(run.stderr)}")
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise BadInput(f"{options.lenet}: bench wrote no JSON ({one_line(error)})") from None


# ---- comparing ---------------------------------------------------------------------------------

def compare(options, batch, variants):
    """One row: images a second of lenet and of every PyTorch variant, medians over rounds taken in turn."""
    trainings = {name: Training(options.device, batch, name == "compiled") for name in variants}
    lenet, others = [], {(name, gather): [] for name in variants for gather in (True, False)}
    for _ in range(options.rounds):
        bench = lenet_bench(options, batch)
        lenet.append(bench["images_per_s"])
        for (name, gather), rates in others.items():
            rates.append(batch / trainings[name].seconds_a_step(gather))
    row = {"batch": batch, "lenet_images_per_s": median(lenet), "lenet_rounds": lenet, "pytorch": []}
    for (name, gather), rates in others.items():
        row["pytorch"].append({"mode": name, "gathers": gather, "images_per_s": median(rates), "rounds": rates,
                               # Of neighbours in time: the machine's speed drifts.
                               "ratio": median(a / b for a, b in zip(lenet, rates))})
    return row, bench


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine(options):
    found = {"cpu": processor(), "device": options.device, "threads": options.threads, "rounds": options.rounds,
             "pytorch": torch.__version__, "python": platform.python_version()}
    if sound_torch.CORE in os.environ:
        found["openblas_coretype"] = os.environ[sound_torch.CORE]
    if options.device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    return found


def print_head(about):
    where = about.get("gpu") or f"{about['cpu']}, {about['threads']} thread{'s' * (about['threads'] > 1)}"
    print(f"A training step of LeNet-5 (relu, max, Nesterov) in float32 on {where}")
    core = f" with {sound_torch.CORE}={about['openblas_coretype']}" if "openblas_coretype" in about else ""
    print(f"PyTorch {about['pytorch']}{core}; images/s, medians of {about['rounds']} rounds in turn\n")
    print(f"{'batch':>6} {'lenet':>10}   {'PyTorch':<22} {'images/s':>10} {'lenet is':>10}")


def print_row(row):
    for number, other in enumerate(row["pytorch"]):
        left = f"{row['batch']:>6} {row['lenet_images_per_s']:>10,.0f}" if number == 0 else " " * 17
        name = f"{other['mode']}, {'with gather' if other['gathers'] else 'step only'}"
        print(f"{left}   {name:<22} {other['images_per_s']:>10,.0f} {other['ratio']:>8.1f} x", flush=True)


# ---- command -----------------------------------------------------------------------------------

def whole(low, high):
    def parse(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}'; wanted a whole number, {low} to {high}")
        return int(text)
    return parse


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        prog="compare_pytorch.py", description="Times a training step of LeNet-5 in PyTorch and in `lenet bench`.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of both (initially cpu)")
    parser.add_argument("--batch", metavar="N", type=whole(1, IMAGES), nargs="+", default=[64, 256, 1024],
                        help="images a step (initially 64 256 1024)")
    parser.add_argument("--lenet", metavar="PROGRAM", type=program_path, default=LENET,
                        help="initially build/release/lenet")
    parser.add_argument("--threads", metavar="N", type=whole(1, 1024), default=len(os.sched_getaffinity(0)),
                        help="of the CPU, for both (initially all)")
    parser.add_argument("--rounds", metavar="N", type=whole(1, 1000), default=5,
                        help="the machine's noise lasts longer than a step: both take turns (initially 5)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the results there")
    return parser.parse_args(arguments)


def run(options):
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device cuda: PyTorch {torch.__version__} finds no GPU here, or was built without CUDA")
    if options.json and not options.json.parent.is_dir():  # said before the minutes of timing, not after
        raise BadInput(f"{options.json}: there is no directory {options.json.parent}")
    torch.set_num_threads(options.threads)
    doubt = options.device == "cpu" and sound_torch.prove(torch.float32, sound_torch.wrong_product, batches=[64])
    if doubt:
        raise BadInput(doubt)
    about, rows = machine(options), []
    variants = ["eager", "compiled"] if compile_works(options.device) else ["eager"]
    for batch in options.batch:
        row, bench = compare(options, batch, variants)
        if not rows:
            print_head(about)
        rows.append(row)
        print_row(row)
    about.update(lenet=bench["version"], lenet_compiler=bench["compiler"])
    print(f"\nlenet {about['lenet']}, {about['lenet_compiler']}")
    if options.json:
        write_file(options.json, (json.dumps({**about, "rows": rows}, indent=2) + "\n").encode())


def main(arguments=None):
    options = parse_arguments(arguments)
    try:
        run(options)
    except BadInput as failure:
        print(f"compare_pytorch: {failure}", file=sys.stderr)
        return 3
    except (RuntimeError, MemoryError) as error:  # PyTorch's own: out of memory, a broken driver
        print(f"compare_pytorch: PyTorch: {one_line(error)}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
