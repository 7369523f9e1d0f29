"""Begin the console command: Ctrl-C while it imports ends it without a traceback."""

import os
import signal
from typing import Final

# `exit_codes` has it as well, and imports half a second of others.
INTERRUPTED: Final = 128 + signal.SIGINT


def main() -> None:
    """Run the console command."""
    before = signal.getsignal(signal.SIGINT)
    # Nothing is open yet. A command in the background of a shell may ignore Ctrl-C.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from cli.main import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
