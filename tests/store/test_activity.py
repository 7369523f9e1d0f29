"""The worker's consumer learns when people were there, and writes only what changes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from msgspec.structs import asdict, replace
from psycopg.sql import SQL, Identifier

from application.activity import ActivityConsumer
from application.catalogue import Catalogue
from application.consumers import consume_page
from application.ingest import Ingest
from application.merges import Merges
from application.users import Users
from domain.access import SOJOURN
from domain.deployment_documents import COMPUTED
from domain.people.identity import PersonRef
from domain.tracking.event import CallType, Event, Trust
from store import activity, documents, people_sample
from store.activity import Learned, Span
from store.database import Database
from tests.engine.ingesting import statements
from tests.harness import PATIENCE, looks

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
PHONE: dict[str, Any] = {
    "device": {"id": "d1", "type": "ios"},
    "app": {"version": "4.2"},
    "locale": "de-DE",
    "timezone": "Europe/Rome",
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as opened:
        yield opened


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def event(minutes: float, user: str = "u1", *, type: CallType = "track", source: str = "app", **context: Any) -> Event:
    return Event(
        id=uuid4(),
        source=source,
        message_id=str(uuid4()),
        type=type,
        name="Viewed" if type == "track" else None,
        user_id=user,
        anonymous_id=None,
        properties={},
        context=context,
        timestamp=at(minutes),
    )


async def ingest(database: Database, *events: Event) -> None:
    await Ingest(database, Catalogue())(events, received_at=datetime.now(UTC))


async def consume(database: Database, count: int) -> None:
    """Consume until there were so many rows; transactions of other tests may still be open."""
    async with asyncio.timeout(PATIENCE):
        while count > 0:
            consumed = await consume_page(database, ActivityConsumer(Catalogue()))
            assert consumed is not None
            count -= consumed.number
            await asyncio.sleep(0 if consumed.number else 0.02)
    assert count == 0


async def consume_at_once(database: Database, count: int, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """Consume a batch of so many rows; return the statements of their page.

    Looks before are left out: while a transaction of another test is open, any number of them find nothing.
    """
    async for is_last in looks(PATIENCE):
        with statements(monkeypatch) as sent:
            consumed = await consume_page(database, ActivityConsumer(Catalogue()))
        if consumed is not None and consumed.number:
            assert consumed.number == count
            return sent
        assert not is_last
    raise AssertionError


async def learned(database: Database, user: str = "u1") -> Learned:
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT profile_id FROM identities WHERE kind = 'user' AND value = %s", (user,)
        )
        [row] = await cursor.fetchall()
        return (await (await activity.read(connection, [row["profile_id"]])).get())[row["profile_id"]]


async def learn(database: Database, events: Sequence[Event], user: str = "u1") -> Learned:
    await ingest(database, *events)
    await consume(database, len(events))
    return await learned(database, user)


async def versions(database: Database) -> list[tuple[str, Any]]:
    """The row versions of all that a consumer writes."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT 'activity' AS part, xmin::text FROM profile_activity
            UNION ALL SELECT 'device', xmin::text FROM devices
            UNION ALL SELECT 'profile', xmin::text FROM profiles ORDER BY 1, 2
            """
        )
        return [(row["part"], row["xmin"]) for row in await cursor.fetchall()]


async def test_a_person_is_known_by_what_they_do(database: Database) -> None:
    page: dict[str, Any] = {
        "page": {"url": "https://shop.example/?utm_source=ad", "referrer": "https://search.example/"}
    }
    known = await learn(database, [event(60, **PHONE), event(0, type="page", **page), event(10)])
    assert known.activity is not None
    seen = known.activity
    assert (seen.first_seen, seen.last_seen, seen.sessions) == (at(0), at(60), 2)
    assert (seen.value("first_campaign"), seen.value("app_version")) == ({"source": "ad"}, "4.2")
    assert (list(known.devices), known.devices["d1"].platform) == (["d1"], "ios")
    # Reported by a call that no rule hears.
    assert known.context.values == {"locale": "de-DE", "timezone": "Europe/Rome"}


async def test_a_person_is_shown_with_what_they_use(database: Database) -> None:
    cart = Event(**{**asdict(event(2, type="page")), "properties": {"path": "/cart"}})
    report = Event(**{**asdict(event(3)), "name": "Email Opened"})
    await learn(database, [event(0, **PHONE), event(1), cart, report])
    view = await Users(database, Catalogue(), "{workflow_id}").get(PersonRef("u1", "user"), by=SOJOURN)
    shown = view.activity
    assert (shown.first_seen, shown.sessions, shown.app_version) == (at(0), 1, "4.2")
    assert [(one.name, one.count) for one in (*shown.pages, *shown.features)] == [("/cart", 1), ("Viewed", 2)]
    assert [(one.id, one.platform) for one in shown.devices] == [("d1", "ios")]


async def test_a_burst_costs_one_write(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await learn(database, [event(0, **PHONE)])
    before = await versions(database)
    burst = [event(number / 100, **PHONE) for number in range(1, 200)]
    await ingest(database, *burst)
    sent = await consume_at_once(database, len(burst), monkeypatch)
    assert await versions(database) == before
    # Nothing is locked for them either.
    assert not [one for one in sent if "FOR NO KEY UPDATE" in one or "INSERT INTO profile" in one]
    people = [event(number / 1000, f"u{number}", **PHONE) for number in range(200)]
    await ingest(database, *people)
    assert len(await consume_at_once(database, len(people), monkeypatch)) < 60


async def test_coarse_times_hide_no_session_and_make_none(database: Database) -> None:
    known = await learn(database, [event(0)])
    known = await learn(database, [event(4)])
    assert known.activity is not None
    assert known.activity.last_seen == at(0)
    known = await learn(database, [event(33)])
    assert known.activity is not None
    assert known.activity.sessions == 1
    known = await learn(database, [event(63)])
    assert known.activity is not None
    assert known.activity.sessions == 2


async def test_only_what_the_person_did_counts(database: Database) -> None:
    async with database.transaction() as connection:
        await documents.put(connection, COMPUTED, "computed: {}\nserver_sources: [billing]\n", [], "test")
    others = [
        event(1, source="billing"),
        Event(**{**asdict(event(5)), "name": "Email Opened"}),
        Event(**{**asdict(event(6)), "trust": Trust.UNVERIFIED}),
    ]
    known = await learn(database, others)
    assert (known.activity, known.devices) == (None, {})


async def test_a_merge_adds_up_and_its_undo_takes_apart(database: Database) -> None:
    one = await learn(database, [event(0, **PHONE), event(50)])
    other = await learn(database, [event(100, "u2", device={"id": "d2"})], "u2")
    merges = Merges(database, Catalogue())
    await merges.merge("u1", "u2", by=SOJOURN)
    merged = await learned(database)
    assert merged.activity is not None
    assert (merged.activity.first_seen, merged.activity.last_seen, merged.activity.sessions) == (at(0), at(100), 3)
    assert set(merged.devices) == {"d1", "d2"}
    await merges.undo("u1", "u2", by=SOJOURN)
    assert await learned(database) == one
    assert await learned(database, "u2") == other


async def test_events_of_a_merged_person_count_for_the_one_who_stays(database: Database) -> None:
    await ingest(database, event(0), event(100, "u2"))
    await Merges(database, Catalogue()).merge("u1", "u2", by=SOJOURN)
    await consume(database, 2)
    known = await learned(database)
    assert known.activity is not None
    assert (known.activity.first_seen, known.activity.sessions) == (at(0), 2)


async def test_events_are_found_however_far_the_clock_is_ahead(database_url: str) -> None:
    """In development the clock of a deployment may be days ahead of the one by which rows are recorded."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        name = Identifier(connection.info.dbname)
        await connection.execute(SQL("ALTER DATABASE {} SET sojourn.clock = 'adjustable'").format(name))
    # Sessions of their own: those that are kept for the next test do not know of it.
    adjustable = f"{database_url}{'&' if '?' in database_url else '?'}application_name=ahead"
    async with Database(adjustable, pool_size=2) as database:
        async with database.transaction() as connection:
            await connection.execute("SELECT advance_clock('5 days')")
        now = await database.now()
        viewed = replace(event(0), timestamp=now)
        await Ingest(database, Catalogue())([viewed], received_at=now)
        async with database.transaction() as connection:
            [row] = await (await connection.execute("SELECT id FROM profiles")).fetchall()
            [found] = await activity.read_events(connection, [Span(row["id"], now, now)])
            reporters = await people_sample.find_reporters(
                connection, [row["id"]], viewed.trigger, now - timedelta(days=1)
            )
    assert [one.name for one in found] == ["Viewed"]
    assert reporters == {row["id"]}
