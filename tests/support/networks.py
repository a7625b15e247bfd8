"""networks.py - networks of every kind as weights files, with images and the program's own logits of them, for the
tests of what takes a network elsewhere. To be imported where numpy is.
"""
import argparse
import gzip
import json
import os
import re
import struct
import subprocess
from pathlib import Path

import numpy
import safetensors
import weights

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DATA = REPOSITORY / "data" / "sample"
SIDE, NO_LABEL = 28, 255

# Of logits. In float the last place of a logit between 8 and 16 is 1e-6, so that this is ten of them; larger logits, as
# the squared distances of RBF outputs are, may be off by as many of their own.
TOLERANCE, LARGE = 1e-5, 16


def error(found, wanted):
    """The largest difference, as a part of what is tolerated; infinite where a shape is wrong or a number is none."""
    if numpy.shape(found) != numpy.shape(wanted) or not numpy.isfinite(found).all():
        return numpy.inf
    size = numpy.maximum(1, numpy.abs(wanted).max(axis=1, keepdims=True) / LARGE)
    return float((numpy.abs(found - wanted) / size).max() / TOLERANCE)


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words[:8]))}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, values in tensors.items():
        values = numpy.ascontiguousarray(values, "<f4")
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


class Sample:
    """A network with drawn weights and biases: its weights file, images as bytes, and logits of the CPU in float."""

    def __init__(self, directory, options, kind, scaling):
        self.kind = kind
        arch, activation, pooling = kind
        self.path = Path(directory) / f"{'_'.join(kind).replace('-', '_')}.safetensors"
        run(options.dump, self.path, 1, "--data", DATA, "--threads", 1, "--arch", arch, "--activation", activation,
            "--pooling", pooling, "--batch", 13, "--steps", 1, "--optimizer", "sgd", "--loss", "cross-entropy",
            "--init", "standard")
        dump, _ = safetensors.read(self.path)
        kept = dump["batch0.label"] != NO_LABEL
        x = dump["batch0.x"][0][..., kept].transpose(2, 0, 1)
        margin = (x.shape[1] - SIDE) // 2
        field = numpy.rint((x - float(scaling["input_offset"])) / float(scaling["input_factor"])).astype("u1")
        self.images = numpy.ascontiguousarray(field[:, margin:margin + SIDE, margin:margin + SIDE])
        self.logits = dump["logits"][:, kept].T
        names = [name for name in dump if re.fullmatch(r"[A-Za-z0-9]+\.(weight|bias)", name)]
        write_safetensors(self.path, {name: dump[name] for name in names},
                          {**scaling, "format": "lenet", "arch": arch, "activation": activation, "pooling": pooling,
                           "classes": "10", "loss": "cross-entropy", "map_j": "10"})


def kinds(lenet):
    """(architecture, activation, pooling) of all networks that differ."""
    listed = run(lenet, "info").split("\narchitectures\n")[1].split("\n\n")[0]
    for arch in re.findall(r"^ +(\S+)", listed, re.MULTILINE):
        layers = weights.describe(lenet, ["--arch", arch])["layers"]
        poolings = ("average", "max", "sum") if any("pooling" in layer for layer in layers) else ("max",)
        for activation in ("tanh", "relu", "squash") if any("activation" in layer for layer in layers) else ("relu",):
            for pooling in poolings:
                yield arch, activation, pooling


def train(lenet, run_dir, *options):
    """A run on data/sample; the sample's scaling is in the metadata of its weights."""
    run(lenet, "train", "--data", DATA, "--run", run_dir, "--threads", 1, "--device", "cpu", *options)
    return run_dir


def all_samples(directory, options):
    _, metadata = safetensors.read(
        train(options.lenet, Path(directory) / "scaling", "--arch", "linear", "--steps", "1") / "last.safetensors")
    scaling = {key: metadata[key] for key in ("input_factor", "input_offset")}
    return [Sample(directory, options, kind, scaling) for kind in kinds(options.lenet)]


def test_digits():
    """Images and labels of the sample's test half."""
    def content(name, head):
        return numpy.frombuffer(gzip.decompress((DATA / f"t10k-{name}-ubyte.gz").read_bytes()), "u1", offset=head)
    return content("images-idx3", 16).reshape(-1, SIDE, SIDE).copy(), content("labels-idx1", 8)


def parse_arguments(description, add_more=lambda parser: None):
    """(the programs, what is unittest's)"""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--lenet", type=Path, required=True, help="the program lenet")
    parser.add_argument("--dump", type=Path, required=True, help="the program oracle_dump")
    add_more(parser)
    options, rest = parser.parse_known_args()
    for program in (options.lenet, options.dump):
        if not os.access(program, os.X_OK):
            parser.error(f"{program}: there is no such program")
    options.lenet, options.dump = options.lenet.resolve(), options.dump.resolve()
    return options, rest
