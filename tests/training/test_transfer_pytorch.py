"""test_transfer_pytorch.py LENET_PROGRAM SOURCE_DIR - a LeNet-5 of PyTorch's, under the names that are in use, trains on
here from what it knows: as lenet train --from begins it answers every digit as PyTorch does."""
import json
import re
import shlex
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

program, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
SKIPPED = 77
sys.dont_write_bytecode = True
sys.path[:0] = [str(source / "scripts"), str(source / "tests" / "support")]
import needs
needs.need("numpy", "torch", packages="python3-torch", code=SKIPPED)
import gzip
import numpy
import torch
from torch import nn
import safetensors

SAMPLE = source / "data" / "sample"


class Named(nn.Module):
    """As most tutorials write it."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Sequential(nn.Module):
    """features.0.weight, features.3.weight, classifier.1.weight, ..."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
                                      nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                                        nn.Linear(84, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


class Convolutional(nn.Module):
    """With the paper's C5: a convolution over all of its input."""

    def __init__(self):
        super().__init__()
        self.c1, self.c3, self.c5 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5)
        self.f6, self.output = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for convolution in (self.c1, self.c3):
            x = nn.functional.max_pool2d(torch.relu(convolution(x)), 2)
        return self.output(torch.relu(self.f6(torch.relu(self.c5(x)).flatten(1))))


def write(path, state):
    """A safetensors file in the order of the names, as PyTorch's users write it."""
    header, data = {}, b""
    for name, value in sorted(state.items()):
        raw = value.detach().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def idx(name, header):
    return numpy.frombuffer(gzip.open(SAMPLE / f"{name}.gz").read()[header:], numpy.uint8)


def lenet(*arguments):
    return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True, cwd=scratch).stdout


labels = torch.tensor(idx("t10k-labels-idx1-ubyte", 8).astype("i8"))
bytes_ = torch.tensor(idx("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype("f8"))
with tempfile.TemporaryDirectory() as directory:
    scratch = Path(directory)
    for number, kind in enumerate((Named, Sequential, Convolutional)):
        torch.manual_seed(number)
        network, run = kind(), f"run{number}"
        write(scratch / "from.safetensors", network.state_dict())
        lenet("train", "--data", SAMPLE, "--device", "cpu", "--run", run, "--from", "from.safetensors", "--steps", "1",
              "--lr", "0")
        lenet("eval", "--run", run, "--device", "cpu", "--predictions", "p.safetensors", "--json", "eval.json")
        _, metadata = safetensors.read(scratch / run / "last.safetensors")
        predictions = safetensors.read(scratch / "p.safetensors")[0]["predictions"][0]
        found = json.loads((scratch / "eval.json").read_text())

        # byte 0 is around the image
        x = nn.functional.pad(bytes_, (2, 2, 2, 2)) * float(metadata["input_factor"]) + float(metadata["input_offset"])
        with torch.no_grad():
            logits = network.double()(x)
        # The longest sum has 400 terms: its rounding in float is some 400^0.5 * 2^-24 of it in each of five layers, which
        # makes a loss of about 2.3 uncertain by less than 2e-5.
        loss = nn.functional.cross_entropy(logits, labels).item()
        assert abs(found["loss"] - loss) < 2e-5, (kind, found["loss"], loss)
        best = logits.topk(2).values
        sure = (best[:, 0] - best[:, 1] > 1e-5).numpy()
        assert sure.mean() > 0.99, sure.mean()
        same = predictions == logits.argmax(1).numpy()
        assert same[sure].all(), (kind, numpy.nonzero(~same))
        print(f"{kind.__name__}: loss {found['loss']:.6f} here and {loss:.6f} in PyTorch; {same.sum()} of {len(same)} "
              "answers are the same")

    # PyTorch's own files are named for what they are, with a line that converts them.
    for zipped in (True, False):
        torch.save(Named().state_dict(), scratch / "from.pt", _use_new_zipfile_serialization=zipped)
        refused = subprocess.run([program, "train", "--data", SAMPLE, "--run", "no", "--from", "from.pt"], cwd=scratch,
                                 stderr=subprocess.PIPE, text=True)
        assert refused.returncode == 3 and "PyTorch" in refused.stderr, refused
        line = shlex.split(re.search(r"python3 -c .*", refused.stderr).group(0))
        compile(line[2], "the line", "exec")
        assert "torch.load('from.pt')" in line[2] and not (scratch / "no").exists(), line
