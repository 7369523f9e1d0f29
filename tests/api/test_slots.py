"""Who holds the process up with half-sent bodies keeps out nobody else: attacks, against a real process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest

from api.admission import MAX_BYTES, SHARE_OF_UNKNOWN_CLIENT
from api.limits import MAX_UNKNOWN_BYTES
from tests.api.fakes import WRITE_KEY
from tests.api.live import ApiProcess, api_process
from tests.api.wire import ATTACKER, BACKEND, PATIENCE, VISITOR, Wire, request, resident, wires
from tests.databases import database_of
from tests.servers import PostgresServer

PROXY = "127.0.0.9"
HALF_SENT = 230
CALLS = 60
EVENT = {"userId": "u-1", "event": "Visited"}
# Without a key, with a wrong one of either form, and with the right one, which stands in every page.
CREDENTIALS = {
    "none": [],
    "wrong": ["Authorization: Bearer wrong"],
    "unknown": ["Authorization: Bearer sj_0123456789abcdef_0"],
    "public": [f"Authorization: Bearer {WRITE_KEY}"],
}


@pytest.fixture(scope="module")
async def guarded(postgres: PostgresServer, migrated: str) -> AsyncIterator[ApiProcess]:
    async with database_of(postgres, migrated) as url, api_process(url, trusted_proxies=f"{PROXY}/32") as api:
        yield api


async def answers(
    api: ApiProcess, source: str, *, key_in_body: bool, headers: dict[str, str] | None = None
) -> Counter[int]:
    """The statuses of CALLS good calls, each over a connection of its own, eight at a time."""
    body = {**EVENT, "writeKey": WRITE_KEY} if key_in_body else EVENT
    found: Counter[int] = Counter()
    async with httpx.AsyncClient(
        base_url=api.url,
        headers={**(headers or {}), "Connection": "close"},
        transport=httpx.AsyncHTTPTransport(local_address=source),
        auth=None if key_in_body else (WRITE_KEY, ""),
        timeout=PATIENCE,
    ) as client:

        async def call() -> None:
            found[(await client.post("/v1/track", json=body)).status_code] += 1

        for _ in range(CALLS // 6):
            await asyncio.gather(*(call() for _ in range(6)))
    return found


@pytest.mark.parametrize("credentials", CREDENTIALS)
async def test_half_sent_bodies_keep_out_nobody(guarded: ApiProcess, credentials: str) -> None:
    """Not even those of the same address."""
    half = request("/v1/batch", *CREDENTIALS[credentials], "Content-Length: 1000") + b'{"batch": ['
    async with wires(guarded, HALF_SENT) as attack:
        for wire in attack:
            await wire.send(half)
        assert await answers(guarded, BACKEND, key_in_body=False) == {200: CALLS}
        assert await answers(guarded, VISITOR, key_in_body=True) == {200: CALLS}
        assert await answers(guarded, ATTACKER, key_in_body=True) == {200: CALLS}


async def test_a_body_that_does_not_come_is_not_waited_for(guarded: ApiProcess) -> None:
    """Nor one that comes too slowly, however long it goes on coming."""

    async def drip(wire: Wire) -> None:
        for _ in range(int(PATIENCE)):
            if not await wire.send(b" " * 100):
                return
            await asyncio.sleep(1)

    async with wires(guarded, 2) as [silent, slow]:
        for wire in (silent, slow):
            await wire.send(request("/v1/batch", "Content-Length: 400000") + b'{"batch": [')
        drops = asyncio.create_task(drip(slow))
        for wire in (silent, slow):
            answer = await wire.answer()
            assert (answer.status, answer.json["code"]) == (408, "request_timeout")
            assert await wire.is_closed()
        await drops


@pytest.mark.parametrize("credentials", ["none", "wrong"])
async def test_the_bytes_of_one_address_without_a_key_are_bounded(guarded: ApiProcess, credentials: str) -> None:
    part = MAX_UNKNOWN_BYTES - 1
    share = MAX_BYTES // SHARE_OF_UNKNOWN_CLIENT
    count = MAX_BYTES // part + 8
    # The first calls load what every process has.
    assert await answers(guarded, BACKEND, key_in_body=False) == {200: CALLS}
    assert await answers(guarded, VISITOR, key_in_body=True) == {200: CALLS}
    before = resident(guarded)
    async with wires(guarded, count) as attack:
        for wire in attack:
            await wire.send(request("/v1/batch", *CREDENTIALS[credentials], f"Content-Length: {MAX_UNKNOWN_BYTES}"))
            await wire.send(b" " * part)
        assert await answers(guarded, BACKEND, key_in_body=False) == {200: CALLS}
        assert await answers(guarded, VISITOR, key_in_body=True) == {200: CALLS}
    # Of twice as much that was sent.
    assert resident(guarded) - before < 5 * share // 1024


async def test_behind_a_trusted_proxy_the_address_is_what_it_says(guarded: ApiProcess) -> None:
    """What stands left of it is the client's own invention, and makes it no other client."""
    part = MAX_UNKNOWN_BYTES - 1
    count = 3 * MAX_BYTES // SHARE_OF_UNKNOWN_CLIENT // part
    async with wires(guarded, count, PROXY) as attack:
        for number, wire in enumerate(attack):
            said = f"X-Forwarded-For: 192.0.2.{number}, 198.51.100.66"
            await wire.send(request("/v1/batch", said, f"Content-Length: {MAX_UNKNOWN_BYTES}"))
            await wire.send(b" " * part)
        visitor = {"X-Forwarded-For": "198.51.100.2"}
        assert await answers(guarded, PROXY, key_in_body=True, headers=visitor) == {200: CALLS}
        # They have sent three times the share of one client; the share of each alone is not full.
        heard = [asyncio.create_task(wire.answer()) for wire in attack]
        for answer in asyncio.as_completed(heard):
            # An answer is lost where the rest of the body meets a closed connection.
            with suppress(EOFError):
                assert (await answer).status == 503
                break
        else:
            raise AssertionError("no answer came")
        same = {"X-Forwarded-For": "203.0.113.1, 198.51.100.66"}
        # Whoever is no trusted proxy is believed nothing.
        assert await answers(guarded, VISITOR, key_in_body=True, headers=same) == {200: CALLS}
    await asyncio.gather(*heard, return_exceptions=True)


async def test_a_wrong_key_is_refused_before_the_body(guarded: ApiProcess) -> None:
    async with wires(guarded, 1) as [wire]:
        await wire.send(request("/v1/batch", *CREDENTIALS["unknown"], "Content-Length: 1000"))
        answer = await wire.answer()
        assert (answer.status, answer.json["code"]) == (401, "unauthorized")
