"""The clock of a deployment: PostgreSQL's, as its processes read it.

A process samples it and continues by its own monotonic clock, which an operator cannot set. It is off by at most half
of the sample's round trip and the drift of monotonic clocks until the next sample.

Development and tests may advance it with `advance_clock`, so that skipped time is the same for arrivals, the outbox and
schedules. The server must have been started with `sojourn.clock` as `adjustable`. No setting of Sojourn does that, and
other servers ignore the advance.
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

# The interval of samples in seconds, and the round trips of each, of which the quickest counts.
REFRESH_SECONDS: Final = 30.0
ROUND_TRIPS: Final = 3
# The largest drift of a clock that NTP slews, in seconds a second (Linux, MAXFREQ).
MAX_DRIFT: Final = 500e-6

_SAMPLE: Final = """
SELECT clock_timestamp() + clock_ahead(), COALESCE(current_setting('sojourn.clock', true) = 'adjustable', false)
"""

_SAMPLE_BEFORE_MIGRATION: Final = "SELECT clock_timestamp(), false"


class Sample(Struct, frozen=True):
    """The deployment's clock at an instant of the monotonic one, with its error.

    The error is in seconds.
    """

    now: datetime
    taken_at: float
    error: float

    def at(self, instant: float) -> datetime:
        """Return the deployment's time at an instant of the monotonic clock."""
        return self.now + timedelta(seconds=instant - self.taken_at)

    def error_at(self, instant: float) -> float:
        """Return the largest possible error of that time, in seconds."""
        return self.error + MAX_DRIFT * (instant - self.taken_at)


class DeploymentClock:
    """The deployment's clock in one process, where it never goes back."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._sample: Sample | None = None
        self._latest: datetime | None = None
        self.is_adjustable = False

    @property
    def is_known(self) -> bool:
        """Whether the clock was sampled."""
        return self._sample is not None

    def now(self) -> datetime:
        """Return the time. Raises UnavailableError before the first connection."""
        if self._sample is None:
            raise UnavailableError("the database does not answer at the moment; the same request may be sent again")
        now = self._sample.at(self._monotonic())
        if self._latest is None or now > self._latest:
            self._latest = now
        return self._latest

    def error(self) -> float | None:
        """The largest possible error in seconds; None before the first sample."""
        return None if self._sample is None else self._sample.error_at(self._monotonic())

    async def sample(self, connection: AsyncConnection[object], round_trips: int = ROUND_TRIPS) -> None:
        """Sample PostgreSQL's clock several times, outside any transaction."""
        samples = [await self._ask(connection) for _ in range(1 if self.is_adjustable else round_trips)]
        self.take(min(samples, key=lambda sample: sample.error))

    def take(self, sample: Sample) -> None:
        """Use a sample if it is more exact than the last one, or if that one has drifted."""
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
                # Not migrated yet; readiness reports that over this connection.
                await cursor.execute(_SAMPLE_BEFORE_MIGRATION)
            row = await cursor.fetchone()
        answered = self._monotonic()
        if row is None:
            raise LookupError("PostgreSQL did not say what time it is")
        now, self.is_adjustable = row
        return Sample(now, (sent + answered) / 2, (answered - sent) / 2)


async def advance(connection: AsyncConnection[object], by: timedelta) -> None:
    """Advance the clock. Raises psycopg.errors.RaiseException in a real deployment."""
    await connection.execute("SELECT advance_clock(%s)", (by,))
