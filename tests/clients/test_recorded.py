"""What clients of nine other languages and platforms send is taken whole: ids, traits, context and integrations."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from store.database import Database
from tests.api.live import open_live
from tests.clients.recorded import CART, COMPANY, RECORDED, Recorded


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[FastAPI]:
    """The API over a database of the test's own."""
    async with open_live(database_url) as app:
        yield app


async def query(database_url: str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        cursor = await connection.execute(sql, parameters)
        return [row async for row in cursor]


async def send(app: FastAPI, recorded: Recorded) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sojourn.test", headers={}) as client:
        request = httpx.Request(
            "POST", f"http://sojourn.test{recorded.path}", headers=recorded.headers, content=recorded.body
        )
        return await client.send(request)


async def test_each_is_taken_whole(live: FastAPI, database_url: str) -> None:
    for recorded in RECORDED:
        answer = await send(live, recorded)
        # Some take nothing but 200 for success: analytics-php, Analytics.NET.
        assert (answer.status_code, answer.json()) == (200, {"success": True}), recorded.client
    rows = await query(
        database_url,
        "SELECT events.*, profiles.traits, profiles.user_id AS known_as FROM events "
        "JOIN profiles ON profiles.id = profile_id ORDER BY message_id",
    )
    assert len(rows) == 3 * len(RECORDED)
    for recorded in RECORDED:
        identify, track, group = (row for row in rows if row["message_id"].startswith(f"{recorded.client}-"))
        assert (identify["type"], track["type"], group["type"]) == recorded.types
        for row in (identify, track, group):
            assert row["known_as"] == row["user_id"] == recorded.user
            assert row["context"] == recorded.context, recorded.client
            assert row["integrations"] == recorded.integrations, recorded.client
            # Happened a second before it was sent, by whichever clock and in whichever form.
            assert 0.9 < (row["received_at"] - row["timestamp"]).total_seconds() < 1.3, recorded.client
            assert row["traits"] == recorded.traits, recorded.client
        assert identify["properties"] == recorded.traits
        assert track["name"] == "Cart Abandoned"
        assert CART.items() <= track["properties"].items()
        assert (group["group_id"], group["properties"]) == ("g-1", COMPANY)
    assert await query(database_url, "SELECT * FROM rejects") == []


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.client)
async def test_each_is_refused_without_its_key(live: FastAPI, recorded: Recorded) -> None:
    """So that the key was found where this client puts it, and nowhere else."""
    headers = {name: value for name, value in recorded.headers.items() if name != "Authorization"}
    body = recorded.body
    if "Authorization" not in recorded.headers:
        headers, body = recorded.headers, b'{"batch": []}'
    bare = Recorded(recorded.client, recorded.path, headers, body, {})
    assert (await send(live, bare)).status_code == 401
