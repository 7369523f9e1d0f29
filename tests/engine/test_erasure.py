"""A person is erased with everything in flight, and nothing of theirs is left anywhere."""

import asyncio
import json
import sqlite3
from collections import defaultdict
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from tests.channels.servers import listening
from tests.engine.inbox_harness import BANNER
from tests.harness import ADMIN_KEY, PATIENCE, Harness, ago, looks, open_harness
from tests.servers import TemporalServer

# In every id, address, trait and text of the person.
MARK = "zq7x"
# Letters that Python and PostgreSQL write differently in lower case.
USER, TWIN, OTHER = f"{MARK}-user", f"{MARK}-İ-TWINΣ", f"{MARK}-other"


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


class CopyDouble:
    """ClickHouse's HTTP interface, as far as the copy uses it. It refuses to delete until it may."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.may_delete = False
        self.refusals = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                body = (await reader.readexactly(length)).decode()
                is_done = self._execute(parse_qs(urlsplit(head.split(" ")[1]).query), body)
                status = "200 OK" if is_done else "500 Internal Server Error"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    def _execute(self, options: dict[str, list[str]], body: str) -> bool:
        if "query" in options:
            table = options["query"][0].split(" ")[2]
            self.rows[table] += map(json.loads, body.splitlines())
        elif body.lstrip().startswith("DELETE"):
            if not self.may_delete:
                self.refusals += 1
                return False
            table = body.split()[2]
            erased = {text.strip("'") for text in options["param_ids"][0].strip("[]").split(",")}
            moved = self.rows["sojourn_moved_profiles"]
            erased |= {row["profile_id"] for row in moved if row["target_id"] in erased}
            self.rows[table] = [row for row in self.rows[table] if row["profile_id"] not in erased]
        return True


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
    database_url: str, temporal: TemporalServer, host: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also of the user whom an operator has merged into them, and in the copy of the stream."""
    slow, copy = Slow(), CopyDouble()
    async with (
        listening(copy.talk) as copy_port,
        listening(slow.talk) as port,
        open_harness(
            database_url, temporal, clickhouse_url=SecretStr(f"http://127.0.0.1:{copy_port}/sojourn")
        ) as harness,
    ):
        template = f"---\nchannel: webhook\nurl: http://127.0.0.1:{port}/\n---\na: '{{{{ profile.user_id }}}}'\n"
        await harness.run_campaign(campaign("mailed", SEND))
        await harness.run_campaign(campaign("waiting", "{id: rest, delay: 1d}"))
        await harness.run_campaign(campaign("deferred", SEND, closed_window()))
        await harness.run_campaign(
            campaign("hooked", "{id: hook, send: {channel: webhook, template: hook, category: transactional}}"),
            {"hook.liquid": template},
        )
        shown = "{id: tip, send: {channel: in_app, template: tip}}"
        await harness.run_campaign(campaign("shown", shown), {"tip.liquid": BANNER})
        site = await live(harness)
        await harness.run_campaign(campaign("reserved", SEND.replace("id: note", "id: again")))
        harness.inbox.greylist.add(f"{MARK}@example.com")
        await harness.track(USER, "Signed Up", {"code": MARK}, messageId=f"{MARK}-2")
        await harness.messages.until(campaign_key="reserved", state="reserved", attempts=1)
        await asyncio.wait_for(slow.has.wait(), PATIENCE)
        await harness.until("SELECT 1 FROM inbox WHERE strpos(content::text, %s) > 0", MARK)
        await refuse(harness)
        export = await harness.act("GET", f"/v1/users/{USER}/export")
        assert export.status_code == 200
        check_export(export.text)

        number = len(await harness.journeys.all())
        assert number > 6
        operation = await harness.admin("DELETE", f"/v1/users/{USER}")
        assert (operation["kind"], operation["campaign"], MARK in str(operation)) == ("erase", None, False)
        assert await harness.journeys.all(state="active") == []
        assert {row["state"] for row in await harness.messages.all()} == {"sent", "sending", "cancelled"}
        late = {"messageId": f"{MARK}-late", "userId": USER, "anonymousId": TWIN, "event": "Signed Up"}
        told = (await harness.post("track", {**late, "timestamp": ago(hours=1)})).json()
        assert [one["error"].partition(":")[0] for one in told["rejected"]] == ["erased"]
        visitor = {"anonymousId": "visitor-3", "userId": USER, "event": "Looked", "timestamp": ago(hours=1)}
        told = (await harness.http.post("/v1/track", json=visitor, headers=site)).json()
        assert told.keys() == {"success", "unverified"}
        # What is being handed over is waited for.
        assert await harness.messages.all(state="sending")
        slow.may.set()
        # The rows are gone, and the copy refuses to delete its own: the operation waits for it.
        [open_] = await harness.until("SELECT state FROM operations WHERE kind = 'erase' AND counts ? 'profiles'")
        assert open_["state"] == "running"
        async for is_last in looks(PATIENCE):
            if copy.refusals:
                break
            assert not is_last
        assert MARK in str(copy.rows)
        copy.may_delete = True
        [done] = await harness.until("SELECT * FROM operations WHERE kind = 'erase' AND state = 'done'")
        deleted = {"events", "inbox", "messages", "profiles", "profile_merges", "rejects", "idempotency_keys", "claims"}
        assert deleted <= {*done["counts"]}
        counted = [done["counts"][name] for name in ("journeys", "workflows", "clickhouse")]
        assert counted == [number, number, 1]
        assert await rows_with(database_url, MARK) == []
        # The audit log names the person by one hash, in place of any of their ids.
        audited = await harness.until("SELECT DISTINCT target FROM audit_log WHERE starts_with(action, 'user.')")
        assert [row["target"].partition(":")[0] for row in audited] == ["erased"]
        assert MARK not in str(copy.rows)
        await check_gone_from_temporal(harness, host)
        output = capfd.readouterr()
        # In a process of a deployment, the core of Temporal's SDK has no lines of its own (tests/runtime/test_logs.py).
        lines = [line for line in (output.out + output.err).splitlines() if "temporalio_sdk_core" not in line]
        assert [line for line in lines if MARK in line] == []
        await check_new_person(harness)


async def live(harness: Harness) -> dict[str, str]:
    """Everything that leaves traces: an anonymous twin, an address before, a refused call, journeys of all sorts.

    Returns the headers of a browser.
    """
    old = {"messageId": f"{MARK}-0", "anonymousId": TWIN, "event": "Looked", "properties": {"code": MARK}}
    await harness.post("track", old)
    await harness.identify(USER, email=f"{MARK}-old@example.com", street=f"{MARK} street")
    other_ids = {"externalIds": [{"type": "zendesk", "id": f"{MARK}-z"}]}
    linking = {"messageId": f"{MARK}-1", "userId": USER, "anonymousId": TWIN, "traits": {}, "context": other_ids}
    await harness.post("identify", linking)
    await harness.identify(USER, email=f"{MARK}@Example.com")
    visitors = await claim(harness)
    refused = {"type": "track", "messageId": f"{MARK}-r", "userId": USER, "properties": {"code": MARK}}
    await harness.post("batch", {"batch": [refused, {**refused, "userId": {"is": USER}}]})
    await harness.track(USER, "Signed Up", {"code": MARK})
    await harness.messages.until(campaign_key="mailed", state="sent")
    await harness.until("SELECT FROM journeys WHERE campaign_key = 'deferred' AND status = 'deferred'")
    external = {"externalIds": [{"type": "crm_id", "id": f"{MARK}-crm"}]}
    await harness.identify(OTHER, street=f"{MARK} alley")
    await harness.post("track", {"messageId": f"{MARK}-3", "userId": OTHER, "event": "Looked", "context": external})
    await harness.track(OTHER, "Signed Up")
    await harness.until("SELECT FROM stream_consumers WHERE name = 'clickhouse'")
    named = "SELECT FROM seen_events WHERE properties ? %s"
    await harness.until(named, f"scores.{USER}")
    await harness.until("SELECT FROM seen_events WHERE name = %s", USER)
    await harness.admin("POST", f"/v1/users/{USER}/merges", {"from": OTHER})
    return visitors


async def claim(harness: Harness) -> dict[str, str]:
    """Visitors without a token who say that they are the person, and names of properties that are ids.

    Returns the headers of their browsers.
    """
    made = await harness.admin(
        "POST", "/v1/keys", {"name": "site", "kind": "browser", "origins": ["https://a.example"]}
    )
    visitors = {"X-Write-Key": made["token"]}
    address = f"{MARK}-OLD@example.com"
    # The first claim is history after the second.
    for user, traits in ((USER, {"email": address, "phone": MARK}), ("u", {"email": "b@example.com"})):
        said = {"anonymousId": "visitor", "userId": user, "traits": traits}
        assert (await harness.http.post("/v1/identify", json=said, headers=visitors)).is_success
    said = {"anonymousId": "visitor-2", "event": "Looked", "properties": {"email": address}}
    assert (await harness.http.post("/v1/track", json=said, headers=visitors)).is_success
    body = json.dumps({"batch": [{"type": "track", "userId": TWIN, "event": "Looked"}]}, ensure_ascii=False)
    refused = await harness.http.post("/v1/batch", content=body.encode(), headers=visitors)
    assert len(refused.json()["rejected"]) == 1
    await harness.track(USER, "Voted", {"scores": {USER: 1}, "all": [{USER: 1}]})
    await harness.track(USER, USER)
    return visitors


async def refuse(harness: Harness) -> None:
    path = f"/v1/users/{USER}/suppressions/email"
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": "k1"}
    answered = await harness.http.put(path, json={"reason": f"{MARK} asked"}, headers=headers)
    assert answered.status_code == 204
    journey, *_ = await harness.journeys.all(campaign_key="waiting")
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


async def check_gone_from_temporal(harness: Harness, host: Path) -> None:
    """Once the operation is done, ids are in nothing but queues, which keep them until they come to them.

    Temporal deletes a history right after the workflow whose absence was confirmed.
    """
    query = f"UserId IN ('{USER}', '{OTHER}')"
    assert [one async for one in harness.temporal.list_workflows(query)] == []
    database = host.parent / "temporal" / "temporal.db"
    queues = {"timer_tasks", "tasks", "tasks_v2", "transfer_tasks", "visibility_tasks"}
    async for is_last in looks(PATIENCE):
        left = {*await asyncio.to_thread(temporal_rows_with, database, MARK)}
        if left <= queues:
            break
        assert not is_last, left


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
