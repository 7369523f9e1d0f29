"""A page of journeys reads what it shows, however many journeys there are, and however old those asked for are."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.journey.filters import JourneyFilter
from domain.journey.state import StoredState
from store import journey_lists
from store.database import Connection, Database

ROWS = 20_000
START = datetime(2026, 11, 1, tzinfo=UTC)
# One journey a second. Those of `old` are the first thousand, and one of them alone has exited.
_FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO campaigns (key, name, state, running_version, latest_version)
SELECT key, key, 'running', 2, 2 FROM unnest(ARRAY['old', 'busy', 'other']) AS key;
INSERT INTO profiles (id, user_id)
SELECT lpad(to_hex(number), 32, '0')::uuid, 'u' || number FROM generate_series(0, 999) AS number;
INSERT INTO identities (kind, value, profile_id) SELECT 'user', user_id, id FROM profiles;
INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, state, outcome, entry, step,
                      status, entered_at, ended_at, entry_key)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
       CASE WHEN n <= 1000 THEN 'old' WHEN n % 4 = 0 THEN 'other' ELSE 'busy' END, CASE WHEN n < 5000 THEN 1 ELSE 2 END,
       lpad(to_hex(n % 1000), 32, '0')::uuid, 'w' || n, state, CASE state WHEN 'active' THEN NULL ELSE state END,
       '{"message_id": "m"}', CASE WHEN n % 200 = 1 THEN 'rare' ELSE 'common' END,
       CASE state WHEN 'active' THEN 'waiting' END, at, CASE state WHEN 'active' THEN NULL ELSE at END, 'k' || n
FROM generate_series(1, ROWS) AS n
CROSS JOIN LATERAL (SELECT timestamptz '2026-11-01T00:00:00Z' + n * interval '1 second' AS at) AS entered
CROSS JOIN LATERAL (
  SELECT CASE WHEN n = 7 THEN 'exited' WHEN n % 2 = 0 THEN 'completed' ELSE 'active' END AS state) AS ended;
"""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        await connection.execute(_FILL.replace("ROWS", str(ROWS)))
        await connection.execute("ANALYZE")
        yield connection


def in_a_minute(campaign: str | None = None, state: StoredState | None = None) -> JourneyFilter:
    """One in the middle."""
    first = START + timedelta(seconds=12_000)
    return JourneyFilter(
        campaign=campaign, state=state, entered_after=first, entered_before=first + timedelta(minutes=1)
    )


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (JourneyFilter(), 50),
        (JourneyFilter(profile_id=UUID(int=7)), 20),
        (JourneyFilter(profile_id=UUID(int=1_000)), 0),
        (JourneyFilter(campaign="old"), 50),
        (JourneyFilter(campaign="busy", state="active"), 50),
        (JourneyFilter(campaign="old", state="exited"), 1),
        (JourneyFilter(campaign="busy", state="exited"), 0),
        (JourneyFilter(campaign="busy", versions=(1,)), 50),
        (JourneyFilter(campaign="busy", versions=(1,), state="completed"), 50),
        (JourneyFilter(campaign="busy", versions=(1, 2), state="active"), 50),
        (JourneyFilter(campaign="old", step="rare"), 5),
        (JourneyFilter(campaign="other", step="common"), 0),
        (JourneyFilter(campaign="busy", profile_id=UUID(int=7)), 19),
    ],
    ids=str,
)
async def test_no_more_is_read_than_is_shown(connection: Connection, which: JourneyFilter, found: int) -> None:
    rows, plan = await explained(connection, which)
    assert rows == found
    assert "Seq Scan on journeys" not in plan
    assert passed_over(plan) <= 60, plan


@pytest.mark.parametrize(
    "which",
    [in_a_minute(), in_a_minute("busy"), in_a_minute("busy", "active")],
    ids=str,
)
async def test_of_a_time_no_more_is_read_than_its_hours(connection: Connection, which: JourneyFilter) -> None:
    """Ids tell the instant to the hour: an hour of these before and after is 7,200."""
    rows, plan = await explained(connection, which)
    assert 20 <= rows <= 60
    assert "Seq Scan on journeys" not in plan
    assert passed_over(plan) <= 7_300, plan


async def explained(connection: Connection, which: JourneyFilter) -> tuple[int, str]:
    """How many journeys a page shows, and how the database found them."""
    asked = []
    execute = connection.execute

    async def noting_execute(*query: object) -> object:
        asked.append(query)
        return await execute(*query)  # type: ignore[call-overload]

    connection.execute = noting_execute  # type: ignore[method-assign, assignment]
    rows = await journey_lists.page(connection, which, limit=50, after=None)
    [(sql, parameters)] = asked
    cursor = await execute(f"EXPLAIN (ANALYZE) {sql}", parameters)  # type: ignore[call-overload]
    return len(rows), "\n".join(row["QUERY PLAN"] for row in await cursor.fetchall())


def passed_over(plan: str) -> int:
    return sum(int(number) for number in re.findall(r"Rows Removed by Filter: (\d+)", plan))
