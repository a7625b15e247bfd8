#!/usr/bin/env python3
"""test_pytorch.py - PyTorch computes again, in double, what oracle_dump has written down: logits, loss, every
gradient, and the weights after ten steps of each optimizer.

    test_pytorch.py --dump build/release/tests/oracle_dump [--data data/sample] [--backend cpu64 --backend cpu]

The places can also come from LENET_ORACLE_DUMP and LENET_DATA. Any python3 will do to start it: one without
numpy and torch hands over to one that has them. Where there is none, or where PyTorch does not compute what is known
before (scripts/sound_torch.py), exit code 77: skipped.
"""
import argparse
import math
import os
import subprocess
import sys
import tempfile
import unittest
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77
sys.dont_write_bytecode = True
sys.path[:0] = [str(REPOSITORY / "scripts"), str(REPOSITORY / "tests" / "support")]
import needs
needs.need("numpy", "torch", packages="python3-torch", code=SKIPPED)
import numpy
import torch
import torch.nn.functional as F
import safetensors
import sound_torch

# ---- what is compared ------------------------------------------------------------------------------

# Convolutions (each with a nonlinearity and 2x2 subsampling after it), then hidden layers; "output" comes last.
ARCHITECTURES = {"lenet5": (["C1", "C3"], ["C5", "F6"]), "mlp-300": ([], ["hidden"]), "linear": ([], [])}
NETWORKS = [("lenet5", "tanh", "average"), ("lenet5", "relu", "max"), ("lenet5", "tanh", "max"),
            ("mlp-300", "relu", "max"), ("linear", "tanh", "average")]

# Peak rates at which ten steps move the weights by 5 to 100 %.
OPTIMIZERS = {"sgd": "0.1", "momentum": "0.05", "nesterov": "0.05", "adamw": "0.002"}

# 100 images in batches of 13: the batch never fills the lanes, the 8th one has 9 images, and ten steps reach
# into the second epoch. The warm-up is 3 steps. AdamW's epsilon is of the size of many gradients, so that its
# place in the formula shows; at 1e-8 an update would be a gradient's sign, and rounding could turn that.
TRAINING = {"batch": "13", "train-size": "100", "steps": "10", "schedule": "cosine", "warmup": "0.375",
            "weight-decay": "0.01", "epsilon": "1e-5"}
BATCHES = (13, 9)
STEPS, WARMUP_STEPS, STEPS_AN_EPOCH = 10, 3, 8

NO_LABEL = 255
TIES_AT_LEAST = 100

# ---- tolerances: of norms of differences, relative to the oracle's norm -------------------------------

# Half a unit in the last place of a float.
FLOAT = 2.0 ** -24
# Of activations and gradients. The longest sums that one lane adds up are C1's weight gradients, over 28*28
# pixels; their errors add up like a random walk.
#   cpu:   sqrt(784) * 2^-24 = 1.7e-6, hence 2e-6. Seen: 1.2e-6 with 16 lanes, 1.6e-6 with 4.
#   cpu64: sqrt(784) * 2^-53 = 3e-15. Seen: 4e-15. PyTorch's own errors are as large and depend on its BLAS;
#          1e-12 leaves room for them, and no wrong formula is that near to a right one.
#   cuda:  float as well, in sums of another order.
CLOSE = {"cpu64": 1e-12, "cpu": 2e-6, "cuda": 2e-6}
# Of weights after ten steps.
#   cpu64: as above: the seen errors stay below 1e-14.
#   float: each step rounds a weight once, 10 * 2^-24 in all. Above that, what errors of the gradients as large
#          as CLOSE allows do to the oracle itself: it is run again with every gradient changed by that much in
#          a random direction, the same one in all steps so that it adds up. Twice that distance, as it is one
#          direction only. Entries whose gradient is exactly 0 (dead ReLUs) stay as they are: no arithmetic
#          makes anything else of a sum of zeros, but AdamW would make full-sized steps of it.
NOISE_MARGIN = 2


# In float, rounding can turn which of two nearly equal pixels is the maximum, or the sign before a ReLU; then one
# gradient of one image has another value, which no bound on rounding covers. One such turn in ten steps of AdamW was
# seen to move C1's weights by 8e-5 of their norm; a wrong update rule moves them by more than 1e-2. The same source
# is held to 1e-12 in double, where nothing turns.
TURNED = 1e-3


def trained_tolerance(backend, oracle, noisy):
    if backend == "cpu64":
        return CLOSE[backend]
    return NOISE_MARGIN * relative_error(noisy, oracle) + STEPS * FLOAT


def relative_error(found, wanted):
    """0 for two zeros, NaN or infinite for anything that is no number: no tolerance lets those pass."""
    found, wanted = numpy.asarray(found, "f8"), numpy.asarray(wanted, "f8")
    if found.shape != wanted.shape:
        return math.inf
    difference, norm = numpy.linalg.norm(found - wanted), numpy.linalg.norm(wanted)
    if difference == 0 and norm == 0:
        return 0.0
    return math.inf if norm == 0 else difference / norm


# ---- the dump --------------------------------------------------------------------------------------

class Dump:
    """What oracle_dump wrote: tensors, and the options that it was made with."""

    def has_kinks(self):
        return self.options["activation"] == "relu" or self.options["pooling"] == "max"

    def __init__(self, options, members=1):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "dump.safetensors"
            command = [settings.dump, path, str(members), "--data", settings.data, "--threads", "1"]
            for name, value in options.items():
                command += [f"--{name}", value]
            run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
            if run.returncode != 0:
                raise RuntimeError(f"{' '.join(map(str, command))}: exit code {run.returncode}: {run.stderr}")
            self.tensors, self.options = safetensors.read(path)

    def number(self, option):
        """An option as the library holds it, which is as a float."""
        return float(numpy.float32(self.options[option]))

    def names(self):
        """Of the parameters, in the network's order."""
        convolutions, hidden = ARCHITECTURES[self.options["arch"]]
        return [f"{layer}.{part}" for layer in (*convolutions, *hidden, "output") for part in ("weight", "bias")]

    def has_label(self, step):
        return self.tensors[f"batch{step}.label"] != NO_LABEL

    def images(self, step):
        """[N][1][H][W] and [N], without the images that only pad the batch."""
        kept = self.has_label(step)
        x = self.tensors[f"batch{step}.x"][..., kept].transpose(3, 0, 1, 2)
        label = self.tensors[f"batch{step}.label"][kept]
        return torch.tensor(numpy.ascontiguousarray(x), dtype=torch.float64), torch.tensor(label.astype("i8"))


# ---- the oracle --------------------------------------------------------------------------------------

class Oracle:
    """The same network in PyTorch, in double, from the dump's initial weights."""

    def __init__(self, dump):
        self.dump = dump
        self.weights = {name: torch.tensor(dump.tensors[name], dtype=torch.float64).requires_grad_()
                        for name in dump.names()}
        self.activate = {"tanh": torch.tanh, "relu": torch.relu}[dump.options["activation"]]
        self.before_activation, self.before_pooling = [], []

    def logits(self, x):
        convolutions, hidden = ARCHITECTURES[self.dump.options["arch"]]
        self.before_activation, self.before_pooling = [], []
        for layer in convolutions:
            x = self.pool(self.activated(F.conv2d(x, self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"])))
        x = x.flatten(1)
        for layer in hidden:
            x = self.activated(F.linear(x, self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]))
        return F.linear(x, self.weights["output.weight"], self.weights["output.bias"])

    def activated(self, x):
        self.before_activation.append(x.detach())
        return self.activate(x)

    def pool(self, x):
        self.before_pooling.append(x.detach())
        return {"average": F.avg_pool2d, "max": F.max_pool2d}[self.dump.options["pooling"]](x, 2)

    def first_batch(self):
        """Logits, loss and all gradients of the first batch, by the names of the dump."""
        x, label = self.dump.images(0)
        x.requires_grad_()
        logits = self.logits(x)
        loss = F.cross_entropy(logits, label)
        gradients = torch.autograd.grad(loss, [x, *self.weights.values()])
        found = {"logits": logits.detach().T, "gradient.input": gradients[0].permute(1, 2, 3, 0)}
        found.update({f"gradient.{name}": g for name, g in zip(self.weights, gradients[1:])})
        return {name: value.numpy() for name, value in found.items()}, loss.item()

    def optimizer(self):
        dump, weights = self.dump, self.weights.values()
        decay, momentum = dump.number("weight-decay"), dump.number("momentum")
        kind = dump.options["optimizer"]
        if kind == "adamw":
            return torch.optim.AdamW(weights, lr=1, betas=(momentum, dump.number("beta2")),
                                     eps=dump.number("epsilon"), weight_decay=decay)
        return torch.optim.SGD(weights, lr=1, momentum=0 if kind == "sgd" else momentum,
                               nesterov=kind == "nesterov", weight_decay=decay)

    def train(self, noise=0.0):
        """The weights after all steps, at the dump's rates, each gradient off by `noise` of its norm."""
        optimizer = self.optimizer()
        random = torch.Generator().manual_seed(1)
        direction = {name: torch.randn(w.shape, generator=random, dtype=torch.float64)
                     for name, w in self.weights.items()}
        for step, rate in enumerate(self.dump.tensors["rate"]):
            x, label = self.dump.images(step)
            optimizer.zero_grad()
            F.cross_entropy(self.logits(x), label).backward()
            for name, w in self.weights.items():
                shift = direction[name] * (w.grad != 0)
                if noise and shift.norm() > 0:
                    w.grad += noise * w.grad.norm() * shift / shift.norm()
            optimizer.param_groups[0]["lr"] = float(rate)
            optimizer.step()
        return {name: w.detach().numpy() for name, w in self.weights.items()}

    def kinks(self, margin):
        """How many values of the last batch rounding could move across a kink of ReLU or maximum."""
        count = 0
        if self.dump.options["activation"] == "relu":
            count += sum(int((z.abs() < margin * z.std()).sum()) for z in self.before_activation)
        if self.dump.options["pooling"] == "max":
            for x in self.before_pooling:
                gap = gap_to_second(x)
                count += int(((gap > 0) & (gap < margin * x.std())).sum())
        return count


# ---- windows of 2x2 pixels -----------------------------------------------------------------------------

def windows(x):
    """[N][C][H][W] as [N][C][H/2][W/2][4], each window in reading order."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)


def gap_to_second(x):
    """From the second largest value of each window to the largest."""
    ordered = windows(x).sort(-1).values
    return ordered[..., 3] - ordered[..., 2]


def first_maximum(x):
    """Where in its window, 0 to 3, the first maximum is."""
    return torch.tensor(numpy.argmax(windows(x).numpy(), axis=-1))  # numpy promises the first of equal ones


def chosen_by_pytorch(x):
    """The same for the pixel that gets max_pool2d's gradient."""
    _, flat = F.max_pool2d(x, 2, return_indices=True)
    width = x.shape[3]
    return flat // width % 2 * 2 + flat % width % 2


# ---- schedules -------------------------------------------------------------------------------------------

def warmed_up(rates):
    return [rate * min(1, (step + 1) / WARMUP_STEPS) for step, rate in enumerate(rates)]


def rates_of(make_scheduler, peak):
    """The rates of STEPS steps under one of PyTorch's schedulers."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def one_cycle(optimizer, peak):
    # PyTorch puts the peak at step pct_start*total - 1 and the end at step total - 1; here they are at the
    # warm-up's end and just past the last step. Its end is peak/25/final_div_factor.
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=STEPS + 1, pct_start=(WARMUP_STEPS + 1) / (STEPS + 1),
        div_factor=25, final_div_factor=400, cycle_momentum=False)


def expected_rates(schedule, peak):
    schedulers = torch.optim.lr_scheduler
    if schedule == "one-cycle":
        return rates_of(lambda optimizer: one_cycle(optimizer, peak), peak)
    if schedule == "cosine":
        return warmed_up(rates_of(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, STEPS), peak))
    if schedule == "step":  # half of the rate every half epoch
        return warmed_up(rates_of(lambda optimizer: schedulers.StepLR(optimizer, STEPS_AN_EPOCH // 2, 0.5), peak))
    return warmed_up([peak] * STEPS)


# ---- the tests -----------------------------------------------------------------------------------------

class PyTorch(unittest.TestCase):
    worst = defaultdict(lambda: (0.0, 0.0, ""))  # (backend, what): error as a part of its tolerance, error, where

    def assert_close(self, dump, what, name, found, wanted, tolerance, hint=""):
        error, backend = relative_error(found, wanted), dump.options["backend"]
        if not error <= tolerance:  # NaN is not
            self.fail(f"{name}: relative error {error:.3g}, tolerance {tolerance:.3g}{hint}")
        where = " ".join(dump.options[option] for option in ("arch", "activation", "pooling", "optimizer"))
        self.worst[backend, what] = max(self.worst[backend, what], (error / tolerance, error, f"{name} of {where}"))

    def check_first_batch(self, dump):
        oracle, close = Oracle(dump), CLOSE[dump.options["backend"]]
        wanted, loss = oracle.first_batch()
        kinks = oracle.kinks(close)
        hint = f"; {kinks} values lie within rounding of a kink: would another seed do?" if kinks else ""
        for name, value in wanted.items():
            found = dump.tensors[name]
            if name in ("logits", "gradient.input"):
                found = found[..., dump.has_label(0)]
            self.assert_close(dump, name.split(".")[0], name, found, value, close, hint)
        self.assert_close(dump, "loss", "loss", dump.tensors["loss"][0], loss, close)

    def check_training(self, dump):
        backend = dump.options["backend"]
        wanted = Oracle(dump).train()
        noisy = wanted if backend == "cpu64" else Oracle(dump).train(noise=CLOSE[backend])
        for name, value in wanted.items():
            tolerance = trained_tolerance(backend, value, noisy[name])
            if backend != "cpu64" and dump.has_kinks():
                tolerance = max(tolerance, TURNED)
            for training in ("trained", "stepped"):
                found = dump.tensors[f"{training}.{name}"]
                self.assert_close(dump, "trained", f"{training}.{name}", found, value, tolerance)
            self.assertGreater(relative_error(dump.tensors[name], value), 1e-3, f"{name} has not moved")

    def dump(self, backend, network=NETWORKS[0], optimizer="sgd", members=1, **options):
        arch, activation, pooling = network
        return Dump({**TRAINING, "device": backend, "arch": arch, "activation": activation, "pooling": pooling,
                     "optimizer": optimizer, "lr": OPTIMIZERS[optimizer], **options}, members)

    def test_every_network_and_optimizer_agrees_with_pytorch(self):
        for backend in settings.backends:
            for network in NETWORKS:
                for optimizer in OPTIMIZERS:
                    with self.subTest(backend=backend, network=network, optimizer=optimizer):
                        dump = self.dump(backend, network, optimizer)
                        self.check_first_batch(dump)
                        self.check_training(dump)

    def test_the_middle_one_of_three_members_agrees_with_pytorch(self):
        for backend in settings.backends:
            for optimizer in OPTIMIZERS:
                with self.subTest(backend=backend, optimizer=optimizer):
                    dump = self.dump(backend, NETWORKS[1], optimizer, members=3)
                    self.check_first_batch(dump)
                    self.check_training(dump)

    def test_on_the_cpu_a_member_has_the_bits_of_the_same_network_alone(self):
        for backend in set(settings.backends) - {"cuda"}:
            with self.subTest(backend=backend):
                alone, member = (self.dump(backend, NETWORKS[1], "nesterov", members).tensors for members in (1, 3))
                self.assertEqual(alone.keys(), member.keys())
                for name in alone:
                    if alone[name].tobytes() != member[name].tobytes():
                        self.fail(f"{name} differs, by {relative_error(member[name], alone[name]):.3g}")

    def test_the_learning_rates_are_those_of_pytorchs_schedulers(self):
        for backend in settings.backends:
            for schedule in ("constant", "step", "cosine", "one-cycle"):
                with self.subTest(backend=backend, schedule=schedule):
                    dump = self.dump(backend, NETWORKS[-1], schedule=schedule, **{"decay-every": "0.5"})
                    self.assertEqual(int(dump.options["warmup-steps"]), WARMUP_STEPS)
                    self.assertEqual(int(dump.options["decay-steps"]), STEPS_AN_EPOCH // 2)
                    wanted = expected_rates(schedule, dump.number("lr"))
                    for step, (rate, expected) in enumerate(zip(dump.tensors["rate"], wanted, strict=True)):
                        # A formula in double, rounded to float once.
                        error = abs(float(rate) - expected) / expected
                        if not error <= 1.001 * FLOAT:
                            self.fail(f"step {step}: {rate} is not {expected}")

    def test_ties_between_maxima_go_to_the_first_on_both_sides(self):
        # Background gives many windows of four equal values. Which of them gets the gradient shows in
        # gradient.input, which is compared as a whole; here: that PyTorch takes the first one, that ties are there
        # and that they are exact, for sums in another order would break them at random.
        for network in NETWORKS[1:3]:
            with self.subTest(network=network):
                dump = self.dump("cpu64", network)
                oracle = Oracle(dump)
                oracle.first_batch()
                self.check_first_batch(dump)
                x = oracle.before_pooling[0]
                gap, scale = gap_to_second(x), float(x.std())
                ties = gap == 0
                self.assertGreater(int(ties.sum()), TIES_AT_LEAST)
                self.assertEqual(int(((gap > 0) & (gap < 1e-12 * scale)).sum()), 0, "ties that rounding has broken")
                self.assertTrue(torch.equal(chosen_by_pytorch(x), first_maximum(x)))

    def test_what_is_no_number_or_off_by_a_thousandth_is_found(self):
        dump = self.dump("cpu64", NETWORKS[0], "nesterov")
        for name, check in (("logits", self.check_first_batch), ("loss", self.check_first_batch),
                            ("gradient.C3.weight", self.check_first_batch), ("gradient.C1.bias", self.check_first_batch),
                            ("gradient.input", self.check_first_batch), ("trained.F6.weight", self.check_training),
                            ("stepped.output.bias", self.check_training)):
            intact = dump.tensors[name].copy()
            for damage in (math.nan, math.inf, 1.001 * intact.flat[0]):
                with self.subTest(tensor=name, damage=damage):
                    dump.tensors[name].flat[0] = damage
                    with self.assertRaises(AssertionError):
                        check(dump)
            dump.tensors[name] = intact


def print_worst():
    print(f"PyTorch {torch.__version__}; the worst relative errors:")
    for (backend, what), (part, error, where) in sorted(PyTorch.worst.items()):
        print(f"  {backend:6} {what:9} {error:8.1e}, {100 * part:5.1f} % of what is tolerated: {where}")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Compares the library with PyTorch.", epilog="Others: as unittest's.")
    parser.add_argument("--dump", default=os.environ.get("LENET_ORACLE_DUMP"), help="the program oracle_dump")
    parser.add_argument("--data", default=os.environ.get("LENET_DATA", REPOSITORY / "data" / "sample"))
    parser.add_argument("--backend", dest="backends", action="append", choices=sorted(CLOSE))
    options, rest = parser.parse_known_args()
    if not options.dump:
        parser.error("--dump or LENET_ORACLE_DUMP must name the program oracle_dump")
    options.dump = Path(options.dump).resolve()
    if not os.access(options.dump, os.X_OK):
        parser.error(f"--dump {options.dump}: there is no such program")
    options.backends = options.backends or ["cpu64", "cpu"]
    return options, rest


if __name__ == "__main__":
    settings, arguments = parse_arguments()
    torch.set_num_threads(1)  # other tests run beside this one, and small sums gain nothing
    doubt = sound_torch.prove(torch.float64, sound_torch.wrong_product, sound_torch.unequal_sums, batches=BATCHES)
    if doubt:
        print(f"SKIPPED: {doubt}")
        sys.exit(SKIPPED)
    outcome = unittest.main(argv=[sys.argv[0], *arguments], exit=False)
    print_worst()
    sys.exit(not outcome.result.wasSuccessful())
