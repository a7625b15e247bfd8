"""weights.py - a trained network for the scripts: the layers that `lenet info` lists, the weights, and the forward pass
in numpy that says what they mean.
"""
import argparse
import json
import tempfile
from pathlib import Path

from common import LENET, BadInput, program_path, run_lenet
from needs import need

need("numpy", packages="python3-numpy")
import numpy as np  # noqa: E402
import safetensors  # noqa: E402

SQUASH_HEIGHT, SQUASH_SLOPE = 1.7159, 2 / 3
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0),
               "squash": lambda x: SQUASH_HEIGHT * np.tanh(SQUASH_SLOPE * x)}
POOLINGS = {"average": np.mean, "max": np.max, "sum": np.sum}


class Network:
    """What a weights file holds.

    layers: one after another, each with kind, name, input and output (maps, height, width), and by its kind
        conv        weight [maps out][maps in][size][size], bias [maps out]
        activation  activation: tanh, relu or squash
        subsample   size, pooling: average, max or sum of windows that do not overlap
        scale       weight and bias [maps]: a coefficient and a bias for all values of a map
        dense       weight [out][in], bias [out]; maps are read one after another, in rows
        rbf         targets [classes][in] of 1 and -1: the logits are minus the squared distances to them
    tensors: those weights and biases, float32, as "NAME.weight" and "NAME.bias"
    field, factor, offset: an image lies in the middle of field x field pixels on a ground of byte 0, and a pixel is
        factor * byte + offset
    metadata: all that the file says of itself, as texts
    """

    def __init__(self, description, tensors, metadata):
        self.arch, self.field, self.metadata = description["arch"], description["field"], metadata
        self.factor, self.offset = float(metadata["input_factor"]), float(metadata["input_offset"])
        self.layers = []
        for layer in description["layers"]:
            if layer["kind"] == "subsample" and "activation" in layer:  # of its inputs, as one operation with it
                self.layers.append({"kind": "activation", "name": "", "activation": layer.pop("activation"),
                                    "input": layer["input"], "output": layer["input"], "biases": 0})
            self.layers.append(layer)
        names = [f"{layer['name']}.{part}" for layer in self.layers for part in ("weight", "bias") if layer["biases"]]
        self.tensors = {name: tensors[name] for name in names if name in tensors}
        self.classes = self.layers[-1]["output"][0]

    def parameters(self, layer):
        return (self.tensors[f"{layer['name']}.{part}"] for part in ("weight", "bias"))

    def inputs(self, images):
        """Bytes [N][H][W] as [N][1][field][field]."""
        margins = [(self.field - side, (self.field - side) // 2) for side in images.shape[1:]]
        padded = np.pad(images, [(0, 0), *((first, both - first) for both, first in margins)])
        return (self.factor * padded + self.offset)[:, None]

    def logits(self, x):
        """[N][1][field][field] as [N][classes], in double."""
        for layer in self.layers:
            x = FORWARD[layer["kind"]](self, layer, x)
        return x.reshape(len(x), -1)


def conv(net, layer, x):
    weight, bias = net.parameters(layer)
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    return np.einsum("nihwyx,oiyx->nohw", windows, weight.astype("f8"), optimize=True) + bias[:, None, None]


def activation(net, layer, x):
    return ACTIVATIONS[layer["activation"]](x)


def subsample(net, layer, x):
    (maps, rows, columns), size = layer["output"], layer["size"]
    return POOLINGS[layer["pooling"]](x.reshape(len(x), maps, rows, size, columns, size), axis=(3, 5))


def scale(net, layer, x):
    weight, bias = net.parameters(layer)
    return weight[:, None, None] * x + bias[:, None, None]


def dense(net, layer, x):
    weight, bias = net.parameters(layer)
    return x.reshape(len(x), -1) @ weight.T.astype("f8") + bias


def rbf(net, layer, x):
    return -((x.reshape(len(x), 1, -1) - layer["targets"]) ** 2).sum(axis=2)


FORWARD = {"conv": conv, "activation": activation, "subsample": subsample, "scale": scale, "dense": dense, "rbf": rbf}


# ---- reading -----------------------------------------------------------------------------------

def weights_file(run):
    """Of a run directory, or the file itself."""
    return run / "last.safetensors" if run.is_dir() else run


def describe(lenet, arguments):
    """The JSON of `lenet info`, which also checks a weights file to its last number."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "info.json"
        run = run_lenet(lenet, "info", *arguments, "--json", path)
        if run.returncode != 0:
            raise BadInput(run.stderr.strip().removeprefix("lenet info: ").removeprefix("lenet: ")
                           or f"{lenet} info ended with exit code {run.returncode}")
        return json.loads(path.read_text())


def read(path, lenet=LENET):
    """The network of a weights file."""
    description = describe(lenet, ["--weights", path])
    try:
        tensors, metadata = safetensors.read(path)
    except ValueError as error:
        raise BadInput(error) from None
    return Network(description, tensors, metadata)


def check_out(path, out):
    """Refuses to write over the weights."""
    if out.exists() and out.samefile(path):
        raise BadInput(f"--out {out}: would replace the weights")


def parser(prog, description, epilog):
    """For a script that takes a trained network."""
    result = argparse.ArgumentParser(prog=prog, description=description, epilog=epilog,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("run", metavar="RUN", type=Path,
                        help="the run directory of `lenet train`, for its last weights, or a weights file")
    result.add_argument("--lenet", metavar="PROGRAM", type=program_path, default=LENET,
                        help="reads the weights (initially build/release/lenet)")
    return result
