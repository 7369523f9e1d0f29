"""Messages of people on pages by polls: who gets them, and what is refused."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import jwt
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from store import inbox
from store.database import Connection
from tests.api.inboxes import put, serve
from tests.api.page_shop import NEW, begin, open_page_shop, read
from tests.api.shop import Shop, open_shop, token


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_page_shop(database_url) as shop:
        yield shop


@pytest.fixture
async def url(shop: Shop) -> AsyncIterator[str]:
    async with serve(shop.app) as served:
        yield served.url


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


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_an_anonymous_id_may_have_any_letters(shop: Shop, encoding: str) -> None:
    name = "ünïcode" if encoding == "latin-1" else "имя-😀" * 40
    assert (await shop.report("track", {"anonymousId": name, "event": "Signed Up"})).is_success
    sent = await put(shop.database_url, name, kind="anonymous")
    headers: Any = {"X-Anonymous-Id": name.encode(encoding)}
    answer = await shop.call("GET", "/v1/client/messages", headers=headers)
    assert answer.json()["open"] == [sent]
