"""Messages of people on pages by streams: what each brings, takes back and ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs

from domain.people.identity import Identity
from domain.sending.inbox import POLL_SECONDS
from tests.api.inboxes import put, serve
from tests.api.live import api_process, open_live
from tests.api.page_shop import NEW, begin, open_page_shop
from tests.api.shop import SHOP, Shop
from tests.harness import PATIENCE, looks


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_page_shop(database_url) as shop:
        yield shop


@pytest.fixture
async def url(shop: Shop) -> AsyncIterator[str]:
    async with serve(shop.app) as served:
        yield served.url


async def test_a_stream_brings_messages_and_takes_them_back(shop: Shop, url: str) -> None:
    first = await put(shop.database_url, "u-victim")
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        assert page.response.headers["content-type"].startswith("text/event-stream")
        assert page.response.headers["access-control-allow-origin"] == SHOP
        assert (await page.next("open"))["open"] == [first]
        message = await page.next("message")
        assert (message["message_id"], message["content"]["title"]) == (first, "Your plan ends soon")
        assert page.last_id == str(message["seq"])
        second = await put(shop.database_url, "u-victim")
        assert (await page.next("message"))["message_id"] == second
        # The exit event of the journey.
        await shop.serve("track", userId="u-victim", event="Order Completed")
        assert {(await page.next("withdrawn"))["message_id"] for _ in range(2)} == {first, second}


async def test_two_processes_and_two_tabs_hear_the_same(shop: Shop, url: str) -> None:
    async with (
        open_live(shop.database_url, rate_limit_address=0) as other,
        serve(other) as served,
        AsyncExitStack() as stack,
    ):
        pages = [await begin(stack, shop, each) for each in (url, url, served.url)]
        for page in pages:
            assert await page.next("open") == {"open": [], "seq": 0}
        sent = await put(shop.database_url, "u-victim")
        assert [(await page.next("message"))["message_id"] for page in pages] == [sent] * 3


async def test_a_process_that_is_stopped_ends_its_streams_and_no_others(shop: Shop) -> None:
    async with (
        api_process(shop.database_url) as first,
        api_process(shop.database_url) as second,
        AsyncExitStack() as stack,
    ):
        ending, going_on = [await begin(stack, shop, each.url) for each in (first, second)]
        for page in (ending, going_on):
            assert (await page.next("open"))["open"] == []
        sent = await put(shop.database_url, "u-victim")
        assert [(await page.next("message"))["message_id"] for page in (ending, going_on)] == [sent] * 2
        first.process.terminate()
        await ending.end()
        # Not killed after its grace.
        assert await first.process.wait() in (0, -signal.SIGTERM)
        sent = await put(shop.database_url, "u-victim")
        assert (await going_on.next("message"))["message_id"] == sent


async def test_a_pause_takes_messages_back_and_a_resume_brings_them_again(shop: Shop, url: str) -> None:
    sent = await put(shop.database_url, "u-victim")
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        assert (await page.next("open"))["open"] == [sent]
        assert (await page.next("message"))["message_id"] == sent
        assert (await shop.operator.post("/v1/campaigns/welcome/pause")).is_success
        assert (await page.next("withdrawn"))["message_id"] == sent
        assert (await shop.operator.post("/v1/campaigns/welcome/resume")).is_success
        assert (await page.next("message"))["message_id"] == sent


async def test_a_stream_goes_on_behind_the_last_event(shop: Shop, url: str) -> None:
    first = await put(shop.database_url, "u-victim")
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        await page.next("open")
        await page.next("message")
    second = await put(shop.database_url, "u-victim")
    async with AsyncExitStack() as stack:
        again = await begin(stack, shop, url, user_token=shop.token("u-victim"), last_event_id=page.last_id)
        assert set((await again.next("open"))["open"]) == {first, second}
        assert (await again.next("message"))["message_id"] == second
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url, user_token=shop.token("u-victim"), last_event_id="' OR 1=1")
        await page.next("open")
        assert {(await page.next("message"))["message_id"] for _ in range(2)} == {first, second}


async def test_a_person_who_becomes_known_leaves_the_stream_of_the_anonymous_id(shop: Shop, url: str) -> None:
    async with AsyncExitStack() as stack:
        early = await begin(stack, shop, url, anonymous_id="a-early")
        assert (await early.next("open"))["open"] == []
        # Unknown until now.
        assert (await shop.report("track", {"anonymousId": "a-early", "event": "Signed Up"})).is_success
        sent = await put(shop.database_url, "a-early", kind="anonymous")
        assert (await early.next("message"))["message_id"] == sent
        await shop.serve("identify", userId="u-early", anonymousId="a-early")
        assert (await early.next("withdrawn"))["message_id"] == sent
        known = await begin(stack, shop, url, user_token=shop.token("u-early"))
        assert (await known.next("open"))["open"] == [sent]


async def test_a_stream_ends_before_its_token_and_with_its_key(shop: Shop, url: str) -> None:
    soon = int((datetime.now(UTC) + timedelta(seconds=7)).timestamp())
    async with AsyncExitStack() as stack:
        brief = await begin(stack, shop, url, user_token=shop.token("u-victim", exp=soon))
        await brief.end()
        assert datetime.now(UTC).timestamp() < soon
        revoked = [await begin(stack, shop, url, **caller) for caller in ({}, {"anonymous_id": NEW})]
        assert (await shop.operator.delete(f"/v1/keys/{shop.key['id']}")).is_success
        for page in revoked:
            await page.end()


async def test_streams_are_watched_again_after_a_fault(shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inboxes = shop.app.state.services.page_inboxes
    find_people, faults = inboxes.find_people, [RuntimeError("a surprise")]

    async def find(identities: Collection[Identity]) -> Mapping[Identity, UUID]:
        if faults:
            raise faults.pop()
        found: Mapping[Identity, UUID] = await find_people(identities)
        return found

    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        monkeypatch.setattr(inboxes, "find_people", find)
        with capture_logs() as logs:
            async for is_last in looks(PATIENCE):
                if not faults:
                    break
                assert not is_last, "nothing is watched"
            assert (await shop.operator.delete(f"/v1/keys/{shop.key['id']}")).is_success
            await page.end()
    assert "failed to watch streams" in [one["event"] for one in logs]


async def test_a_stream_loses_what_the_person_refuses(shop: Shop, url: str) -> None:
    """At once, and not with the next reading."""
    sent = await put(shop.database_url, "u-victim", category="marketing")
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        await page.next("open")
        await page.next("message")
        for consent, event in ((False, "withdrawn"), (True, "message")):
            async with asyncio.timeout(POLL_SECONDS / 2):
                await shop.serve("identify", userId="u-victim", traits={"consent": {"in_app": consent}})
                assert (await page.next(event))["message_id"] == sent


async def test_a_stream_ends_once_the_secret_of_its_token_is_gone(shop: Shop, url: str) -> None:
    async with AsyncExitStack() as stack:
        page, other = await begin(stack, shop, url), await begin(stack, shop, url, anonymous_id=NEW)
        await page.next("open")
        await other.next("open")
        for _ in range(2):
            assert (await shop.operator.post(f"/v1/keys/{shop.key['id']}/token-secret")).is_success
        await page.end()
        sent = await put(shop.database_url, NEW, kind="anonymous")
        assert (await other.next("message"))["message_id"] == sent


async def test_streams_hear_again_after_the_database_was_away(shop: Shop, url: str) -> None:
    name = shop.database_url.rpartition("/")[2]
    maintenance = f"{shop.database_url.rpartition('/')[0]}/postgres"
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url)
        await page.next("open")
        async with await psycopg.AsyncConnection.connect(maintenance, autocommit=True) as connection:
            allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            await connection.execute(allow.format(Identifier(name), SQL("false")))
            end_all = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            await connection.execute(end_all, (name,))
            await connection.execute(allow.format(Identifier(name), SQL("true")))
        sent = await put(shop.database_url, "u-victim")
        assert (await page.next("message"))["message_id"] == sent
        # By a notice again, and not by a poll.
        sent = await put(shop.database_url, "u-victim")
        assert (await page.next("message"))["message_id"] == sent


async def test_a_server_that_stops_ends_its_streams_at_once(shop: Shop) -> None:
    async with AsyncExitStack() as stack:
        async with serve(shop.app) as served:
            page = await begin(stack, shop, served.url)
            await page.next("open")
        await page.end()


async def test_a_page_that_leaves_is_forgotten(shop: Shop, url: str) -> None:
    async with AsyncExitStack() as stack:
        await begin(stack, shop, url)
    streams = shop.app.state.client_streams
    for _ in range(int(PATIENCE * 100)):
        if not streams.number:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{streams.number} streams are still open")
