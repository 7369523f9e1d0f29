"""Bounds on the streams of pages: how many there are, and what each may hold."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from api.client.stream_bounds import KEPT_FOR_OTHER_KEYS, LATEST, SHARE_OF_ADDRESS, SHARE_OF_ANONYMOUS, SOONEST
from domain.sending.inbox import InboxMessage
from store.inbox import InboxRow
from tests.api.inboxes import Served, follow, put, serve
from tests.api.page_shop import NEW, STREAMS, begin, open_page_shop, read
from tests.api.shop import Shop, open_shop, token
from tests.harness import PATIENCE, looks

ADDRESSES = (str(one) for one in ip_network("198.18.0.0/15"))


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_page_shop(database_url) as shop:
        yield shop


@pytest.fixture
async def url(shop: Shop) -> AsyncIterator[str]:
    async with serve(shop.app) as served:
        yield served.url


async def open_until_refused(stack: AsyncExitStack, url: str, key: dict[str, Any], user: str | None = None) -> int:
    """Open streams with a key, each from another address, until one is refused; return how many there are."""
    caller = {"anonymous_id": NEW} if user is None else {"user_token": token(key["token_secret"], user)}
    for number in range(STREAMS + 1):
        whence = {"X-Forwarded-For": next(ADDRESSES)}
        page = await stack.enter_async_context(follow(url, key["token"], **caller, headers=whence))
        if page.response.status_code != 200:
            assert page.response.status_code == 503
            assert SOONEST <= int(page.response.headers["retry-after"]) <= LATEST
            await page.response.aread()
            assert page.response.json()["code"] == "overloaded"
            return number
    raise AssertionError("none was refused")


async def test_the_streams_of_one_address_are_bounded(shop: Shop, url: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS // SHARE_OF_ADDRESS):
            await begin(stack, shop, url)
        refused = await stack.enter_async_context(follow(url, shop.key["token"], user_token=shop.token("u-victim")))
        assert refused.response.status_code == 503
        # Polls go on.
        assert (await read(shop))["open"] == []
    # What was given back can be had again.
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS // SHARE_OF_ADDRESS):
            await begin(stack, shop, url)


async def test_strangers_have_half_of_the_streams_from_any_address_and_with_any_key(shop: Shop, url: str) -> None:
    half = STREAMS // SHARE_OF_ANONYMOUS
    async with AsyncExitStack() as stack:
        assert await open_until_refused(stack, url, shop.key) == half
        assert await open_until_refused(stack, url, shop.other) == 0
        # Users of the same pages have the others.
        kept = STREAMS // KEPT_FOR_OTHER_KEYS
        assert await open_until_refused(stack, url, shop.key, "u-victim") == STREAMS - half - kept
    async with AsyncExitStack() as stack:
        assert await open_until_refused(stack, url, shop.other) == half


async def test_one_key_leaves_streams_to_the_pages_of_others(shop: Shop, url: str) -> None:
    kept = STREAMS // KEPT_FOR_OTHER_KEYS
    async with AsyncExitStack() as stack:
        assert await open_until_refused(stack, url, shop.key, "u-victim") == STREAMS - kept
        assert await open_until_refused(stack, url, shop.other, "u-victim") == kept
        # Of a refused stream no share is left taken.
        await stack.aclose()
        assert await open_until_refused(stack, url, shop.other, "u-victim") == STREAMS - kept


def test_the_shares_of_streams_are_the_documented_ones() -> None:
    documented = "of one address an eighth, without a user token half, of one key\n  three quarters"
    assert documented in (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    assert (SHARE_OF_ADDRESS, SHARE_OF_ANONYMOUS, KEPT_FOR_OTHER_KEYS) == (8, 2, 4)


async def test_streams_take_no_room_of_other_calls(database_url: str) -> None:
    """More streams than a process admits of other requests from one address."""
    async with (
        open_shop(database_url, client_streams=800, database_pool_size=2) as shop,
        serve(shop.app) as served,
        AsyncExitStack() as stack,
    ):
        # Some are those that other tests have left for the next one.
        counted = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
        [before] = await shop.query(counted)
        for _ in range(60):
            await begin(stack, shop, served.url)
        assert (await read(shop))["open"] == []
        [after] = await shop.query(counted)
        # The pool has two, and one hears the notices.
        assert after["n"] <= before["n"] + 3


async def test_a_stream_keeps_no_content_of_what_it_has_sent(shop: Shop, url: str) -> None:
    sent = [await put(shop.database_url, "u-victim") for _ in range(20)]
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        await page.next("open")
        assert [(await page.next("message"))["message_id"] for _ in sent] == sent
        await until_no_content_is_held()
        # Nor of what it reads again.
        later = await put(shop.database_url, "u-victim")
        assert (await page.next("message"))["message_id"] == later
        await until_no_content_is_held()


async def until_no_content_is_held() -> None:
    """Wait until no message of an inbox that was read is in memory."""
    async for is_last in looks(PATIENCE):
        # A list of them would itself hold them until the next look.
        # The type, not `isinstance`, which would ask what a weak proxy stands for, and that may be gone.
        held = sum(type(one) in (InboxMessage, InboxRow) for one in gc.get_objects())
        if not held:
            return
        assert not is_last, f"{held} messages are held"


async def test_a_reader_that_takes_nothing_holds_little(shop: Shop) -> None:
    """Its notices are one, however many: what it has not read waits in the database."""
    async with serve(shop.app) as served:
        await _put_more_than_a_reader_takes(shop, served)


async def _put_more_than_a_reader_takes(shop: Shop, served: Served) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    head = f"GET /v1/client/stream HTTP/1.1\r\nHost: x\r\nX-Write-Key: {shop.key['token']}\r\n"
    writer.write(f"{head}Authorization: Bearer {shop.token('u-victim')}\r\n\r\n".encode())
    await writer.drain()
    assert (await asyncio.wait_for(reader.read(15), PATIENCE)) == b"HTTP/1.1 200 OK"
    large = "x" * 200_000
    for _ in range(30):
        await put(shop.database_url, "u-victim", title=large)
    # Another reader of the same person has them all, meanwhile.
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, served.url)
        assert len((await page.next("open"))["open"]) == 30
        for _ in range(30):
            assert (await page.next("message"))["content"]["title"] == large
    # One message of 200 kB beyond what the system's own buffers take.
    assert len(list(served.connections)) == 2
    assert all(each.transport.get_write_buffer_size() < 500_000 for each in served.connections)
    await until_no_content_is_held()
    writer.close()
