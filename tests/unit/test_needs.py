#!/usr/bin/env python3
"""test_needs.py - every script that needs numpy, matplotlib or PyTorch: started by a python3 without them it hands over
to one that has them, or says in a line that there is none; and a notebook's MPLBACKEND does not matter.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SCRIPTS = REPOSITORY / "scripts"
sys.dont_write_bytecode = True


class Needs(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.work = Path(temporary.name)
        self.bare = self.make_bare("bin")

    def make_bare(self, name):
        """A directory with a python3 that has nothing but what every Python brings."""
        home = self.work / name
        venv.EnvBuilder(symlinks=True).create(home)
        return home / "bin"

    def run_bare(self, *words, others=True, **environment):
        """Exit code, stdout and stderr of a script under the bare python3, with its directory first on the PATH."""
        paths = [str(self.bare), *([os.environ["PATH"]] if others else [str(self.tools())])]
        done = subprocess.run([self.bare / "python3", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=os.environ | {"PATH": os.pathsep.join(paths)} | environment)
        return done.returncode, done.stdout, done.stderr

    def tools(self):
        """A directory with what common.sh calls, and no python3."""
        tools = self.work / "tools"
        tools.mkdir(exist_ok=True)
        for name in ("bash", "dirname"):
            if not (tools / name).exists():
                (tools / name).symlink_to(subprocess.run(["sh", "-c", f"command -v {name}"], check=True, text=True,
                                                         stdout=subprocess.PIPE).stdout.strip())
        return tools

    def script(self, text):
        """A program of a copy of the project in which no /usr/bin/python3 is looked for."""
        scripts = self.work / "project" / "scripts"
        scripts.mkdir(parents=True, exist_ok=True)
        for name in ("needs.py", "endings.py", "common.sh"):
            (scripts / name).write_text((SCRIPTS / name).read_text().replace("/usr/bin/python3", "/nowhere/python3"))
        path = scripts / "program.py"
        path.write_text(text)
        return path

    def assert_is_missing(self, result, *wanted, code=3):
        self.assertEqual(result[0], code, result)
        self.assertEqual(result[2].count("\n"), 1, result)
        for text in wanted:
            self.assertIn(text, result[2])

    def test_a_script_without_its_modules_hands_over(self):
        for script in ("plot_run", "plot_sweep", "experiments/seeds", "compare_pytorch", "export", "to_pytorch",
                       "to_idx"):
            with self.subTest(script):
                code, stdout, stderr = self.run_bare(SCRIPTS / f"{script}.py", "--help", MPLBACKEND="inline")
                self.assertEqual((code, stderr), (0, ""))
                self.assertTrue(stdout.startswith("usage: "), stdout)

    def test_every_other_script_asks_before_it_imports(self):
        for script in set(SCRIPTS.rglob("*.py")) - {SCRIPTS / "sound_torch.py"}:  # imported by those that have asked
            text = script.read_text()
            asks = re.search(r"^(from (needs|pictures|experiment) import|import weights|need\()", text, re.MULTILINE)
            imports = re.search(r"^(import|from) (numpy|matplotlib|torch|PIL|onnx)\b", text, re.MULTILINE)
            with self.subTest(script.name):
                self.assertTrue(not imports or asks and asks.start() < imports.start())

    def test_every_script_can_be_ended_before_all_else(self):
        for script in SCRIPTS.rglob("*.py"):
            text = script.read_text()
            if "__main__" in text:
                with self.subTest(script.name):
                    self.assertRegex(text, r'"""\n(import endings |from experiment )|sys\.path.*\nimport endings ')

    def interrupted(self, script, here, **environment):
        """Exit code and stderr of a script that is sent Ctrl-C once a file is there."""
        with subprocess.Popen([self.bare / "python3", script], stderr=subprocess.PIPE, text=True,
                              start_new_session=True, env=os.environ | environment,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
            while not here.exists() and process.poll() is None:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(), process.stderr.read()

    def test_ctrl_c_ends_a_script_while_it_looks_for_modules(self):
        here, tools = self.work / "here", self.tools()
        (tools / "bash").unlink()
        (tools / "bash").write_text(f"#!/bin/sh\ntouch {here}\nexec /bin/sleep 60\n")
        (tools / "bash").chmod(0o755)
        script = self.script("import endings, needs\nneeds.need('no_such_module', packages='none')\n")
        self.assertEqual(self.interrupted(script, here, PATH=f"{tools}:{os.environ['PATH']}"), (-signal.SIGINT, ""))

    def test_ctrl_c_ends_a_script_while_modules_make_other_errors_of_it(self):
        here = self.work / "here"
        script = self.script("import endings, needs\nneeds.need('slow', packages='none')\n")
        (script.parent / "slow.py").write_text(
            f"try:\n    open('{here}', 'w')\n    import time\n    time.sleep(60)\n"
            "except KeyboardInterrupt:\n    raise RuntimeError('as PyTorch does')\n")
        self.assertEqual(self.interrupted(script, here), (-signal.SIGINT, ""))

    def test_ctrl_c_ends_a_script_at_work_which_clears_up(self):
        here, left = self.work / "here", self.work / "left"
        script = self.script(f"import endings, pathlib, time, needs\nneeds.need('json', packages='none')\ntry:\n"
                             f"    pathlib.Path('{left}').touch()\n    pathlib.Path('{here}').touch()\n"
                             f"    time.sleep(60)\nfinally:\n    pathlib.Path('{left}').unlink()\n")
        self.assertEqual(self.interrupted(script, here), (-signal.SIGINT, ""))
        self.assertFalse(left.exists())

    def unread(self, *words):
        """Exit code and stderr of a script whose output nobody reads."""
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(list(map(str, words)), stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        return done.returncode, done.stderr

    def test_a_script_whose_reader_has_gone_ends_by_sigpipe(self):
        for script in ("plot_run", "plot_sweep", "experiments/seeds", "compare_pytorch", "export", "to_pytorch", "to_idx",
                       "kernel_report"):
            with self.subTest(script):
                code, stderr = self.unread("python3", SCRIPTS / f"{script}.py", "--help")
                self.assertEqual(stderr, "")
                self.assertIn(code, (0, -signal.SIGPIPE))  # argparse overlooks it where the text is long
        script = self.script("import endings, common\n"
                             "raise SystemExit(common.exit_code('program', print, 'x' * 100000))\n")
        (script.parent / "common.py").write_text((SCRIPTS / "common.py").read_text())
        self.assertEqual(self.unread("python3", script), (-signal.SIGPIPE, ""))

    def test_a_script_is_handed_over_with_its_arguments_and_pythons_own_options(self):
        script = self.script("import sys, needs\n"
                             "needs.need('numpy', packages='python3-numpy')\n"
                             "print(sys.argv[1:], sys.flags.dont_write_bytecode)\n")
        self.assertEqual(self.run_bare("-B", script, "a b", "--c="), (0, "['a b', '--c='] 1\n", ""))

    def test_what_was_found_is_found_again_by_the_programs_that_it_starts(self):
        script = self.script("import os, sys, needs\n"
                             "needs.need('numpy', packages='python3-numpy')\n"
                             "print([name for name in os.environ if name.startswith('LENET')])\n")
        self.assertEqual(self.run_bare(script), (0, "[]\n", ""))

    def test_without_any_python3_that_has_them_it_says_so(self):
        script = self.script("import needs\nneeds.need('numpy', 'matplotlib', packages='python3-numpy')\n")
        self.assert_is_missing(self.run_bare(script, others=False), "program: ", "numpy and matplotlib",
                               "(Debian: python3-numpy)")

    def test_it_hands_over_once(self):
        """Also where the other one has the modules only while it is looked for."""
        found = self.make_bare("other")
        (found / "python3").unlink()
        (found / "python3").write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\necho started\nexec {self.bare}/python3 "$@"\n')
        (found / "python3").chmod(0o755)
        script = self.script("import needs\nneeds.need('no_such_module', packages='none')\n")
        result = self.run_bare(script, PATH=f"{self.bare}{os.pathsep}{found}{os.pathsep}{self.tools()}")
        self.assert_is_missing(result, "no_such_module")
        self.assertEqual(result[1], "started\n")

    def test_an_interpreter_that_runs_no_script_is_left_alone(self):
        for words in (["-c", "import sys; sys.path.insert(0, sys.argv[1]); import pictures", SCRIPTS],):
            self.assert_is_missing(self.run_bare(*words), "numpy")


if __name__ == "__main__":
    unittest.main()
