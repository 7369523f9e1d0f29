"""The end of a process."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def exit_now(status: int) -> NoReturn:
    """End the process at once with this exit status.

    The threads of a Temporal client's core outlive the interpreter and may abort the process while it is torn down,
    after all of its work.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # The reader of a pipe may be gone.
        with suppress(OSError):
            stream.flush()
    os._exit(status)
