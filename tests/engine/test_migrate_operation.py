"""Many journeys taken to another version: the plan's numbers are the outcome's, whatever fails meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from application.catalogue import Catalogue
from application.operations.exit import ExitHandler
from application.operations.migrate import MigrateHandler, MigrationAnswer, Migrator
from application.operations.runner import OperationHandler, OperationRunner
from domain.journey.migration import Migration
from domain.operations import OperationKind
from runtime.batches import JourneyBatches
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.migration_client import JourneyMigrator
from tests.engine.test_plans import body
from tests.harness import PATIENCE, Harness, open_harness
from tests.processes import worker_process
from tests.proofs import rounds
from tests.servers import TemporalServer
from workflows.search_attributes import CAMPAIGN_VERSION

JOURNEYS = rounds(30, 300)

FIRST = """
key: offer
name: Offer
entry: {event: Signed Up}
exit: [{event: Account Closed}]
steps:
  - {id: looked, wait_for: {event: Offer Viewed, timeout: 20d}}
  - {id: pause, delay: 3d}
  - {id: mail, send: {channel: email, template: note}}
"""
SECOND = FIRST.replace("  - {id: pause, delay: 3d}\n", "")
THIRD = SECOND.replace("20d", "30d")


@pytest.fixture
async def idle(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    """Nothing is started, told or moved but by what the test does."""
    async with open_harness(database_url, temporal, is_working=False) as opened:
        yield opened


async def report(harness: Harness, event: str, users: list[str]) -> None:
    for place in range(0, len(users), 100):
        batch = [
            {"type": "track", "messageId": str(uuid4()), "userId": user, "event": event}
            for user in users[place : place + 100]
        ]
        await harness.post("batch", {"batch": batch})


async def entered(harness: Harness, count: int) -> tuple[list[str], list[str]]:
    """So many users of the first version: those at the step that will be gone, and the others."""
    await harness.run_campaign(FIRST)
    users = [f"u{number}" for number in range(count)]
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
    await report(harness, "Signed Up", users)
    paused, waiting = users[::3], [user for user in users if user not in users[::3]]
    await report(harness, "Offer Viewed", paused)
    await harness.until(
        "SELECT 1 FROM journeys WHERE status = 'waiting' AND step = 'pause' HAVING count(*) = %s",
        len(paused),
        seconds=PATIENCE + count / 10,
    )
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)", seconds=PATIENCE + count / 10)
    return paused, waiting


async def start(harness: Harness, source: str = SECOND) -> None:
    await harness.publish(source)
    await harness.admin("POST", "/v1/campaigns/offer/start", {"in_flight": "migrate"})


async def finished(harness: Harness, seconds: float = PATIENCE) -> dict[str, Any]:
    """The last migration, once it is done."""
    [row] = await harness.until(
        """
        SELECT * FROM (SELECT * FROM operations WHERE kind = 'migrate' ORDER BY id DESC LIMIT 1) AS last
        WHERE state = 'done'
        """,
        seconds=seconds,
    )
    return row


async def versions(harness: Harness) -> Counter[int]:
    rows = await harness.journeys.all()
    return Counter(row["campaign_version"] for row in rows)


async def moves(harness: Harness) -> Counter[str]:
    rows = await harness.decisions.all(kind="migrate")
    return Counter(row["outcome"] for row in rows)


async def test_the_outcome_is_what_the_plan_said(harness: Harness) -> None:
    paused, waiting = await entered(harness, JOURNEYS)
    plan = await harness.admin("POST", "/v1/campaigns/offer/plan", body(SECOND, in_flight="migrate"))
    assert plan["totals"] == {"stays": len(paused), "migrates": len(waiting), "exits": 0, "undecided": 0}
    await harness.admin("POST", "/v1/campaigns/offer/apply", body(SECOND, in_flight="migrate", plan=plan["hash"]))
    done = await finished(harness, seconds=PATIENCE + JOURNEYS / 5)
    print(f"{JOURNEYS} journeys in {done['finished_at'] - done['started_at']}")  # noqa: T201
    assert (done["total"], done["done"]) == (JOURNEYS, JOURNEYS)
    assert done["counts"] == {
        "moved": plan["totals"]["migrates"],
        "stayed": plan["totals"]["stays"],
        "stayed/pause/step_removed": plan["totals"]["stays"],
    }
    assert await versions(harness) == {1: len(paused), 2: len(waiting)}
    # Those who stay finish where they are, the others by the new version; each is sent one message.
    await report(harness, "Offer Viewed", waiting)
    for user in paused:
        await harness.skip(await harness.journey(user), days=3)
    await harness.until(
        "SELECT 1 FROM journeys WHERE state = 'completed' HAVING count(*) = %s",
        JOURNEYS,
        seconds=PATIENCE + JOURNEYS / 10,
    )
    sent = Counter(mail.recipients for mail in harness.inbox.messages)
    assert sent == {(f"{user}@example.com",): 1 for user in (*paused, *waiting)}


async def test_a_journey_that_ends_meanwhile_is_counted_as_ended(idle: Harness) -> None:
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    await idle.track("u2", "Signed Up")
    await start(idle)
    await idle.track("u1", "Account Closed")
    await work(idle)
    done = await finished(idle)
    assert (done["total"], done["counts"]) == (2, {"ended": 1, "moved": 1})


async def work(harness: Harness, migrator: Migrator | None = None) -> None:
    """Do what there is to do, in this process."""
    handlers: dict[OperationKind, OperationHandler] = {
        "migrate": MigrateHandler(Catalogue(), migrator or JourneyMigrator(harness.temporal)),
        "exit": ExitHandler(JourneyBatches(harness.temporal, harness.settings.task_queue)),
    }
    await OperationRunner(harness.database, handlers).work("offer", goes_on=lambda: True)


async def test_a_journey_that_has_not_begun_begins_under_the_new_version(idle: Harness) -> None:
    """What it heard of a wait that is the same now counts, of another not."""
    both = FIRST.replace(
        "{event: Offer Viewed, timeout: 20d}", "{events: [{event: Link Clicked}, {event: Offer Viewed}], timeout: 20d}"
    )
    await idle.run_campaign(both)
    await idle.track("u1", "Signed Up")
    await idle.track("u1", "Link Clicked")
    await idle.track("u1", "Offer Viewed")
    changed = both.replace("{event: Offer Viewed}", "{event: Invoice Paid, do: [{exit: paid}]}")
    await start(
        idle,
        changed.replace("Link Clicked}", "Link Clicked, do: [{exit: clicked}]}"),
    )
    await work(idle)
    assert (await finished(idle))["counts"] == {"moved": 1}
    rows = await idle.query("SELECT payload FROM outbox WHERE kind IN ('start', 'matched') ORDER BY id")
    assert [row["payload"].get("subscription", row["payload"]["version"]) for row in rows] == [2, "looked/0"]
    [row] = await idle.query("SELECT campaign_version, step, status FROM journeys")
    assert row == {"campaign_version": 2, "step": "looked", "status": "waiting"}
    async with worker_process(idle.settings):
        assert await (await idle.journey("u1")).result() == "clicked"


async def test_a_start_that_a_relay_has_in_hand_is_waited_for(idle: Harness) -> None:
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    await start(idle)
    async with idle.database.transaction() as connection:
        await connection.execute("SELECT id FROM outbox WHERE kind = 'start' FOR UPDATE")
        working = asyncio.create_task(work(idle))
        await idle.until("SELECT 1 FROM operations WHERE state = 'running'")
        assert await idle.query("SELECT done FROM operations") == [{"done": 0}]
    await working
    assert (await finished(idle))["counts"] == {"moved": 1}


async def test_a_journey_that_has_begun_although_its_start_still_waits_is_told(harness: Harness) -> None:
    """As after a relay was killed before it could forget the start that Temporal had accepted."""
    await harness.run_campaign(FIRST)
    await harness.track("u1", "Signed Up")
    journey = await harness.journey("u1")
    await harness.query(
        """
        INSERT INTO outbox (workflow_id, kind, payload, available_at)
        SELECT workflow_id, 'start', jsonb_build_object('campaign', 'offer', 'version', 1, 'journey_id', id), 'infinity'
        FROM journeys RETURNING 1
        """
    )
    await start(harness)
    assert (await finished(harness))["counts"] == {"moved": 1}
    await harness.query("UPDATE outbox SET available_at = now() WHERE kind = 'start' RETURNING 1")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    assert (await journey.describe()).typed_search_attributes.get(CAMPAIGN_VERSION) == 2
    assert await versions(harness) == {2: 1}


async def test_users_who_enter_by_yet_another_version_end_the_migration(idle: Harness) -> None:
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    await start(idle)
    await idle.run_campaign(THIRD)
    await work(idle)
    assert (await finished(idle))["counts"] == {"superseded": 1}
    assert await versions(idle) == {1: 1}


async def test_a_journey_without_a_workflow_is_reported(idle: Harness) -> None:
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    await idle.query("DELETE FROM outbox WHERE kind = 'start' RETURNING 1")
    await start(idle)
    await work(idle)
    assert (await finished(idle))["counts"] == {"stayed": 1, "stayed/looked/no_workflow": 1}


async def test_a_journey_of_a_version_that_is_stopped_meanwhile_is_counted_as_ended(idle: Harness) -> None:
    """Its workflow ends as soon as the gate refuses it, and its row only in the page of the stop."""
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    await idle.query("DELETE FROM outbox WHERE kind = 'start' RETURNING 1")
    await start(idle)

    class StoppedFirst(JourneyMigrator):
        async def move(self, migrations: Mapping[str, Migration], update: str) -> dict[str, MigrationAnswer]:
            await idle.admin("POST", "/v1/campaigns/offer/stop", {"mode": "exit"})
            return await super().move(migrations, update)

    await work(idle, StoppedFirst(idle.temporal))
    assert (await finished(idle))["counts"] == {"ended": 1}
    assert await idle.journeys.one(state="exited")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [("key: event.properties.shop", "entry_key_changed"), ("account: true", "entry_account_changed")],
)
async def test_nobody_moves_to_a_version_that_finds_journeys_by_another_key(
    idle: Harness, entry: str, reason: str
) -> None:
    """Its exits would not find them."""
    await idle.run_campaign(FIRST)
    await idle.track("u1", "Signed Up")
    keyed = SECOND.replace("{event: Signed Up}", f"{{event: Signed Up, {entry}}}")
    plan = await idle.admin("POST", "/v1/campaigns/offer/plan", body(keyed, in_flight="migrate"))
    assert plan["totals"]["stays"] == 1
    await start(idle, keyed)
    await work(idle)
    assert (await finished(idle))["counts"] == {"stayed": 1, f"stayed/looked/{reason}": 1}


async def test_while_temporal_is_away_nobody_is_moved_or_counted(
    lone_harness: Harness, lone_temporal: EmbeddedTemporal
) -> None:
    harness = lone_harness
    paused, waiting = await entered(harness, 12)
    await lone_temporal.kill()
    await start(harness)
    assert await harness.query("SELECT done FROM operations") == [{"done": 0}]
    await lone_temporal.restart()
    done = await finished(harness)
    assert (done["done"], done["counts"]["moved"], done["counts"]["stayed"]) == (12, len(waiting), len(paused))
    assert await moves(harness) == {"moved": len(waiting), "stayed": len(paused)}


async def test_a_page_that_was_not_counted_is_counted_the_second_time(harness: Harness) -> None:
    """As after a worker was killed in the middle: all were moved, and the page was not kept."""
    paused, waiting = await entered(harness, 12)
    await start(harness)
    await finished(harness)
    await harness.query(
        """
        UPDATE operations SET state = 'running', cursor = NULL, done = 0, counts = '{}', finished_at = NULL RETURNING 1
        """
    )
    await work(harness)
    again = await finished(harness)
    assert (again["done"], again["counts"]["moved"], again["counts"]["stayed"]) == (12, len(waiting), len(paused))
    assert await moves(harness) == {"moved": len(waiting), "stayed": len(paused)}


@pytest.mark.prove
@pytest.mark.takes_long
async def test_a_killed_worker_leaves_nobody_out_and_moves_nobody_twice(idle: Harness) -> None:
    """Killed as soon as it is seen that it has moved somebody."""
    async with worker_process(idle.settings) as worker:
        paused, waiting = await entered(idle, JOURNEYS)
        await start(idle)
        await idle.journeys.until(campaign_version=2)
        worker.kill()
    moved = (await versions(idle))[2]
    assert 0 < moved < len(waiting), moved
    async with worker_process(idle.settings):
        # What the killed one had in hand is taken up once it has been silent for long enough.
        done = await finished(idle)
        assert (done["total"], done["done"]) == (JOURNEYS, JOURNEYS)
        assert done["counts"] == {
            "moved": len(waiting),
            "stayed": len(paused),
            "stayed/pause/step_removed": len(paused),
        }
        assert await versions(idle) == {1: len(paused), 2: len(waiting)}
        assert await moves(idle) == {"moved": len(waiting), "stayed": len(paused)}
        await report(idle, "Offer Viewed", waiting)
        await idle.journeys.until(len(waiting), state="completed")
    assert Counter(mail.recipients for mail in idle.inbox.messages) == {(f"{user}@example.com",): 1 for user in waiting}


async def test_a_journey_whose_workflow_fails_is_reported_and_keeps_nobody_waiting(harness: Harness) -> None:
    await entered(harness, 3)
    handle = await harness.journey("u1")
    await handle.terminate()
    # As after a deployment that cannot replay it.
    await harness.temporal.start_workflow("Journey", "no journey", id=handle.id, task_queue=harness.settings.task_queue)
    await start(harness)
    done = await finished(harness)
    assert (done["counts"]["moved"], done["counts"]["stayed/looked/workflow_stuck"]) == (1, 1)
    await harness.temporal.get_workflow_handle(handle.id).terminate()
