"""The clock of a deployment: PostgreSQL's, as every process of the deployment reads it without asking each time.

A process samples it and goes on by its own monotonic clock, which an operator cannot set. It is off by at most half of
the sample's round trip and what monotonic clocks drift until the next sample.

Development and tests may have it run ahead, so that skipped time is the same for arrivals, the outbox and schedules: by
`advance_clock`, in a server that was started with `sojourn.clock` as `adjustable`. No setting of Sojourn does that, and
no other server heeds it.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UndefinedFunction
from psycopg.rows import tuple_row

from domain.errors import UnavailableError

# A sample is taken this often, in seconds, of so many round trips, the quickest of which counts.
REFRESH_SECONDS: Final = 30.0
ROUND_TRIPS: Final = 3
# What a clock that is slewed by NTP drifts at most, in seconds a second (Linux, MAXFREQ).
MAX_DRIFT: Final = 500e-6

_SAMPLE: Final = """
SELECT clock_timestamp() + clock_ahead(), COALESCE(current_setting('sojourn.clock', true) = 'adjustable', false)
"""

_SAMPLE_BEFORE_MIGRATION: Final = "SELECT clock_timestamp(), false"


class Sample(Struct, frozen=True):
    """What the deployment's clock showed at an instant of the monotonic one, off by at most `error` seconds."""

    now: datetime
    taken_at: float
    error: float

    def at(self, instant: float) -> datetime:
        """What it shows at an instant of the monotonic clock."""
        return self.now + timedelta(seconds=instant - self.taken_at)

    def error_at(self, instant: float) -> float:
        """By how much that may be wrong, in seconds."""
        return self.error + MAX_DRIFT * (instant - self.taken_at)


class DeploymentClock:
    """The deployment's clock as one process has it. Within the process it never goes back."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._sample: Sample | None = None
        self._latest: datetime | None = None
        self.is_adjustable = False

    @property
    def is_known(self) -> bool:
        """Whether it was sampled."""
        return self._sample is not None

    def now(self) -> datetime:
        """The time. Raises UnavailableError in a process that has never had a connection."""
        if self._sample is None:
            raise UnavailableError("the database does not answer at the moment; the same request may be sent again")
        now = self._sample.at(self._monotonic())
        if self._latest is None or now > self._latest:
            self._latest = now
        return self._latest

    def error(self) -> float | None:
        """By how many seconds it may be off; None where it was never sampled."""
        return None if self._sample is None else self._sample.error_at(self._monotonic())

    async def sample(self, connection: AsyncConnection[object], round_trips: int = ROUND_TRIPS) -> None:
        """Ask PostgreSQL so many times, outside of any transaction."""
        samples = [await self._ask(connection) for _ in range(1 if self.is_adjustable else round_trips)]
        self.take(min(samples, key=lambda sample: sample.error))

    def take(self, sample: Sample) -> None:
        """Go by this sample, if it says more than the one before: it is more exact, or that one was overtaken."""
        known = self._sample
        if known is not None and not self.is_adjustable:
            known_error = known.error_at(sample.taken_at)
            apart = abs((sample.now - known.at(sample.taken_at)).total_seconds())
            if sample.error > known_error and apart <= sample.error + known_error:
                return
        self._sample = sample

    async def _ask(self, connection: AsyncConnection[object]) -> Sample:
        sent = self._monotonic()
        async with connection.cursor(row_factory=tuple_row) as cursor:
            try:
                await cursor.execute(_SAMPLE)
            except UndefinedFunction:
                # Not migrated yet, which readiness says by this connection.
                await cursor.execute(_SAMPLE_BEFORE_MIGRATION)
            row = await cursor.fetchone()
        answered = self._monotonic()
        if row is None:
            raise LookupError("PostgreSQL did not say what time it is")
        now, self.is_adjustable = row
        return Sample(now, (sent + answered) / 2, (answered - sent) / 2)


async def advance(connection: AsyncConnection[object], by: timedelta) -> None:
    """Have the clock run ahead by so much more. Raises psycopg.errors.RaiseException in a real deployment."""
    await connection.execute("SELECT advance_clock(%s)", (by,))
