"""A journey's row says where the journey is, in the transactions that move it, and costs ordinary journeys nothing."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType

from activities.journey import JourneyActivities, PositionUpdate
from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.position import NextPositions, Position
from domain.journey.requests import ActionRequest, AuthorizeRequest
from domain.sending.gate_answers import Granted, Refused
from store.database import Database
from tests.engine.campaigns import CART, ONE_A_DAY, PROMOTION, REACTION, RESTS
from tests.engine.positions import UNRECORDED
from tests.harness import Harness, actions

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
# What a rest may be off by: the relay, and a worker that is busy.
LATENCY = timedelta(seconds=15)


async def row(harness: Harness, campaign: str) -> tuple[Any, Any]:
    found = await harness.journeys.one(campaign_key=campaign)
    return found["step"], found["status"]


async def wakes_in(harness: Harness, campaign: str) -> timedelta | None:
    """From when the journey's own events have last said that it was."""
    [found] = await harness.query(
        """
        SELECT wakes_at - greatest(entered_at, (SELECT max(at) FROM decisions WHERE journey_id = journeys.id)) AS rest
        FROM journeys WHERE campaign_key = %s
        """,
        campaign,
    )
    rest: timedelta | None = found["rest"]
    return rest


async def abandon(harness: Harness, source: str = CART) -> Any:
    await harness.run_campaign(source)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1", "cart")


async def test_one_message_costs_four_actions_and_no_activity_but_its_sending(harness: Harness) -> None:
    handle = await abandon(harness)
    assert await row(harness, "cart") == ("cool-off", "waiting")
    assert await wakes_in(harness, "cart") == timedelta(minutes=30)
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    history = await handle.fetch_history()
    assert actions(history) == 4
    names = Counter(EventType.Name(event.event_type) for event in history.events)
    assert (names["EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"], names["EVENT_TYPE_MARKER_RECORDED"]) == (1, 1)
    [ended] = await harness.query("SELECT step, status, wakes_at FROM journeys")
    assert ended == {"step": "nudge", "status": "acting", "wakes_at": None}


async def test_a_message_that_is_deferred_then_held_then_sent(harness: Harness) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    handle = await abandon(harness)
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    assert await row(harness, "cart") == ("nudge", "deferred")
    [deferred] = await harness.query(
        """
        SELECT wakes_at, answer ->> 'until' AS until FROM journeys
        JOIN decisions ON journey_id = journeys.id AND decisions.outcome = 'deferred'
        """
    )
    assert deferred["wakes_at"] == datetime.fromisoformat(deferred["until"])
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.skip(handle, days=1)
    await harness.decisions.until(outcome="held")
    assert await row(harness, "cart") == ("nudge", "held")
    assert await wakes_in(harness, "cart") is None
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"


async def test_what_follows_a_message_is_told_with_its_outcome(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "clicked")
    assert await row(harness, "reaction") == ("clicked", "waiting")
    rest = await wakes_in(harness, "reaction")
    assert rest is not None
    assert timedelta(days=2) <= rest < timedelta(days=2) + LATENCY
    # The branch tells of the delay.
    await harness.skip(handle, days=2)
    await harness.rests(handle, "single")
    assert await row(harness, "reaction") == ("single", "waiting")
    assert await wakes_in(harness, "reaction") == timedelta(hours=1)
    assert "record_position" not in str(await handle.fetch_history())


async def test_a_rest_after_a_rest_is_told_for_an_action(harness: Harness) -> None:
    await harness.run_campaign(RESTS)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    assert await row(harness, "rests") == ("first", "waiting")
    before = await harness.journeys.one()
    for step, hours, passed in [("second", 2, 1), ("heard", 24, 2)]:
        await harness.skip(handle, hours=passed)
        [after] = await harness.journeys.until(step=step, status="waiting")
        assert timedelta(hours=hours) <= after["wakes_at"] - before["wakes_at"] < timedelta(hours=hours) + LATENCY
        before = after
    await harness.track("u1", "Link Clicked")
    await harness.journeys.until(step="third", status="waiting")
    await harness.skip(handle, hours=3)
    assert await handle.result() == "completed"
    # Start, four timers, a signal and the end; for each of three rests the search attributes and the row.
    assert actions(await handle.fetch_history()) == 1 + 4 + 1 + 1 + 3 * 2


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as opened:
        yield opened


def activities(database: Database) -> JourneyActivities:
    catalogue = Catalogue()
    return JourneyActivities(
        database,
        StepDecisions(database, catalogue, "UTC"),
    )


def may_nudge_go(journey_id: UUID, ask: int, move: int) -> AuthorizeRequest:
    return AuthorizeRequest(
        journey_id, "nudge", 1, ask, AT, AT, None, NextPositions(move, (Position("elsewhere", "waiting"),))
    )


async def test_an_attempt_that_was_given_up_for_dead_moves_no_journey_back(
    harness: Harness, database: Database
) -> None:
    await abandon(harness)
    journey = await harness.journeys.one()
    asked = activities(database)
    later, earlier = (
        PositionUpdate(journey["id"], Position(step, "waiting", 60), move, AT)
        for step, move in [("later", 3), ("earlier", 2)]
    )
    await asked.record_position(later)
    await asked.record_position(earlier)
    # As if the same had been asked for twice, and answered while the first attempt was under way.
    await asked.record_position(PositionUpdate(journey["id"], Position("again", "waiting"), 3, AT))
    assert isinstance(await asked.authorize_send(may_nudge_go(journey["id"], 1, move=1)), Granted)
    assert await row(harness, "cart") == ("later", "waiting")
    assert isinstance(await asked.authorize_send(may_nudge_go(journey["id"], 2, move=4)), Granted)
    assert await row(harness, "cart") == ("nudge", "acting")


async def test_a_journey_that_is_over_stays_where_it_left(harness: Harness, database: Database) -> None:
    handle = await abandon(harness)
    await harness.track("u1", "Order Completed", {"cart_id": "c1"})
    assert await handle.result() == "exited"
    journey = await harness.journeys.one()
    assert (journey["step"], journey["wakes_at"]) == ("cool-off", None)
    await activities(database).record_position(PositionUpdate(journey["id"], Position("late", "waiting", 60), 9, AT))
    assert await row(harness, "cart") == ("cool-off", "waiting")


LOYAL = """
key: loyal
name: Loyal
entry: {event: Cart Abandoned}
steps:
  - {id: rest, delay: 1d}
  - {id: remember, update_profile: {seen: true}}
  - {id: nudge, send: {channel: email, template: note}}
"""


async def test_nothing_of_a_version_that_is_being_ended_is_granted_or_done(
    harness: Harness, database: Database
) -> None:
    """From the commit on, though the journey's row has yet to follow."""
    await abandon(harness, LOYAL.replace("key: loyal", "key: cart"))
    journey = await harness.journeys.one()
    await harness.query("UPDATE campaigns SET exiting = '{2}' RETURNING 1")
    asked = activities(database)
    assert isinstance(await asked.authorize_send(may_nudge_go(journey["id"], 1, move=1)), Granted)
    await harness.query("UPDATE campaigns SET exiting = '{1, 2}' RETURNING 1")
    answer = await asked.authorize_send(may_nudge_go(journey["id"], 2, move=2))
    assert answer == Refused("journey_ended", journey_ended=True)
    assert await asked.perform_step(ActionRequest(journey["id"], "remember", 1, AT, None, {}, UNRECORDED)) is True
    assert await harness.query("SELECT 1 FROM profiles WHERE traits ? 'seen'") == []
    assert (await harness.journeys.one())["state"] == "active"
    [refused] = [item for item in await harness.timeline("u1") if item["outcome"] == "refused"]
    assert refused["summary"] == "nudge: refused: the campaign was stopped"
