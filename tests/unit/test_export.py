#!/usr/bin/env python3
"""test_export.py - weights taken elsewhere: scripts/weights.py, to_pytorch.py and export.py give the program's own
logits for every architecture, activation and pooling, and say in one line why they cannot.

    test_export.py --lenet build/release/lenet --dump build/release/tests/oracle_dump

Without PyTorch and onnx, exit code 77: skipped. test_onnxruntime.py runs the ONNX models.
"""
import contextlib
import importlib.util
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import unittest.mock
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SCRIPTS = REPOSITORY / "scripts"
SKIPPED = 77
sys.dont_write_bytecode = True
sys.path[:0] = [str(SCRIPTS), str(REPOSITORY / "tests" / "support")]
import needs
needs.need("numpy", "torch", "onnx", packages="python3-torch python3-onnx", code=SKIPPED)
import numpy as np
import onnx
import torch
import export
import networks
import safetensors
import to_pytorch
import weights


def load_module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(main, *arguments):
    """Exit code, stdout and stderr; a warning counts as a crash."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as stdout, \
            contextlib.redirect_stderr(io.StringIO()) as stderr:
        warnings.simplefilter("error")
        try:
            code = main([str(argument) for argument in (*arguments, "--lenet", settings.lenet)])
        except SystemExit as end:
            code = end.code
    return code, stdout.getvalue(), stderr.getvalue()


class Elsewhere(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.samples = networks.all_samples(directory.name, settings)
        cls.trained = networks.train(settings.lenet, Path(directory.name) / "trained", "--steps", "40")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = Path(directory.name)
        self.run_dir = self.work / "run"
        shutil.copytree(self.trained, self.run_dir)

    def each_sample(self):
        for sample in self.samples:
            with self.subTest(" ".join(sample.kind)):
                yield sample

    def assert_close(self, found, wanted):
        self.assertLessEqual(networks.error(found, wanted), 1)

    def assert_writes(self, main, *arguments, files):
        self.assertEqual(call(main, *arguments), (0, "".join(f"wrote {file}\n" for file in files), ""))

    def assert_refuses(self, main, *arguments, wanted, code=3):
        before = sorted(self.work.rglob("*"))
        found, stdout, stderr = call(main, *arguments)
        self.assertEqual((found, stdout), (code, ""), stderr)
        if code == 3:
            self.assertEqual(stderr.count("\n"), 1, stderr)
        for text in wanted:
            self.assertIn(text, stderr)
        self.assertEqual(sorted(self.work.rglob("*")), before)

    # ---- the same logits ------------------------------------------------------------------------

    def test_every_architecture_activation_and_pooling_is_here(self):
        found = {sample.kind for sample in self.samples}
        self.assertTrue({("lenet5-1998", "squash", "sum"), ("lenet5", "relu", "max"), ("lenet1", "tanh", "average"),
                         ("mlp-300", "tanh", "max"), ("linear", "relu", "max")} <= found)
        self.assertGreaterEqual(len(found), 46)
        for sample in self.samples:
            self.assertEqual(sample.images.shape, (13, 28, 28))
            self.assertGreater(np.ptp(sample.logits), 0.1)

    def test_numpy_gives_the_logits(self):
        for sample in self.each_sample():
            net = weights.read(sample.path, settings.lenet)
            self.assert_close(net.logits(net.inputs(sample.images)), sample.logits)

    def test_numpy_gives_the_answers_and_the_loss_of_eval(self):
        networks.run(settings.lenet, "eval", "--run", self.run_dir, "--data", networks.DATA)
        wanted = json.loads((self.run_dir / "eval.json").read_text())
        net = weights.read(self.run_dir / "last.safetensors", settings.lenet)
        images, labels = networks.test_digits()
        logits = net.logits(net.inputs(images))
        self.assertEqual(logits.argmax(axis=1).tolist(), wanted["predictions"])
        logits -= logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[range(len(labels)), labels]
        self.assertAlmostEqual(losses.mean(), wanted["loss"], delta=1e-6)

    def test_pytorch_gives_the_logits(self):
        for sample in self.each_sample():
            out = self.work / f"{sample.path.stem}.py"
            self.assert_writes(to_pytorch.main, sample.path, "--out", out, files=[out.with_suffix(".pt"), out])
            model = load_module(out).load()
            for images in (sample.images, sample.images[:, None], sample.images.astype("f4")):
                self.assert_close(model(torch.from_numpy(images)).detach().numpy(), sample.logits)

    def test_a_pytorch_module_has_the_weights_by_their_names(self):
        self.assert_writes(to_pytorch.main, self.run_dir, files=[self.run_dir / "last.pt", self.run_dir / "last.py"])
        tensors, _ = safetensors.read(self.run_dir / "last.safetensors")
        state = torch.load(self.run_dir / "last.pt", weights_only=True)
        module = load_module(self.run_dir / "last.py")
        self.assertEqual(list(state), list(tensors))
        self.assertEqual(list(state), list(module.load().state_dict()))
        for name, values in state.items():
            self.assertTrue(np.array_equal(values.numpy(), tensors[name]), name)

    def test_a_pytorch_module_reads_the_programs_own_weights(self):
        """By the library safetensors; here by something of its interface, as Debian has no package of it."""
        self.assert_writes(to_pytorch.main, self.run_dir, files=[self.run_dir / "last.pt", self.run_dir / "last.py"])
        module, library = load_module(self.run_dir / "last.py"), type(sys)("safetensors.torch")
        library.load_file = lambda path: {name: torch.from_numpy(values)
                                          for name, values in safetensors.read(path)[0].items()}
        with unittest.mock.patch.dict(sys.modules, {"safetensors.torch": library}):
            ours = module.load(self.run_dir / "last.safetensors")
        images = torch.from_numpy(networks.test_digits()[0])
        self.assertTrue(torch.equal(ours(images), module.load()(images)))

    def test_a_pytorch_module_takes_images_of_any_size_that_fits(self):
        sample = next(sample for sample in self.samples if sample.kind[0] == "lenet5")
        out = self.work / "net.py"
        self.assert_writes(to_pytorch.main, sample.path, "--out", out, files=[out.with_suffix(".pt"), out])
        model, net = load_module(out).load(), weights.read(sample.path, settings.lenet)
        for height, width in ((20, 20), (32, 32), (27, 19)):
            images = np.random.default_rng(1).integers(0, 256, (3, height, width), "u1")
            self.assert_close(model(torch.from_numpy(images)).detach().numpy(), net.logits(net.inputs(images)))

    def test_npz_has_every_array_and_what_it_takes_to_use_them(self):
        for sample in self.each_sample():
            out = self.work / "net.npz"
            self.assert_writes(export.main, sample.path, "--format", "npz", "--out", out, files=[out])
            with np.load(out) as arrays:
                about = json.loads(str(arrays["about"]))
                tensors = {name: arrays[name] for name in arrays.files if name != "about"}
            self.assertTrue(all(values.dtype == np.float32 for values in tensors.values()))
            net = weights.Network(about, tensors, about["metadata"])
            self.assertEqual((about["classes"], about["metadata"]["arch"]), (10, sample.kind[0]))
            self.assert_close(net.logits(net.inputs(sample.images)), sample.logits)

    def test_onnx_is_what_the_checker_wants_and_says_what_it_is(self):
        for sample in self.each_sample():
            out = self.work / "net.onnx"
            self.assert_writes(export.main, sample.path, "--format", "onnx", "--out", out, files=[out])
            model = onnx.load(out)
            onnx.checker.check_model(model, full_check=True)
            about = {entry.key: entry.value for entry in model.metadata_props}
            self.assertEqual((about["arch"], about["activation"], about["pooling"]), sample.kind)
            (image,), (logits,) = model.graph.input, model.graph.output
            shape = [place.dim_param or place.dim_value for place in image.type.tensor_type.shape.dim]
            self.assertEqual((image.name, image.type.tensor_type.elem_type, shape),
                             ("image", onnx.TensorProto.UINT8, ["N", 1, 28, 28]))
            shape = [place.dim_param or place.dim_value for place in logits.type.tensor_type.shape.dim]
            self.assertEqual((logits.name, shape), ("logits", ["N", 10]))

    def test_the_same_weights_give_the_same_bytes(self):
        for suffix in ("onnx", "npz"):
            written = []
            for attempt in range(2):
                out = self.work / f"{attempt}.{suffix}"
                self.assert_writes(export.main, self.run_dir, "--format", suffix, "--out", out, files=[out])
                written.append(out.read_bytes())
            self.assertEqual(*written)

    def test_the_documents_lines_work(self):
        page = (REPOSITORY / "docs" / "export.md").read_text()
        shutil.copytree(self.run_dir, self.work / "runs" / "lenet5-1")
        commands = re.findall(r"^    scripts/(\w+)\.py ([^#\n]+)", page, re.MULTILINE)
        self.assertGreaterEqual(len(commands), 4)
        programs = [block for block in re.findall(r"(?:^    .*\n)+", page, re.MULTILINE)
                    if block.startswith("    import") and "onnxruntime" not in block]
        self.assertEqual(len(programs), 2)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.work)
        for name, words in commands:
            self.assertEqual(call(sys.modules[name].main, *words.split())[::2], (0, ""))
        for program in programs:
            done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)

    # ---- what goes wrong --------------------------------------------------------------------------

    COMMANDS = ((export.main, "--format", "onnx"), (export.main, "--format", "npz"), (to_pytorch.main,))

    def refused_by_all(self, run, *wanted):
        for main, *options in self.COMMANDS:
            with self.subTest(options):
                self.assert_refuses(main, run, *options, wanted=wanted)

    def test_what_is_not_there_is_named(self):
        self.refused_by_all(self.work / "nowhere", "nowhere", "No such file")
        self.refused_by_all(self.work, "last.safetensors", "No such file")

    def test_damaged_weights_are_refused(self):
        path = self.run_dir / "last.safetensors"
        content = path.read_bytes()
        for damaged in (b"", content[:7], content[:-4], content[:500], b"\xff" * 8 + content[8:], b"PK\3\4 no weights",
                        content[:-4] + b"\xff\xff\xff\x7f", content.replace(b'"arch":"lenet5"', b'"arch":"lenet9"')):
            path.write_bytes(damaged)
            self.refused_by_all(self.run_dir, str(path))

    def test_a_populations_weights_are_refused(self):
        networks.run(settings.lenet, "sweep", "--data", networks.DATA, "--out", self.work / "sweep", "--seed", "1,2",
                     "--arch", "linear", "--steps", "1", "--threads", "1", "--device", "cpu", "--population-max", "2",
                     "--keep-weights")
        (path,) = (self.work / "sweep" / "weights").iterdir()
        self.refused_by_all(path, str(path), "wanted those of one")

    def test_the_reader_refuses_what_is_no_safetensors_file(self):
        path = self.work / "file"
        for content in (b"", b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"[:9], b"\x10\0\0\0\0\0\0\0" + b"[" * 16,
                        b"\x0a\0\0\0\0\0\0\0" + b'{"a": "b"}',
                        (text := b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}') and
                        len(text).to_bytes(8, "little") + text + b"12345678"):
            path.write_bytes(content)
            with self.subTest(content), self.assertRaisesRegex(ValueError, "not a safetensors file"):
                safetensors.read(path)

    def test_a_missing_directory_is_named(self):
        for main, *options in self.COMMANDS:
            self.assert_refuses(main, self.run_dir, *options, "--out", self.work / "none" / "net.py",
                                wanted=["none/net.", "cannot be written", "No such file"])

    def test_a_full_disk_leaves_nothing(self):
        for main, *options in self.COMMANDS:
            script = Path(sys.modules[main.__module__].__file__)
            before = sorted(self.run_dir.iterdir())
            done = subprocess.run([sys.executable, script, self.run_dir, *options, "--lenet", settings.lenet],
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit_files)
            with self.subTest(script.name):
                self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
                self.assertRegex(done.stderr, r"last\.\w+: cannot be written \(.*(File too large|write).*\)")
                self.assertEqual(sorted(self.run_dir.iterdir()), before)

    def test_neither_weights_nor_devices_are_replaced(self):
        path, pipe = self.run_dir / "last.safetensors", self.work / "pipe.npz"
        content = path.read_bytes()
        self.assert_refuses(export.main, path, "--format", "npz", "--out", self.work / "run" / ".." / "run" / path.name,
                            wanted=["--out", "would replace the weights"])
        self.assertEqual(path.read_bytes(), content)
        named = shutil.copy(path, self.work / "net.pt")
        self.assert_refuses(to_pytorch.main, named, wanted=["net.pt", "would replace the weights"])
        self.assertEqual(named.read_bytes(), content)
        os.mkfifo(pipe)
        self.assert_refuses(export.main, path, "--format", "npz", "--out", pipe, wanted=["pipe.npz", "device"])
        self.assertTrue(pipe.is_fifo())
        (stdout := self.work / "stdout.npz").symlink_to("/proc/self/fd/1")  # as /dev/stdout is
        self.assert_refuses(export.main, path, "--format", "npz", "--out", stdout, wanted=["stdout.npz", "device"])
        self.assertTrue(stdout.is_symlink())

    def test_a_program_in_this_directory_is_found(self):
        (self.work / "lenet").symlink_to(Path(settings.lenet).absolute())
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.work)
        options = export.parse_arguments([str(self.run_dir), "--format", "npz", "--lenet", "./lenet"])
        with contextlib.redirect_stdout(io.StringIO()):
            export.run(options)

    def test_ctrl_c_ends_it_by_the_signal_and_leaves_nothing(self):
        slow, here = self.work / "lenet", self.work / "here"
        slow.write_text(f"#!/bin/sh\ntouch {here}\nexec sleep 60\n")
        slow.chmod(0o755)
        before = sorted(self.run_dir.iterdir())
        for main, *options in self.COMMANDS:
            script = Path(sys.modules[main.__module__].__file__)
            with self.subTest(script.name), subprocess.Popen(
                    [sys.executable, script, self.run_dir, *options, "--lenet", slow], stderr=subprocess.PIPE,
                    text=True, start_new_session=True, preexec_fn=heed_ctrl_c) as process:
                while not here.exists() and process.poll() is None:
                    time.sleep(0.01)
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual((process.wait(), process.stderr.read()), (-signal.SIGINT, ""))
                self.assertEqual(sorted(self.run_dir.iterdir()), before)
            here.unlink()

    def test_a_missing_or_failing_program_is_named(self):
        for program, wanted in ((self.work / "nothing", "cmake --build"), ("/bin/false", "exit code 1")):
            stderr = io.StringIO()
            with contextlib.redirect_stderr(stderr):
                self.assertEqual(export.main([str(self.run_dir), "--format", "npz", "--lenet", str(program)]), 3)
            self.assertIn(str(program), stderr.getvalue())
            self.assertIn(wanted, stderr.getvalue())

    def test_a_wrong_command_line_is_refused(self):
        for main, options, wanted in (
                (export.main, ["--format", "tflite"], "tflite"), (export.main, [], "--format"),
                (export.main, ["--format", "onnx", "--image", "28"], "HEIGHTxWIDTH"),
                (to_pytorch.main, ["--out", "net.onnx"], "NAME.py"), (to_pytorch.main, ["--out", "1-2.py"], "import"),
                (to_pytorch.main, ["--out", "torch.py"], "torch"), (to_pytorch.main, ["--out", "random.py"], "module")):
            self.assert_refuses(main, self.run_dir, *options, wanted=[wanted], code=2)
        linear = next(sample.path for sample in self.samples if sample.kind[0] == "linear")
        self.assert_refuses(export.main, linear, "--format", "onnx", "--image", "32x32",
                            wanted=["linear takes images of up to 28x28"])
        named = shutil.copy(self.run_dir / "last.safetensors", self.work / "1-2.safetensors")
        self.assert_refuses(to_pytorch.main, named, wanted=["1-2.py", "--out NAME.py"])


def heed_ctrl_c():
    """A program that a shell has started in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


if __name__ == "__main__":
    settings, arguments = networks.parse_arguments("Weights taken elsewhere give the program's own logits.")
    torch.set_num_threads(1)
    unittest.main(argv=[sys.argv[0], *arguments])
