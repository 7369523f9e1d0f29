"""Looks at a person are in the audit log, once in a while for each actor."""

import asyncio

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from domain.access import Actor
from store import audit
from store.database import Database
from tests.api.fakes import WRITE_KEY
from tests.api.live import DOCUMENT, client_of
from tests.harness import until_blocked

LOOKS = "/v1/audit-log?target=u-1"


@pytest.fixture
async def journey(operator: httpx.AsyncClient, live: FastAPI) -> str:
    """The id of a journey of u-1."""
    assert (await operator.post("/v1/campaigns", json=DOCUMENT)).status_code == 201
    assert (await operator.post("/v1/campaigns/hello/start")).status_code == 200
    async with client_of(live, WRITE_KEY) as tracker:
        assert (await tracker.post("/v1/track", json={"userId": "u-1", "event": "Signed Up"})).status_code == 200
    [found] = (await operator.get("/v1/journeys?campaign=hello")).json()["journeys"]
    return str(found["id"])


async def looks(operator: httpx.AsyncClient) -> list[str]:
    return [entry["actor_name"] for entry in (await operator.get(LOOKS)).json()["entries"]]


async def test_looks_of_every_kind_are_one_entry_for_each_actor(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str, journey: str
) -> None:
    assert await looks(operator) == []
    key = (await operator.post("/v1/keys", json={"name": "support", "scopes": ["read"]})).json()
    paths = [f"/v1/journeys/{journey}", "/v1/users/u-1", "/v1/users/u-1/timeline"] * 4
    async with client_of(live, key["token"]) as other:
        for client in (operator, other):
            # At once: each would find no entry of another.
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            assert {answer.status_code for answer in answers} == {200}
        assert await looks(operator) == ["support", "SOJOURN_ADMIN_KEY"]
        for minutes, entries in ((14, 2), (2, 3)):
            async with await psycopg.AsyncConnection.connect(database_url) as connection:
                await connection.execute("UPDATE audit_log SET at = at - make_interval(mins => %s)", (minutes,))
            await other.get(f"/v1/journeys/{journey}")
            assert len(await looks(operator)) == entries


async def actor_of(operator: httpx.AsyncClient) -> Actor:
    assert (await operator.get("/v1/users")).status_code == 200
    [entry] = (await operator.get("/v1/audit-log?target=users")).json()["entries"]
    return Actor(entry["actor"], entry["actor_name"])


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("journeys", "journeys"),
        ("messages", "messages"),
        ("non-sends/people", "non-sends"),
        ("rejects", "rejects"),
        ("holds", "holds"),
    ],
)
async def test_a_list_waits_for_no_other_of_its_actor(
    operator: httpx.AsyncClient, database_url: str, path: str, listed: str
) -> None:
    actor = await actor_of(operator)
    assert (await operator.get(f"/v1/{path}")).status_code == 200
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        await audit.record_list(connection, actor, listed)
        assert (await operator.get(f"/v1/{path}")).status_code == 200


@pytest.mark.parametrize(
    ("path", "table", "listed", "user"),
    [
        ("journeys", "journeys", "journeys", None),
        ("journeys?user=u-1", "journeys", "journeys", "u-1"),
        ("messages", "message_changes", "messages", None),
        ("messages?user=u-1", "messages", "messages", "u-1"),
        ("non-sends/people", "decisions", "non-sends", None),
        ("rejects", "rejects", "rejects", None),
        ("holds", "holds", "holds", None),
        ("users/u-1/timeline", "events", "users", "u-1"),
    ],
)
async def test_no_other_waits_for_a_first_list_that_takes_long(
    operator: httpx.AsyncClient, database_url: str, journey: str, path: str, table: str, listed: str, user: str | None
) -> None:
    """It is recorded after what it reads, so that its lock is short."""
    actor = await actor_of(operator)
    async with Database(database_url, pool_size=1) as database:
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            await holder.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
            listing = asyncio.create_task(operator.get(f"/v1/{path}"))
            await until_blocked(holder)
            async with database.transaction() as connection:
                await audit.record_list(connection, actor, listed, user)
        assert (await listing).status_code == 200
    entries = (await operator.get("/v1/audit-log", params={"target": user or listed})).json()["entries"]
    assert len(entries) == 1
