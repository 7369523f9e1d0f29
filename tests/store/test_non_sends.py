"""The people who got nothing are those of the refusals, counted and in pages, however many others there are."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.count_sweeper import CountSweeper
from application.non_sends import NonSends
from domain.access import SOJOURN
from domain.journey.decision import Decision
from store import decisions, non_sends
from store.database import Connection, Database
from store.non_sends import NonSendFilter, NonSendGrouping, NonSendPosition

START = date(2026, 11, 1)
DAYS = 5
PEOPLE = [UUID(int=number) for number in range(1, 30)]
BY: tuple[NonSendGrouping, ...] = ("reason", "campaign", "step", "rule", "day")


def draw(chance: random.Random, number: int) -> Decision:
    """A decision of any kind, of which half are refusals."""
    kind = chance.choice(("entry", "send"))
    reason = chance.choice(("capped", "no_consent", "already_in"))
    return Decision(
        id=UUID(int=chance.getrandbits(128)),
        profile_id=chance.choice(PEOPLE),
        campaign_key=chance.choice(("a", "b")),
        kind=kind,
        outcome=chance.choice(("refused", "refused", "deferred", "entered")),
        at=datetime(START.year, START.month, START.day, tzinfo=UTC)
        + timedelta(seconds=chance.randrange(DAYS * 86_400)),
        step=chance.choice(("first", "second")) if kind == "send" else None,
        reason=reason,
        data={"rule": chance.choice(("daily", "weekly"))} if reason == "capped" else {"number": number},
    )


def value_of(one: Decision, by: NonSendGrouping) -> str:
    values = {
        "reason": one.reason,
        "campaign": one.campaign_key,
        "step": one.step,
        "rule": one.data.get("rule"),
        "day": one.at.date().isoformat(),
    }
    return values[by] or ""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as opened:
        async with opened.transaction() as connection:
            await connection.execute(
                "INSERT INTO profiles (id, user_id) SELECT id, id::text FROM unnest(%s::uuid[]) AS id", (PEOPLE,)
            )
        yield opened


async def test_counts_and_pages_are_those_of_the_refusals(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    stored = [draw(chance, number) for number in range(300)]
    for place in range(0, 300, 100):
        async with database.transaction() as connection:
            await decisions.insert(connection, stored[place : place + 100])
        # Some are folded, and some not.
        await CountSweeper(database).sweep()
    for _ in range(20):
        first = START + timedelta(days=chance.randrange(DAYS))
        named: dict[str, Any] = {
            name: chance.choice(values)
            for name, values in {
                "campaign": ("a", "b"),
                "step": ("first", "second", ""),
                "reason": ("capped", "no_consent"),
                "rule": ("daily", ""),
            }.items()
            if chance.random() < 0.3
        }
        which = NonSendFilter(first=first, last=first + timedelta(days=chance.randrange(DAYS)), **named)
        expected = [
            one
            for one in stored
            if one.outcome == "refused"
            and which.first <= one.at.date() <= which.last
            and all(value_of(one, name) == named[name] for name in BY if name in named)
        ]
        by = chance.choice(BY)
        found = await NonSends(database).count(which, by)
        times = Counter(value_of(one, by) for one in expected)
        people = Counter(value for value, _ in {(value_of(one, by), one.profile_id) for one in expected})
        assert {group.value: (group.people, group.times) for group in found.groups} == {
            value: (people[value], number) for value, number in times.items()
        }
        assert (found.total.people, found.total.times) == (len({one.profile_id for one in expected}), len(expected))
        assert await list_all(database, which, chance.randint(1, 40)) == [
            one.id for one in sorted(expected, key=lambda one: (one.at, one.id), reverse=True)
        ]


async def test_of_many_refusals_a_sample_of_the_people_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, reason, at)
            SELECT uuidv7(), person, 'a', 'entry', 'refused', 'already_in', '2026-11-01T12:00:00Z'
            FROM (SELECT gen_random_uuid() AS person FROM generate_series(1, 10000)), generate_series(1, 2)
            """
        )
        cursor = await connection.execute(
            "SELECT count(DISTINCT profile_id) AS n FROM decisions WHERE uuid_hash(profile_id) & 63 = 0"
        )
        [row] = await cursor.fetchall()
    async with database.transaction() as connection:
        await connection.execute("ANALYZE decisions")
    monkeypatch.setattr("application.non_sends.MAX_EXACT", 1_000)
    which = NonSendFilter(first=START, last=START)
    found = await NonSends(database).count(which, "reason")
    assert (found.is_estimate, found.total.times, found.total.people) == (True, 20_000, row["n"] * 64)
    assert abs(found.total.people - 10_000) < 5_000
    async with database.transaction() as connection:
        before = await count_read(connection)
        await non_sends.count_people(connection, which, is_estimate=True)
        assert await count_read(connection) - before < 1_000


async def list_all(database: Database, which: NonSendFilter, limit: int) -> list[UUID]:
    listed: list[UUID] = []
    after: NonSendPosition | None = None
    while page := await NonSends(database).list(which, limit=limit, after=after, by=SOJOURN):
        assert all(row.user_id is not None for row in page)
        listed += [row.id for row in page]
        after = NonSendPosition(page[-1].at, page[-1].id)
    return listed


async def test_deleted_refusals_stay_counted_and_nobody_knows_whose_they_were(database: Database) -> None:
    chance = random.Random(7)
    stored = [one for number in range(60) if (one := draw(chance, number)).outcome == "refused"]
    async with database.transaction() as connection:
        await decisions.insert(connection, stored)
    sweeper = CountSweeper(database)
    while (await sweeper.sweep()).number == 0:
        pass
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM decisions WHERE profile_id = ANY(%s)", (PEOPLE[:15],))
    which = NonSendFilter(first=START, last=START + timedelta(days=DAYS))
    found = await NonSends(database).count(which, "reason")
    assert found.total.times == len(stored)
    assert found.total.people == len({one.profile_id for one in stored} - set(PEOPLE[:15]))


async def test_a_page_reads_what_it_shows(database: Database) -> None:
    """However many other refusals the campaign has, and however deep the page is."""
    async with database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, reason, step, at)
            SELECT uuidv7(), %s, 'a', 'send', 'refused', CASE WHEN n %% 1000 = 0 THEN 'rare' ELSE 'common' END, 'first',
                   timestamptz '2026-11-01T00:00:00Z' + n * interval '1 second'
            FROM generate_series(1, 20000) AS n
            """,
            (PEOPLE[0],),
        )
    sweeper = CountSweeper(database)
    while (await sweeper.sweep()).number == 0:
        pass
    async with database.transaction() as connection:
        await connection.execute("ANALYZE decisions")
        await connection.execute("ANALYZE daily_counts")
    for reason in ("rare", "common"):
        which = NonSendFilter(first=START, last=START + timedelta(days=1), reason=reason)
        after = NonSendPosition(datetime(2026, 11, 1, 2, tzinfo=UTC), UUID(int=0))
        async with database.transaction() as connection:
            before = await count_read(connection)
            assert await non_sends.page(connection, which, limit=5, after=after)
            assert await count_read(connection) - before < 20


async def test_a_page_of_very_many_groups_reads_the_latest_of_each(database: Database) -> None:
    """A deployment has a group for each campaign, step, reason and rule: more than a statement takes parts."""
    groups = 17_000
    async with database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, reason, step, at)
            SELECT uuidv7(), %s, 'c' || n, 'send', 'refused', 'capped', CASE WHEN n %% 2 = 0 THEN 'first' END,
                   timestamptz '2026-11-01T00:00:00Z' + n * interval '1 second'
            FROM generate_series(1, %s) AS n
            """,
            (PEOPLE[0], groups),
        )
        await connection.execute("ANALYZE decisions")
    which = NonSendFilter(first=START, last=START + timedelta(days=1))
    after = NonSendPosition(datetime(2026, 11, 1, 2, tzinfo=UTC), UUID(int=0))
    async with database.transaction() as connection:
        before = await count_read(connection)
        page = await non_sends.page(connection, which, limit=5, after=after)
        assert await count_read(connection) - before < 3 * groups
    assert [one.campaign for one in page] == [f"c{number}" for number in range(7199, 7194, -1)]


async def count_read(connection: Connection) -> int:
    """How many rows of decisions this connection has read."""
    cursor = await connection.execute(
        """
        SELECT pg_stat_get_xact_tuples_returned('decisions'::regclass)
             + pg_stat_get_xact_tuples_fetched('decisions'::regclass) AS number
        """
    )
    [row] = await cursor.fetchall()
    number: int = row["number"]
    return number
