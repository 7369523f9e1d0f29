"""What was asked for twice under one key is done once: the answer commits with the effect."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from application.idempotency import INTERRUPTED_SECONDS, Idempotency
from domain.access import SOJOURN
from domain.errors import IdempotencyAnswerLostError, IdempotencyInProgressError, SojournError
from store import audit, idempotency
from store.campaigns import REGISTRY_LOCK
from store.database import Database
from store.idempotency import StoredResponse
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import DOCUMENT, RULES, api_process, client_of, open_live
from tests.harness import PATIENCE, looks

# Whoever keeps an answer waits for the advisory lock 1.
HELD_UP = """
CREATE FUNCTION held_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1);
  RETURN NEW;
END $$;
CREATE TRIGGER held_up BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION held_up();
"""
CAPS = {"file": "caps.yaml", "source": RULES}


async def count(database_url: str, table: str) -> int:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 -- of these tests
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def test_a_repeat_is_given_the_answer_of_before(operator: httpx.AsyncClient, database_url: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await operator.post("/v1/campaigns", json=DOCUMENT, headers=key)
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert "idempotent-replayed" not in first.headers
    again = await operator.post("/v1/campaigns", json=DOCUMENT, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    # The same once more, and not a repeat.
    assert (await operator.post("/v1/campaigns", json=DOCUMENT)).status_code == 200
    assert await count(database_url, "audit_log") == 1


async def test_headers_and_empty_answers_come_again(operator: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "caps"}
    first = await operator.put("/v1/frequency-caps", json=CAPS, headers=key)
    await operator.put("/v1/frequency-caps", json={**CAPS, "source": "rules: []\n"})
    again = await operator.put("/v1/frequency-caps", json=CAPS, headers=key)
    assert again.headers["etag"] == first.headers["etag"] == '"1"'
    assert (await operator.get("/v1/frequency-caps")).headers["etag"] == '"2"'
    await operator.post("/v1/identify", json={"userId": "u-1"}, headers={"Authorization": f"Bearer {WRITE_KEY}"})
    for replayed in (None, "true"):
        lifted = await operator.delete("/v1/users/u-1/suppressions/email", headers={"Idempotency-Key": "lift"})
        assert (lifted.status_code, lifted.content) == (204, b"")
        assert lifted.headers.get("idempotent-replayed") == replayed


async def test_a_key_is_of_one_request(operator: httpx.AsyncClient, database_url: str) -> None:
    key = {"Idempotency-Key": "once"}
    assert (await operator.put("/v1/frequency-caps", json=CAPS, headers=key)).status_code == 200
    for other in (
        operator.put("/v1/frequency-caps", json={**CAPS, "file": "other.yaml"}, headers=key),
        operator.put("/v1/frequency-caps", json=CAPS, headers={**key, "If-Match": '"1"'}),
        operator.put("/v1/frequency-caps?x=1", json=CAPS, headers=key),
        operator.post("/v1/campaigns", json=DOCUMENT, headers=key),
    ):
        answer = await other
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(database_url, "campaigns") == 0


async def test_a_key_is_of_one_actor(operator: httpx.AsyncClient, live: FastAPI) -> None:
    made = (await operator.post("/v1/keys", json={"name": "other", "scopes": ["operate"]})).json()
    key = {"Idempotency-Key": "mine"}
    assert (await operator.put("/v1/frequency-caps", json=CAPS, headers=key)).status_code == 200
    async with client_of(live, made["token"]) as other:
        answer = await other.put("/v1/frequency-caps", json={**CAPS, "file": "x"}, headers=key)
    assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (200, None)


async def test_a_refusal_is_not_remembered(operator: httpx.AsyncClient, database_url: str) -> None:
    key = {"Idempotency-Key": "pause"}
    await operator.post("/v1/campaigns", json=DOCUMENT)
    refused = await operator.post("/v1/campaigns/hello/pause", headers=key)
    assert refused.status_code == 409
    assert await count(database_url, "idempotency_keys") == 0
    await operator.post("/v1/campaigns/hello/start")
    assert (await operator.post("/v1/campaigns/hello/pause", headers=key)).status_code == 200


async def test_a_call_outside_is_not_repeated_after_an_interruption(database_url: str) -> None:
    calls = 0

    async with Database(database_url, pool_size=2) as database:
        once = Idempotency(database)

        async def act() -> StoredResponse:
            nonlocal calls
            async with database.transaction() as connection:
                await audit.record(connection, SOJOURN, "template.send_test", "hello")
            await database.commit_before_call()
            # A pool that still opens its connections counts them as used.
            async for is_last in looks(PATIENCE):
                if not database.pool_state().in_use:
                    break
                assert not is_last
            calls += 1
            raise InterruptedError

        async def ask() -> type[Exception]:
            with pytest.raises((InterruptedError, SojournError)) as raised:
                await once(SOJOURN, "cut", b"request", act)
            return raised.type

        assert [await ask(), await ask()] == [InterruptedError, IdempotencyInProgressError]
        async with database.transaction() as connection:
            await connection.execute(
                "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => %s)",
                (INTERRUPTED_SECONDS,),
            )
        assert await ask() is IdempotencyAnswerLostError
    assert (calls, await count(database_url, "audit_log")) == (1, 1)


@pytest.mark.parametrize("path", ["/v1/apply", "/v1/campaigns/hello/apply"])
@pytest.mark.parametrize("is_archived", [False, True])
async def test_an_applied_plan_is_outdated_and_its_answer_comes_again(
    operator: httpx.AsyncClient, path: str, is_archived: bool
) -> None:
    """The repeat would be refused before it changes anything, because the first has changed what it looks at."""
    plan = (await operator.post("/v1/campaigns/hello/plan", json=DOCUMENT)).json()["hash"]
    document = {**DOCUMENT, "plan": plan}
    body = {"campaigns": [document]} if path == "/v1/apply" else document
    key = {"Idempotency-Key": "apply"}
    first = await operator.post(path, json=body, headers=key)
    assert first.status_code == 200
    if is_archived:
        assert (await operator.post("/v1/campaigns/hello/archive")).status_code == 200
    again = await operator.post(path, json=body, headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await operator.post(path, json=body)).status_code == 409


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ü"])
async def test_keys_that_cannot_be(operator: httpx.AsyncClient, database_url: str, key: str) -> None:
    answer = await operator.put("/v1/frequency-caps", json=CAPS, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await count(database_url, "documents") == 0


async def test_a_secret_is_not_kept(operator: httpx.AsyncClient, database_url: str) -> None:
    key = {"Idempotency-Key": "key"}
    body = {"name": "backend", "scopes": ["read"]}
    first = (await operator.post("/v1/keys", json=body, headers=key)).json()
    again = await operator.post("/v1/keys", json=body, headers=key)
    assert (again.status_code, again.json()) == (201, {**first, "token": None})
    assert again.headers["cache-control"] == "no-store"
    assert await count(database_url, "api_keys") == 1
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT convert_from(body, 'UTF8') FROM idempotency_keys")
        [(kept,)] = await cursor.fetchall()
    assert first["token"].rpartition("_")[2] not in kept


async def test_two_at_once_do_it_once(operator: httpx.AsyncClient, database_url: str) -> None:
    """From two processes, each of which finds the key free when it looks."""
    async with open_live(database_url) as other, client_of(other, ADMIN_KEY) as second:
        for round in range(10):
            key = {"Idempotency-Key": f"round-{round}"}
            body = {"name": f"key {round}", "scopes": ["read"]}
            answers = await asyncio.gather(
                *(client.post("/v1/keys", json=body, headers=key) for client in (operator, second, operator, second))
            )
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert sum("idempotent-replayed" in answer.headers for answer in answers) == 3
    assert await count(database_url, "api_keys") == 10


async def test_whoever_comes_while_it_is_at_work_is_asked_to_come_again(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    key = {"Idempotency-Key": "slow"}
    async with await psycopg.AsyncConnection.connect(database_url) as deciding:
        await deciding.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
        first = asyncio.create_task(operator.put("/v1/frequency-caps", json=CAPS, headers=key))
        await _until_waiting(database_url)
        second = await operator.put("/v1/frequency-caps", json=CAPS, headers=key)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
        assert second.headers["retry-after"] == "1"
        await deciding.rollback()
    assert (await first).status_code == 200
    third = await operator.put("/v1/frequency-caps", json=CAPS, headers=key)
    assert (third.status_code, third.headers["idempotent-replayed"]) == (200, "true")


async def test_a_connection_cut_short_leaves_nothing(operator: httpx.AsyncClient, database_url: str) -> None:
    key = {"Idempotency-Key": "cut"}
    async with await psycopg.AsyncConnection.connect(database_url) as deciding:
        await deciding.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
        first = asyncio.create_task(operator.put("/v1/frequency-caps", json=CAPS, headers=key))
        pid = await _until_waiting(database_url)
        await deciding.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert (await first).status_code == 503
    assert await count(database_url, "idempotency_keys") == 0
    again = await operator.put("/v1/frequency-caps", json=CAPS, headers=key)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, None)
    assert await count(database_url, "audit_log") == await count(database_url, "documents") == 1


async def test_a_process_killed_between_effect_and_answer_did_nothing(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    """It is at the last statement, which keeps the answer, when it dies."""
    key = {"Idempotency-Key": "killed"}
    async with (
        api_process(database_url) as api,
        api.client(ADMIN_KEY) as doomed,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as holding,
    ):
        await holding.execute(HELD_UP)
        await holding.execute("SELECT pg_advisory_lock(1)")
        asked = asyncio.create_task(doomed.post("/v1/campaigns", json=DOCUMENT, headers=key))
        await _until_waiting(database_url)
        api.process.kill()
        with pytest.raises(httpx.TransportError):
            await asked
    again = await _patiently(operator, DOCUMENT, key)
    assert (again.status_code, again.json()["created"]) == (201, True)
    assert "idempotent-replayed" not in again.headers
    assert await count(database_url, "campaign_versions") == await count(database_url, "audit_log") == 1


async def test_answers_are_forgotten_after_a_day(operator: httpx.AsyncClient, database_url: str) -> None:
    for key in ("old", "new"):
        await operator.put("/v1/frequency-caps", json=CAPS, headers={"Idempotency-Key": key})
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = 'old'"
        )
        await idempotency.forget(connection)
        cursor = await connection.execute("SELECT key FROM idempotency_keys")
        assert [row["key"] async for row in cursor] == ["new"]


async def _until_waiting(database_url: str) -> int:
    """The process id of the connection that waits for a lock, once there is one."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watching:
        async for is_last in looks(PATIENCE):
            cursor = await watching.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if row := await cursor.fetchone():
                return int(row[0])
            assert not is_last, "nobody waits"
    raise AssertionError("there is a last look")


async def _patiently(client: httpx.AsyncClient, body: dict[str, Any], key: dict[str, str]) -> httpx.Response:
    """The answer as a client gets it that repeats while it is told to: the server notices a death a little later."""
    async for is_last in looks(PATIENCE):
        answer = await client.post("/v1/campaigns", json=body, headers=key)
        if is_last or answer.status_code not in (409, 503):
            return answer
    raise AssertionError("there is a last look")


async def test_a_move_looks_at_no_journeys(operator: httpx.AsyncClient, database_url: str) -> None:
    """It commits with its answer and holds up all events until then, which must not wait for a count."""
    key = str((await operator.post("/v1/campaigns", json=DOCUMENT)).json()["key"])
    await operator.post(f"/v1/campaigns/{key}/start")
    async with await psycopg.AsyncConnection.connect(database_url) as slow:
        await slow.execute("LOCK TABLE journeys")
        answer = await operator.post(f"/v1/campaigns/{key}/pause", headers={"Idempotency-Key": "pause"})
        assert answer.json()["state"] == "paused"
