"""python -m tests.foreground MODULE [ARGUMENT...]: run a module as a shell runs a command in the foreground.

SIGINT interrupts it, which background commands ignore together with their children. A terminal on standard input is its
controlling terminal. The process sets this up itself: `preexec_fn` is not safe in a parent with threads.
"""

import fcntl
import os
import runpy
import signal
import sys
import termios


def main() -> None:
    """Take the terminal, then become the module."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
