#!/usr/bin/env python3
"""export.py - writes a trained network as ONNX, or as numpy arrays.

The ONNX model takes the bytes of images, uint8 [N][1][28][28], and gives the logits, float [N][classes]: padding and
normalisation are inside. docs/export.md says what lies in the files.
Exit codes: 0 done, 2 usage, 3 missing or bad input, a missing library, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import io
import json
import sys
from pathlib import Path

import weights
from common import BadInput, exit_code, write_file
from needs import need
import numpy as np

# Opset 13 is of 2021, and the first in which all operators here have the form that they still have.
OPSET, IR_VERSION = 13, 7


# ---- numpy -------------------------------------------------------------------------------------

def npz_content(net, options):
    about = {"arch": net.arch, "field": net.field, "factor": net.factor, "offset": net.offset, "classes": net.classes,
             "layers": net.layers, "metadata": net.metadata}
    content = io.BytesIO()
    np.savez_compressed(content, about=json.dumps(about), **net.tensors)
    return content.getvalue()


# ---- ONNX --------------------------------------------------------------------------------------

class Graph:
    """Collects nodes, each of which takes what the one before it gave, and their constants."""

    def __init__(self, net):
        self.net, self.nodes, self.constants, self.value = net, [], [], "image"

    def constant(self, name, values, dtype="f4"):
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, operator, *constants, **attributes):
        output = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, [self.value, *constants], [output], output, **attributes))
        self.value = output

    def parameters(self, layer, shape=None):
        for part, values in zip(("weight", "bias"), self.net.parameters(layer)):
            yield self.constant(f"{layer['name']}.{part}", values if shape is None else values.reshape(shape))

    def normalise(self, height, width):
        field = self.net.field
        top, left = (field - height) // 2, (field - width) // 2
        pads = [0, 0, top, left, 0, 0, field - height - top, field - width - left]
        self.add("Cast", to=onnx.TensorProto.FLOAT)
        self.add("Pad", self.constant("margins", pads, "i8"))
        self.add("Mul", self.constant("factor", self.net.factor))
        self.add("Add", self.constant("offset", self.net.offset))

    def conv(self, layer):
        self.add("Conv", *self.parameters(layer), kernel_shape=[layer["size"]] * 2)

    def activation(self, layer):
        if layer["activation"] != "squash":
            self.add({"tanh": "Tanh", "relu": "Relu"}[layer["activation"]])
            return
        self.add("Mul", self.constant(f"slope{len(self.nodes)}", weights.SQUASH_SLOPE))
        self.add("Tanh")
        self.add("Mul", self.constant(f"height{len(self.nodes)}", weights.SQUASH_HEIGHT))

    def subsample(self, layer):
        window = [layer["size"]] * 2
        self.add("MaxPool" if layer["pooling"] == "max" else "AveragePool", kernel_shape=window, strides=window)
        if layer["pooling"] == "sum":
            self.add("Mul", self.constant(f"{layer['name']}.pixels", layer["size"] ** 2))

    def scale(self, layer):
        weight, bias = self.parameters(layer, (-1, 1, 1))
        self.add("Mul", weight)
        self.add("Add", bias)

    def dense(self, layer):
        self.add("Flatten")
        self.add("Gemm", *self.parameters(layer), transB=1)

    def rbf(self, layer):
        self.add("Reshape", self.constant("rows", [0, 1, -1], "i8"))
        self.add("Sub", self.constant(f"{layer['name']}.targets", layer["targets"]))
        self.add("Mul", self.value)
        self.add("ReduceSum", self.constant("axes", [2], "i8"), keepdims=0)
        self.add("Neg")


def make_onnx(net, height, width):
    graph = Graph(net)
    graph.normalise(height, width)
    for layer in net.layers:
        getattr(graph, layer["kind"])(layer)
    graph.nodes[-1].output[0] = "logits"
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["N", 1, height, width])
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", net.classes])
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, net.arch, [image], [logits], graph.constants),
        producer_name="lenet", ir_version=IR_VERSION, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    onnx.helper.set_model_props(model, net.metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def onnx_content(net, options):
    return make_onnx(net, *options.image).SerializeToString()


# ---- command -----------------------------------------------------------------------------------

def image_size(text):
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and 1 <= int(height) <= 32 and 1 <= int(width) <= 32):
        raise argparse.ArgumentTypeError(f"'{text}'; wanted HEIGHTxWIDTH, each 1 to 32, such as 28x28")
    return int(height), int(width)


def parse_arguments(arguments):
    parser = weights.parser(
        "export.py", "Writes a trained network as ONNX or as numpy arrays.",
        "examples:\n  scripts/export.py runs/lenet5-1 --format onnx\n"
        "  scripts/export.py runs/lenet5-1/best.safetensors --format npz --out digits.npz")
    parser.add_argument("--format", choices=("onnx", "npz"), required=True, help="ONNX, or arrays by their names")
    parser.add_argument("--out", metavar="FILE", type=Path, help="initially beside the weights, with another ending")
    parser.add_argument("--image", metavar="HxW", type=image_size, default=(28, 28),
                        help="the size of the images that the ONNX model takes (initially 28x28)")
    return parser.parse_args(arguments)


def run(options):
    path = weights.weights_file(options.run)
    net = weights.read(path, options.lenet)
    if max(options.image) > net.field:
        raise BadInput(f"--image {'x'.join(map(str, options.image))}: {net.arch} takes images of up to "
                               f"{net.field}x{net.field} pixels")
    out = options.out or path.with_suffix(f".{options.format}")
    weights.check_out(path, out)
    content_of = {"onnx": onnx_content, "npz": npz_content}[options.format]
    write_file(out, content_of(net, options))


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.format == "onnx":
        need("numpy", "onnx", packages="python3-onnx")
        global onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    return exit_code("export", run, options)


if __name__ == "__main__":
    sys.exit(main())
