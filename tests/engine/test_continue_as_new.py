"""A journey whose history grows too long goes on in a new run, where it was."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

from temporalio.client import WorkflowHandle

from tests.engine.campaigns import REACTION
from tests.harness import Harness
from tests.servers import EVENTS_PER_RUN


async def test_a_journey_that_hears_too_much_continues_as_new(harness: Harness) -> None:
    """Events for a later wait keep coming during the delay; the delay still ends when it should."""
    early = REACTION.replace("  - id: clicked", "  - {id: cool-off, delay: 5d}\n  - id: clicked")
    await harness.run_campaign(early)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    await harness.messages.until(state="sent")
    handle = await harness.journey("u1")
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(
            *(harness.track("u1", "Link Clicked", {"kind": "good"}) for _ in range(EVENTS_PER_RUN // 10))
        )
        await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    description = await handle.describe()
    assert description.history_length < EVENTS_PER_RUN
    assert description.typed_search_attributes.search_attributes != []
    await harness.skip(handle, days=5)
    # Clicks during the delay came before the wait began, so it has still to be waited for.
    await harness.skip(handle, days=3)
    assert await handle.result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)] * 2
    [row] = await harness.query("SELECT ended_at - entered_at AS lasted FROM journeys")
    assert timedelta(days=7) <= row["lasted"] < timedelta(days=7, hours=2)


HOURLY = """
key: hourly
name: Hourly
entry: {event: Started}
steps:
  - id: hourly
    repeat: {every: 1h, times: 40, until: {event: Stopped}}
    do:
      - {id: count, update_profile: {rounds: {cel: journey.steps.count}}}
      # Past already: a look-up in each round.
      - {id: nap, delay: {date: entry.timestamp, if_past: go_on, if_unreadable: go_on}}
  - {id: mail, send: {channel: email, template: note}}
"""


async def start_hourly(harness: Harness) -> WorkflowHandle[Any, Any]:
    await harness.run_campaign(HOURLY)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Started")
    return await harness.journey("u1")


async def test_a_repetition_goes_on_over_many_runs_and_counts_all_of_its_rounds(harness: Harness) -> None:
    handle = await start_hourly(harness)
    first = (await handle.describe()).run_id
    await harness.skip(handle, hours=20, minutes=30)
    await harness.until("SELECT 1 FROM decisions WHERE kind = 'update_profile' HAVING count(*) >= 20")
    await harness.rests(handle, "hourly")
    assert (await handle.describe()).run_id != first
    await harness.skip(handle, hours=20, minutes=30)
    assert await handle.result() == "completed"
    description = await handle.describe()
    assert description.history_length < EVENTS_PER_RUN
    shown = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert (shown["Campaign"], shown["CampaignVersion"], shown["UserId"]) == ("hourly", 1, "u1")
    assert (shown["JourneyStep"], shown["JourneyState"]) == ("hourly", "waiting")
    assert await harness.query("SELECT traits -> 'rounds' AS rounds FROM profiles") == [{"rounds": 40}]
    done = await harness.query("SELECT step, at FROM decisions WHERE kind = 'update_profile' ORDER BY at")
    assert len(done) == 40
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(done)]
    assert all(timedelta(hours=1) <= gap < timedelta(hours=1, minutes=1) for gap in gaps)
    assert len(harness.inbox.messages) == 1


async def test_a_repetition_of_a_later_run_hears_the_event_that_ends_it(harness: Harness) -> None:
    handle = await start_hourly(harness)
    first = (await handle.describe()).run_id
    await harness.skip(handle, hours=20, minutes=30)
    await harness.until("SELECT 1 FROM decisions WHERE kind = 'update_profile' HAVING count(*) >= 20")
    await harness.rests(handle, "hourly")
    assert (await handle.describe()).run_id != first
    await harness.track("u1", "Stopped")
    assert await handle.result() == "completed"
    [row] = await harness.query("SELECT traits -> 'rounds' AS rounds FROM profiles")
    assert 20 <= row["rounds"] <= 21
    assert len(harness.inbox.messages) == 1
