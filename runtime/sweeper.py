"""The sweepers: each follows the instants at which people change by time alone."""

import asyncio
from typing import Protocol

import psycopg
import structlog

from application.trait_sweeper import SweepResult
from runtime.metrics import SWEEPER_LATE
from store.database import describe_error

log = structlog.get_logger()

# The longest interval of looks, in seconds: an event may bring the next instant forward. An idle look reads an index.
LOOK_INTERVAL = 1.0
MAX_PAUSE = 30.0
# Others have all who are due; their transactions take some milliseconds.
BUSY_PAUSE = 0.05


class SweepTask(Protocol):
    """Something that is due at instants, and says when next."""

    @property
    def name(self) -> str:
        """Return its name, for the log and the metric."""
        ...

    async def sweep(self) -> SweepResult:
        """Do what is due."""
        ...


async def run_sweeper(sweeper: SweepTask, stop: asyncio.Event) -> None:
    """Do what is due until stopped; sleep until the next instant."""
    pause = LOOK_INTERVAL
    while not stop.is_set():
        try:
            result = await sweeper.sweep()
        except Exception as error:  # noqa: BLE001 -- the next look begins with the same people
            text = describe_error(error) if isinstance(error, psycopg.Error) else type(error).__name__
            log.warning("failed to sweep people", sweeper=sweeper.name, error=text, seconds=pause)
            await _rest(pause, stop)
            pause = min(MAX_PAUSE, pause * 2)
            continue
        pause = LOOK_INTERVAL
        SWEEPER_LATE.labels(sweeper.name).set(result.late)
        if result.seconds is None or result.seconds > 0:
            await _rest(min(LOOK_INTERVAL, result.seconds or LOOK_INTERVAL), stop)
        elif result.number == 0:
            await _rest(BUSY_PAUSE, stop)


async def _rest(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
