"""Time decides first: a late sweep and a change after it leave the same memberships as a sweep in time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.merges import Merges
from application.recipients import Recipients
from application.step_decisions import StepDecisions
from domain.access import SOJOURN
from domain.journey.requests import ActionRequest
from domain.people.identity import PersonRef
from tests.engine.computed_harness import event
from tests.engine.lifecycle_harness import LifecycleHarness, lifecycle_harness
from tests.engine.positions import UNRECORDED

TRAITS = "computed:\n  last_order: {last: Order Completed}\n"
MARKS = """
key: marks
name: Marks
entry: {event: Viewed}
steps: [{id: mark, update_profile: {kept: true}}]
"""
FOLLOW = """
key: follow
name: Follow
entry: {joins: fresh, reentry: always}
exit: [{leaves: fresh}]
steps: [{id: rest, delay: 30d}]
"""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PHONE = {"device": {"id": "d1", "type": "ios"}, "app": {"version": "4.2"}}
Change = Callable[[LifecycleHarness, str, datetime], Awaitable[None]]


async def set_stage(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await harness.set_stage(user, "kept")


async def suppress(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await Recipients(harness.database, harness.catalogue).suppress(PersonRef(user), "email", "asked", by=SOJOURN)


async def perform_step(harness: LifecycleHarness, user: str, at: datetime) -> None:
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id
            WHERE user_id = %s AND campaign_key = 'marks'
            """,
            (user,),
        )
        [row] = await cursor.fetchall()
    request = ActionRequest(row["id"], "mark", 1, at, None, {"mark": 1}, UNRECORDED)
    assert not await StepDecisions(harness.database, harness.catalogue, "UTC").perform(request)


async def use_device(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await harness.ingest(replace(event("Read", user, at=at), context=PHONE), at=at)
    await harness.learn()


async def identify(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await harness.ingest(event(None, user, type="identify", at=at, kept=True), at=at)


async def merge(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await harness.ingest(event(None, f"other-{user}", type="identify", at=at, kept=True), at=at)
    await Merges(harness.database, harness.catalogue).merge(user, f"other-{user}", by=SOJOURN)


async def undo(harness: LifecycleHarness, user: str, at: datetime) -> None:
    await Merges(harness.database, harness.catalogue).undo(user, f"other-{user}", by=SOJOURN)


IS_KEPT = "has(profile.traits.kept)"
CHANGES: dict[str, tuple[str, Change]] = {
    "stage": ('profile.stated_stage == "kept"', set_stage),
    "suppression": ("!profile.consent.email", suppress),
    "step": (IS_KEPT, perform_step),
    "activity": ("size(profile.devices) > 0", use_device),
    "identify": (IS_KEPT, identify),
    "merge": (IS_KEPT, merge),
    "undo": (f"!{IS_KEPT}", undo),
}


async def live(
    harness: LifecycleHarness, user: str, born: datetime, kind: str, *, is_late: bool
) -> list[tuple[Any, ...]]:
    """Return who joined and left how long after their birth; a sweep that is late finds nothing left to do."""
    harness.set_clock(born)
    said = event(None, user, type="identify", at=born, email=f"{user}@example.com", consent={"email": True})
    await harness.ingest(said, event("Viewed", user, at=born), event("Order Completed", user, at=born), at=born)
    if kind == "undo":
        await merge(harness, user, born)
    _, change = CHANGES[kind]
    if not is_late:
        harness.set_clock(born + timedelta(hours=1))
        await harness.sweep()
    at = born + timedelta(hours=2)
    harness.set_clock(at)
    await change(harness, user, at)
    await harness.sweep()
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT has_joined, at - %s AS after, cause ->> 'kind' AS cause,
                   (SELECT array_agg(state ORDER BY entered_at) FROM journeys
                    WHERE profile_id = profiles.id AND campaign_key = 'follow') AS journeys
            FROM segment_changes JOIN profiles ON profiles.id = profile_id
            WHERE user_id = %s ORDER BY at, segment_changes.id
            """,
            (born, user),
        )
        return [(row["has_joined"], row["after"], row["cause"], row["journeys"]) async for row in cursor]


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_change_of_an_overdue_person_comes_after_what_time_has_done(kind: str, database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        harness.set_clock(START)
        await harness.apply(TRAITS)
        await harness.put(fresh=f'within(profile.computed.last_order, "1h") || {CHANGES[kind][0]}')
        await harness.run_campaign(MARKS)
        await harness.run_campaign(FOLLOW)
        in_time = await live(harness, "in-time", START, kind, is_late=False)
        late = await live(harness, "late", START + timedelta(days=1), kind, is_late=True)
        assert late == in_time
        [*_, (_, _, cause, _), _] = in_time
        assert (cause, [has_joined for has_joined, *_ in in_time][-3:]) == ("time", [True, False, True])
