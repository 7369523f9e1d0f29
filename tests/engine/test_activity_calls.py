"""How a journey asks: within its own task first, and as a regular activity where that gives no answer in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from tests.engine.campaigns import CART, REACTION, REMINDERS
from tests.harness import LOCAL_ACTIVITY, PATIENCE, Harness, looks


class Asked(NamedTuple):
    """A question in a history."""

    activity: str
    how: str


@asynccontextmanager
async def nothing_is_answered(harness: Harness) -> AsyncIterator[None]:
    """While somebody holds where decisions are looked up and written."""
    async with harness.database.transaction() as connection:
        await connection.execute("LOCK decisions IN ACCESS EXCLUSIVE MODE")
        yield


async def entered(harness: Harness, source: str = CART) -> WorkflowHandle[Any, Any]:
    await harness.run_campaign(source)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1")
    await harness.rests(handle, "cool-off")
    return handle


async def asked(harness: Harness, handle: WorkflowHandle[Any, Any]) -> list[Asked]:
    events = (await handle.fetch_history()).events
    return [found for event in events if (found := _asked(harness, event)) is not None]


def _asked(harness: Harness, event: HistoryEvent) -> Asked | None:
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return Asked(event.activity_task_scheduled_event_attributes.activity_type.name, "regular")
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != LOCAL_ACTIVITY:
        return None
    [payload] = marker.details["data"].payloads
    data = harness.temporal.data_converter.payload_converter.from_payload(payload)
    return Asked(data["activity_type"], "failed" if marker.HasField("failure") else "local")


async def until_asked(harness: Harness, handle: WorkflowHandle[Any, Any], question: Asked) -> None:
    async for is_last in looks(PATIENCE):
        if question in await asked(harness, handle):
            return
        assert not is_last, f"never asked: {question}"


@pytest.mark.takes_long
async def test_who_gets_no_answer_in_time_asks_again_on_record(harness: Harness) -> None:
    """So no outage holds up a task for longer, and one answer is what comes of both."""
    handle = await entered(harness)
    async with nothing_is_answered(harness):
        await harness.skip(handle, minutes=30)
        await until_asked(harness, handle, Asked("authorize_send", "regular"))
    assert await handle.result() == "completed"
    assert await asked(harness, handle) == [
        Asked("authorize_send", "failed"),
        Asked("authorize_send", "regular"),
        Asked("send_message", "regular"),
    ]
    assert len(await harness.decisions.all(kind="send")) == 1
    assert len(harness.inbox.messages) == 1


async def test_an_attempt_that_fails_is_followed_by_one_on_record(harness: Harness) -> None:
    handle = await entered(harness)
    await harness.query("UPDATE profiles SET consent = '\"no consent\"' RETURNING 1")
    await harness.skip(handle, minutes=30)
    await until_asked(harness, handle, Asked("authorize_send", "regular"))
    await harness.query("UPDATE profiles SET consent = '{}' RETURNING 1")
    assert await handle.result() == "completed"
    assert [question.how for question in await asked(harness, handle)] == ["failed", "regular", "regular"]


async def test_a_journey_is_cancelled_in_temporal_while_it_asks(harness: Harness) -> None:
    """It hears of that with its next task; what it asks for then is not asked again."""
    handle = await entered(harness)
    async with nothing_is_answered(harness):
        skipping = asyncio.create_task(harness.skip(handle, minutes=30))
        await harness.until("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'decisions'::regclass")
        await handle.cancel()
        assert await asked(harness, handle) == []
        await skipping
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert {question.activity for question in await asked(harness, handle)} <= {"authorize_send", "finish_journey"}
    assert await harness.query("SELECT state, outcome FROM journeys") == [
        {"state": "completed", "outcome": "cancelled"}
    ]
    assert await harness.messages.all(state="reserved") == []


async def test_what_follows_a_wait_for_events_is_asked_on_record(harness: Harness) -> None:
    """If the task was lost, and the event heard by the next time, the journey would have gone the other way."""
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com", plan="team")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "clicked")
    await harness.skip(handle, days=2)
    assert await handle.result() == "completed"
    assert [question for question in await asked(harness, handle) if question.activity != "send_message"] == [
        Asked("authorize_send", "local"),
        Asked("evaluate_branch", "regular"),
        Asked("authorize_send", "local"),
        Asked("authorize_send", "local"),
    ]


async def test_in_a_repetition_that_an_event_ends_all_is_asked_on_record(harness: Harness) -> None:
    await harness.run_campaign(REMINDERS.replace("UNTIL", "until: {event: Invoice Paid}, times: 2"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await harness.rests(handle, "remind")
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    found = await asked(harness, handle)
    assert Asked("authorize_send", "regular") in found
    assert [question for question in found if question.how == "local"] == []
