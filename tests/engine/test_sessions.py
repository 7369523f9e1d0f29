"""The ends of sessions, and openings, are events that campaigns and computed traits hear, each once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from application.ingest import Ingest
from application.merges import Merges
from application.session_events import SessionReporter
from domain.access import SOJOURN
from domain.tracking.event import CallType, Event
from store.database import Database
from tests.engine.computed_harness import ComputedHarness

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
PHONE: dict[str, Any] = {"device": {"id": "d1", "type": "ios"}, "app": {"version": "4.2"}}
LEFT_WITH_A_CART = """
key: left-with-a-cart
name: Left with a cart
entry:
  event: Session Ended
  where: >-
    "Product Added" in event.properties.events && !("Order Completed" in event.properties.events)
  max_age: 30d
steps: [{id: rest, delay: 1d}]
"""
OPENED = """
key: opened
name: Opened
entry: {opened: app, max_age: 30d}
steps: [{id: rest, delay: 1d}]
"""


LEARNED = """
key: learned
name: Learned
entry:
  event: Asked
  where: >-
    profile.sessions == 2 && profile.app_version == "4.2" && profile.locale == "de" && profile.timezone == "Europe/Rome"
    && profile.first_campaign.source == "ad" && profile.country == "IT" && profile.last_referrer == null
    && within(profile.last_seen, "1d") && profile.first_seen < profile.last_seen
steps: [{id: rest, delay: 1d}]
"""


class Harness(ComputedHarness):
    """People whose sessions are followed."""

    @property
    def reporter(self) -> SessionReporter:
        return SessionReporter(self.database, self.catalogue, Ingest(self.database, self.catalogue))

    async def happen(self, *events: Event) -> None:
        """Ingest and learn; transactions of other tests may still be open."""
        await Ingest(self.database, self.catalogue)(events, received_at=datetime.now(UTC))
        await self.learn()

    async def sweep(self) -> None:
        while (await self.reporter.sweep()).number:
            pass

    async def own(self) -> list[dict[str, Any]]:
        """The events of Sojourn, in order."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                """
                SELECT type, name, timestamp, properties, user_id FROM events WHERE source = 'sojourn'
                ORDER BY timestamp, type, name
                """
            )
            return await cursor.fetchall()


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[Harness]:
    async with Database(database_url, pool_size=6) as database:
        yield Harness(database)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def event(name: str, minutes: float, user: str = "u1", type: CallType = "track", **context: Any) -> Event:
    return Event(
        id=uuid4(),
        message_id=str(uuid4()),
        type=type,
        name=name,
        user_id=user,
        anonymous_id=None,
        properties={},
        context=context,
        timestamp=at(minutes),
    )


async def test_someone_leaves_with_a_cart(harness: Harness) -> None:
    await harness.run_campaign(LEFT_WITH_A_CART)
    page: dict[str, Any] = {
        "page": {"url": "https://shop.example/?utm_source=ad", "referrer": "https://search.example/"}
    }
    await harness.happen(
        event("Home", 0, type="page", **page),
        event("Product Added", 1, **PHONE),
        event("Product Added", 20),
        event("Cart", 25, type="page"),
        event("Product Added", 1, "u2"),
        event("Order Completed", 2, "u2"),
    )
    # Not learned yet when the time of the session has come.
    await Ingest(harness.database, harness.catalogue)([event("Product Removed", 27)], received_at=datetime.now(UTC))
    await harness.sweep()
    assert await harness.entered() == ["u1"]
    own = await harness.own()
    assert [(one["user_id"], one["timestamp"]) for one in own] == [("u2", at(32)), ("u1", at(57))]
    assert own[1]["properties"] == {
        "started_at": at(0).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "last_event_at": at(27).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration": 27 * 60,
        "event_count": 5,
        "events": {"Product Added": 2, "Product Removed": 1},
        "pages": {"Home": 1, "Cart": 1},
        "first_page": "Home",
        "last_page": "Cart",
        "platforms": ["app", "site"],
        "referrer": "https://search.example/",
        "campaign": {"source": "ad"},
        "device": {"id": "d1", "platform": "ios", "app_version": "4.2"},
    }
    await harness.learn()
    await harness.sweep()
    assert len(await harness.own()) == 2


async def test_computed_traits_count_sessions_that_end(harness: Harness) -> None:
    await harness.apply("computed: {visits: {count: Session Ended}}")
    # The second session shows the end of the first.
    await harness.happen(event("A", 0), event("A", 60), event("A", 61), event("A", 120))
    await harness.sweep()
    assert [one["timestamp"] for one in await harness.own()] == [at(30), at(91), at(150)]
    async with harness.database.transaction() as connection:
        [row] = await (await connection.execute("SELECT state FROM profile_states")).fetchall()
    assert list(row["state"].values()) == [3]


async def test_nothing_is_made_where_nothing_listens(harness: Harness) -> None:
    await harness.happen(event("A", 0, **PHONE), event("A", 60))
    assert await harness.count("profile_activity WHERE ends_at IS NOT NULL") == 0
    assert await harness.count("session_reports") == 0
    swept = await harness.reporter.sweep()
    assert (swept.number, swept.seconds) == (0, None)
    assert await harness.own() == []


async def test_an_app_is_opened_once_in_a_session(harness: Harness) -> None:
    await harness.run_campaign(OPENED)
    await harness.happen(event("Order Paid", 0), event("Application Opened", 1, **PHONE))
    await harness.happen(event("A", 2, **PHONE), event("A", 40, **PHONE), event("Home", 41, type="page"))
    await harness.sweep()
    assert [(one["type"], one["name"], one["timestamp"]) for one in await harness.own()] == [
        ("opened", "app", at(1)),
        ("opened", "app", at(40)),
    ]
    assert await harness.entered() == ["u1"]


async def test_a_crash_between_the_event_and_its_mark_doubles_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(LEFT_WITH_A_CART)
    await harness.run_campaign(OPENED)
    await harness.happen(event("Product Added", 0, **PHONE))

    async def crash(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("store.session_reports.delete", crash)
        with pytest.raises(ConnectionError):
            await harness.sweep()
    assert len(await harness.own()) == 2
    await asyncio.gather(*(harness.sweep() for _ in range(3)))
    assert len(await harness.own()) == 2
    assert await harness.entered() == ["u1", "u1"]
    assert await harness.count("session_reports") == 0
    assert await harness.count("profile_activity WHERE ends_at IS NOT NULL") == 0


async def test_an_open_session_goes_with_a_merge(harness: Harness) -> None:
    await harness.run_campaign(LEFT_WITH_A_CART)
    await harness.happen(event("Product Added", 0, "u2"), event("A", -300))
    await Merges(harness.database, harness.catalogue).merge("u1", "u2", by=SOJOURN)
    await harness.sweep()
    ends = [(one["user_id"], one["timestamp"]) for one in await harness.own() if one["name"] == "Session Ended"]
    assert ("u1", at(30)) in ends
    assert await harness.entered() == ["u1"]


async def test_conditions_see_what_profiles_have_learned(harness: Harness) -> None:
    await harness.run_campaign(LEARNED)
    page: dict[str, Any] = {"page": {"url": "https://shop.example/?utm_source=ad"}, "location": {"country": "IT"}}
    await harness.happen(
        event("Home", 0, type="page", **page),
        event("A", 60, **PHONE, locale="de", timezone="Europe/Rome"),
        event("A", 0, "u2"),
    )
    await harness.happen(event("Asked", 61), event("Asked", 61, "u2"), event("Asked", 61, "unknown"))
    assert await harness.entered() == ["u1"]
