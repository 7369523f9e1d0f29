"""Looks at a person are in the audit log, once in a while for each actor."""

import asyncio

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from tests.api.fakes import WRITE_KEY
from tests.api.live import DOCUMENT, client_of

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
