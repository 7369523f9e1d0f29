"""The runs of an audience: when each begins, how fast it enters, what harms it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection
from temporalio.client import Client

from application.audience_schedule import AudienceRuns
from application.campaign_life import CampaignLife
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.operations import enrol
from application.plans import Document, Plans
from domain.access import SOJOURN
from runtime.documents import DocumentProcesses
from runtime.schedules import AudienceSchedules
from store import audience, operations
from store.database import Database
from tests.engine.audience import GATE, LASTING, RECURRING, database, enter, many, people, start, users
from tests.engine.ingesting import event
from tests.harness import MAIL, PATIENCE, Harness, is_there, looks, open_harness
from tests.processes import worker_process
from tests.servers import TemporalServer

__all__ = ["database"]  # fixtures


async def test_a_new_version_does_not_let_the_audience_in_again(database: Database, ingest: Ingest) -> None:
    await people(ingest, many(2))
    await start(database)
    await start(database, LASTING.replace("30d", "31d"))
    assert len(await enter(database)) == 1
    await Campaigns(database, DocumentProcesses()).stop("news", by=SOJOURN)
    await start(database)
    [again, _] = await enter(database)
    assert again.counts == {"already_in": 2}


async def test_a_first_audience_of_a_campaign_that_runs_enters(database: Database, ingest: Ingest) -> None:
    await people(ingest, many(2))
    await start(database, "key: news\nname: News\nentry: {event: Joined}\nsteps: [{id: rest, delay: 1h}]\n")
    await start(database)
    [operation] = await enter(database)
    assert operation.counts == {"entered": 2}


BEGINS_LATER = LASTING.replace("30d", "31d") + "schedule: {starts_at: 2100-01-01T00:00:00Z}\n"


async def begins(database: Database) -> None:
    """As if the schedule of the version that runs had begun."""
    async with database.transaction() as connection:
        await connection.execute(
            """
            UPDATE campaign_versions SET rules = jsonb_set(rules, '{schedule,starts_at}', '"2026-01-01T00:00:00Z"')
            FROM campaigns WHERE campaign_key = key AND version = running_version
            """
        )


async def test_one_that_has_entered_does_not_enter_again_because_the_schedule_of_a_new_version_begins(
    database: Database, ingest: Ingest
) -> None:
    await people(ingest, many(2))
    await start(database)
    await start(database, BEGINS_LATER)
    await begins(database)
    assert (await CampaignLife(database).advance("news", datetime.now(UTC))).state == "running"
    assert len(await enter(database)) == 1


async def test_one_whose_schedule_begins_during_a_pause_enters_when_the_campaign_goes_on(
    database: Database, ingest: Ingest
) -> None:
    await people(ingest, many(2))
    campaigns, plans = Campaigns(database, DocumentProcesses()), Plans(database, DocumentProcesses(), "UTC")
    await start(database, "key: news\nname: News\nentry: {event: Joined}\nsteps: [{id: rest, delay: 1h}]\n")
    await campaigns.pause("news", by=SOJOURN)
    document = Document(BEGINS_LATER, "campaign.yaml", {"note.liquid": MAIL}, in_flight="keep")
    assert (await plans.apply("news", document, planned=None, by=SOJOURN)).state == "paused"
    await begins(database)
    for _ in range(2):
        await campaigns.resume("news", by=SOJOURN)
        await campaigns.pause("news", by=SOJOURN)
    async with database.transaction() as connection:
        asked = await operations.list_campaign(connection, "news", 10)
    assert [one.kind for one in asked].count("enrol") == 1


async def test_a_campaign_that_stops_lets_nobody_in_any_more(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol, "MAX_ENTERING", 2)
    await people(ingest, many(6))
    await start(database)
    looked_up = audience.page
    pages = 0

    async def until_it_stops(*arguments: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            await Campaigns(database, DocumentProcesses()).stop("news", by=SOJOURN)
        return await looked_up(*arguments)

    monkeypatch.setattr(audience, "page", until_it_stops)
    [operation] = await enter(database)
    assert operation.counts == {"entered": 2, "campaign_not_open": 1}
    assert len(await users(database)) == 2


async def test_a_paused_campaign_lets_in(database: Database, ingest: Ingest) -> None:
    await people(ingest, many(2))
    await start(database)
    await Campaigns(database, DocumentProcesses()).pause("news", by=SOJOURN)
    [operation] = await enter(database)
    assert operation.counts == {"entered": 2}


async def test_they_enter_at_the_rate(database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    await people(ingest, many(12))
    await start(database, LASTING.replace("10000", "5"))
    began = asyncio.get_running_loop().time()
    await enter(database)
    # Five at once, five a second later, and two a second after those.
    assert asyncio.get_running_loop().time() - began >= 2
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT entered_at FROM journeys ORDER BY entered_at")
        at = [row["entered_at"] async for row in cursor]
    assert sorted(Counter(at).values()) == [2, 5, 5]


async def test_nobody_enters_while_too_many_wait_for_temporal(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol, "MAX_WAITING", 4)
    monkeypatch.setattr(enrol, "MAX_ENTERING", 2)
    monkeypatch.setattr(enrol, "REST", 0.05)
    await people(ingest, many(10))
    await start(database)
    entering = asyncio.create_task(enter(database))
    most = 0
    while not entering.done():
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT id FROM outbox WHERE priority = 1")
            waiting = [row["id"] async for row in cursor]
            most = max(most, len(waiting))
            if len(waiting) == 4:
                await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (waiting,))
        await asyncio.sleep(0.02)
    [operation] = await entering
    assert (most, operation.counts) == (4, {"entered": 10})


async def test_each_run_enters_once(database: Database, ingest: Ingest, client: Client) -> None:
    """By the days of the campaign's zone, however often its schedule comes round on one of them."""
    await people(ingest, many(2))
    await start(database, RECURRING + "timezone: Asia/Tokyo\n")
    assert await enter(database) == []
    audience_runs = AudienceRuns(database, Catalogue(), AudienceSchedules(client, "nobody"), "UTC")
    for at in ("2026-11-01T15:00Z", "2026-11-02T14:59Z"):
        await audience_runs.begin("news", datetime.fromisoformat(at))
    await enter(database)
    await audience_runs.begin("news", datetime.fromisoformat("2026-11-02T15:00Z"))
    second, first = await enter(database)
    assert (first.audience_run, first.counts) == ("2026-11-02", {"entered": 2})
    assert (second.audience_run, second.counts) == ("2026-11-03", {"already_in": 2})
    assert (first.parameters, first.requested_by) == ({"at": "2026-11-01T15:00:00Z"}, "Sojourn")


async def test_an_audience_run_is_passed_over_while_the_one_before_still_enters(
    database: Database, ingest: Ingest, client: Client
) -> None:
    await people(ingest, many(2))
    await start(database, RECURRING)
    audience_runs = AudienceRuns(database, Catalogue(), AudienceSchedules(client, "nobody"), "UTC")
    for day in (2, 9):
        await audience_runs.begin("news", datetime(2026, 11, day, 9, tzinfo=UTC))
    second, first = await enter(database)
    assert (first.state, first.done, second.state, second.done) == ("done", 2, "cancelled", 0)


async def test_a_campaign_that_does_not_let_in_has_no_audience_runs(
    database: Database, ingest: Ingest, client: Client
) -> None:
    await start(database, RECURRING)
    await Campaigns(database, DocumentProcesses()).stop("news", by=SOJOURN)
    audience_runs = AudienceRuns(database, Catalogue(), AudienceSchedules(client, "nobody"), "UTC")
    assert await audience_runs.begin("news", datetime(2026, 11, 2, 9, tzinfo=UTC)) is None
    assert await enter(database) == []


async def test_a_schedule_has_the_audience_enter(harness: Harness) -> None:
    """It is there while the campaign lets in, and enters the audience when it comes round."""
    await harness.identify("ada", plan="trial")
    key = f"news-{uuid4().hex}"
    await harness.run_campaign(RECURRING.replace("key: news", f"key: {key}"))
    schedule = await harness.schedule(key)
    assert (await schedule.describe()).schedule.state.note == "version 1: mon at 09:00, UTC"
    await schedule.trigger()
    await harness.until("SELECT 1 FROM operations WHERE state = 'done' AND counts = '{\"entered\": 1}'")
    assert (await (await harness.journey("ada", key)).describe()).status is not None
    await harness.admin("POST", f"/v1/campaigns/{key}/stop")
    async for is_last in looks(PATIENCE):
        if not await is_there(schedule):
            break
        assert not is_last


@pytest.mark.takes_long
async def test_killed_workers_leave_nobody_out_and_nobody_in_twice(
    database_url: str, temporal: TemporalServer, ingest: Ingest
) -> None:
    """Killed twice, each while it lets in the people of its second page."""
    await people(ingest, many(120))
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.run_campaign(LASTING.replace("rate: 10000", "rate: 30"))
        async with harness.database.transaction() as connection:
            await connection.execute(GATE)
        for most in (30, 60):
            await harness.query("UPDATE gate SET most = %s RETURNING most", most)
            async with await AsyncConnection.connect(database_url) as closed:
                await closed.execute("SELECT pg_advisory_xact_lock(1200)")
                async with worker_process(harness.settings) as worker:
                    # The page of the killed one is taken up once that has been silent for long enough.
                    await harness.until(
                        """
                        SELECT FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'advisory'
                        """
                    )
                    worker.kill()
                assert len(await users(harness.database)) == most
        await harness.query("UPDATE gate SET most = 120 RETURNING most")
        async with worker_process(harness.settings):
            [operation] = await harness.until("SELECT * FROM operations WHERE state = 'done'")
            assert (operation["done"], operation["counts"]) == (120, {"entered": 120})
            assert await users(harness.database) == sorted(many(120))
            await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
            query = f"WorkflowType = 'Journey' AND TaskQueue = '{harness.settings.task_queue}'"
            async for is_last in looks(PATIENCE):
                if (started := await harness.temporal.count_workflows(query)).count == 120:
                    break
                assert not is_last, started


async def test_it_does_not_deadlock_with_events(database: Database, ingest: Ingest) -> None:
    """The same people join, leave and change in any order while they are let in, run after run."""
    source = LASTING.replace("{audience:", "{event: Joined, audience:") + "exit: [{event: Left}]\n"
    await people(ingest, many(60))
    over = asyncio.Event()

    async def report(number: int) -> None:
        names = sorted(many(60), reverse=bool(number % 2))
        while not over.is_set():
            now = datetime.now(UTC)
            batch = [event("track", user, name="Left", at=now) for user in names]
            batch += [event("track", user, name="Joined", at=now) for user in names]
            batch += [event("identify", user, seen=str(now)) for user in names]
            await ingest(batch, received_at=now)

    reporting = [asyncio.create_task(report(number)) for number in range(3)]
    for _ in range(4):
        await start(database, source)
        [operation, *_] = await enter(database)
        assert sum(operation.counts.values()) == operation.done == 60
        await Campaigns(database, DocumentProcesses()).stop("news", by=SOJOURN)
    over.set()
    await asyncio.gather(*reporting)
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert await cursor.fetchone() == {"deadlocks": 0}
