#!/usr/bin/env python3
"""test_onnxruntime.py - onnxruntime, which shares no code with this project, computes the ONNX models of export.py: the
logits are the program's own, for every architecture, activation and pooling, from bytes 0 to 255.

    test_onnxruntime.py --lenet build/release/lenet --dump build/release/tests/oracle_dump --npm build/release/npm

--npm is the directory into which npm installs onnxruntime-web, once. Exit code 77, skipped, where there is no node, no
npm, no registry, or no python3 with onnx.
"""
import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77
sys.dont_write_bytecode = True
sys.path[:0] = [str(REPOSITORY / "scripts"), str(REPOSITORY / "tests" / "support")]
import needs
needs.need("numpy", "onnx", packages="python3-onnx", code=SKIPPED)
import numpy as np
import export
import networks

PACKAGE, VERSION = "onnxruntime-web", "1.17.3"  # in WebAssembly: nothing is compiled, and nothing else is downloaded


class OnnxRuntime(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = Path(directory.name)
        self.jobs = []

    def add(self, weights, images):
        """The file that will hold a network's logits of images."""
        name = self.work / str(len(self.jobs))
        model, pixels, logits = (name.with_suffix(ending) for ending in (".onnx", ".bytes", ".logits"))
        with contextlib.redirect_stdout(io.StringIO()):
            code = export.main([str(word) for word in (weights, "--format", "onnx", "--out", model, "--lenet",
                                                       settings.lenet)])
        self.assertEqual(code, 0)
        pixels.write_bytes(images.tobytes())
        self.jobs.append([model, pixels, logits])
        return logits

    def compute(self):
        networks.run("node", REPOSITORY / "tests" / "support" / "run_onnx.js", directory, *sum(self.jobs, []))

    @staticmethod
    def read(logits):
        return np.fromfile(logits, "<f4").reshape(-1, 10)

    def test_every_network_has_the_programs_logits(self):
        samples = networks.all_samples(self.work, settings)
        files = [self.add(sample.path, sample.images) for sample in samples]
        self.compute()
        for sample, logits in zip(samples, files):
            with self.subTest(" ".join(sample.kind)):
                self.assertLessEqual(networks.error(self.read(logits), sample.logits), 1)

    def test_trained_networks_give_the_programs_answers_and_loss(self):
        images, labels = networks.test_digits()
        runs = [networks.train(settings.lenet, self.work / arch, "--arch", arch, "--steps", steps)
                for arch, steps in (("lenet5", "60"), ("lenet5-1998", "200"), ("mlp-300", "60"))]
        files = [self.add(run, images) for run in runs]
        self.compute()
        for run, file in zip(runs, files):
            with self.subTest(run.name):
                networks.run(settings.lenet, "eval", "--run", run, "--data", networks.DATA)
                wanted, logits = json.loads((run / "eval.json").read_text()), self.read(file).astype("f8")
                self.assertGreater(wanted["accuracy"], 0.5)
                self.assertEqual(logits.argmax(axis=1).tolist(), wanted["predictions"])
                if run.name != "lenet5-1998":  # whose loss has the rubbish class in it
                    logits -= logits.max(axis=1, keepdims=True)
                    loss = np.log(np.exp(logits).sum(axis=1)) - logits[range(len(labels)), labels]
                    self.assertAlmostEqual(loss.mean(), wanted["loss"], delta=networks.TOLERANCE)


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def install(directory):
    package = directory / "node_modules" / PACKAGE / "package.json"
    if not shutil.which("node"):
        skip("there is no node")
    try:
        if json.loads(package.read_text())["version"] == VERSION:
            return
    except OSError:
        pass
    if not shutil.which("npm"):
        skip("there is no npm")
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund",
                           "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
                           "--fetch-timeout=60000", f"{PACKAGE}@{VERSION}"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        skip(f"npm cannot install {PACKAGE}: {' '.join(done.stdout.split())[:200]}")


if __name__ == "__main__":
    settings, arguments = networks.parse_arguments(
        "The ONNX models of export.py under onnxruntime.",
        lambda parser: parser.add_argument("--npm", type=Path, required=True, help="where npm installs"))
    directory = settings.npm.resolve()
    install(directory)
    unittest.main(argv=[sys.argv[0], *arguments])
