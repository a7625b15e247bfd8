"""needs.py - imports what a script needs, or hands the script over to another python3 that has it.

The first python3 on the PATH may be one of pyenv or conda, without the modules that Debian's packages bring to
/usr/bin/python3. common.sh looks for the one to go on with, as it does for the shell scripts.
"""
import importlib
import os
import subprocess
import sys
from pathlib import Path

from endings import at_once

SCRIPTS = Path(__file__).resolve().parent
HANDED_OVER = "LENET_HANDED_OVER"  # set for the python3 that was found, which must not look for yet another


def need(*modules, packages, code=3):
    """Returns with the modules imported; ends the script with this exit code where no python3 has them."""
    handed_over = os.environ.pop(HANDED_OVER, None)
    try:
        with at_once():
            for module in modules:
                importlib.import_module(module)
        return
    except ImportError as error:
        missing = error
    other = None if handed_over else find_python(modules)
    if other:
        run_again({HANDED_OVER: "1"}, other)
    print(f"{Path(sys.argv[0]).stem}: {missing}; no python3 here has {' and '.join(modules)} (Debian: {packages})",
          file=sys.stderr)
    sys.exit(code)


def run_again(environment, python=None):
    """Begins the script anew, with its arguments, in a changed environment; does not return."""
    words = getattr(sys, "orig_argv", [sys.executable, *sys.argv])  # with Python's own options, from 3.10 on
    sys.stdout.flush()
    python = python or sys.executable
    os.execve(python, [python, *words[1:]], {**os.environ, **environment})


def find_python(modules):
    """Only for a script of this project: an interactive Python or a notebook would not survive it."""
    script = Path(sys.argv[0])
    if not script.is_file() or SCRIPTS.parent not in script.resolve().parents:
        return None
    try:
        found = subprocess.run(["bash", "-c", '. "$0"; python_with "$@"', str(SCRIPTS / "common.sh"), *modules],
                               stdout=subprocess.PIPE, universal_newlines=True)
    except OSError:
        return None
    return found.stdout.strip() or None
