"""`sojourn` with two things more: a clock that jumps, and a defect of choice.

On SIGUSR1 the clock is put off by as many seconds as stand in the file that CLOCK names: what Python's `datetime` and
`time` say of the time of day. Monotonic clocks go on, as they do where somebody sets the time of a machine; PostgreSQL
and Temporal have clocks of their own, which stay.
"""

import os
import signal
import time
from pathlib import Path

import time_machine

from cli.main import main as run_command
from tests.chaos.mutants import break_on_purpose

CLOCK, MUTANT = "SOJOURN_CHAOS_CLOCK", "SOJOURN_CHAOS_MUTANT"


class Clock:
    """The clock of this process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._travel: time_machine.travel | None = None

    def jump(self, *_: object) -> None:
        """Be off from now on by what the file says."""
        if self._travel is not None:
            self._travel.stop()
        self._travel = time_machine.travel(time.time() + float(self._file.read_text()), tick=True)
        self._travel.start()


def main() -> None:
    """Run `sojourn` with what the environment names."""
    # First of all: a signal that is not handled ends a process.
    if CLOCK in os.environ:
        signal.signal(signal.SIGUSR1, Clock(Path(os.environ[CLOCK])).jump)
    if MUTANT in os.environ:
        break_on_purpose(os.environ[MUTANT])
    run_command()
