"""endings.py - how a script ends by a signal. Imported before all else: from here on Ctrl-C, and a reader that has gone
(`| head -1`), end a script by SIGINT and SIGPIPE, as they end other programs, and not with a traceback.

What the script had to clear up is done by then: the exception has passed all its `with` and `finally`.
"""
import atexit
import os
import signal
import sys
from contextlib import contextmanager


def end_by(number):
    """Ends this process by a signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def flush():
    """What is printed may lie in a buffer until the end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        end_by(signal.SIGPIPE)


def end(kind, error, traceback):
    if issubclass(kind, KeyboardInterrupt):
        flush()
        end_by(signal.SIGINT)
    if issubclass(kind, BrokenPipeError):
        end_by(signal.SIGPIPE)
    sys.__excepthook__(kind, error, traceback)


@contextmanager
def at_once():
    """Ctrl-C ends the script without an exception, of which PyTorch makes another one while it is imported. If the
    imports fail, what follows ends the script."""
    is_heeded = sys.excepthook is end and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    if is_heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if os.path.dirname(os.path.abspath(__file__)) in os.path.abspath(sys.argv[0]):  # and no test, notebook or prompt
    sys.excepthook = end
    atexit.register(flush)
