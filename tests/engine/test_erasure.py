"""A person is erased with everything in flight, and nothing of theirs is left anywhere."""

import asyncio
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.catalogue import Catalogue
from application.erasure import Erasures
from application.ingest import Ingest
from application.operations.erase import EraseHandler
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from domain.errors import NotFoundError
from domain.people.identity import PersonRef
from store.database import Database
from tests.channels.servers import listening
from tests.engine.ingesting import Query, event
from tests.harness import ADMIN_KEY, PATIENCE, Harness, ago, looks
from tests.proofs import rounds

# In every id, address, trait and text of the person.
MARK = "zq7x"
USER, TWIN = f"{MARK}-user", f"{MARK}-twin"


def campaign(key: str, steps: str, more: str = "") -> str:
    return f"""
key: {key}
name: {key}
{more}
entry: {{event: Signed Up}}
steps: [{steps}]
"""


def closed_window() -> str:
    """A send window that opens some hours from now, in UTC."""
    opens = datetime.now(UTC) + timedelta(hours=5)
    return f'send_window: {{from: "{opens:%H}:00", to: "{opens + timedelta(hours=1):%H}:00"}}'


SEND = "{id: note, send: {channel: email, template: note}}"


class Slow:
    """A receiver of webhooks that answers once it may."""

    def __init__(self) -> None:
        self.has, self.may = asyncio.Event(), asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.has.set()
        await self.may.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


async def test_nothing_of_a_person_is_left(
    harness: Harness, host: Path, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    slow = Slow()
    async with listening(slow.talk) as port:
        template = f"---\nchannel: webhook\nurl: http://127.0.0.1:{port}/\n---\na: '{{{{ profile.user_id }}}}'\n"
        await harness.run_campaign(campaign("mailed", SEND))
        await harness.run_campaign(campaign("waiting", "{id: rest, delay: 1d}"))
        await harness.run_campaign(campaign("deferred", SEND, closed_window()))
        await harness.run_campaign(
            campaign("hooked", "{id: hook, send: {channel: webhook, template: hook, category: transactional}}"),
            {"hook.liquid": template},
        )
        await live(harness)
        await harness.run_campaign(campaign("reserved", SEND.replace("id: note", "id: again")))
        harness.inbox.greylist.add(f"{MARK}@example.com")
        await harness.track(USER, "Signed Up", {"code": MARK}, messageId=f"{MARK}-2")
        await harness.messages.until(campaign_key="reserved", state="reserved", attempts=1)
        await asyncio.wait_for(slow.has.wait(), PATIENCE)
        await refuse(harness)
        export = await harness.act("GET", f"/v1/users/{USER}/export")
        assert export.status_code == 200
        check_export(export.text)

        operation = await harness.admin("DELETE", f"/v1/users/{USER}")
        assert (operation["kind"], operation["campaign"], MARK in str(operation)) == ("erase", None, False)
        assert await harness.journeys.all(state="active") == []
        assert {row["state"] for row in await harness.messages.all()} == {"sent", "sending", "cancelled"}
        late = {"messageId": f"{MARK}-late", "userId": USER, "anonymousId": TWIN, "event": "Signed Up"}
        told = (await harness.post("track", {**late, "timestamp": ago(hours=1)})).json()
        assert [one["error"].partition(":")[0] for one in told["rejected"]] == ["erased"]
        # What is being handed over is waited for.
        assert await harness.messages.all(state="sending")
        slow.may.set()
    [done] = await harness.until("SELECT * FROM operations WHERE kind = 'erase' AND state = 'done'")
    assert {"events", "journeys", "messages", "workflows", "profiles", "rejects", "idempotency_keys"} <= done[
        "counts"
    ].keys()
    assert (done["counts"]["journeys"], done["counts"]["workflows"]) == (6, 6)
    assert await rows_with(database_url, MARK) == []
    await until_gone_from_temporal(harness, host)
    output = capfd.readouterr()
    assert MARK not in output.out + output.err
    await check_new_person(harness)


async def live(harness: Harness) -> None:
    """Everything that leaves traces: an anonymous twin, an address before, a refused call, journeys of all sorts."""
    old = {"messageId": f"{MARK}-0", "anonymousId": TWIN, "event": "Looked", "properties": {"code": MARK}}
    await harness.post("track", old)
    await harness.identify(USER, email=f"{MARK}-old@example.com", street=f"{MARK} street")
    await harness.post("identify", {"messageId": f"{MARK}-1", "userId": USER, "anonymousId": TWIN, "traits": {}})
    await harness.identify(USER, email=f"{MARK}@Example.com")
    refused = {"type": "track", "messageId": f"{MARK}-r", "userId": USER, "properties": {"code": MARK}}
    await harness.post("batch", {"batch": [refused, {**refused, "userId": {"is": USER}}]})
    await harness.track(USER, "Signed Up", {"code": MARK})
    await harness.messages.until(campaign_key="mailed", state="sent")
    await harness.until("SELECT FROM journeys WHERE campaign_key = 'deferred' AND status = 'deferred'")


async def refuse(harness: Harness) -> None:
    path = f"/v1/users/{USER}/suppressions/email"
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": "k1"}
    answered = await harness.http.put(path, json={"reason": f"{MARK} asked"}, headers=headers)
    assert answered.status_code == 204
    [journey] = await harness.journeys.all(campaign_key="waiting")
    kept = await harness.http.post(f"/v1/journeys/{journey['id']}/skip", headers={**headers, "Idempotency-Key": "k2"})
    assert MARK in kept.text
    await harness.query("UPDATE journeys SET wakes_at = wakes_at WHERE id = %s RETURNING 1", journey["id"])


def check_export(text: str) -> None:
    tables = {line.partition('"table":"')[2].partition('"')[0] for line in text.splitlines()}
    assert {"profiles", "identities", "events", "journeys", "messages", "decisions", "addresses", "rejects"} <= tables
    assert f"{MARK} street" in text
    assert TWIN in text


async def rows_with(database_url: str, text: str) -> list[tuple[str, str]]:
    """The rows of all tables that have a text in any column, as text or bytes."""
    found = []
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            """
            SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
            """
        )
        tables = [name for (name,) in await cursor.fetchall()]
        assert len(tables) > 25
        for table in tables:
            cursor = await connection.execute(
                f"SELECT row_to_json({table})::text FROM {table} AS {table}"  # noqa: S608 - names of the schema
            )
            for (row,) in await cursor.fetchall():
                if text in row.lower() or text.encode().hex() in row:
                    found.append((table, row))
    return found


async def until_gone_from_temporal(harness: Harness, host: Path) -> None:
    """Its queues delete a little later; its timers and task queues keep an id until they come to it."""
    async for is_last in looks(PATIENCE):
        left = await asyncio.to_thread(temporal_rows_with, host.parent / "temporal" / "temporal.db", MARK)
        if {*left} <= {"timer_tasks", "tasks", "tasks_v2"}:
            break
        assert not is_last, left
    query = f"UserId = '{USER}'"
    assert [one async for one in harness.temporal.list_workflows(query)] == []


def temporal_rows_with(database: Path, text: str) -> list[str]:
    """The tables of Temporal's database with a text in any column."""
    found = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "executions" in tables
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
            any_column = " OR ".join(f'instr(CAST("{column}" AS BLOB), CAST(? AS BLOB)) > 0' for column in columns)
            sql = f'SELECT count(*) FROM "{table}" WHERE {any_column}'  # noqa: S608 - names of the schema
            [(number,)] = connection.execute(sql, [text] * len(columns)).fetchall()
            if number:
                found.append(table)
    return found


async def check_new_person(harness: Harness) -> None:
    """The same ids make a new person, whose address still refuses."""
    await harness.identify(USER, email=f"{MARK}@example.com")
    await harness.track(USER, "Signed Up")
    decided = await harness.decisions.until(campaign_key="mailed", kind="send", outcome="refused")
    assert [one["reason"] for one in decided] == ["suppressed"]
    person = await harness.admin("GET", f"/v1/users/{USER}")
    assert person["traits"].keys() == {"email"}
    assert MARK not in str(person["consent"]["email"]["refusal"])
    assert person["consent"]["email"]["refusal"].endswith("refused before an erasure")
    assert (await harness.act("DELETE", "/v1/users/nobody")).status_code == 404


class NoWorkflows:
    """A deployment without Temporal: there is nothing to delete."""

    async def delete(self, workflow_ids: Any) -> int:
        return 0


@pytest.mark.prove
async def test_an_event_comes_before_the_erasure_or_after_it(database_url: str, query: Query) -> None:
    """Several processes report of one person, who is erased again and again meanwhile."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rolls = random.Random(seed)
    async with Database(database_url, pool_size=8) as database:
        ingests = [Ingest(database, Catalogue()) for _ in range(3)]
        erasures = Erasures(database)
        erased: list[datetime] = []
        accepted = rejected = 0

        async def report(ingest: Ingest) -> None:
            nonlocal accepted, rejected
            for _ in range(rounds(20, 200)):
                at = await database.now() - timedelta(milliseconds=rolls.choice([0, 0, 30]))
                batch = [
                    event("identify", "u1", anonymous=rolls.choice(["a1", "a2"]), at=at, email="u1@example.com"),
                    event("track", None, anonymous=rolls.choice(["a1", "a2"]), name="Looked", at=at),
                ]
                result = await ingest(batch, received_at=at)
                accepted, rejected = accepted + result.accepted, rejected + len(result.left_out)

        async def erase() -> None:
            while sum(not task.done() for task in reporting):
                try:
                    await erasures.request(PersonRef("u1"), by=SOJOURN)
                    erased.append(await database.now())
                except NotFoundError:
                    pass
                await asyncio.sleep(rolls.uniform(0, 0.02))

        reporting = [asyncio.create_task(report(ingest)) for ingest in ingests]
        await asyncio.gather(erase(), *reporting)
        runner = OperationRunner(database, {"erase": EraseHandler(NoWorkflows())})
        assert await runner.work_on_deployment() is None
    assert len(erased) > 1
    assert accepted + rejected == 3 * rounds(20, 200) * 2
    assert await query("SELECT FROM operations WHERE state <> 'done'") == []
    assert await query("SELECT FROM erasures") == []
    # No event is left of those that happened before the last erasure that its ids took part in, and none without one.
    left = await query(
        """
        SELECT events.id FROM events
        LEFT JOIN identities ON identities.profile_id = events.profile_id
        WHERE identities.profile_id IS NULL
           OR EXISTS (SELECT FROM erased_ids WHERE erased_at >= events.timestamp
                      AND hash IN (keyed_hash('user', user_id), keyed_hash('anonymous', anonymous_id)))
        """
    )
    assert left == []
    assert await query("SELECT FROM profiles WHERE created_at > now() + interval '1 day'") == []
