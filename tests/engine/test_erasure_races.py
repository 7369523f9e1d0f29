"""Erasures beside other requests, kills, and everything else that goes on with the person."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import psycopg
import pytest

from application.catalogue import Catalogue
from application.erasure import Erasures
from application.ingest import Ingest
from application.merges import Merges
from application.operations.erase import EraseHandler
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from domain.errors import ConflictError, NotFoundError
from domain.people.identity import PersonRef
from runtime.journey_workflows import JourneyWorkflows
from store.database import Database
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import open_live
from tests.engine.ingesting import Query, event
from tests.engine.late_claims import AUDIT, TOO_LATE
from tests.harness import Harness, open_harness
from tests.processes import worker_process
from tests.proofs import rounds
from tests.servers import TemporalServer


class NoWorkflows:
    """A deployment without Temporal: there is nothing to delete."""

    async def delete(self, workflow_ids: Sequence[str]) -> int:
        return 0


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        yield client


async def test_a_repeated_request_gets_the_same_erasure(
    api: httpx.AsyncClient, query: Query, database_url: str
) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}

    async def identify() -> None:
        said = {"userId": "u-1", "anonymousId": "a-1", "traits": {"plan": "pro"}}
        assert (await api.post("/v1/identify", json=said, auth=(WRITE_KEY, ""))).status_code == 200

    async def erase(id: str = "u-1", **more: str) -> httpx.Response:
        kind = "user" if id.startswith("u") else "anonymous"
        return await api.delete(f"/v1/users/{id}", params={"kind": kind}, headers={**headers, **more})

    assert (await erase()).status_code == 404
    await identify()
    # The same person by several ids at once.
    answers = await asyncio.gather(*(erase(id) for id in ("u-1", "a-1", "u-1", "a-1")))
    assert [answer.status_code for answer in answers] == [202] * 4
    [first] = {answer.json()["id"] for answer in answers}
    assert (await erase()).json()["id"] == first
    async with Database(database_url, pool_size=2) as database:
        runner = OperationRunner(database, {"erase": EraseHandler(NoWorkflows())})
        assert await runner.work_on_deployment() is None
    done = (await erase("a-1")).json()
    assert (done["id"], done["state"], done["counts"]["profiles"]) == (first, "done", 1)
    assert (await erase("u-2")).status_code == 404

    # The same ids make a new person, whose erasure is another one.
    await identify()
    answers = await asyncio.gather(*(erase(**{"Idempotency-Key": "k-1"}) for _ in range(3)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    again = await erase(**{"Idempotency-Key": "k-1"})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert {answer.json()["id"] for answer in answers if answer.is_success} == {again.json()["id"]}
    assert again.json()["id"] != first
    assert len(await query("SELECT 1 FROM operations")) == 2
    [audited] = await query("SELECT count(*) FROM audit_log WHERE action = 'user.erase'")
    assert audited["count"] == 2


WAITING = """
key: waiting
name: Waiting
entry: {event: Signed Up, key: event.properties.place}
steps: [{id: rest, delay: 1d}]
"""


DELETING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DELETE FROM profile_merges%%'
"""


async def test_a_worker_that_is_killed_midway_leaves_the_rest_to_the_next(
    database_url: str, temporal: TemporalServer
) -> None:
    """Its page is undone as a whole: everything is deleted, and counted once."""
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.run_campaign(WAITING)
        async with worker_process(harness.settings) as first:
            for place in "abc":
                await harness.track("u1", "Signed Up", {"place": place})
            await harness.track("u2", "Signed Up", {"place": "d"})
            await harness.until("SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE status = 'waiting') = 4")
            await harness.until("SELECT 1 FROM outbox HAVING count(*) = 0")
            counted = "SELECT {} FROM {} WHERE profile_id = (SELECT id FROM profiles WHERE user_id = 'u1')"
            tables = ("events", "journeys", "decisions", "profile_changes")
            before = {table: len(await harness.query(counted.format("1", table))) for table in tables}
            before = {table: number for table, number in before.items() if number}
            async with await psycopg.AsyncConnection.connect(database_url) as other:
                # The page waits for the last of these tables when it has deleted rows of the others.
                await other.execute("LOCK TABLE profile_merges IN SHARE MODE")
                operation = await harness.admin("DELETE", "/v1/users/u1")
                deleting = (
                    "pg_stat_activity WHERE datname = current_database() AND query LIKE 'DELETE FROM profile_merges%%'"
                )
                await harness.until(f"SELECT FROM {deleting} AND wait_event_type = 'Lock'")
                first.kill()
                await first.wait()
        # The database notices the death once the statement has ended, and undoes the page.
        await harness.until(f"SELECT WHERE NOT EXISTS ({DELETING})")
        assert await harness.query("SELECT FROM events JOIN erasures USING (profile_id)")
        # Another process, as far as operations go.
        workflows = JourneyWorkflows(harness.temporal, harness.settings.task_queue)
        await OperationRunner(harness.database, {"erase": EraseHandler(workflows)}).work_on_deployment()
        [done] = await harness.query("SELECT * FROM operations WHERE kind = 'erase' AND state = 'done'")
        assert str(done["id"]) == operation["id"]
        expected = {**before, "workflows": 3, "profiles": 1, "identities": 1}
        assert {name: number for name, number in done["counts"].items() if name in expected} == expected
        left = await harness.query("SELECT user_id FROM events")
        assert [row["user_id"] for row in left] == ["u2"]
        assert [
            one.id
            async for one in harness.temporal.list_workflows(
                f"UserId = 'u1' AND TaskQueue = '{harness.settings.task_queue}'"
            )
        ] == []


SENDING = """
key: sending
name: Sending
entry: {event: Signed Up, key: event.properties.place}
steps: [{id: note, send: {channel: email, template: note}}]
"""
# Every journey that there has been, deleted ones too.
ENTRIES = """
CREATE TABLE entries (workflow_id text);
CREATE FUNCTION note_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO entries VALUES (NEW.workflow_id);
  RETURN NULL;
END $$;
CREATE TRIGGER note_entry AFTER INSERT ON journeys FOR EACH ROW EXECUTE FUNCTION note_entry();
"""


@pytest.mark.prove
@pytest.mark.skipif(bool(rounds(1, 0)), reason="takes its time: a part of `make prove` alone")
async def test_sends_merges_and_events_race_the_pages_of_erasures(harness: Harness) -> None:
    """Everything at once, by a real worker: nothing of an erased person stays, and nothing stops."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rolls = random.Random(seed)
    async with harness.database.transaction() as connection:
        await connection.execute(AUDIT + ENTRIES)
    await harness.run_campaign(SENDING)
    users = ["u1", "u2"]
    erased: set[str] = set()

    async def live() -> None:
        for place in itertools.count():
            if place >= rounds(12, 120):
                return
            user = rolls.choice(users)
            await harness.identify(user, email=f"{user}@example.com")
            await harness.track(user, "Signed Up", {"place": f"{place}"})

    async def disturb() -> None:
        while not all(task.done() for task in living):
            if rolls.random() < 0.4:
                answer = await harness.act("DELETE", f"/v1/users/{rolls.choice(users)}")
                assert answer.status_code in (202, 404)
                erased.update([answer.json()["id"]] if answer.is_success else [])
            else:
                target, source = rolls.sample(users, 2)
                answer = await harness.act("POST", f"/v1/users/{target}/merges", {"from": source})
                assert answer.status_code in (201, 404, 409)
            await asyncio.sleep(rolls.uniform(0, 0.1))

    # One journey is gone in any case, by pages that the rest goes on beside.
    await harness.track("u1", "Signed Up", {"place": "first"})
    erased.add((await harness.admin("DELETE", "/v1/users/u1"))["id"])
    living = [asyncio.create_task(live()) for _ in range(2)]
    await asyncio.gather(disturb(), *living)
    await harness.until("SELECT 1 FROM operations HAVING count(*) FILTER (WHERE state <> 'done') = 0")
    await harness.until("SELECT 1 FROM outbox HAVING count(*) = 0")
    await harness.until("SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE state = 'active') = 0")
    assert {str(row["id"]) for row in await harness.query("SELECT id FROM operations WHERE kind = 'erase'")} == erased
    for table in ("events", "journeys", "messages", "decisions", "profile_changes"):
        orphans = f"SELECT FROM {table} LEFT JOIN profiles ON profiles.id = profile_id WHERE profiles.id IS NULL"
        assert await harness.query(orphans) == [], table
    assert await harness.query(TOO_LATE) == []
    known = {row["workflow_id"] for row in await harness.journeys.all()}
    gone = {row["workflow_id"] for row in await harness.query("SELECT workflow_id FROM entries")} - known
    assert gone
    workflows = JourneyWorkflows(harness.temporal, harness.settings.task_queue)
    found = await asyncio.gather(*(workflows.describe(id) for id in gone))
    assert [id for id, state in zip(gone, found, strict=True) if state is not None] == []
    # The workflow of the campaign is nobody's.
    journeys = f"WorkflowType = 'Journey' AND TaskQueue = '{harness.settings.task_queue}'"
    assert {one.id async for one in harness.temporal.list_workflows(journeys)} <= known


async def test_a_journey_that_a_merge_ended_is_not_started_after_the_erasure(
    database_url: str, temporal: TemporalServer
) -> None:
    async with open_harness(database_url, temporal, is_working=False) as harness:
        await harness.run_campaign(WAITING.replace(", key: event.properties.place", ""))
        ingest, at = Ingest(harness.database, Catalogue()), await harness.database.now()
        for user, anonymous in ((None, "a1"), ("u1", None), ("u1", "a1")):
            await ingest([event("track", user, anonymous=anonymous, name="Signed Up", at=at)], received_at=at)
        assert {row["outcome"] for row in await harness.journeys.all()} == {None, "merged"}
        assert [
            row["kind"] for row in await harness.query("SELECT kind FROM outbox WHERE kind <> 'campaign' ORDER BY kind")
        ] == [
            "exit",
            "start",
            "start",
        ]
        await Erasures(harness.database).request(PersonRef("u1"), by=SOJOURN)
        assert {row["kind"] for row in await harness.query("SELECT kind FROM outbox WHERE kind <> 'campaign'")} == {
            "exit"
        }


@pytest.mark.prove
async def test_an_event_comes_before_the_erasure_or_after_it(database_url: str, query: Query) -> None:
    """Several processes report of two users, who are merged and erased again and again meanwhile."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rolls = random.Random(seed)
    async with Database(database_url, pool_size=8) as database:
        ingests = [Ingest(database, Catalogue()) for _ in range(3)]
        erasures, merges = Erasures(database), Merges(database, Catalogue())
        runner = OperationRunner(database, {"erase": EraseHandler(NoWorkflows())})
        erased: list[datetime] = []
        reports = accepted = rejected = pages_meanwhile = 0

        async def report(ingest: Ingest) -> None:
            nonlocal accepted, rejected, reports
            while reports < 3 * rounds(20, 200) or len(erased) < 2 or not pages_meanwhile:
                reports += 1
                at = await database.now() - timedelta(milliseconds=rolls.choice([0, 0, 30]))
                user = rolls.choice(["u1", "u1", "u2"])
                batch = [
                    event("identify", user, anonymous=rolls.choice(["a1", "a2"]), at=at, email="u1@example.com"),
                    event("track", None, anonymous=rolls.choice(["a1", "a2"]), name="Looked", at=at),
                ]
                result = await ingest(batch, received_at=at)
                accepted, rejected = accepted + result.accepted, rejected + len(result.left_out)

        async def erase() -> None:
            while not all(task.done() for task in reporting):
                try:
                    await erasures.request(PersonRef(rolls.choice(["u1", "u2"])), by=SOJOURN)
                    erased.append(await database.now())
                except NotFoundError:
                    pass
                await asyncio.sleep(rolls.uniform(0, 0.02))

        async def merge() -> None:
            while not all(task.done() for task in reporting):
                with suppress(NotFoundError, ConflictError):
                    await merges.merge(*rolls.sample(["u1", "u2"], 2), by=SOJOURN)
                await asyncio.sleep(rolls.uniform(0, 0.02))

        async def delete_rows() -> None:
            """Pages of some erasures are between the events that the next ones wait for."""
            nonlocal pages_meanwhile
            while not all(task.done() for task in reporting):
                await runner.work_on_deployment()
                pages_meanwhile += not all(task.done() for task in reporting)
                await asyncio.sleep(rolls.uniform(0, 0.02))

        reporting = [asyncio.create_task(report(ingest)) for ingest in ingests]
        await asyncio.gather(erase(), merge(), delete_rows(), delete_rows(), *reporting)
        while await query("SELECT 1 FROM operations WHERE state <> 'done'"):
            await query("UPDATE operations SET next_page_at = now()")
            await runner.work_on_deployment()
    assert accepted + rejected == 2 * reports
    assert await query("SELECT 1 FROM operations WHERE state <> 'done'") == []
    assert await query("SELECT 1 FROM erasures") == []
    # No event is left of those that happened before the last erasure of its person, and none without a person. An
    # anonymous id of one user, named beside another one, leaves the event with that one.
    left = await query(
        """
        SELECT events.*, identities.profile_id IS NULL AS is_orphan FROM events
        LEFT JOIN identities ON identities.profile_id = events.profile_id
        WHERE identities.profile_id IS NULL
           OR EXISTS (SELECT FROM erased_ids WHERE erased_at >= events.timestamp
                      AND hash = COALESCE(keyed_hash('user', user_id), keyed_hash('anonymous', anonymous_id)))
        """
    )
    assert left == []
    assert await query("SELECT 1 FROM profiles WHERE created_at > now() + interval '1 day'") == []
