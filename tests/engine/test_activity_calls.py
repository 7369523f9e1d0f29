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
from tests.harness import LOCAL_ACTIVITY, PATIENCE, Rig, looks


class Asked(NamedTuple):
    """A question in a history."""

    activity: str
    how: str


@asynccontextmanager
async def nothing_is_answered(rig: Rig) -> AsyncIterator[None]:
    """While somebody holds where decisions are looked up and written."""
    async with rig.database.transaction() as connection:
        await connection.execute("LOCK decisions IN ACCESS EXCLUSIVE MODE")
        yield


async def entered(rig: Rig, source: str = CART) -> WorkflowHandle[Any, Any]:
    await rig.run_campaign(source)
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await rig.journey("u1")
    await rig.rests(handle, "cool-off")
    return handle


async def asked(rig: Rig, handle: WorkflowHandle[Any, Any]) -> list[Asked]:
    events = (await handle.fetch_history()).events
    return [found for event in events if (found := _asked(rig, event)) is not None]


def _asked(rig: Rig, event: HistoryEvent) -> Asked | None:
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return Asked(event.activity_task_scheduled_event_attributes.activity_type.name, "regular")
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != LOCAL_ACTIVITY:
        return None
    [payload] = marker.details["data"].payloads
    data = rig.temporal.data_converter.payload_converter.from_payload(payload)
    return Asked(data["activity_type"], "failed" if marker.HasField("failure") else "local")


async def until_asked(rig: Rig, handle: WorkflowHandle[Any, Any], question: Asked) -> None:
    async for is_last in looks(PATIENCE):
        if question in await asked(rig, handle):
            return
        assert not is_last, f"never asked: {question}"


@pytest.mark.takes_long
async def test_who_gets_no_answer_in_time_asks_again_on_record(rig: Rig) -> None:
    """So no outage holds up a task for longer, and one answer is what comes of both."""
    handle = await entered(rig)
    async with nothing_is_answered(rig):
        await rig.skip(handle, minutes=30)
        await until_asked(rig, handle, Asked("authorize_send", "regular"))
    assert await handle.result() == "completed"
    assert await asked(rig, handle) == [
        Asked("authorize_send", "failed"),
        Asked("authorize_send", "regular"),
        Asked("send_message", "regular"),
    ]
    assert len(await rig.query("SELECT 1 FROM decisions WHERE kind = 'send'")) == 1
    assert len(rig.inbox.messages) == 1


async def test_an_attempt_that_fails_is_followed_by_one_on_record(rig: Rig) -> None:
    handle = await entered(rig)
    await rig.query("UPDATE profiles SET consent = '\"no consent\"' RETURNING 1")
    await rig.skip(handle, minutes=30)
    await until_asked(rig, handle, Asked("authorize_send", "regular"))
    await rig.query("UPDATE profiles SET consent = '{}' RETURNING 1")
    assert await handle.result() == "completed"
    assert [question.how for question in await asked(rig, handle)] == ["failed", "regular", "regular"]


async def test_a_journey_is_cancelled_in_temporal_while_it_asks(rig: Rig) -> None:
    """It hears of that with its next task; what it asks for then is not asked again."""
    handle = await entered(rig)
    async with nothing_is_answered(rig):
        skipping = asyncio.create_task(rig.skip(handle, minutes=30))
        await rig.until("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'decisions'::regclass")
        await handle.cancel()
        assert await asked(rig, handle) == []
        await skipping
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert {question.activity for question in await asked(rig, handle)} <= {"authorize_send", "finish_journey"}
    assert await rig.query("SELECT state, outcome FROM journeys") == [{"state": "completed", "outcome": "cancelled"}]
    assert await rig.query("SELECT 1 FROM messages WHERE state = 'reserved'") == []


async def test_what_follows_a_wait_for_events_is_asked_on_record(rig: Rig) -> None:
    """If the task was lost, and the event heard by the next time, the journey would have gone the other way."""
    await rig.run_campaign(REACTION)
    await rig.identify("u1", email="u1@example.com", plan="team")
    await rig.track("u1", "Signed Up")
    handle = await rig.journey("u1")
    await rig.rests(handle, "clicked")
    await rig.skip(handle, days=2)
    assert await handle.result() == "completed"
    assert [question for question in await asked(rig, handle) if question.activity != "send_message"] == [
        Asked("authorize_send", "local"),
        Asked("evaluate_branch", "regular"),
        Asked("authorize_send", "local"),
        Asked("authorize_send", "local"),
    ]


async def test_in_a_repetition_that_an_event_ends_all_is_asked_on_record(rig: Rig) -> None:
    await rig.run_campaign(REMINDERS.replace("UNTIL", "until: {event: Invoice Paid}, times: 2"))
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await rig.journey("u1")
    await rig.rests(handle, "remind")
    await rig.skip(handle, days=1)
    assert await handle.result() == "completed"
    found = await asked(rig, handle)
    assert Asked("authorize_send", "regular") in found
    assert [question for question in found if question.how == "local"] == []
