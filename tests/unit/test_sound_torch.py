#!/usr/bin/env python3
"""test_sound_torch.py - PyTorch is only an oracle where it computes known layers right: what is wrong is found, the
workaround is tried once, and what compares with it then says so. Exit code 77 where no python3 has PyTorch: skipped.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SCRIPTS = REPOSITORY / "scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))
import needs
needs.need("numpy", "torch", packages="python3-torch", code=77)
import torch
import sound_torch

CHECKS = sound_torch.wrong_product, sound_torch.unequal_sums

# Runs a program with a PyTorch whose convolutions are off by a little at the end, always or only without the workaround.
BROKEN = """
import os, runpy, sys, torch
whole, (until_worked_around, path) = torch.nn.functional.conv2d, sys.argv[1:3]
def broken(*arguments):
    y = whole(*arguments)
    return y + torch.nn.functional.pad(torch.full((1, 1), 1e-3), (y.shape[-1] - 1, 0, y.shape[-2] - 1, 0))
if until_worked_around == "no" or os.environ.get("OPENBLAS_CORETYPE") != "Haswell":
    torch.nn.functional.conv2d = broken
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(path))
runpy.run_path(path, run_name="__main__")
"""


class SoundTorch(unittest.TestCase):
    def setUp(self):
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        os.environ.pop(sound_torch.CORE, None)

    def broken(self, until_worked_around, program, *options):
        done = subprocess.run([sys.executable, "-c", BROKEN, until_worked_around, REPOSITORY / program, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr

    def test_a_product_that_is_off_anywhere_is_found(self):
        for layer in ("conv2d", "linear"):
            whole = getattr(sound_torch.F, layer)
            def off_by_one(x, weight, whole=whole):
                y = whole(x, weight)
                return y + torch.nn.functional.one_hot(torch.tensor(y.numel() - 1), y.numel()).reshape(y.shape)
            def one_gradient_is_lost(x, weight, whole=whole):
                return whole(x * (x != x.detach().flatten()[-1]), weight)
            for wrong in (off_by_one, one_gradient_is_lost):
                with self.subTest(layer=layer, wrong=wrong.__name__), mock.patch.object(sound_torch.F, layer, wrong):
                    self.assertIn(layer, sound_torch.wrong_product(torch.float64, 9))

    def test_an_equal_sum_in_the_last_column_that_is_rounded_otherwise_is_found(self):
        whole = sound_torch.F.conv2d
        def rounded(x, weight):
            y = whole(x, weight).clone()
            y[-1, -1, -1, -1] *= 1 + 2 ** -52
            return y
        with mock.patch.object(sound_torch.F, "conv2d", rounded):
            self.assertIn("1 of ", sound_torch.unequal_sums(torch.float64, 9))

    def test_the_workaround_is_tried_once(self):
        def wrong(dtype, batch):
            return f"batch {batch}" if batch == 5 else None
        with mock.patch.object(sound_torch, "run_again", side_effect=SystemExit) as again:
            self.assertIsNone(sound_torch.prove(torch.float64, wrong, batches=(4, 6)))
            with self.assertRaises(SystemExit):
                sound_torch.prove(torch.float64, wrong, batches=(4, 5))
            again.assert_called_once_with({"OPENBLAS_CORETYPE": "Haswell"})
            os.environ[sound_torch.CORE] = sound_torch.WORKAROUND
            self.assertIn("batch 5", sound_torch.prove(torch.float64, wrong, batches=(4, 5)))

    def test_the_oracle_is_skipped_with_the_reason_where_nothing_helps(self):
        code, stdout, stderr = self.broken("no", "tests/training/test_pytorch.py", "--dump", "/bin/true")
        self.assertEqual((code, stderr, stdout.count("\n")), (77, "", 1), stdout)
        for text in ("SKIPPED: PyTorch ", "OPENBLAS_CORETYPE=Haswell", "conv2d"):
            self.assertIn(text, stdout)

    def test_a_comparison_of_speed_says_how_it_was_made(self):
        lenet = Path(self.enterContext(tempfile.TemporaryDirectory())) / "lenet"
        bench = '{"images_per_s": 1, "version": "0", "compiler": "none"}'
        lenet.write_text(f'#!/bin/sh\nwhile [ "$1" != --json ]; do shift; done; echo \'{bench}\' >"$2"\n')
        lenet.chmod(0o755)
        code, stdout, stderr = self.broken("yes", "scripts/compare_pytorch.py", "--lenet", lenet, "--batch", "16",
                                           "--rounds", "1")
        self.assertEqual((code, stderr), (0, ""))
        self.assertIn(f"PyTorch {torch.__version__} with OPENBLAS_CORETYPE=Haswell; ", stdout)


if __name__ == "__main__":
    unittest.main()
