"""Messages of people on pages: who gets them, by polls and by streams, and what ends them."""

import asyncio
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import jwt
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs

from domain.people.identity import Identity
from domain.sending.inbox import POLL_SECONDS
from store import inbox
from store.database import Connection
from tests.api.inboxes import PageEvents, follow, put, serve
from tests.api.live import api_process, open_live
from tests.api.shop import SHOP, Shop, open_shop, token
from tests.harness import PATIENCE, looks

STREAMS = 16
PROXIES = (ip_network("127.0.0.0/8"),)
NEW = "a-new"


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url, client_streams=STREAMS, trusted_proxies=PROXIES) as shop:
        # An anonymous person in a journey of their own.
        assert (await shop.report("track", {"anonymousId": NEW, "event": "Signed Up"})).is_success
        yield shop


@pytest.fixture
async def url(shop: Shop) -> AsyncIterator[str]:
    async with serve(shop.app) as served:
        yield served.url


async def read(shop: Shop, user: str | None = "u-victim", *, path: str = "messages", **request: Any) -> dict[str, Any]:
    if user is not None:
        request["user_token"] = shop.token(user)
    answer = await shop.ask("GET", path, **request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def begin(stack: AsyncExitStack, shop: Shop, url: str, **caller: Any) -> PageEvents:
    """Open a stream, up to its first event."""
    caller = caller or {"user_token": shop.token("u-victim")}
    page = await stack.enter_async_context(follow(url, shop.key["token"], **caller))
    assert page.response.status_code == 200
    return page


# Polls


async def test_a_page_gets_the_messages_of_its_person_by_priority_and_then_the_news(shop: Shop) -> None:
    first = await put(shop.database_url, "u-victim")
    urgent = await put(shop.database_url, "u-victim", priority=90)
    shown = await read(shop)
    assert [one["message_id"] for one in shown["messages"]] == [urgent, first]
    assert set(shown["open"]) == {first, urgent}
    assert shown["messages"][0]["content"]["title"] == "Your plan ends soon"
    third = await put(shop.database_url, "u-victim")
    news = await read(shop, path=f"messages?since={shown['seq']}")
    assert [one["message_id"] for one in news["messages"]] == [third]
    assert set(news["open"]) == {first, urgent, third}
    assert news["seq"] > shown["seq"]


async def test_an_unchanged_inbox_is_not_sent_again(shop: Shop) -> None:
    await put(shop.database_url, "u-victim")
    mine = shop.token("u-victim")
    answer = await shop.ask("GET", "messages", user_token=mine)
    assert "authorization" in answer.headers["vary"].lower()
    known = {"If-None-Match": answer.headers["etag"]}
    again = await shop.ask("GET", "messages", user_token=mine, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    # Else a cache would give the answer to other callers.
    for name in ("cache-control", "etag", "vary"):
        assert again.headers[name] == answer.headers[name], name
    assert again.headers["access-control-expose-headers"] == "Date, ETag, Retry-After"
    await put(shop.database_url, "u-victim")
    assert (await shop.ask("GET", "messages", user_token=mine, headers=known)).status_code == 200
    # The tag of another person's answer says nothing.
    assert (await shop.ask("GET", "messages", anonymous_id=NEW, headers=known)).status_code == 200


async def test_contents_are_read_of_what_is_sent_alone(shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll without news, a 304 and a stream that is woken for nothing read none."""
    loaded: list[str] = []
    load = inbox.load_contents

    async def note(connection: Connection, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
        loaded.extend(str(id) for id in ids)
        return await load(connection, ids)

    monkeypatch.setattr(inbox, "load_contents", note)
    first = await put(shop.database_url, "u-victim")
    mine = shop.token("u-victim")
    answer = await shop.ask("GET", "messages", user_token=mine)
    assert loaded == [first]
    known = {"If-None-Match": answer.headers["etag"]}
    assert (await shop.ask("GET", "messages", user_token=mine, headers=known)).status_code == 304
    assert (await read(shop, path=f"messages?since={answer.json()['seq']}"))["open"] == [first]
    async with AsyncExitStack() as stack:
        page = await begin(stack, shop, url, user_token=mine, last_event_id=str(answer.json()["seq"]))
        await page.next("open")
        for change in ("pause", "resume"):
            assert (await shop.operator.post(f"/v1/campaigns/welcome/{change}")).is_success
            if change == "pause":
                assert (await page.next("withdrawn"))["message_id"] == first
                assert loaded == [first]
        assert (await page.next("message"))["message_id"] == first
        assert loaded == [first, first]
        second = await put(shop.database_url, "u-victim")
        assert (await page.next("message"))["message_id"] == second
    assert loaded == [first, first, second]


async def test_a_page_may_ask_for_one_feed(shop: Shop) -> None:
    card = await put(shop.database_url, "u-victim", shape="card", placement="feed")
    banner = await put(shop.database_url, "u-victim")
    assert (await read(shop, path="messages?placement=feed"))["open"] == [card]
    assert set((await read(shop))["open"]) == {card, banner}


async def test_an_anonymous_person_has_messages_until_they_are_known(shop: Shop) -> None:
    own = await put(shop.database_url, NEW, kind="anonymous")
    await put(shop.database_url, "u-victim")
    assert (await read(shop, None, anonymous_id=NEW))["open"] == [own]
    unknown = await read(shop, None, anonymous_id="a-never")
    assert (unknown["messages"], unknown["open"]) == ([], [])
    # The id of a known user is answered as an unknown one.
    assert await read(shop, None, anonymous_id="a-victim") == unknown
    await shop.serve("identify", userId="u-new", anonymousId=NEW)
    assert await read(shop, None, anonymous_id=NEW) == unknown
    assert (await read(shop, "u-new"))["open"] == [own]


async def test_a_token_counts_by_the_clock_of_its_signer(database_url: str) -> None:
    """In development the clock of a deployment may be days ahead, and the server of a shop knows nothing of it."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        name = Identifier(connection.info.dbname)
        await connection.execute(SQL("ALTER DATABASE {} SET sojourn.clock = 'adjustable'").format(name))
    async with open_shop(database_url) as shop, serve(shop.app) as served, AsyncExitStack() as stack:
        await shop.query("SELECT advance_clock('2 days')")
        message = await put(shop.database_url, "u-victim", lasts=7 * 86_400)
        assert (await read(shop))["open"] == [message]
        page = await begin(stack, shop, served.url)
        assert (await page.next("open"))["open"] == [message]
        call = {"userId": "u-victim", "event": "Seen", "context": {"userToken": shop.token("u-victim")}}
        assert (await shop.report("track", call)).json() == {"success": True}


async def test_a_token_says_for_whom_messages_are(shop: Shop) -> None:
    await put(shop.database_url, "u-victim")
    stranger = await read(shop, "u-stranger")
    assert (stranger["messages"], stranger["open"]) == ([], [])
    # A token decides over the anonymous id beside it.
    assert await read(shop, "u-stranger", anonymous_id=NEW) == stranger
    secret = shop.key["token_secret"]
    wrong = {
        "another secret": token(shop.other["token_secret"], "u-victim"),
        "expired": token(secret, "u-victim", exp=1),
        "unsigned": jwt.encode({"sub": "u-victim", "aud": "sojourn", "exp": 2**31}, "", "none"),
        "another algorithm": token(secret, "u-victim", "HS512"),
        "another audience": token(secret, "u-victim", aud="shop"),
    }
    for name, one in wrong.items():
        for path in ("messages", "stream"):
            answer = await shop.ask("GET", path, user_token=one, anonymous_id=NEW)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), name


@pytest.mark.parametrize("anonymous_id", [None, "", "undefined", "null", "x" * 256, "."])
async def test_a_call_about_no_person_is_refused(shop: Shop, anonymous_id: str | None) -> None:
    answer = await shop.ask("GET", "messages", anonymous_id=anonymous_id)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_key_for_other_pages_or_of_a_server_gets_nothing(shop: Shop) -> None:
    mine = shop.token("u-victim")
    answer = await shop.ask("GET", "messages", user_token=mine, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    # The page may read why, so that it asks no more.
    assert answer.headers["access-control-allow-origin"] == "https://evil.example"
    assert "u-victim" not in answer.text
    server = (await shop.operator.post("/v1/keys", json={"name": "s", "scopes": ["ingest", "admin"]})).json()["token"]
    for path in ("messages", "stream", "preferences"):
        answer = await shop.ask("GET", path, user_token=mine, headers={"X-Write-Key": server})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


# Streams


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


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_an_anonymous_id_may_have_any_letters(shop: Shop, encoding: str) -> None:
    name = "ünïcode" if encoding == "latin-1" else "имя-😀" * 40
    assert (await shop.report("track", {"anonymousId": name, "event": "Signed Up"})).is_success
    sent = await put(shop.database_url, name, kind="anonymous")
    headers: Any = {"X-Anonymous-Id": name.encode(encoding)}
    answer = await shop.call("GET", "/v1/client/messages", headers=headers)
    assert answer.json()["open"] == [sent]
