"""The sources: by counts that exist, however many events and rejects there are."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from application.sources import Sources
from domain.access import KeyKind
from store.database import Database
from store.sources import MAX_REJECTS, SOURCES

REJECTS = 5 * MAX_REJECTS
_FILL = f"""
INSERT INTO seen_events (source, type, name, is_rest, first_at, last_at, count, days, properties, more_properties)
SELECT 'shop', 'track', 'E' || n, false, now() - interval '9 days', now(), 12,
       jsonb_build_object((now() AT TIME ZONE 'UTC')::date, 3, (now() AT TIME ZONE 'UTC')::date - 6, 4,
                          (now() AT TIME ZONE 'UTC')::date - 7, 5), '{{}}', 0
FROM generate_series(1, 100) AS n;
INSERT INTO rejects (received_at, position, source, error, body)
SELECT now() - n % 6 * interval '1 day', 0, 'noisy', 'e', 'b' FROM generate_series(1, {REJECTS}) AS n;
INSERT INTO rejects (received_at, position, source, error, body)
VALUES (now() - interval '8 days', 0, 'shop', 'e', 'b'), (now(), 0, 'shop', 'e', 'b');
INSERT INTO events (received_at, message_id, profile_id, source, type, properties, context, timestamp)
SELECT now(), n::text, gen_random_uuid(), 'shop', 'track', '{{}}', '{{}}', now() FROM generate_series(1, 10000) AS n;
INSERT INTO api_keys (id, name, scopes, source, secret_hash, created_by, is_browser, origins, revoked_at)
VALUES ('a', 'a', '{{ingest}}', 'shop', '', 'x', false, '{{}}', NULL),
       ('b', 'b', '{{ingest}}', 'browser:web', '', 'x', true, '{{https://a.example}}', NULL),
       ('c', 'c', '{{read}}', 'reader', '', 'x', false, '{{}}', NULL),
       ('d', 'd', '{{ingest}}', 'browser:old', '', 'x', true, '{{https://a.example}}', now());
"""  # noqa: S608 -- constants of this module


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(_FILL.encode())
        await connection.execute("VACUUM ANALYZE")
    async with Database(database_url, pool_size=1) as opened:
        yield opened


async def test_sources_are_listed_with_events_keys_and_rejects(database: Database) -> None:
    found = {one.source: one for one in await Sources(database).list()}
    assert set(found) == {"shop", "noisy", "browser:web"}
    shop, noisy, web = found["shop"], found["noisy"], found["browser:web"]
    assert (shop.today, shop.week, shop.kinds) == (300, 700, [KeyKind.SERVER])
    assert (shop.rejects, shop.more_rejects) == (1, False)
    assert shop.last_seen is not None
    assert (noisy.rejects, noisy.more_rejects, noisy.kinds) == (MAX_REJECTS, True, [])
    assert (web.today, web.last_seen, web.kinds) == (0, None, [KeyKind.BROWSER])


async def test_the_list_reads_no_event_and_few_rejects(database: Database) -> None:
    today = (await database.now()).date()
    days = {"first": today - timedelta(days=6), "today": today, "most": MAX_REJECTS}
    async with database.transaction() as connection:
        cursor = await connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {SOURCES}", days)
        [row] = await cursor.fetchall()
    read: dict[str, float] = {}
    count(row["QUERY PLAN"][0]["Plan"], read)
    assert not any(table.startswith("events") for table in read)
    assert read["rejects"] < MAX_REJECTS + 10


def count(plan: dict[str, Any], read: dict[str, float]) -> None:
    """Add the rows that each table gives."""
    if "Relation Name" in plan:
        rows = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
        read[plan["Relation Name"]] = read.get(plan["Relation Name"], 0) + rows
    for inner in plan.get("Plans", ()):
        count(inner, read)
