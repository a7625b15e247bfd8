#!/usr/bin/env python3
"""to_pytorch.py - writes a trained network as a PyTorch module: NAME.py, a program text that needs nothing but torch,
and NAME.pt, its weights (a state_dict). The module takes the bytes of images and gives the logits.

Exit codes: 0 done, 2 usage, 3 missing or bad input, no PyTorch, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import io
import keyword
import sys
from pathlib import Path

from needs import need

need("numpy", "torch", packages="python3-torch")
import torch  # noqa: E402
import weights  # noqa: E402
from common import BadInput, exit_code, write_file  # noqa: E402

ENDINGS = (".py", ".pt")
INDENT = " " * 8

MODULE = '''"""{stem}.py - {title}, a network that lenet has trained, as a PyTorch module.

    import {stem}
    model = {stem}.load()  # the weights in {stem}.pt beside this file
    logits = model(images)  # [N][{classes}], of bytes 0 to 255: [N][1][H][W] or [N][H][W]
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FIELD = {field}  # an image lies in the middle of FIELD x FIELD pixels, on a ground of byte 0
FACTOR, OFFSET = {factor!r}, {offset!r}  # a pixel is FACTOR * byte + OFFSET
{parts}

class Network(nn.Module):
    def __init__(self):
        super().__init__()
{modules}

    def forward(self, images):
        x = inputs(images)
{forward}
        return x


def inputs(images):
    """Images in the middle of the field, normalised."""
    height, width = images.shape[-2:]
    top, left = (FIELD - height) // 2, (FIELD - width) // 2
    x = F.pad(images.reshape(-1, 1, height, width).float(), (left, FIELD - width - left, top, FIELD - height - top))
    return FACTOR * x + OFFSET


def load(path=Path(__file__).with_suffix(".pt")):
    """The trained network. The file may also be lenet's own, which the library safetensors reads."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file
        weights = load_file(path)
    else:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    model = Network()
    model.load_state_dict({{name: weights[name] for name in model.state_dict()}})
    return model.eval()
'''

SCALE = '''\
class Scale(nn.Module):
    """A coefficient and a bias for each map."""

    def __init__(self, maps):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(maps)), nn.Parameter(torch.empty(maps))

    def forward(self, x):
        return x * self.weight[:, None, None] + self.bias[:, None, None]
'''

SQUASH = f'''\
def squash(x):
    return {weights.SQUASH_HEIGHT} * torch.tanh({weights.SQUASH_SLOPE} * x)
'''

TARGETS = '''\
# Of each class: a logit is minus the squared distance to them, where # is 1 and . is -1.
TARGETS = [
{rows}
]


def distances(x):
    targets = torch.tensor([[1.0 if c == "#" else -1.0 for c in row] for row in TARGETS], device=x.device)
    return -(x[:, None] - targets).square().sum(2)
'''


# ---- a layer in words of PyTorch: (the module that has its parameters, or None; how it is called) -------

def conv(layer):
    return f"nn.Conv2d({layer['input'][0]}, {layer['output'][0]}, {layer['size']})", "{self}(x)"


def activation(layer):
    return None, "squash(x)" if layer["activation"] == "squash" else f"torch.{layer['activation']}(x)"


def subsample(layer):
    if layer["pooling"] == "sum":
        return None, f"F.avg_pool2d(x, {layer['size']}, divisor_override=1)"
    return None, f"F.{'max' if layer['pooling'] == 'max' else 'avg'}_pool2d(x, {layer['size']})"


def scale(layer):
    return f"Scale({layer['input'][0]})", "{self}(x)"


def dense(layer):
    maps, rows, columns = layer["input"]
    flat = rows * columns == 1
    return (f"nn.Linear({maps * rows * columns}, {layer['output'][0]})",
            "{self}(x)" if flat else "{self}(x.flatten(1))")


def rbf(layer):
    return None, "distances(x)"


LAYERS = {"conv": conv, "activation": activation, "subsample": subsample, "scale": scale, "dense": dense, "rbf": rbf}


def module_text(net, stem):
    modules, forward, parts = [], [], [""]
    for layer in net.layers:
        module, call = LAYERS[layer["kind"]](layer)
        if module:
            modules.append(f"self.{layer['name']} = {module}")
        forward.append("x = " + call.format(self=f"self.{layer['name']}"))
    kinds = {layer["kind"]: layer for layer in net.layers}
    if "scale" in kinds:
        parts.append(SCALE)
    if "x = squash(x)" in forward:
        parts.append(SQUASH)
    if "rbf" in kinds:
        parts.append(TARGETS.format(rows="\n".join(
            f'    "{"".join("#" if value == 1 else "." for value in target)}",' for target in kinds["rbf"]["targets"])))
    about = [layer[key] for key, kind in (("activation", "activation"), ("pooling", "subsample"))
             for layer in kinds.values() if layer["kind"] == kind]
    title = f"{net.arch} ({', '.join(about)})" if about else net.arch
    return MODULE.format(stem=stem, title=title, classes=net.classes, field=net.field, factor=net.factor,
                         offset=net.offset, parts="\n\n".join(parts),
                         modules="\n".join(INDENT + line for line in modules),
                         forward="\n".join(INDENT + line for line in forward))


# ---- command -----------------------------------------------------------------------------------

def module_path(text):
    path = Path(text)
    if path.suffix not in ENDINGS or not is_name(path.stem):
        raise argparse.ArgumentTypeError(f"'{text}'; wanted NAME.py or NAME.pt, with a NAME that Python can import and "
                                         "that is neither torch nor a module of Python's own")
    return path


def is_name(text):
    """A module's, and not that of another, which it would hide: it imports torch itself."""
    return text.isidentifier() and not keyword.iskeyword(text) and text not in {"torch", *sys.stdlib_module_names}


def parse_arguments(arguments):
    parser = weights.parser(
        "to_pytorch.py", "Writes a trained network as a PyTorch module and its weights.",
        "examples:\n  scripts/to_pytorch.py runs/lenet5-1                  writes last.py and last.pt there\n"
        "  scripts/to_pytorch.py runs/lenet5-1 --out digits.py    writes digits.py and digits.pt")
    parser.add_argument("--out", metavar="NAME.py", type=module_path,
                        help="the module; its weights lie beside it (initially beside RUN's weights, by their name)")
    return parser.parse_args(arguments)


def run(options):
    path = weights.weights_file(options.run)
    out = options.out or path.with_suffix(".py")
    net = weights.read(path, options.lenet)
    if not is_name(out.stem):
        raise BadInput(f"{out}: no name that Python can import, or one of another module; --out NAME.py gives another")
    for ending in ENDINGS:
        weights.check_out(path, out.with_suffix(ending))
    content = io.BytesIO()
    torch.save({name: torch.from_numpy(values) for name, values in net.tensors.items()}, content)
    write_file(out.with_suffix(".pt"), content.getvalue())
    write_file(out.with_suffix(".py"), module_text(net, out.stem).encode())


def main(arguments=None):
    return exit_code("to_pytorch", run, parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
