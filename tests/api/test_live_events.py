"""Live events: what comes in, and what it did, for those who may look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from api import live_viewers
from api.app import create_app
from api.session_cookie import COOKIE
from application import live_events
from application.live_events import MAX_REJECTS, MAX_SHOWN, LiveTail
from store.database import Database
from store.live_events import LiveFilter
from tests.api.fakes import ADMIN_KEY, SETTINGS
from tests.api.inboxes import PageEvents, serve
from tests.api.live import client_of
from tests.api.shop import Shop
from tests.harness import PATIENCE

REJECTS: LiteralString = """
INSERT INTO rejects (received_at, position, error, body, source, user_id)
SELECT clock_timestamp(), 0, 'refused', '{}', 'default', 'u-' || number
FROM generate_series(%(first)s::int, %(last)s::int) AS number
"""
_HORIZON: LiteralString = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM pg_sleep(0.01)"


class Live:
    """A deployment behind a real server, and its viewers."""

    def __init__(self, shop: Shop, url: str) -> None:
        self.shop, self.url = shop, url

    @asynccontextmanager
    async def view(self, key: str = ADMIN_KEY, last: str | None = None, **which: str) -> AsyncIterator[PageEvents]:
        headers = {"Authorization": f"Bearer {key}", **({} if last is None else {"Last-Event-ID": last})}
        if last is None:
            await pass_horizon(self.shop.database_url)
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=PATIENCE) as client,
            client.stream("GET", "/v1/live-events", params=which, headers=headers) as response,
        ):
            assert response.status_code == 200, response.status_code
            events = PageEvents(response)
            if last is None:
                # It has begun.
                assert (await events.next("looked"))["left_out"] == 0
            yield events

    async def track(self, event: str = "Signed Up", user: str = "u-victim", **properties: Any) -> None:
        await self.shop.serve("track", userId=user, event=event, properties=properties)


async def pass_horizon(database_url: str) -> None:
    """Wait until views begin after all that is committed: transactions of other tests hold the horizon up."""
    async with (
        asyncio.timeout(PATIENCE),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection,
    ):
        [own] = await fetch_one(connection, "SELECT pg_current_xact_id()::text::bigint")
        while (await fetch_one(connection, _HORIZON))[0] <= own:
            continue


async def fetch_one(connection: psycopg.AsyncConnection[Any], query: LiteralString) -> Any:
    return await (await connection.execute(query)).fetchone()


async def look(events: PageEvents) -> list[dict[str, Any]]:
    """Return the events up to the end of a look."""
    found: list[dict[str, Any]] = []
    while True:
        data = await events.next()
        if "left_out" in data:
            return found
        found.append(data)


async def shown(events: PageEvents) -> list[dict[str, Any]]:
    """Return the events of the first look that has any: transactions of other tests may hold them up."""
    while not (found := await look(events)):
        continue
    return found


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[Live]:
    app = create_app(SETTINGS.model_copy(update={"database_url": SecretStr(database_url), "rate_limit_address": 0}))
    async with app.router.lifespan_context(app), client_of(app, ADMIN_KEY) as operator, serve(app) as served:
        shop = Shop(app, operator, database_url)
        await shop.open()
        yield Live(shop, served.url)


async def test_events_say_what_they_did(live: Live) -> None:
    async with live.view() as events:
        await live.track()
        [refused] = await shown(events)
        assert refused["result"] == [{"what": "refused", "campaign": "welcome", "reason": "already_in"}]
        await live.track("Order Completed", secret="s3cret")
        [ended] = await shown(events)
        assert ended["result"] == [{"what": "ended", "campaign": "welcome", "reason": "exit_event"}]
        assert (ended["user_id"], ended["event"], ended["source"]) == ("u-victim", "Order Completed", "default")
        assert "s3cret" not in str(ended)
        await live.track()
        [entered] = await shown(events)
        assert entered["result"] == [{"what": "entered", "campaign": "welcome", "reason": None}]
        await live.track("Nothing Heard")
        [idle] = await shown(events)
        assert idle["result"] == []
        answer = await live.shop.serve("batch", batch=[{"type": "nonsense", "userId": "u-2"}])
        assert answer["rejected"]
        [rejected] = await shown(events)
        assert rejected["result"] == [{"what": "rejected", "campaign": None, "reason": "refused"}]
        assert (rejected["user_id"], rejected["event"]) == ("u-2", None)
    entries = (await live.shop.operator.get("/v1/audit-log?target=live+events")).json()["entries"]
    assert [one["action"] for one in entries] == ["user.find"]


async def test_a_filter_leaves_the_others_out(live: Live) -> None:
    async with live.view(user="u-victim", event="Wanted") as events:
        await live.track("Wanted", user="u-other")
        await live.track("Other")
        # By another id of the same person.
        await live.shop.serve("track", anonymousId="a-victim", event="Wanted")
        [found] = await shown(events)
        assert (found["user_id"], found["anonymous_id"], found["event"]) == ("u-victim", "a-victim", "Wanted")
    entries = (await live.shop.operator.get("/v1/audit-log?target=u-victim")).json()["entries"]
    assert [one["action"] for one in entries] == ["user.read"]


async def test_a_flood_is_sampled_and_the_rest_counted(live: Live) -> None:
    number = 3 * MAX_SHOWN
    batch = [{"type": "track", "userId": f"u-{n}", "event": "Flood"} for n in range(number)]
    async with live.view(event="Flood") as events:
        await live.shop.serve("batch", batch=batch)
        found: list[Any] = []
        while "left_out" not in (data := await events.next()) or not found:
            found += [data] if "event" in data else []
        assert len(found) == MAX_SHOWN
        assert data == {"left_out": number - MAX_SHOWN, "masked": False}


async def test_a_sample_is_fair_and_shows_rejects_as_well(live: Live) -> None:
    """Each part of a batch has its share, and every viewer sees the same events."""
    number = 4 * MAX_SHOWN
    batch = [{"type": "track", "userId": f"u-{n}", "event": "Flood", "messageId": f"m-{n}"} for n in range(number)]
    async with live.view() as events, live.view() as others:
        answer = await live.shop.serve("batch", batch=[*batch, {"type": "nonsense", "userId": "u-2"}])
        assert len(answer["rejected"]) == 1
        found, seen = await flood(events), await flood(others)
    rejects = [one for one in found if one["event"] is None]
    assert [one["result"][0]["what"] for one in rejects] == ["rejected"]
    shares = [0] * 4
    for user in users(found):
        shares[int(user.removeprefix("u-")) // MAX_SHOWN] += 1
    assert min(shares) >= MAX_SHOWN // 8, shares
    # One of them may have the reject in another look.
    assert len(users(found) & users(seen)) >= MAX_SHOWN - 1


async def test_each_reject_is_shown_or_counted_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are shown, in the order of their arrival, also of more than are remembered."""
    monkeypatch.setattr(live_events, "MAX_REMEMBERED", 50)
    async with Database(database_url, pool_size=2) as database:
        tail = LiveTail(database, LiveFilter(), None)
        assert (await tail.look()).events == []
        for first in range(0, 120, 30):
            async with database.transaction() as connection:
                await connection.execute(REJECTS, {"first": first, "last": first + 29})
            looks = [await tail.look() for _ in range(3)]
            assert [event.user_id for _, event in looks[0].events] == [f"u-{first + n}" for n in range(20, 30)]
            assert [(len(one.events), one.left_out) for one in looks] == [(MAX_REJECTS, 20), (0, 0), (0, 0)]


async def test_a_reject_that_commits_late_is_shown(database_url: str) -> None:
    async with Database(database_url, pool_size=2) as database:
        tail = LiveTail(database, LiveFilter(), None)
        await tail.look()
        async with database.transaction() as late:
            await late.execute(REJECTS, {"first": 0, "last": 0})
            async with database.transaction() as connection:
                await connection.execute(REJECTS, {"first": 1, "last": 20})
            assert (await tail.look()).left_out == 20 - MAX_REJECTS
        look = await tail.look()
        assert ([event.user_id for _, event in look.events], look.left_out) == (["u-0"], 0)


def users(found: list[dict[str, Any]]) -> set[str]:
    return {one["user_id"] for one in found if one["event"] is not None}


async def flood(events: PageEvents) -> list[dict[str, Any]]:
    """Return what is shown until a reject was, and something left out."""
    found: list[dict[str, Any]] = []
    is_over = False
    while not is_over or all(one["event"] is not None for one in found):
        data = await events.next()
        is_over = is_over or bool(data.get("left_out"))
        found += [data] if "event" in data else []
    return found


async def test_an_interrupted_viewer_goes_on_where_it_was(live: Live) -> None:
    async with live.view() as events:
        await live.track("First")
        await shown(events)
        last = events.last_id
    await live.track("Second")
    async with live.view(last=last) as events:
        [second] = await shown(events)
        assert second["event"] == "Second"
    async with live.view(last="no cursor") as events:
        assert await look(events) == []


async def test_a_revoked_key_and_an_ended_session_end_their_streams(live: Live) -> None:
    operator = live.shop.operator
    key = (await operator.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]})).json()
    async with live.view(key["token"]) as events:
        assert (await operator.delete(f"/v1/keys/{key['id']}")).is_success
        await events.end()
    headers = {"Origin": SETTINGS.public_url}
    async with httpx.AsyncClient(base_url=live.url, headers=headers) as browser:
        answer = await browser.post("/v1/session", json={"key": ADMIN_KEY})
        assert answer.status_code == 201, answer.text
        cookie = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
        async with browser.stream("GET", "/v1/live-events", headers=cookie, timeout=PATIENCE) as response:
            events = PageEvents(response)
            assert await events.next("looked") == {"left_out": 0, "masked": False}
            assert (await browser.delete("/v1/session", headers=cookie)).is_success
            await events.end()
    ingest = (await operator.post("/v1/keys", json={"name": "shop 2", "scopes": ["ingest"]})).json()
    async with httpx.AsyncClient(base_url=live.url) as client:
        answer = await client.get("/v1/live-events", headers={"Authorization": f"Bearer {ingest['token']}"})
        assert answer.status_code == 403


async def test_viewers_are_bounded(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    most = live_viewers.MAX_VIEWERS_OF_ACTOR
    views = [live.view() for _ in range(most)]
    await asyncio.gather(*(view.__aenter__() for view in views))
    try:
        answer = await live.shop.operator.get("/v1/live-events")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= live_viewers.SOONEST
    finally:
        for view in views:
            await view.__aexit__(None, None, None)


async def test_without_the_scope_people_no_event_is_named(live: Live) -> None:
    key = (await live.shop.operator.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]})).json()
    async with live.view(key["token"]) as events:
        await live.track("Order Completed")
        [ended] = await shown(events)
        assert (ended["user_id"], ended["event"]) == ("u-victim", None)
        assert ended["result"][0]["what"] == "ended"
        assert await events.next("looked") == {"left_out": 0, "masked": True}
    async with client_of(live.shop.app, key["token"]) as viewer:
        assert (await viewer.get("/v1/live-events?event=Order+Completed")).status_code == 403
