"""Keys from the making to the revocation, over a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from application.keys import Keys
from application.remembered_rows import REMEMBERED_SECONDS
from domain.access import SOJOURN, Scope
from store.database import Database
from tests.api.fakes import ADMIN_KEY
from tests.api.live import client_of, open_live
from tests.harness import until_blocked

CALL = {"userId": "u-1", "event": "Signed Up"}


async def made(operator: httpx.AsyncClient, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = await operator.post("/v1/keys", json={"name": "backend", "scopes": scopes, **more})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def test_a_key_is_told_once_and_kept_as_a_hash(operator: httpx.AsyncClient, database_url: str) -> None:
    answer = await operator.post("/v1/keys", json={"name": "backend", "scopes": ["read", "ingest", "read"]})
    assert answer.headers["cache-control"] == "no-store"
    key = answer.json()
    prefix, id, secret = key["token"].split("_")
    assert (prefix, id, len(secret)) == ("sj", key["id"], 64)
    assert (key["scopes"], key["created_by"]) == (["ingest", "read"], "environment")
    listed = (await operator.get("/v1/keys")).json()
    assert listed == {
        "keys": [{name: value for name, value in key.items() if not name.startswith("token")}],
        "next": None,
    }
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT api_keys::text, secret_hash FROM api_keys")
        [(row, secret_hash)] = await cursor.fetchall()
    assert secret not in row
    assert secret_hash == sha256(secret.encode()).digest()


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        (["ingest"], {"ingest"}),
        (["read"], {"read"}),
        (["author"], {"read", "author"}),
        (["operate"], {"read", "author", "operate"}),
        (["people"], {"people"}),
        (["approve"], set()),
        (["admin"], {"read", "author", "operate", "people", "admin"}),
        (["ingest", "operate"], {"ingest", "read", "author", "operate"}),
    ],
)
async def test_what_a_scope_opens(
    operator: httpx.AsyncClient, live: FastAPI, scopes: list[str], opened: set[str]
) -> None:
    key = await made(operator, *scopes)
    async with client_of(live, key["token"]) as client:
        answers = {
            "ingest": await client.post("/v1/track", json=CALL),
            "read": await client.get("/v1/campaigns"),
            "author": await client.put("/v1/frequency-caps", json={"file": "c.yaml", "source": "rules: []\n"}),
            "operate": await client.put("/v1/users/u-1/suppressions/email", json={"reason": "asked us"}),
            "people": await client.get("/v1/users/u-1/export"),
            "admin": await client.get("/v1/audit-log"),
        }
    for scope, answer in answers.items():
        assert (answer.status_code != 403) == (scope in opened), (scope, answer.text)
        if scope not in opened:
            assert (answer.json()["code"], answer.json()["scope"]) == ("forbidden", scope)


async def test_tracking_takes_a_key_wherever_it_took_the_write_key(operator: httpx.AsyncClient, live: FastAPI) -> None:
    token = (await made(operator, "ingest"))["token"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(live), base_url="http://sojourn.test") as client:
        assert (await client.post("/v1/track", json=CALL, auth=(token, ""))).status_code == 200
        assert (await client.post("/v1/track", json={**CALL, "writeKey": token})).status_code == 200
        assert (await client.post("/v1/track", json={**CALL, "writeKey": token[:-1]})).status_code == 401


@pytest.mark.parametrize("spoil", [lambda token: token + "0", lambda token: token[:-1], lambda token: token[:20]])
async def test_a_wrong_secret_opens_nothing(operator: httpx.AsyncClient, live: FastAPI, spoil: Any) -> None:
    token = (await made(operator, "read"))["token"]
    async with client_of(live, token) as client:
        assert (await client.get("/v1/campaigns")).status_code == 200
    async with client_of(live, spoil(token)) as client:
        assert (await client.get("/v1/campaigns")).status_code == 401


@pytest.mark.parametrize("token", ["sj_", "sj__", "sj_none_none", "sj_ü_x", "sj_%00_x", "sj_a"])
async def test_what_looks_like_a_key_and_is_none(live: FastAPI, token: str) -> None:
    async with client_of(live, "x") as client:
        answer = await client.get("/v1/campaigns", headers=[(b"Authorization", f"Bearer {token}".encode("latin-1"))])
        assert answer.status_code == 401


async def test_a_revoked_key_opens_nothing_within_a_second_in_any_process(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str
) -> None:
    key = await made(operator, "read")
    async with (
        open_live(database_url) as other,
        client_of(live, key["token"]) as here,
        client_of(other, key["token"]) as there,
    ):
        assert {(await each.get("/v1/campaigns")).status_code for each in (here, there)} == {200}
        revoked = await operator.delete(f"/v1/keys/{key['id']}")
        assert revoked.json()["revoked_at"] is not None
        await asyncio.sleep(REMEMBERED_SECONDS)
        assert {(await each.get("/v1/campaigns")).status_code for each in (here, there)} == {401}
    assert (await operator.delete(f"/v1/keys/{key['id']}")).json() == revoked.json()
    assert (await operator.delete("/v1/keys/none")).status_code == 404


async def test_an_expired_key_opens_nothing(operator: httpx.AsyncClient, live: FastAPI, database_url: str) -> None:
    key = await made(operator, "read", expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    async with client_of(live, key["token"]) as client:
        assert (await client.get("/v1/campaigns")).status_code == 200
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE api_keys SET expires_at = now()")
    async with open_live(database_url) as other, client_of(other, key["token"]) as client:
        assert (await client.get("/v1/campaigns")).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00"},
    ],
)
async def test_keys_that_are_not_made(operator: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await operator.post("/v1/keys", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_key_is_looked_up_once_a_second_and_touched_once_a_minute(database_url: str) -> None:
    now = 1_000.0
    async with Database(database_url, pool_size=2) as database:
        keys = Keys(database, [], clock=lambda: now)
        token = (await keys.create("backend", [Scope.INGEST], by=SOJOURN)).token.encode()
        assert await keys.verify(token) is not None
        [key] = await keys.list(limit=10)
        assert key.last_used_at is not None
        async with database.transaction() as connection:
            await connection.execute("ALTER TABLE api_keys RENAME TO api_keys_hidden")
        # Nothing is asked: there is nothing to be asked.
        now += 0.99
        assert await keys.verify(token) is not None
        assert await keys.verify(token + b"0") is None
        now += 0.01
        with pytest.raises(psycopg.errors.UndefinedTable):
            await keys.verify(token)
        async with database.transaction() as connection:
            await connection.execute("ALTER TABLE api_keys_hidden RENAME TO api_keys")
            await connection.execute("UPDATE api_keys SET last_used_at = now() - interval '59 seconds'")
        assert await keys.verify(token) is not None
        [touched] = await keys.list(limit=10)
        assert touched.last_used_at is not None
        assert datetime.now(UTC) - touched.last_used_at > timedelta(seconds=58)
        async with database.transaction() as connection:
            await connection.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
        now += 1
        assert await keys.verify(token) is not None
        [touched] = await keys.list(limit=10)
        assert touched.last_used_at is not None
        assert datetime.now(UTC) - touched.last_used_at < timedelta(seconds=58)


async def test_wrong_keys_take_one_connection_however_many_come(database_url: str) -> None:
    """And nobody whose key is right is answered for them."""
    async with Database(database_url, pool_size=10) as database:
        keys = Keys(database, [])
        token = (await keys.create("backend", [Scope.INGEST], by=SOJOURN)).token.encode()
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            await holder.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
            wrong = [asyncio.create_task(keys.verify(b"sj_%016x_0" % number)) for number in range(500)]
            right = asyncio.create_task(keys.verify(token))
            gone = asyncio.create_task(keys.verify(b"sj_ffffffffffffffff_0"))
            await until_blocked(holder)
            assert (database.pool_state().in_use, database.pool_state().waiting) == (1, 0)
            gone.cancel()
        assert set(await asyncio.gather(*wrong)) == {None}
        access = await right
        assert access is not None
        assert access.actor.name == "backend"


async def test_keys_come_in_pages(operator: httpx.AsyncClient) -> None:
    ids = [(await made(operator, "read"))["id"] for _ in range(5)]
    seen: list[str] = []
    after: str | None = None
    while True:
        page = (await operator.get("/v1/keys", params={"limit": 2, **({"after": after} if after else {})})).json()
        assert len(page["keys"]) <= 2
        seen += [key["id"] for key in page["keys"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize("after", ["x", "!!", "W10", "WyJub3ciLCAieCJd", "ü"])
@pytest.mark.parametrize("path", ["/v1/keys", "/v1/audit-log"])
async def test_a_cursor_of_another_list(operator: httpx.AsyncClient, path: str, after: str) -> None:
    answer = await operator.get(path, params={"after": after})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_where_no_key_opens_anything_the_log_says_what_to_do(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database:
        with capture_logs() as logs:
            async with open_live(database_url, admin_key=SecretStr("")):
                pass
        assert any("SOJOURN_ADMIN_KEY" in entry.get("remedy", "") for entry in logs)
        await Keys(database, []).create("first", [Scope.ADMIN], by=SOJOURN)
        with capture_logs() as logs:
            async with open_live(database_url, admin_key=SecretStr("")) as app, client_of(app, "") as client:
                assert (await client.get("/v1/campaigns")).status_code == 401
        assert not any("SOJOURN_ADMIN_KEY" in entry.get("remedy", "") for entry in logs)


async def test_the_log_names_no_key(operator: httpx.AsyncClient, live: FastAPI) -> None:
    with capture_logs() as logs:
        token = (await made(operator, "read"))["token"]
        async with client_of(live, token) as client:
            await client.get("/v1/campaigns")
    assert token.rpartition("_")[2] not in str(logs)
    assert ADMIN_KEY not in str(logs)


async def test_who_did_what(operator: httpx.AsyncClient, live: FastAPI) -> None:
    key = await made(operator, "operate")
    async with client_of(live, key["token"]) as client:
        await client.put("/v1/frequency-caps", json={"file": "c.yaml", "source": "rules: []\n# now\n"})
    await operator.delete(f"/v1/keys/{key['id']}")
    entries = (await operator.get("/v1/audit-log")).json()["entries"]
    assert [(each["actor"], each["actor_name"], each["action"], each["target"]) for each in entries] == [
        ("environment", "SOJOURN_ADMIN_KEY", "key.revoke", key["id"]),
        (key["id"], "backend", "frequency_caps.put", "frequency-caps"),
        ("environment", "SOJOURN_ADMIN_KEY", "key.create", key["id"]),
    ]
    assert key["token"].rpartition("_")[2] not in str(entries)
    [of_key] = (await operator.get("/v1/audit-log", params={"actor": key["id"]})).json()["entries"]
    assert of_key["action"] == "frequency_caps.put"
    page = (await operator.get("/v1/audit-log", params={"target": key["id"], "limit": 1})).json()
    assert page["entries"] == entries[:1]
    rest = (await operator.get("/v1/audit-log", params={"target": key["id"], "after": page["next"]})).json()
    assert rest == {"entries": entries[2:], "next": None}
