"""Journeys under way that are taken to another version of their campaign."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError

from application.catalogue import Catalogue
from domain.journey.migration import Migration, find_shared_subscriptions
from store.database import Connection
from tests.harness import Harness, until_blocked
from tests.servers import EVENTS_PER_RUN
from workflows.journey import JourneyWorkflow

Journey = WorkflowHandle[Any, Any]

FIRST = """
key: offer
name: Offer
entry: {event: Signed Up}
exit: [{event: Account Closed}]
steps:
  - {id: cool-off, delay: 1d}
  - id: looked
    wait_for: {events: [{event: Offer Viewed}, {event: Link Clicked}], timeout: 2d}
  - {id: pause, delay: 3d}
  - {id: mail, send: {channel: email, template: note}}
"""
# `pause` is gone, the events change places, and the stage comes first.
SECOND = """
key: offer
name: Offer
entry: {event: Signed Up}
exit: [{event: Account Closed}]
steps:
  - {id: cool-off, delay: 7d}
  - {id: stage, set_stage: offered}
  - id: looked
    wait_for: {events: [{event: Link Clicked}, {event: Offer Viewed, do: [{exit: viewed}]}], timeout: 5d}
"""


async def offered(harness: Harness, source: str = FIRST) -> Journey:
    """A journey of the first version; others enter by the second by now."""
    await harness.run_campaign(source)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.run_campaign(SECOND)
    return handle


async def migration(
    harness: Harness, from_version: int = 1, to_version: int = 2, operation: UUID | None = None
) -> Migration:
    catalogue = Catalogue()
    async with harness.database.transaction() as connection:
        old = await catalogue.version(connection, "offer", from_version)
        new = await catalogue.version(connection, "offer", to_version)
    alike = find_shared_subscriptions(old.rules, new.rules)
    return Migration(
        from_version=from_version,
        to_version=to_version,
        plan=new.plan,
        shared_subscriptions=alike,
        operation=operation or uuid4(),
    )


async def told(handle: Journey, migration: Migration) -> str:
    """What a journey answers that is told to migrate: what became of it, or why it stays."""
    try:
        return await handle.execute_update(JourneyWorkflow.migrate, migration, id=f"migrate-{migration.operation}")
    except WorkflowUpdateFailedError as error:
        return str(getattr(error.cause, "type", error.cause))


async def version(harness: Harness) -> int:
    row = await harness.journeys.one()
    return int(row["campaign_version"])


async def updates(handle: Journey) -> int:
    history = await handle.fetch_history()
    return sum(one.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED for one in history.events)


@asynccontextmanager
async def row_locked(harness: Harness) -> AsyncIterator[Connection]:
    """Nobody gets at the journey's row: a move that is under way stays so."""
    async with harness.database.transaction() as connection:
        await connection.execute("SELECT id FROM journeys FOR UPDATE")
        yield connection


async def test_a_journey_goes_on_at_its_step_under_the_new_version(harness: Harness) -> None:
    handle = await offered(harness)
    assert await told(handle, await migration(harness)) == "moved"
    [row] = await harness.query("SELECT campaign_version, step, status, wakes_at - entered_at AS rests FROM journeys")
    assert (row["campaign_version"], row["step"], row["status"]) == (2, "cool-off", "waiting")
    # As it was promised, although the delay of the new version is longer.
    assert timedelta(days=1) <= row["rests"] < timedelta(days=1, minutes=1)
    attributes = (await handle.describe()).typed_search_attributes.search_attributes
    assert ("CampaignVersion", 2) in [(pair.key.name, pair.value) for pair in attributes]
    await harness.skip(handle, days=1)
    await harness.rests(handle, "looked")
    assert await harness.query("SELECT stage FROM profiles") == [{"stage": "offered"}]
    await harness.track("u1", "Offer Viewed")
    assert await handle.result() == "viewed"
    assert harness.inbox.messages == []


async def test_the_timeline_says_that_it_moved(harness: Harness) -> None:
    handle = await offered(harness)
    await told(handle, await migration(harness))
    [item] = [item for item in await harness.timeline("u1") if item["kind"] == "migrate"]
    assert item["summary"] == "offer: moved from version 1 to 2"


async def test_a_journey_whose_step_is_gone_stays_without_a_trace(harness: Harness) -> None:
    handle = await offered(harness)
    await harness.skip(handle, days=1)
    await harness.skip(handle, days=2)
    await harness.rests(handle, "pause")
    before = (await handle.describe()).history_length
    assert await told(handle, await migration(harness)) == "step_removed"
    assert (await version(harness), await updates(handle)) == (1, 0)
    assert (await handle.describe()).history_length == before
    await harness.skip(handle, days=3)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_a_message_under_way_goes_before_the_journey_moves(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    mailing = FIRST.replace(
        "  - {id: cool-off", "  - {id: hello, send: {channel: email, template: note}}\n  - {id: cool-off"
    )
    handle = await offered(harness, mailing)
    await harness.until_put_off()
    asked = await migration(harness)
    started = await handle.start_update(
        JourneyWorkflow.migrate, asked, id=f"migrate-{asked.operation}", wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    assert await version(harness) == 1
    harness.inbox.greylist.clear()
    assert await started.result() == "moved"
    assert await version(harness) == 2
    await harness.rests(handle, "cool-off")
    assert len(harness.inbox.messages) == 1


async def test_a_journey_that_comes_to_rest_where_it_cannot_move_says_why_it_stays(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    mailing = FIRST.replace("{id: cool-off, delay: 1d}", "{id: hello, send: {channel: email, template: note}}").replace(
        "  - id: looked", "  - {id: gone, delay: 1d}\n  - id: looked"
    )
    handle = await offered(harness, mailing)
    await harness.until_put_off()
    asked = await migration(harness)
    started = await handle.start_update(
        JourneyWorkflow.migrate, asked, id=f"migrate-{asked.operation}", wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    harness.inbox.greylist.clear()
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await started.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "step_removed"
    await harness.rests(handle, "gone")
    [item] = [item for item in await harness.timeline("u1") if item["kind"] == "migrate"]
    assert item["summary"] == "offer: stays on version 1, and does not move to 2: step gone is gone"


async def test_a_journey_that_ends_before_it_rests_has_ended(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    handle = await offered(
        harness, FIRST[: FIRST.index("steps:")] + "steps: [{id: mail, send: {channel: email, template: note}}]"
    )
    await harness.until_put_off()
    asked = await migration(harness)
    started = await handle.start_update(
        JourneyWorkflow.migrate, asked, id=f"migrate-{asked.operation}", wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    await harness.track("u1", "Account Closed")
    assert await started.result() == "ended"
    assert await handle.result() == "exited"
    assert await version(harness) == 1


async def test_what_is_heard_while_it_is_moved_is_taken_up_under_the_new_version(harness: Harness) -> None:
    """`Link Clicked` was second and is first: told by the rules of the old version, `looked/0` was another event."""
    handle = await offered(harness)
    await harness.skip(handle, days=1)
    await harness.rests(handle, "looked")
    asked = await migration(harness)
    assert asked.shared_subscriptions == ()
    async with row_locked(harness) as holder:
        started = await handle.start_update(
            JourneyWorkflow.migrate, asked, id="one", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await until_blocked(holder)
        await handle.signal("matched", args=["looked/0", "e1", 1])
        await handle.signal("matched", args=["looked/1", "e2", 2])
    assert await started.result() == "moved"
    assert await handle.result() == "viewed"


async def test_an_event_of_the_old_version_that_means_something_else_now_is_not_heard(harness: Harness) -> None:
    handle = await offered(harness)
    await harness.skip(handle, days=1)
    await harness.rests(handle, "looked")
    assert await told(handle, await migration(harness)) == "moved"
    await handle.signal("matched", args=["looked/1", "e1", 1])
    await harness.rests(handle, "looked")
    await harness.track("u1", "Link Clicked")
    assert await handle.result() == "completed"


async def test_an_exit_while_it_is_moved_is_honoured(harness: Harness) -> None:
    handle = await offered(harness)
    asked = await migration(harness)
    async with row_locked(harness) as holder:
        started = await handle.start_update(
            JourneyWorkflow.migrate, asked, id="one", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await until_blocked(holder)
        await handle.signal("exit", "e1")
    assert await started.result() == "moved"
    assert await handle.result() == "exited"


async def test_an_exit_while_it_is_moved_is_the_end_for_whoever_waits_to_move_it_on(harness: Harness) -> None:
    handle = await offered(harness)
    await harness.run_campaign(SECOND.replace("7d", "8d"))
    async with row_locked(harness) as holder:
        first = await handle.start_update(
            JourneyWorkflow.migrate, await migration(harness, 1, 3), wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await until_blocked(holder)
        second = await handle.start_update(
            JourneyWorkflow.migrate, await migration(harness, 3, 2), wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await handle.signal("exit", "e1")
    assert await first.result() == "moved"
    assert await second.result() == "ended"
    assert await handle.result() == "exited"


async def test_a_journey_that_was_ended_is_not_moved(harness: Harness) -> None:
    """The row says so before the workflow has heard of it."""
    handle = await offered(harness)
    asked = await migration(harness)
    async with harness.database.transaction() as connection:
        await connection.execute("UPDATE journeys SET state = 'exited', outcome = 'exited', ended_at = now()")
    assert await told(handle, asked) == "ended"
    assert await version(harness) == 1
    await handle.signal("exit", "e1")
    assert await handle.result() == "exited"


async def test_a_journey_of_a_version_that_is_being_ended_is_not_moved(harness: Harness) -> None:
    handle = await offered(harness)
    await harness.query("UPDATE campaigns SET exiting = '{1}' RETURNING 1")
    assert await told(handle, await migration(harness)) == "ended"
    assert await version(harness) == 1


async def test_told_again_it_moves_once(harness: Harness) -> None:
    handle = await offered(harness)
    asked = await migration(harness)
    assert [await told(handle, asked), await told(handle, asked)] == ["moved", "moved"]
    assert await told(handle, await migration(harness)) == "moved"
    assert await updates(handle) == 2
    assert len(await harness.decisions.all(kind="migrate")) == 1


async def test_a_journey_on_another_version_than_was_thought_stays_there(harness: Harness) -> None:
    handle = await offered(harness)
    await told(handle, await migration(harness))
    await harness.run_campaign(SECOND.replace("7d", "8d"))
    assert await told(handle, await migration(harness, 1, 3)) == "version_changed"
    assert await told(handle, await migration(harness, 2, 3)) == "moved"
    assert await version(harness) == 3


async def test_of_two_versions_asked_for_before_it_rests_the_later_counts(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    mailing = FIRST.replace(
        "  - {id: cool-off", "  - {id: hello, send: {channel: email, template: note}}\n  - {id: cool-off"
    )
    handle = await offered(harness, mailing)
    await harness.run_campaign(SECOND.replace("7d", "8d"))
    await harness.until_put_off()
    first, second = [
        await handle.start_update(
            JourneyWorkflow.migrate,
            await migration(harness, 1, to),
            id=f"{to}",
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        for to in (2, 3)
    ]
    with pytest.raises(WorkflowUpdateFailedError):
        await first.result()
    harness.inbox.greylist.clear()
    assert await second.result() == "moved"
    assert await version(harness) == 3


async def test_a_long_history_goes_on_under_the_new_version(harness: Harness) -> None:
    handle = await offered(harness)
    asked = await migration(harness)
    assert await told(handle, asked) == "moved"
    first = (await handle.describe()).run_id
    for number in range(200):
        await handle.signal("matched", args=["looked/0", f"e{number}", 2])
        if number % 50 == 49 and (await handle.describe()).run_id != first:
            break
    assert (await handle.describe()).run_id != first
    assert await told(handle, asked) == "moved"
    await harness.skip(handle, days=1)
    await harness.rests(handle, "looked")
    # It was held against the rules of the first version, where this was another event.
    await handle.signal("matched", args=["looked/1", "late", 1])
    await harness.track("u1", "Offer Viewed")
    assert await handle.result() == "viewed"


async def test_a_long_history_is_left_behind_only_once_the_journey_has_moved(harness: Harness) -> None:
    """Else nobody would answer whoever asked."""
    harness.inbox.greylist.add("u1@example.com")
    first = "  - {id: hello, send: {channel: email, template: note}}\n  - {id: tag, set_stage: told}\n  - {id: cool-off"
    handle = await offered(harness, FIRST.replace("  - {id: cool-off", first))
    await harness.until_put_off()
    asked = await migration(harness)
    started = await handle.start_update(
        JourneyWorkflow.migrate, asked, id="one", wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    run = (await handle.describe()).run_id
    while (await handle.describe()).history_length < EVENTS_PER_RUN:
        await asyncio.gather(*(handle.signal("matched", args=["looked/0", str(uuid4()), 1]) for _ in range(20)))
    assert (await handle.describe()).run_id == run
    harness.inbox.greylist.clear()
    assert await started.result() == "moved"
    await harness.rests(handle, "cool-off")
    assert (await handle.describe()).run_id != run
    await harness.skip(handle, days=1)
    await harness.rests(handle, "looked")
    await harness.track("u1", "Offer Viewed")
    assert await handle.result() == "viewed"


async def test_to_a_version_that_does_not_run_nobody_moves(harness: Harness) -> None:
    """Events are routed by the versions that run or have journeys; that is not known anew with each that moves."""
    handle = await offered(harness)
    asked = await migration(harness)
    await harness.run_campaign(SECOND.replace("7d", "8d"))
    assert await told(handle, asked) == "version_changed"
    assert await version(harness) == 1
    await harness.track("u1", "Account Closed")
    assert await handle.result() == "exited"


async def test_an_end_of_the_version_before_is_none_of_a_journey_that_has_moved(harness: Harness) -> None:
    """The server's index, by which all of a version are told, may not know yet that it has moved."""
    handle = await offered(harness)
    assert await told(handle, await migration(harness)) == "moved"
    await handle.signal(JourneyWorkflow.exit, args=["the campaign was stopped", (1,)])
    await harness.rests(handle, "cool-off")
    await handle.signal(JourneyWorkflow.exit, args=["the campaign was stopped", (1, 2)])
    assert await handle.result() == "exited"


async def test_an_end_that_comes_while_a_journey_moves_is_none_of_it(harness: Harness) -> None:
    handle = await offered(harness)
    async with row_locked(harness) as holder:
        asked = await migration(harness)
        started = await handle.start_update(
            JourneyWorkflow.migrate, asked, id="one", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        await until_blocked(holder)
        await handle.signal(JourneyWorkflow.exit, args=["the campaign was stopped", (1,)])
    assert await started.result() == "moved"
    await harness.rests(handle, "cool-off")
