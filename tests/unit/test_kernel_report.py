#!/usr/bin/env python3
"""test_kernel_report.py - kernel_report.py on recorded and on made-up output of ptxas: a spill, a kernel or an
architecture that is missing must fail the check."""
import contextlib
import io
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "scripts"))
sys.dont_write_bytecode = True
import kernel_report

# Of nvcc 13.0; the name of the first kernel is correlate_kernel<5,8,2>.
SPILL = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z16correlate_kernelILi5ELi8ELi2EEv9correlate' for 'sm_75'
ptxas info    : Function properties for _Z16correlate_kernelILi5ELi8ELi2EEv9correlate
    48 bytes stack frame, 48 bytes spill stores, 44 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 48 bytes cumulative stack size, 456 bytes cmem[0]
ptxas info    : Compile time = 124.292 ms
ptxas info    : Compiling entry function '_Z13params_kernel11conv_params' for 'sm_75'
ptxas info    : Function properties for _Z13params_kernel11conv_params
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 180 registers, used 1 barriers, 1536 bytes smem, 440 bytes cmem[0]
ptxas info    : Compile time = 315.292 ms
"""
CALLS = """\
ptxas info    : Compiling entry function '_Z20schedule_step_kernel13schedule_step' for 'sm_90'
ptxas info    : Function properties for _Z20schedule_step_kernel13schedule_step
    40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 46 registers, used 1 barriers, 40 bytes cumulative stack size
ptxas info    : Compile time = 1100.429 ms
ptxas info    : Function properties for __internal_accurate_pow
    0 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
"""
ARRAY = SPILL.replace("48 bytes spill stores, 44 bytes spill loads", "0 bytes spill stores, 0 bytes spill loads")
CLEAN = ARRAY.replace("48 bytes stack frame", "0 bytes stack frame")


class Parser(unittest.TestCase):
    def test_numbers(self):
        kernels = kernel_report.parse(SPILL)
        self.assertEqual({("correlate_kernel<5,8,2>", "75"), ("params_kernel", "75")}, set(kernels))
        self.assertEqual({"registers": 64, "shared": 0, "stack": 48, "stores": 48, "loads": 44},
                         kernels["correlate_kernel<5,8,2>", "75"])
        self.assertEqual({"registers": 180, "shared": 1536, "stack": 0, "stores": 0, "loads": 0},
                         kernels["params_kernel", "75"])

    def test_functions_that_a_kernel_calls_count_with_it(self):
        self.assertEqual({("schedule_step_kernel", "90"): {"registers": 46, "shared": 0, "stack": 40, "stores": 8,
                                                           "loads": 4}}, kernel_report.parse(CALLS))

    def test_names_as_any_demangler_writes_them(self):
        for name in ("void correlate_kernel<5, 8, 2>(correlate)", "correlate_kernel<5,8,2>",
                     "void correlate_kernel<(int)5, (int)8, (int)2>(correlate)",
                     "void (anonymous namespace)::correlate_kernel<5, 8, 2>((anonymous namespace)::correlate)"):
            self.assertEqual("correlate_kernel<5,8,2>", kernel_report.short_name(name))

    def test_no_output_has_no_kernels(self):
        self.assertEqual({}, kernel_report.parse(""))


class Check(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.work = Path(temporary.name)

    def problems(self, text, architectures=("75",), source="__global__ void k();"):
        file = self.work / "conv.cu"
        file.write_text(source)
        return kernel_report.problems_of([file], {} if text is None else {"conv.cu": text}, architectures)

    def test_a_spill_is_named(self):
        (problem,) = self.problems(SPILL)
        for piece in ("conv.cu", "correlate_kernel<5,8,2>", "sm_75", "48 bytes", "44"):
            self.assertIn(piece, problem)

    def test_a_local_array_is_named(self):
        (problem,) = self.problems(ARRAY)
        for piece in ("conv.cu", "correlate_kernel<5,8,2>", "sm_75", "local array", "48 bytes"):
            self.assertIn(piece, problem)

    def test_without_spills_nothing_is_wrong(self):
        self.assertEqual([], self.problems(CLEAN))

    def test_nothing_does_not_pass(self):
        for text in (None, "", "ptxas info    : 0 bytes gmem\n"):
            self.assertEqual(1, len(self.problems(text)))
        self.assertEqual([], self.problems(None, source="static int host_only;"))

    def test_every_architecture_is_wanted(self):
        problems = self.problems(CLEAN, ("75", "90"))
        self.assertEqual(2, len(problems))
        for kernel, problem in zip(("correlate_kernel<5,8,2>", "params_kernel"), problems):
            self.assertIn(f"{kernel} was not compiled for sm_90", problem)

    def test_output_that_was_cut_off_does_not_pass(self):
        (problem,) = self.problems(CLEAN[:CLEAN.index("ptxas info    : Used 180")])
        self.assertIn("params_kernel", problem)

    def command(self, *arguments):
        printed = io.StringIO()
        with mock.patch.object(sys, "argv", ["kernel_report.py", *arguments]), contextlib.redirect_stdout(printed):
            return kernel_report.main(), printed.getvalue()

    def test_exit_codes(self):
        objects = self.work / "CMakeFiles" / "lenet.dir" / "cuda"
        objects.mkdir(parents=True)
        for source in kernel_report.SOURCES:
            (objects / f"{source.name}.o.ptxas").write_text(CLEAN)
        check = "--check", "--build", str(self.work), "--arch", "75"
        code, printed = self.command(*check)
        self.assertEqual((0, True), (code, "2 kernels on 1 architectures: no spills" in printed), printed)
        (objects / "loss.cu.o.ptxas").write_text(SPILL)
        code, printed = self.command(*check)
        self.assertEqual((1, 1), (code, printed.count("FAILED: loss.cu: ")), printed)
        (objects / "loss.cu.o.ptxas").unlink()
        code, printed = self.command(*check)
        self.assertEqual((1, 1), (code, printed.count("FAILED: loss.cu: ")), printed)

    def test_without_a_compiler_it_is_skipped(self):
        with mock.patch.object(kernel_report, "find_nvcc", lambda: None):
            code, printed = self.command("--check")
        self.assertEqual((77, True), (code, "no nvcc" in printed))


class Arithmetic(unittest.TestCase):
    def test_occupancy_on_sm_90(self):
        for limit, want, registers, threads, shared in (
                ("warps", (8, 64), 32, 256, 0), ("blocks", (32, 32), 16, 32, 0), ("registers", (4, 16), 128, 128, 4800),
                ("registers, by partition", (3, 12), 155, 128, 1536), ("registers", (1, 14), 128, 448, 0),
                ("shared memory", (3, 12), 32, 128, 70000), ("one block", (1, 4), 255, 128, 230000)):
            self.assertEqual(want, kernel_report.occupancy(registers, threads, shared), limit)

    def test_a_step_that_is_counted_by_hand(self):
        """One convolution of 2 x 2 on 3 x 3 pixels, then three outputs; one image. The activation behind these is a
        part of them in the forward pass, and that in front of them in the backward pass."""
        info = {"field": 3, "parameters": 20, "training_flops": 32 + 32 + 24 * 3, "layers": [
            {"kind": "conv", "name": "C", "input": [1, 3, 3], "output": [1, 2, 2], "weights": 4, "biases": 1},
            {"kind": "activation", "name": "", "input": [1, 2, 2], "output": [1, 2, 2], "weights": 0, "biases": 0},
            {"kind": "dense", "name": "F", "input": [1, 2, 2], "output": [3, 1, 1], "weights": 12, "biases": 3},
            {"kind": "activation", "name": "", "input": [3, 1, 1], "output": [3, 1, 1], "weights": 0, "biases": 0}]}
        self.assertEqual([
            ("batch_draw", "", 0, 4 * 9 + 784 + 2), ("conv_forward", "C", 32, 4 * (9 + 4 + 5)),
            ("activation_forward", "", 0, 4 * 8), ("dense_forward", "F", 24, 4 * (4 + 3 + 15)),
            ("softmax_loss", "", 0, 4 * 6 + 2), ("activation_backward_input", "", 0, 4 * 9),
            ("dense_backward_params", "F", 24, 4 * (4 + 3 + 15)),
            ("dense_backward_input", "F", 24, 4 * (4 + 3 + 12 + 4)),
            ("conv_backward_params", "C", 32, 4 * (9 + 4 + 5)), ("optimizer_step", "", 0, 4 * 5 * 20),
        ], kernel_report.step_operations(info, 1))
        with self.assertRaises(kernel_report.Failure):
            kernel_report.step_operations({**info, "training_flops": 1}, 1)


class Counts(unittest.TestCase):
    """What the emulated GPU counted."""
    @staticmethod
    def launch(R, operation, kernel, threads=128, **others):
        return {"R": R, "operation": operation, "layer": "", "least": 1000, "moved": 900, "kernel": kernel,
                "threads": threads, "dynamic": 0, "blocks": 4, "barriers": 8, "read": [90, 100], "written": [10, 20],
                "wavefronts": [30, 45], **others}

    def test_shares_are_of_all_launches_that_are_alike(self):
        counted = [self.launch(1, "square", "k<5, 6>"), self.launch(64, "square", "k<5, 6>", read=[10, 100]),
                   self.launch(4, "square", "k<5, 6>", read=[1, 100]), self.launch(1, "square", "k<5, 6>", 256)]
        self.assertEqual("50 % | 50 % | 1.50 | 2 |", kernel_report.shares_of(counted, ("k<5,6>", 128, 0)))
        self.assertEqual("90 % | 50 % | 1.50 | 2 |", kernel_report.shares_of(counted, ("k<5,6>", 256, 0)))

    def test_what_was_not_used_is_empty(self):
        counted = [self.launch(1, "square", "k", wavefronts=[0, 0], written=[0, 0])]
        self.assertEqual("90 % |  |  | 2 |", kernel_report.shares_of(counted, ("k", 128, 0)))

    def test_the_table_has_the_launches_of_the_counted_step(self):
        numbers = {"registers": 32, "shared": 0, "stack": 0, "stores": 0, "loads": 0}
        kernels = {(name, architecture): numbers for name in ("k<5,6>", "other") for architecture in ("75", "90")}
        counted = [self.launch(R, "square", "k<5, 6>", threads)
                   for R, threads in ((1, 128), (4, 512), (64, 128), (64, 256))]
        self.assertEqual([
            "| `k<5,6>` | 32 | 0 | 0 | 0 | 1, 64 | 128 | 0 | 16 | 64 | 90 % | 50 % | 1.50 | 2 |",
            "| | | | | | 64 | 256 | 0 | 8 | 64 | 90 % | 50 % | 1.50 | 2 |",
            "| `other` | 32 | 0 | 0 | 0 " + "| " * 9 + "|"], list(kernel_report.kernel_table(kernels, counted))[2:])

    def test_the_page_has_all_kernels_and_was_counted_wherever_a_step_launches_one(self):
        page = (REPOSITORY / "docs" / "kernels.md").read_text()
        rows = [line.split("|")[1:-1] for line in page.splitlines() if re.match(r"\|( `\w+_kernel| \| )", line)]
        in_sources = {name for source in kernel_report.SOURCES
                      for name in re.findall(r"__global__ [^;{]*?(\w+_kernel)\(", source.read_text())}
        self.assertEqual(in_sources, {name for row in rows for name in re.findall(r"`(\w+)", row[0])})
        launched = [row for row in rows if row[5].strip()]
        self.assertGreater(len(launched), 10)
        for row in launched:
            self.assertRegex(row[10], r"\d %", row)

    def test_an_operation_moves_what_its_launches_move(self):
        rows = [("square", "", 0, 1000), ("accumulate", "", 0, 1005), ("square", "", 0, 1000)]
        counted = [self.launch(1, "square", "k"), self.launch(1, "square", "parts"),
                   self.launch(1, "schedule_step", "s"), self.launch(1, "accumulate", "k"),
                   self.launch(1, "square", "k"), self.launch(4, "square", "k")]
        self.assertEqual([1800, 900, 900], kernel_report.counted_bytes(rows, counted))
        for wrong in (rows[:2], [*rows[:2], ("square", "", 0, 1100)], [("scale", "", 0, 1000), *rows[1:]]):
            with self.assertRaises(kernel_report.Failure):
                kernel_report.counted_bytes(wrong, counted)


class KeepPtxas(unittest.TestCase):
    def test_it_keeps_what_ptxas_says_and_passes_on_the_rest(self):
        with tempfile.TemporaryDirectory() as work:
            said = SPILL + "conv.cu(3): warning: a variable is not used\n"
            for code in (0, 2):
                done = subprocess.run([REPOSITORY / "scripts" / "keep_ptxas.sh", "sh", "-c",
                                       f'printf "%s" "$1" >&2; exit {code}', "nvcc", said, "-o", f"{work}/conv.cu.o"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.assertEqual((code, "", "conv.cu(3): warning: a variable is not used\n"),
                                 (done.returncode, done.stdout, done.stderr))
                self.assertEqual(said, Path(work, "conv.cu.o.ptxas").read_text())


if __name__ == "__main__":
    unittest.main()
