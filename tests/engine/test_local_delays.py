"""Delays until a local time or a date, and of a random length, from an HTTP event to the mail."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from temporalio.api.sdk.v1 import WorkflowMetadata

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey import bucketing
from domain.journey.requests import DelayRequest
from tests.engine.campaigns import GREETING
from tests.engine.clock_text import clock_text
from tests.engine.positions import UNRECORDED_DELAY
from tests.harness import Harness, actions, now

# Neither turns its clocks, so that an hour from now is an hour later on them, whenever this runs.
TOKYO, REYKJAVIK = "Asia/Tokyo", "Atlantic/Reykjavik"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def in_hours(hours: float, zone: str) -> tuple[datetime, str]:
    """The whole minute that comes so many hours from now, and what the clocks of a zone show then."""
    at = now().replace(second=0, microsecond=0) + hours * HOUR
    return at, f"{at.astimezone(ZoneInfo(zone)):%H:%M}"


async def enter(harness: Harness, delay: str, **traits: Any) -> Any:
    """A journey of u1 that rests in this delay."""
    await harness.run_campaign(GREETING.replace("DELAY", delay))
    await harness.identify("u1", email="u1@example.com", **traits)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "rest")
    return handle


async def delays(harness: Harness) -> list[str]:
    """What the timeline says of the delay."""
    return [item["summary"] for item in await harness.timeline("u1") if item["kind"] == "delay"]


async def sent_at(harness: Harness) -> datetime:
    row = await harness.messages.one(state="sent")
    at: datetime = row["at"]
    return at


async def test_a_journey_waits_for_a_time_of_the_recipients_clocks(harness: Harness) -> None:
    due, shown = in_hours(3, TOKYO)
    handle = await enter(harness, f'{{until: "{shown}"}}', timezone=TOKYO)
    await harness.skip(handle, hours=2, minutes=50)
    assert harness.inbox.messages == []
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.current_details == f"**Waiting** at `rest` until {due:%Y-%m-%d %H:%M:%S} UTC: delay"
    await harness.skip(handle, minutes=11)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE
    assert await delays(harness) == [f"rest: waits until {clock_text(due, TOKYO)}", "rest: waited"]
    # Start, timer, question, send and action, as with a delay of fixed length, and a look-up: the second is one action
    # with the question.
    assert actions(await handle.fetch_history()) == 6


async def test_a_journey_waits_for_a_weekday(harness: Harness) -> None:
    due, shown = in_hours(50, REYKJAVIK)
    handle = await enter(harness, f'{{until: "{shown}", days: [{due:%a}]}}'.lower(), timezone=REYKJAVIK)
    await harness.skip(handle, hours=49)
    assert harness.inbox.messages == []
    await harness.skip(handle, hours=1, minutes=1)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE


async def test_a_journey_waits_for_hours_of_the_day(harness: Harness) -> None:
    due, begin = in_hours(3, TOKYO)
    _, end = in_hours(5, TOKYO)
    handle = await enter(harness, f'{{during: {{from: "{begin}", to: "{end}"}}}}', timezone=TOKYO)
    await harness.skip(handle, hours=2, minutes=50)
    assert harness.inbox.messages == []
    await harness.skip(handle, minutes=11)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE


async def test_a_journey_goes_on_at_once_within_the_hours(harness: Harness) -> None:
    _, begin = in_hours(-1, TOKYO)
    _, end = in_hours(2, TOKYO)
    await harness.run_campaign(GREETING.replace("DELAY", f'{{during: {{from: "{begin}", to: "{end}"}}}}'))
    await harness.identify("u1", email="u1@example.com", timezone=TOKYO)
    await harness.track("u1", "Signed Up")
    assert await (await harness.journey("u1")).result() == "completed"
    assert await delays(harness) == ["rest: waited"]


async def test_whoever_moves_west_during_the_wait_is_waited_for_there(harness: Harness) -> None:
    """At this time in Tokyo it is nine hours earlier in Reykjavik."""
    due, shown = in_hours(3, TOKYO)
    handle = await enter(harness, f'{{until: "{shown}"}}', timezone=TOKYO)
    await harness.identify("u1", timezone=REYKJAVIK)
    await harness.skip(handle, hours=3, minutes=1)
    await harness.until("SELECT 1 FROM decisions WHERE kind = 'delay' AND data ->> 'timezone' = %s", REYKJAVIK)
    await harness.rests(handle, "rest")
    assert harness.inbox.messages == []
    await harness.skip(handle, hours=9)
    assert await handle.result() == "completed"
    assert due + 9 * HOUR <= await sent_at(harness) < due + 9 * HOUR + MINUTE
    assert await delays(harness) == [
        f"rest: waits until {clock_text(due, TOKYO)}",
        f"rest: waits until {clock_text(due + 9 * HOUR, REYKJAVIK)}",
        "rest: waited",
    ]


async def test_whoever_moves_east_during_the_wait_is_not_made_to_wait_for_another_day(harness: Harness) -> None:
    """When it is time in Reykjavik, it was nine hours ago in Tokyo."""
    due, shown = in_hours(10, REYKJAVIK)
    handle = await enter(harness, f'{{until: "{shown}"}}', timezone=REYKJAVIK)
    await harness.identify("u1", timezone=TOKYO)
    await harness.skip(handle, hours=10, minutes=1)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE
    assert await delays(harness) == [f"rest: waits until {clock_text(due, REYKJAVIK)}", "rest: waited"]


DATE = "{date: profile.traits.due, offset: -1h, if_past: IF_PAST}"


def due_in(hours: float) -> tuple[datetime, str]:
    at = now().replace(second=0, microsecond=0) + hours * HOUR
    return at - HOUR, at.isoformat()


async def test_a_journey_waits_for_a_date_and_its_offset(harness: Harness) -> None:
    due, date = due_in(5)
    handle = await enter(harness, DATE.replace("IF_PAST", "go_on"), due=date, timezone=TOKYO)
    await harness.skip(handle, hours=5)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE
    assert await delays(harness) == [f"rest: waits until {clock_text(due, TOKYO)}", "rest: waited"]


async def test_a_date_that_is_past_missing_or_unreadable_skips_what_follows_unless_it_is_to_go_on(
    harness: Harness,
) -> None:
    """Never with more left out than one step, and never sent at once for want of a date unless that was written."""
    campaigns = {
        "skipping": "",
        "going-on": ", if_past: go_on",
        "careless": ", if_past: go_on, if_unreadable: go_on",
    }
    for key, written in campaigns.items():
        delay = DATE.replace(", if_past: IF_PAST", written)
        await harness.run_campaign(GREETING.replace("DELAY", delay).replace("key: greeting", f"key: {key}"))
    dates: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "past": ({"due": "2020-02-20T20:20:00Z"}, "rest: past already, at 2020-02-20 19:20 UTC", None),
        "epoch": ({"due": 1_582_230_000}, "rest: past already, at 2020-02-20 19:20 UTC", None),
        "missing": ({}, "rest: no such date: there is no profile.traits.due", "no_date"),
        "blank": ({"due": " "}, "rest: no such date: profile.traits.due is empty", "no_date"),
        "text": ({"due": "soon"}, "rest: unreadable date: profile.traits.due is not a date or time", "unreadable_date"),
        "days": ({"due": 14}, "rest: unreadable date: profile.traits.due is not a date or time", "unreadable_date"),
    }
    for user, (traits, summary, reason) in dates.items():
        await harness.identify(user, email=f"{user}@example.com", **traits)
        await harness.track(user, "Signed Up")
        sent = {"careless"} if reason == "unreadable_date" else {"going-on", "careless"}
        for campaign in campaigns:
            assert await (await harness.journey(user, campaign)).result() == "completed"
        timeline = [item for item in await harness.timeline(user) if item["kind"] in ("delay", "message", "set_stage")]
        assert {(item["summary"], item["reason"]) for item in timeline if item["kind"] == "delay"} == {
            (summary, reason)
        }, user
        kinds = {campaign: [one["kind"] for one in timeline if one["campaign"] == campaign] for campaign in campaigns}
        assert kinds == {
            campaign: ["delay", "message", "set_stage"] if campaign in sent else ["delay", "set_stage"]
            for campaign in campaigns
        }, user


async def test_a_date_that_is_moved_later_during_the_wait_is_waited_for(harness: Harness) -> None:
    first, date = due_in(5)
    handle = await enter(harness, DATE.replace("IF_PAST", "skip_next"), due=date)
    then, date = due_in(30)
    await harness.identify("u1", due=date)
    await harness.skip(handle, hours=5)
    await harness.until("SELECT 1 FROM decisions WHERE kind = 'delay' OFFSET 1")
    await harness.rests(handle, "rest")
    assert harness.inbox.messages == []
    await harness.skip(handle, hours=25)
    assert await handle.result() == "completed"
    assert then <= await sent_at(harness) < then + MINUTE
    assert await delays(harness) == [
        f"rest: waits until {clock_text(first, 'UTC')}",
        f"rest: waits until {clock_text(then, 'UTC')}",
        "rest: waited",
    ]


async def test_a_date_that_is_moved_earlier_is_noticed_on_waking(harness: Harness) -> None:
    due, date = due_in(5)
    handle = await enter(harness, DATE.replace("IF_PAST", "skip_next"), due=date)
    await harness.identify("u1", due=due_in(-48)[1])
    await harness.skip(handle, hours=5)
    assert await handle.result() == "completed"
    assert due <= await sent_at(harness) < due + MINUTE


async def test_a_date_that_is_taken_away_during_the_wait_counts_as_missing(harness: Harness) -> None:
    """An appointment that was cancelled is reminded of no more."""
    handle = await enter(harness, DATE.replace("IF_PAST", "skip_next"), due=due_in(5)[1])
    await harness.identify("u1", due=None)
    await harness.skip(handle, hours=5)
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []
    assert [summary.partition(":")[2][:14] for summary in await delays(harness)] == [" waits until 2", " no such date:"]


async def test_a_look_up_whose_answer_was_lost_is_answered_the_same_and_recorded_once(harness: Harness) -> None:
    """Although the person has moved since: the next question is for that."""
    due, shown = in_hours(3, TOKYO)
    handle = await enter(harness, f'{{until: "{shown}"}}', timezone=TOKYO)
    await harness.identify("u1", timezone=REYKJAVIK)
    row = await harness.journeys.one()
    moment = DelayRequest(row["id"], "rest", 1, 1, row["entered_at"], now(), UNRECORDED_DELAY)
    looked_up = StepDecisions(harness.database, Catalogue(), "UTC")
    assert [await looked_up.look_up(moment) for _ in range(2)] == [due, due]
    assert await delays(harness) == [f"rest: waits until {clock_text(due, TOKYO)}"]
    assert await looked_up.look_up(replace(moment, attempt=2)) == due + 9 * HOUR
    await handle.terminate()


async def test_a_random_delay_is_the_users_own_and_costs_no_more_than_a_fixed_one(harness: Harness) -> None:
    handle = await enter(harness, "{for: 1h..3h}")
    drawn = 3_600 + bucketing.hash_bucket(7_201, "greeting/u1", "rest")
    await harness.skip(handle, hours=3, minutes=1)
    assert await handle.result() == "completed"
    [row] = await harness.query(
        "SELECT at - entered_at AS rested FROM messages JOIN journeys ON journeys.id = journey_id"
    )
    assert timedelta(seconds=drawn) <= row["rested"] < timedelta(seconds=drawn) + MINUTE
    assert await delays(harness) == []
    assert actions(await handle.fetch_history()) == 5
