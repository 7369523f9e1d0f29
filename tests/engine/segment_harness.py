"""People who join and leave segments: definitions, passes over everyone, and their memberships."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from application.computed_traits import BackfillHandler
from application.marked_people import MarkedPeople
from application.operations.announce import AnnounceHandler
from application.operations.runner import OperationHandler, OperationRunner
from application.rfm_scores import ScoreHandler
from application.segments import JudgeHandler, SegmentText, apply_segments
from application.trait_sweeper import Sweeper
from domain.access import SOJOURN
from domain.operations import OperationKind
from domain.people.segments.definition import OnChange, SegmentRule
from store import campaigns, segments
from store.clock import DeploymentClock, Sample
from store.database import Database
from tests.engine.computed_harness import ComputedHarness

# The members by segment, once from the states of people and once from the table.
_STATES = """
SELECT segments.key AS segment, user_id FROM profile_states
JOIN profiles ON profiles.id = profile_id
CROSS JOIN LATERAL jsonb_object_keys(profile_states.segments) AS joined (id)
JOIN segments ON segments.id = joined.id::int AND retired_at IS NULL
ORDER BY segment, user_id
"""
_MEMBERS = """
SELECT key AS segment, user_id FROM segment_members
JOIN segments ON segments.id = segment_id JOIN profiles ON profiles.id = profile_id
WHERE retired_at IS NULL ORDER BY segment, user_id
"""
_CHANGES = """
SELECT user_id, key, has_joined, cause ->> 'kind' AS cause FROM segment_changes
JOIN segments ON segments.id = segment_id JOIN profiles ON profiles.id = profile_id
ORDER BY segment_changes.id
"""


class StandingClock(DeploymentClock):
    """A clock that a test sets."""

    def stand(self, at: datetime) -> None:
        """Stand at an instant."""
        self._latest = at

    def now(self) -> datetime:
        assert self._latest is not None
        return self._latest


@dataclass
class SegmentHarness(ComputedHarness):
    async def put(self, on_change: OnChange = "silent", /, **segments: str) -> None:
        """Put segments in force, and judge everyone."""
        await self._apply({key: SegmentRule(where, on_change) for key, where in segments.items()})

    async def put_group(self, **segments: str) -> None:
        """Put segments in force of which a person is in one at most, the last that holds."""
        rules = [SegmentRule(where, "silent", "group", place) for place, where in enumerate(segments.values())]
        await self._apply(dict(zip(segments, rules, strict=True)))

    async def _apply(self, rules: Mapping[str, SegmentRule]) -> None:
        async with self.database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            texts = [SegmentText(key, key, rule.where, rule) for key, rule in rules.items()]
            await apply_segments(connection, texts, SOJOURN)

    async def operate(self) -> None:
        """Do what operations have to do."""
        handlers: dict[OperationKind, OperationHandler] = {
            "announce": AnnounceHandler(self.catalogue),
            "backfill": BackfillHandler(),
            "judge": JudgeHandler(self.catalogue),
            "score": ScoreHandler(),
        }
        runner = OperationRunner(self.database, handlers)
        while True:
            if (seconds := await runner.work_on_deployment()) is None:
                break
            await asyncio.sleep(seconds)

    async def sweep(self) -> None:
        """Report what time has changed until now."""
        for sweeper in (Sweeper(self.database, self.catalogue), MarkedPeople(self.database, self.catalogue)):
            while (await sweeper.sweep()).seconds == 0:
                pass

    def let_pass(self, time: timedelta) -> None:
        """Put this process's clock forward."""
        clock = self.database.clock
        clock.take(Sample(clock.now() + time, monotonic(), 0.0))
        clock.now()

    def set_clock(self, at: datetime) -> None:
        """Let this process's clock stand at an instant."""
        if not isinstance(self.database.clock, StandingClock):
            self.database.clock = StandingClock()
        self.database.clock.stand(at)

    async def members(self) -> Mapping[str, list[str]]:
        """The users in each segment. The table says the same as the states of people and the kept numbers."""
        async with self.database.transaction() as connection:
            states = await (await connection.execute(_STATES)).fetchall()
            rows = await (await connection.execute(_MEMBERS)).fetchall()
            counts = await segments.count_members(connection)
            cursor = await connection.execute("SELECT segment_id, count(*) AS count FROM segment_members GROUP BY 1")
            assert counts == {row["segment_id"]: row["count"] async for row in cursor}
        assert states == rows
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["segment"], []).append(row["user_id"])
        return found

    async def changes(self) -> list[tuple[str, str, bool, str]]:
        """Who joined and left, in order: user, segment, whether they joined, and the kind of cause."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(_CHANGES)
            return [(row["user_id"], row["key"], row["has_joined"], row["cause"]) async for row in cursor]

    async def journeys(self) -> dict[str, str]:
        """The state of the last journey of each user."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT user_id, state FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY entered_at"
            )
            return {row["user_id"]: row["state"] async for row in cursor}


@asynccontextmanager
async def segment_harness(url: str, *, pool_size: int = 4) -> AsyncIterator[SegmentHarness]:
    async with Database(url, pool_size=pool_size) as database:
        yield SegmentHarness(database)
