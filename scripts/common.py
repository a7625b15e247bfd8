"""common.py - what the scripts share: the error that is one line, files that appear whole, and how a script ends."""
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LENET = REPOSITORY / "build" / "release" / "lenet"


class BadInput(Exception):
    """One line that names the file, what was found and what was wanted."""


def write_file(path, content):
    """Under a temporary name first: an interrupted script leaves no half file."""
    is_open_file = path.is_symlink() and os.readlink(path).startswith("/proc/")  # as /dev/stdout is
    if is_open_file or path.exists() and not path.is_file():  # it would make root's /dev/null a file
        raise BadInput(f"{path}: is a directory or a device; the name of an ordinary file is wanted")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            part.unlink()
    print(f"wrote {path}", flush=True)


def program_path(text):
    """The value of --lenet: without the ./ that a Path drops, a program is looked for elsewhere."""
    return Path(text).absolute() if "/" in text else Path(text)


def run_lenet(lenet, *words):
    """Runs the program to its end; what it prints is kept."""
    try:
        return subprocess.run([str(word) for word in (lenet, *words)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace")
    except OSError as error:
        raise BadInput(f"{lenet}: {error.strerror}; cmake --preset release and cmake --build --preset release build "
                       "it, --lenet names another") from None


def printable(text):
    """On one line, and without what a terminal would obey or cannot show."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def exit_code(name, work, *arguments):
    """Runs a script's work; says in one line why it failed."""
    try:
        work(*arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more
        raise
    except (BadInput, OSError) as error:
        print(f"{name}: {printable(error)}", file=sys.stderr)
        return 3
    except MemoryError:
        print(f"{name}: out of memory", file=sys.stderr)
        return 3
    return 0
