"""Rights that end in use: streams and sessions end, and the next call is refused. And too many streams."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from mcp import Client, MCPError

from api.live_viewers import LATEST, MAX_VIEWERS, MAX_VIEWERS_OF_ACTOR
from api.session_cookie import COOKIE
from domain.access import Scope
from tests.api.fakes import ADMIN_KEY
from tests.api.inboxes import PageEvents
from tests.api.live import ApiProcess, api_process
from tests.api.test_mcp import assistant, call
from tests.harness import PATIENCE, looks

OPENED: Final = 1_000
# A connection with its refusal, which is still being read.
BYTES_OF_REFUSAL: Final = 64 * 1024


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(database_url) as api:
        yield api


async def make_key(api: ApiProcess, *scopes: Scope, **more: Any) -> dict[str, Any]:
    async with api.client(ADMIN_KEY) as root:
        answer = await root.post("/v1/keys", json={"name": "short", "scopes": scopes, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_assistant_that_is_connected_is_refused_once_its_key_is_revoked(api: ApiProcess) -> None:
    key = await make_key(api, Scope.READ)
    async with assistant(api.url, key["token"]) as client:
        assert (await call(client, "list_campaigns"))["campaigns"] == []
        async with api.client(ADMIN_KEY) as root:
            assert (await root.delete(f"/v1/keys/{key['id']}")).is_success
        # The request is refused, or the one that the tool makes, whichever looks the key up first.
        with pytest.raises((MCPError, AssertionError), match=r"error response|unauthorized"):
            await call_on(client)


async def call_on(client: Client) -> None:
    """Call a tool again and again: keys are looked up each second."""
    async for is_last in looks(PATIENCE):
        await call(client, "list_campaigns")
        assert not is_last


async def test_a_key_that_expires_ends_its_streams_and_sessions(api: ApiProcess) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=5)
    key = await make_key(api, Scope.READ, expires_at=expires.isoformat())
    headers = {"Origin": api.url}
    async with (
        httpx.AsyncClient(base_url=api.url, headers=headers, timeout=PATIENCE) as browser,
        api.client(key["token"]) as client,
    ):
        opened = await browser.post("/v1/session", json={"key": key["token"]})
        assert opened.status_code == 201, opened.text
        cookie = {"Cookie": f"{COOKIE}={opened.cookies[COOKIE]}"}
        async with (
            client.stream("GET", "/v1/live-events") as of_key,
            browser.stream("GET", "/v1/live-events", headers=cookie) as of_session,
        ):
            assert (of_key.status_code, of_session.status_code) == (200, 200)
            await PageEvents(of_key).end()
            await PageEvents(of_session).end()
        assert datetime.now(UTC) >= expires
        assert (await client.get("/v1/campaigns")).status_code == 401
        assert (await browser.get("/v1/session", headers=cookie)).status_code == 401


@pytest.mark.takes_long
async def test_a_thousand_streams_are_refused_clearly_and_hold_nothing(api: ApiProcess) -> None:
    """By many keys at once. The API serves others meanwhile, and new viewers afterwards."""
    number = 2 * MAX_VIEWERS // MAX_VIEWERS_OF_ACTOR
    tokens = [(await make_key(api, Scope.READ))["token"] for _ in range(number)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(base_url=api.url, timeout=PATIENCE, limits=limits) as client,
        AsyncExitStack() as stack,
    ):

        async def follow(token: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            return await stack.enter_async_context(client.stream("GET", "/v1/live-events", headers=headers))

        before = resident_bytes(api)
        answers = await asyncio.gather(*(follow(tokens[one % number]) for one in range(OPENED)))
        statuses = Counter(one.status_code for one in answers)
        # Most of them are refused before they are viewers: so many requests at once are too many.
        assert set(statuses) == {200, 503}
        assert statuses[200] <= MAX_VIEWERS
        refused = [one for one in answers if one.status_code == 503]
        assert {one.headers["content-type"] for one in refused} == {"application/problem+json"}
        assert all(1 <= int(one.headers["retry-after"]) <= LATEST for one in refused)
        async with api.client(ADMIN_KEY) as root:
            assert (await root.get("/v1/campaigns")).status_code == 200
        assert resident_bytes(api) - before < OPENED * BYTES_OF_REFUSAL
    async with api.client(tokens[0]) as viewer, viewer.stream("GET", "/v1/live-events") as response:
        assert response.status_code == 200
        await PageEvents(response).next("looked")


def resident_bytes(api: ApiProcess) -> int:
    pages = int(Path(f"/proc/{api.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
