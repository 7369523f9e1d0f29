"""Changes of computed traits start and end journeys: made by events, and by time alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from application.merges import Merges
from application.operations.runner import OperationRunner
from application.trait_sweeper import Sweeper, WatchHandler
from domain.access import SOJOURN
from store import profile_states
from store.clock import Sample
from tests.engine.computed_harness import ComputedHarness, computed_harness, event
from tests.engine.test_computed_traits import ORDERS

ACTIVE = "computed:\n  active: {any: '*', within: 1h}\n  orders: {count: Order Completed}\n"
EACH_ORDER = """
key: each-order
name: Each order
entry:
  changed: profile.computed.orders
  where: event.properties.after == 3 && profile.computed.orders == 3
  reentry: always
steps: [{id: rest, delay: 30d}]
"""
EACH_PLAN = """
key: each-plan
name: Each plan
entry: {changed: profile.traits.plan, reentry: always}
steps: [{id: rest, delay: 30d}]
"""
WIN_BACK = """
key: win-back
name: Win back
entry: {changed: profile.computed.active, where: "!event.properties.after", reentry: always}
exit: [{changed: profile.computed.active, where: event.properties.after}]
steps: [{id: rest, delay: 30d}]
"""
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def changes(harness: ComputedHarness) -> list[tuple[str, object, object]]:
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT user_id, properties FROM events WHERE type = 'changed' ORDER BY recorded_at, id"
        )
        return [(row["user_id"], row["properties"]["before"], row["properties"]["after"]) async for row in cursor]


async def sweep(harness: ComputedHarness) -> None:
    sweeper = Sweeper(harness.database, harness.catalogue)
    while (await sweeper.sweep()).seconds == 0:
        pass


async def look_at_everybody(harness: ComputedHarness) -> None:
    await OperationRunner(harness.database, {"watch": WatchHandler(harness.catalogue)}).work_on_deployment()


def let_pass(harness: ComputedHarness, time: timedelta) -> None:
    """Put this process's clock forward. Once read it never goes back, also when it is sampled again."""
    clock = harness.database.clock
    clock.take(Sample(clock.now() + time, monotonic(), 0.0))
    clock.now()


async def test_an_event_changes_a_trait_and_starts_a_journey(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.apply(ORDERS)
        await harness.run_campaign(EACH_ORDER)
        # In one batch, and over several.
        await harness.ingest(*(event("Order Completed") for _ in range(4)), event("Viewed"))
        for _ in range(4):
            await harness.ingest(event("Order Completed", "u2"), event("Order Completed", "u3"))
        assert await harness.entered() == ["u1", "u2", "u3"]
        assert [one for one in await changes(harness) if one[0] == "u1"] == [("u1", n, n + 1) for n in range(4)]


async def test_a_merge_and_its_undo_report_the_changes_that_they_make(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.apply(ORDERS + "  last: {last: Order Completed, of: event.properties.sku}\n")
        await harness.run_campaign(EACH_ORDER)
        await harness.run_campaign(EACH_PLAN)
        await harness.ingest(event("Order Completed"), event(None, type="identify", plan="free"))
        await harness.ingest(
            event("Order Completed", "u2"),
            event("Order Completed", "u2"),
            event(None, "u2", type="identify", plan="pro"),
        )
        await harness.ingest(event("Order Completed", None, anonymous="a1"))
        known = len(await changes(harness))
        # A call that names an anonymous person's id and a user's merges them.
        await harness.ingest(event("Viewed", anonymous="a1"))
        assert (await changes(harness))[known:] == [("u1", 1, 2)]
        merges = Merges(harness.database, harness.catalogue)
        await merges.merge("u1", "u2", by=SOJOURN)
        assert sorted((await changes(harness))[known + 1 :], key=str) == [("u1", "free", "pro"), ("u1", 2, 4)]
        await merges.undo("u1", "u2", by=SOJOURN)
        assert sorted((await changes(harness))[known + 3 :], key=str) == [("u1", "pro", "free"), ("u1", 4, 2)]


async def test_time_starts_a_journey_and_an_event_ends_it(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.apply(ACTIVE)
        # Less than an hour ago: nobody watches yet.
        now = datetime.now(UTC)
        await harness.ingest(event("Viewed", at=now - timedelta(minutes=30)))
        await harness.ingest(event("Viewed", "gone", at=now - timedelta(hours=3)))
        await harness.run_campaign(WIN_BACK)
        await sweep(harness)
        await look_at_everybody(harness)
        await harness.ingest(event("Viewed", "u2", at=now - timedelta(minutes=30)))
        await sweep(harness)
        assert await changes(harness) == [("u2", False, True)]
        let_pass(harness, timedelta(minutes=45))
        await sweep(harness)
        assert await harness.entered() == ["u1", "u2"]
        assert sorted(await changes(harness)) == [("u1", True, False), ("u2", False, True), ("u2", True, False)]
        later = harness.database.clock.now()
        await harness.ingest(event("Viewed", at=later), at=later)
        async with harness.database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT user_id, state FROM journeys JOIN profiles ON profiles.id = profile_id"
            )
            assert {row["user_id"]: row["state"] async for row in cursor} == {"u1": "exited", "u2": "active"}


async def test_a_change_that_is_due_is_reported_once_by_the_event_or_by_one_of_several_sweepers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.trait_sweeper.PAGE", 7)
    async with computed_harness(database_url) as harness:
        await harness.apply(ACTIVE)
        await harness.run_campaign(WIN_BACK)
        users = [f"u{number:02}" for number in range(40)]
        began = datetime.now(UTC) - timedelta(hours=2)
        await harness.ingest(*(event("Viewed", user, at=began) for user in users), at=began)
        assert await changes(harness) == [(user, False, True) for user in users]
        # They are due. Half of them report something by then that counts for no window that is open.
        old = [event("Order Completed", user, at=began) for user in users[::2]]
        await asyncio.gather(sweep(harness), harness.ingest(*old), sweep(harness), sweep(harness))
        await sweep(harness)
        assert sorted(await changes(harness)) == sorted(
            one for user in users for one in ((user, False, True), (user, True, False))
        )
        assert await harness.entered() == users
        async with harness.database.transaction() as connection:
            assert (await profile_states.next_due(connection))[1] is None
