"""A person is never judged as of an instant before their last judgement: what waited does not undo what time did."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from application.recipients import Recipients
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.harness import until_blocked

TRAITS = "computed:\n  last_order: {last: Order Completed}\n"
# Every event of a plan and every suppression affects it, and none of them brings its end forward.
FRESH = """
within(profile.computed.last_order, "1h") && profile.traits.plan != "none" && profile.consent.email != null
"""
FOLLOW = """
key: follow
name: Follow
entry: {joins: fresh, reentry: always}
exit: [{leaves: fresh}]
steps: [{id: rest, delay: 30d}]
"""
ORDERED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = ORDERED + timedelta(hours=1)
# A batch that arrives just before the person is due.
BEFORE, AFTER = DUE - timedelta(milliseconds=5), DUE + timedelta(milliseconds=5)
JOINED, LEFT = ("u1", "fresh", True, "event"), ("u1", "fresh", False, "time")


@asynccontextmanager
async def two_processes(url: str) -> AsyncIterator[tuple[SegmentHarness, SegmentHarness]]:
    """A person in a segment, and two processes: one reads BEFORE from its clock, the other AFTER."""
    async with segment_harness(url) as slow, segment_harness(url) as fast:
        slow.set_clock(ORDERED)
        await slow.apply(TRAITS)
        await slow.put(fresh=FRESH)
        await slow.run_campaign(FOLLOW)
        said = event(None, type="identify", at=ORDERED, plan="free", email="u1@example.com")
        await slow.ingest(said, event("Order Completed", at=ORDERED), at=ORDERED)
        slow.set_clock(BEFORE)
        fast.set_clock(AFTER)
        yield slow, fast


async def state_plan(harness: SegmentHarness) -> None:
    await harness.ingest(event(None, type="identify", at=BEFORE, plan="pro"), at=BEFORE)


async def suppress(harness: SegmentHarness) -> None:
    await Recipients(harness.database, harness.catalogue).suppress(PersonRef("u1"), "email", "asked", by=SOJOURN)


async def test_a_batch_that_waits_while_its_person_leaves_does_not_bring_them_back(database_url: str) -> None:
    async with two_processes(database_url) as (slow, fast):
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            # As another batch of the same person does that is changing their ids.
            await other.execute("SELECT FROM identities WHERE value = 'u1' FOR UPDATE")
            batch = asyncio.create_task(state_plan(slow))
            await until_blocked(other)
            await fast.sweep()
            assert await fast.members() == {}
        await batch
        assert await slow.changes() == [JOINED, LEFT]
        assert await slow.journeys() == {"u1": "exited"}
        assert await slow.count("journeys") == 1


@pytest.mark.parametrize("change", [state_plan, suppress])
async def test_a_process_whose_clock_is_behind_changes_nothing_back(
    change: Callable[[SegmentHarness], Awaitable[None]], database_url: str
) -> None:
    async with two_processes(database_url) as (slow, fast):
        await fast.sweep()
        await change(slow)
        await slow.sweep()
        assert await slow.changes() == [JOINED, LEFT]
        # A new definition puts them off the segment, or into it, as of the latest instant as well.
        await slow.put("trigger", fresh=FRESH + ' || profile.traits.plan == "pro"')
        await slow.operate()
        await fast.sweep()
        async with slow.database.transaction() as connection:
            cursor = await connection.execute("SELECT at FROM segment_changes ORDER BY id")
            instants = [row["at"] async for row in cursor]
        assert instants == sorted(instants)
        assert len(instants) == (3 if change is state_plan else 2)


async def test_a_late_event_that_brings_a_person_back_starts_a_journey(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        harness.set_clock(ORDERED)
        await harness.apply("computed:\n  active: {any: '*', within: 1h}\n")
        await harness.put(fresh="profile.computed.active")
        await harness.run_campaign(FOLLOW)
        await harness.ingest(event("Viewed", at=ORDERED), at=ORDERED)
        harness.set_clock(DUE + timedelta(minutes=10))
        await harness.sweep()
        assert (await harness.journeys(), await harness.members()) == ({"u1": "exited"}, {})
        # A device reports later that they were there before they left.
        late = event("Viewed", at=DUE - timedelta(minutes=10))
        await harness.ingest(late, at=DUE + timedelta(minutes=10))
        assert (await harness.journeys(), await harness.members()) == ({"u1": "active"}, {"fresh": ["u1"]})
        # They leave an hour after it, which ends the journey.
        harness.set_clock(DUE + timedelta(minutes=51))
        await harness.sweep()
        assert (await harness.journeys(), await harness.members()) == ({"u1": "exited"}, {})
        assert await harness.count("journeys") == 2
