"""How every process of Sojourn ends."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def exit_now(status: int) -> NoReturn:
    """End the process at once with this exit status.

    One that had a Temporal client may abort while the interpreter is torn down, after all of its work: the threads of
    the client's core outlive it.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # The reader of a pipe may have left.
        with suppress(OSError):
            stream.flush()
    os._exit(status)
