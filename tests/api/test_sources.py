"""Message ids are unique within a source: what one client has used hides nothing of another."""

from collections import Counter
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from tests.api.fakes import WRITE_KEY
from tests.api.live import client_of


def calls(*message_ids: str) -> dict[str, Any]:
    return {"batch": [{"type": "page", "userId": "u-1", "messageId": message_id} for message_id in message_ids]}


async def token(operator: httpx.AsyncClient, **key: Any) -> str:
    """A new key of scope ingest."""
    answer = await operator.post("/v1/keys", json={"scopes": ["ingest"], **key})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def report(live: FastAPI, key: str, *message_ids: str) -> Any:
    """What a batch of these ids is answered."""
    async with client_of(live, key) as client:
        answer = await client.post("/v1/batch", json=calls(*message_ids))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(database_url: str) -> Counter[tuple[str, str]]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (await connection.execute("SELECT source, message_id FROM events")).fetchall()
    return Counter((source, message_id) for source, message_id in rows)


async def test_an_id_taken_by_one_source_hides_nothing_of_another(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str
) -> None:
    shop, app = await token(operator, name="shop"), await token(operator, name="app")
    assert await report(live, app, "m-1") == {"success": True}
    assert await report(live, shop, "m-1") == {"success": True}
    assert await report(live, WRITE_KEY, "m-1") == {"success": True}
    assert await stored(database_url) == {("app", "m-1"): 1, ("shop", "m-1"): 1, ("default", "m-1"): 1}


@pytest.mark.parametrize("second", [{"name": "shop"}, {"name": "shop, 2027", "source": "shop"}])
async def test_keys_share_a_source_and_it_survives_the_rotation_of_a_key(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str, second: dict[str, str]
) -> None:
    """As a client that retries a batch while its key is replaced by one of the same name or source."""
    first = (await operator.post("/v1/keys", json={"name": "shop", "scopes": ["ingest"]})).json()
    assert first["source"] == "shop"
    await report(live, first["token"], "m-1")
    await operator.delete(f"/v1/keys/{first['id']}")
    assert await report(live, await token(operator, **second), "m-1", "m-2") == {"success": True, "duplicates": ["m-1"]}
    assert await stored(database_url) == {("shop", "m-1"): 1, ("shop", "m-2"): 1}


async def test_duplicates_are_named_in_the_answer(live: FastAPI) -> None:
    assert await report(live, WRITE_KEY, "m-1", "m-1", "m-2") == {"success": True, "duplicates": ["m-1"]}
    assert await report(live, WRITE_KEY, "m-2", "m-3", "m-1") == {"success": True, "duplicates": ["m-2", "m-1"]}
    async with client_of(live, WRITE_KEY) as client:
        again = await client.post("/v1/page", json={"userId": "u-1", "messageId": "m-3"})
    assert again.json() == {"success": True, "duplicates": ["m-3"]}


@pytest.mark.parametrize("taken", [{"name": "sojourn"}, {"name": "shop", "source": "sojourn"}])
async def test_no_key_takes_the_source_of_sojourn_itself(operator: httpx.AsyncClient, taken: dict[str, str]) -> None:
    answer = await operator.post("/v1/keys", json={"scopes": ["ingest"], **taken})
    assert answer.status_code == 400
    assert "`sojourn` is the source of what Sojourn reports itself" in answer.json()["detail"]
