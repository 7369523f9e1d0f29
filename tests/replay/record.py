"""Record the history of each kind of workflow that this release has none of yet: `make histories`.

Each release has a folder of its own, and all of them are kept and replayed. A history is never recorded again to make a
test pass: a change that does not replay needs `workflow.patched`.
"""

import asyncio
import json
import tempfile
import tomllib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowHandle

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.process import exit_now
from runtime.temporal import SEARCH_ATTRIBUTES
from store.migrate import upgrade
from tests.engine.campaigns import CART, GREETING, LOYALTY, ONE_A_DAY, PROMOTION, REACTION, REMINDERS, RESTS, TRIAL
from tests.harness import Harness, now, open_harness
from tests.servers import TemporalServer

HISTORIES = Path(__file__).parent / "histories"
RELEASE = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
FOLDER = HISTORIES / RELEASE
Journey = WorkflowHandle[Any, Any]


LETTER = """
key: letter
name: Letter
entry: {audience: {where: profile.user_id != "", again: {every: week, days: [mon], at: "09:00"}}}
steps:
  - {id: mail, send: {channel: email, template: note}}
"""


async def _cart(harness: Harness) -> Journey:
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1", "cart")


async def _order(harness: Harness) -> None:
    await harness.track("u1", "Order Completed", {"cart_id": "c1"})


async def _signed_up(harness: Harness, **traits: str) -> Journey:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com", **traits)
    await harness.track("u1", "Signed Up")
    await harness.messages.until(state="sent")
    return await harness.journey("u1")


async def mail_sent(harness: Harness) -> Journey:
    handle = await _cart(harness)
    await harness.skip(handle, minutes=30)
    return handle


async def exited_in_the_delay(harness: Harness) -> Journey:
    handle = await _cart(harness)
    await harness.skip(handle, minutes=10)
    await _order(harness)
    return handle


async def showed_how_it_ended(harness: Harness) -> Journey:
    """In its search attributes; journeys whose input does not say `shows_end` write none."""
    return await exited_in_the_delay(harness)


async def unreachable(harness: Harness) -> Journey:
    handle = await _cart(harness)
    await harness.identify("u1", email=None)
    await harness.skip(handle, minutes=30)
    return handle


async def _capped(harness: Harness) -> Journey:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    handle = await _cart(harness)
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="deferred")
    return handle


async def deferred_and_sent(harness: Harness) -> Journey:
    handle = await _capped(harness)
    await harness.skip(handle, days=2)
    return handle


async def exited_while_deferred(harness: Harness) -> Journey:
    handle = await _capped(harness)
    await _order(harness)
    return handle


async def held_and_resumed(harness: Harness) -> Journey:
    await harness.run_campaign(CART)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.decisions.until(outcome="held")
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    return handle


async def exited_while_the_send_is_retried(harness: Harness) -> Journey:
    harness.inbox.greylist.add("u1@example.com")
    handle = await _cart(harness)
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await _order(harness)
    return handle


async def engaged(harness: Harness) -> Journey:
    handle = await _signed_up(harness)
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    return handle


async def timed_out_to_a_case(harness: Harness) -> Journey:
    handle = await _signed_up(harness, plan="team")
    await harness.skip(handle, days=3)
    return handle


async def timed_out_to_otherwise(harness: Harness) -> Journey:
    handle = await _signed_up(harness)
    await harness.skip(handle, days=3)
    return handle


async def capped_and_exited(harness: Harness) -> Journey:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION.replace("template: note}", "template: note, on_capped: exit}"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.ended("u1")
    await harness.track("u1", "Price Dropped")
    return await harness.journey("u1")


async def _greeted(harness: Harness, delay: str, **traits: str) -> Journey:
    await harness.run_campaign(GREETING.replace("DELAY", delay))
    await harness.identify("u1", email="u1@example.com", **traits)
    await harness.track("u1", "Signed Up")
    return await harness.journey("u1")


def _in_three_hours(zone: str) -> str:
    """What the clocks of a zone show then."""
    return f"{(now() + timedelta(hours=3)).astimezone(ZoneInfo(zone)):%H:%M}"


async def until_a_time(harness: Harness) -> Journey:
    handle = await _greeted(harness, f'{{until: "{_in_three_hours("Asia/Tokyo")}"}}', timezone="Asia/Tokyo")
    await harness.skip(handle, hours=3)
    return handle


async def moved_during_the_delay(harness: Harness) -> Journey:
    """To where it is nine hours earlier: it rests twice."""
    handle = await _greeted(harness, f'{{until: "{_in_three_hours("Asia/Tokyo")}"}}', timezone="Asia/Tokyo")
    await harness.rests(handle, "rest")
    await harness.identify("u1", timezone="Atlantic/Reykjavik")
    await harness.skip(handle, hours=13)
    return handle


async def date_past(harness: Harness) -> Journey:
    return await _greeted(harness, "{date: profile.traits.due, if_past: skip_next}", due="2020-02-20")


async def random_delay(harness: Harness) -> Journey:
    handle = await _greeted(harness, "{for: 1h..3h}")
    await harness.skip(handle, hours=3)
    return handle


async def split(harness: Harness) -> Journey:
    await harness.run_campaign(TRIAL)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Trial Started")
    handle = await harness.journey("u1")
    await harness.skip(handle, hours=3)
    return handle


async def _reminded(harness: Harness, until: str) -> Journey:
    await harness.run_campaign(REMINDERS.replace("UNTIL", until))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await harness.rests(handle, "remind")
    return handle


async def repeated_twice(harness: Harness) -> Journey:
    handle = await _reminded(harness, "times: 2")
    await harness.skip(handle, days=1)
    return handle


async def repeated_until_an_event(harness: Harness) -> Journey:
    handle = await _reminded(harness, "until: {event: Invoice Paid}")
    await harness.skip(handle, days=1, hours=1)
    await harness.track("u1", "Invoice Paid")
    return handle


async def repeated_until_a_condition(harness: Harness) -> Journey:
    handle = await _reminded(harness, "until: {when: profile.traits.paid == true}")
    await harness.identify("u1", paid=True)
    await harness.skip(handle, days=1)
    return handle


async def ended_by_an_event_while_the_send_is_retried(harness: Harness) -> Journey:
    """The message goes, and the repetition is over after it."""
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(REMINDERS.replace("UNTIL", "until: {event: Invoice Paid}"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Invoice Due", {"invoice": "i1"})
    handle = await harness.journey("u1")
    await harness.until_put_off()
    await harness.track("u1", "Invoice Paid")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    harness.inbox.greylist.clear()
    return handle


async def repeated_over_runs(harness: Harness) -> Journey:
    """Its last run: that starts within a repetition."""
    handle = await _reminded(harness, "times: 12")
    first = (await handle.describe()).run_id
    await harness.skip(handle, days=12)
    assert (await handle.describe()).run_id != first
    return handle


async def did_things(harness: Harness) -> Journey:
    await harness.run_campaign(LOYALTY)
    await harness.identify("u1", points=10)
    await harness.track("u1", "Order Completed", {"value": 42})
    return await harness.journey("u1")


async def _ending_in_an_hour(harness: Harness, delay: str) -> Journey:
    schedule = f'schedule: {{ends_at: "{(now() + timedelta(hours=1)).isoformat()}", at_end: exit}}'
    await harness.run_campaign(CART.replace("30m", delay).replace("entry:", f"{schedule}\nentry:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey("u1")


async def schedule_ended(harness: Harness) -> Journey:
    handle = await _ending_in_an_hour(harness, "3h")
    await harness.skip(handle, hours=2)
    return handle


async def schedule_ended_while_held(harness: Harness) -> Journey:
    handle = await _ending_in_an_hour(harness, "30m")
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await harness.skip(handle, hours=1)
    return handle


async def postponed(harness: Harness) -> Journey:
    """Granted shortly before the window closes, and sent when it opens again."""
    harness.inbox.greylist.add("u1@example.com")
    opens, closes = (f"{now() + timedelta(minutes=minutes):%H:%M}" for minutes in (-60, 35))
    window = f'send_window: {{from: "{opens}", to: "{closes}"}}'
    await harness.run_campaign(CART.replace("steps:", f"{window}\nsteps:"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await harness.skip(handle, minutes=10)
    await harness.messages.until(reason="send_window")
    harness.inbox.greylist.clear()
    await harness.skip(handle, hours=24)
    return handle


async def continued_as_new(harness: Harness) -> Journey:
    """Its last run: that starts with a state."""
    handle = await _signed_up(harness)
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(*(handle.signal("resume") for _ in range(20)))
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    return handle


async def _rests(harness: Harness) -> Journey:
    await harness.run_campaign(RESTS)
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    for hours, step in ((1, "second"), (2, "heard")):
        await harness.skip(handle, hours=hours)
        await harness.rests(handle, step)
    return handle


async def rested_again_and_again(harness: Harness) -> Journey:
    """What no activity knows of, the row is told of."""
    handle = await _rests(harness)
    await harness.track("u1", "Link Clicked")
    await harness.rests(handle, "third")
    await harness.skip(handle, hours=3)
    return handle


async def skipped_its_waits(harness: Harness) -> Journey:
    handle = await _rests(harness)
    await handle.signal("skip", "heard")
    await harness.rests(handle, "third")
    await handle.signal("skip", "third")
    return handle


async def rested_over_runs(harness: Harness) -> Journey:
    """Its last run: that starts with what its row says."""
    handle = await _rests(harness)
    first = (await handle.describe()).run_id
    while (await handle.describe()).run_id == first:
        await asyncio.gather(*(handle.signal("resume") for _ in range(20)))
    await handle.signal("skip", "heard")
    await harness.rests(handle, "third")
    await harness.skip(handle, hours=3)
    return handle


async def held_and_retimed(harness: Harness) -> Journey:
    await harness.run_campaign(
        CART.replace("expires: 5d", "expires: 1h").replace("steps:", "on_resume: retime\nsteps:")
    )
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.rests(handle, "nudge")
    await harness.skip(handle, hours=2)
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    return handle


async def _another_version(harness: Harness, source: str) -> None:
    """Have the journey of `cart` move to a version of this source, if it can."""
    await harness.publish(source)
    await harness.admin("POST", "/v1/campaigns/cart/start", {"in_flight": "migrate"})


async def moved_to_another_version(harness: Harness) -> Journey:
    """In its delay, and on to a step that the first version did not have."""
    handle = await _cart(harness)
    await harness.rests(handle, "cool-off")
    await _another_version(harness, CART.replace("  - {id: nudge", "  - {id: tag, set_stage: warned}\n  - {id: nudge"))
    await harness.journeys.until(campaign_version=2)
    await harness.skip(handle, minutes=30)
    return handle


async def stayed_on_its_version(harness: Harness) -> Journey:
    """It was to move once its message had gone, and came to rest at a step that the other version does not have."""
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(f"{CART}  - {{id: pause, delay: 1h}}\n")
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.until_put_off()
    await _another_version(harness, CART)
    await harness.until("SELECT 1 FROM operations WHERE counts ? 'waiting'")
    harness.inbox.greylist.clear()
    await harness.rests(handle, "pause")
    await harness.skip(handle, hours=1)
    return handle


async def campaign_lived(harness: Harness) -> Journey:
    """The workflow of a campaign itself: started, paused, resumed and stopped with everybody in it."""
    handle = await _cart(harness)
    for move in ("pause", "resume"):
        await harness.admin("POST", f"/v1/campaigns/cart/{move}")
    await harness.until("SELECT 1 FROM operations WHERE kind = 'resume' AND state = 'done'")
    await harness.admin("POST", "/v1/campaigns/cart/stop", {"mode": "exit"})
    await handle.result()
    return harness.temporal.get_workflow_handle("campaign/cart")


async def audience_came_round(harness: Harness) -> Journey:
    """What the schedule of an audience starts."""
    await harness.run_campaign(LETTER)
    schedule = await harness.schedule("letter")
    await schedule.trigger()
    await harness.until("SELECT 1 FROM operations WHERE kind = 'enrol' AND state = 'done'")
    [action] = (await schedule.describe()).info.recent_actions
    started = action.action
    assert isinstance(started, ScheduleActionExecutionStartWorkflow)
    return harness.temporal.get_workflow_handle(started.workflow_id)


KINDS: list[Callable[[Harness], Awaitable[Journey]]] = [
    mail_sent,
    exited_in_the_delay,
    showed_how_it_ended,
    unreachable,
    deferred_and_sent,
    exited_while_deferred,
    held_and_resumed,
    exited_while_the_send_is_retried,
    engaged,
    timed_out_to_a_case,
    timed_out_to_otherwise,
    capped_and_exited,
    continued_as_new,
    until_a_time,
    moved_during_the_delay,
    date_past,
    random_delay,
    split,
    repeated_twice,
    repeated_until_an_event,
    repeated_until_a_condition,
    ended_by_an_event_while_the_send_is_retried,
    repeated_over_runs,
    did_things,
    schedule_ended,
    schedule_ended_while_held,
    postponed,
    rested_again_and_again,
    skipped_its_waits,
    rested_over_runs,
    held_and_retimed,
    moved_to_another_version,
    stayed_on_its_version,
    campaign_lived,
    audience_came_round,
]


async def record() -> None:
    with tempfile.TemporaryDirectory() as made:
        _prepare(Path(made))
        postgres = await EmbeddedPostgres.start(Path(made) / "postgres", durable=False)
        temporal = await EmbeddedTemporal.start(
            None,
            ui=False,
            search_attributes=SEARCH_ATTRIBUTES,
            dynamic_config={"limit.historyCount.suggestContinueAsNew": "60"},
        )
        try:
            for kind in KINDS:
                file = FOLDER / f"{kind.__name__}.json"
                if not file.exists():
                    await _record(kind, file, postgres.url, TemporalServer(temporal.address))
        finally:
            await temporal.stop()
            await postgres.stop()


def _prepare(folder: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the servers' own user is to reach it


async def _record(
    kind: Callable[[Harness], Awaitable[Journey]], file: Path, postgres_url: str, temporal: TemporalServer
) -> None:
    base, _, _ = postgres_url.rpartition("/")
    name = f"replay_{kind.__name__}"
    await _create(postgres_url, name)
    await asyncio.to_thread(upgrade, f"{base}/{name}")
    async with open_harness(f"{base}/{name}", temporal, task_queue=f"replay-{kind.__name__}") as harness:
        handle = await kind(harness)
        await handle.result()
        last = harness.temporal.get_workflow_handle(handle.id)
        _write(file, json.loads((await last.fetch_history()).to_json()))


def _write(file: Path, history: Any) -> None:
    """Without what tells of the machine that recorded it: it plays no part in a replay."""

    def kept(value: Any) -> Any:
        match value:
            case {"kind": "TASK_QUEUE_KIND_STICKY"}:
                return {**value, "name": "sticky"}
            case dict():
                return {key: kept(part) for key, part in value.items() if key not in ("identity", "stackTrace")}
            case list():
                return [kept(part) for part in value]
            case _:
                return value

    file.write_text(json.dumps(kept(history), indent=1) + "\n")


async def _create(url: str, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}")


if __name__ == "__main__":
    asyncio.run(record())
    exit_now(0)
