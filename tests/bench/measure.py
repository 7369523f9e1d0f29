"""Figures beside their floors, measured in turns so that their ratio holds on a machine that others use as well."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

from msgspec import Struct

from tests.bench.rows import ROWS

# A process is at rest when it uses less than this share of a processor for so long, in seconds.
REST_SHARE, REST_SECONDS = 0.15, 0.5
REST_TIMEOUT = 60.0

# One round: its number, from 0, gives what was measured.
Measure = Callable[[int], Awaitable[float]]


class Result(Struct, frozen=True):
    """A measured row. `rounds` are its (figure, floor) where they took turns; `note` says how it was measured."""

    key: str
    figure: float
    floor: float
    ratio: float
    note: str = ""
    rounds: tuple[tuple[float, float], ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the row's goal is."""
        return ROWS[self.key].is_met(self.figure, self.floor, self.ratio)


async def in_turns(measures: Sequence[Measure], rounds: int) -> list[tuple[float, ...]]:
    """Each measure once a round, in turns. A first round is thrown away: caches fill, code is compiled."""
    for measure in measures:
        await measure(0)
    return [tuple([await measure(number) for measure in measures]) for number in range(1, rounds + 1)]


def beside(key: str, rounds: Sequence[tuple[float, float]], note: str = "") -> Result:
    """The medians of figure and floor, and of what they are to each other in the same round."""
    figures, floors = zip(*rounds, strict=True)
    ratios = [figure / floor for figure, floor in rounds]
    return _say(Result(key, median(figures), median(floors), median(ratios), note, tuple(rounds)))


def single(key: str, figure: float, floor: float, note: str = "") -> Result:
    """A figure that does not depend on how busy the machine is, or that was measured once."""
    return _say(Result(key, figure, floor, figure / floor, note))


async def at_rest(pid: int) -> None:
    """Wait until a process has done what it was left with, such as the streams of clients that are gone.

    Raises TimeoutError.
    """
    async with asyncio.timeout(REST_TIMEOUT):
        while True:
            before = _ticks(pid)
            await asyncio.sleep(REST_SECONDS)
            if (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") < REST_SHARE * REST_SECONDS:
                return


def _ticks(pid: int) -> int:
    """The processor time of a process, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _say(result: Result) -> Result:
    """Say it at once: what is measured after it may fail."""
    sys.stderr.write(f"{result.key}: {result.figure:,.3g} beside {result.floor:,.3g}, {result.ratio:.2f}\n")
    return result


def percentile(values: Sequence[float], number: int) -> float:
    """The value that `number` of 100 stay below."""
    return quantiles(values, n=100, method="inclusive")[number - 1]
