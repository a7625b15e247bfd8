"""test_predictions_numpy.py LENET_PROGRAM SOURCE_DIR - the lines of docs/sweeps.md read what a sweep keeps of each
network's answers, and find there what the sweep has recorded."""
import gzip
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
from needs import need

need("numpy", packages="python3-numpy", code=77)
import numpy

program, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
sample = source / "data" / "sample"
lines = re.search(r"```python\n(.*?)```", (source / "docs" / "sweeps.md").read_text(), re.DOTALL).group(1)

with tempfile.TemporaryDirectory() as scratch:
    out = Path(scratch) / "sweep"
    subprocess.run([program, "sweep", "--data", sample, "--out", out, "--device", "cpu", "--train-size", "100,203",
                    "--seed", "1..3", "--epochs", "1", "--population-max", "2", "--keep-predictions",
                    "--predictions-loss"], check=True, stdout=subprocess.DEVNULL)
    found = {}
    exec(lines.replace("sweeps/lr", str(out)), found)
    runs = {run["id"]: run for run in map(json.loads, (out / "runs.jsonl").read_text().splitlines())}

labels = numpy.frombuffer(gzip.open(sample / "t10k-labels-idx1-ubyte.gz").read()[8:], numpy.uint8)
assert found["predictions"].shape == (6, len(labels)), found["predictions"].shape
assert set(found["ids"]) == set(runs), found["ids"]
accuracy = dict(zip(found["ids"], (found["predictions"] == labels).mean(axis=1)))
loss = dict(zip(found["ids"], numpy.concatenate([tensors["loss"] for tensors, _ in found["files"]]).astype(float)))
had = dict(zip(found["ids"], numpy.concatenate(found["had"])))
for name, run in runs.items():
    last = run["metrics"][-1]
    assert abs(accuracy[name] - last["test_accuracy"]) < 1e-12, (name, accuracy[name], last)
    # each loss has 11 digits of base 2, and below 2^-14 steps of 2^-24: the mean is off by at most half of the last one
    assert abs(loss[name].mean() - last["test_loss"]) <= 2 ** -11 * last["test_loss"] + 2 ** -25, (name, last)
    assert had[name].shape == (2000,) and had[name].sum() == run["config"]["train-size"], (name, had[name].sum())
assert numpy.array_equal(numpy.diag(found["agreement"]), numpy.ones(6)), found["agreement"]
print(f"{len(runs)} networks' answers are read as docs/sweeps.md reads them, and are those that were recorded")
