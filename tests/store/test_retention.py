"""Maintenance deletes what is past its retention, and nothing else."""

from datetime import timedelta
from typing import get_args

from domain.deployment_documents import RETENTION
from domain.retention_document import RetainedKind, RetentionRule
from runtime.maintenance import apply_retention
from store import documents, retention
from store.database import Database

_OLD, _YOUNG = "now() - interval '100 days'", "now() - interval '10 days'"
_ROWS = """
CREATE TABLE events_2020_01 PARTITION OF events FOR VALUES FROM ('2020-01-01+00') TO ('2020-02-01+00');
INSERT INTO events (received_at, message_id, profile_id, type, properties, context, timestamp)
SELECT at, 'm', gen_random_uuid(), 'track', '{}', '{}', at
FROM unnest(ARRAY['2020-01-05+00'::timestamptz, OLD, YOUNG]) AS at;
INSERT INTO message_ids (message_id, received_at) VALUES ('old', OLD), ('young', YOUNG);
INSERT INTO audit_log (at, actor, actor_name, action, target) VALUES (OLD, '', '', '', ''), (YOUNG, '', '', '', '');
INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, at, recorded_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'c', 'entry', 'entered', OLD, OLD),
       (gen_random_uuid(), gen_random_uuid(), 'c', 'entry', 'entered', YOUNG, YOUNG);
INSERT INTO segments (id, key, name, version, source, rule, revision, applied_by)
VALUES (1, 'a', 'A', 1, '', '{}', 1, '');
INSERT INTO profiles (id, user_id) VALUES ('00000000-0000-0000-0000-000000000001', 'u1');
INSERT INTO segment_members (segment_id, profile_id, since) VALUES (1, '00000000-0000-0000-0000-000000000001', OLD);
INSERT INTO segment_changes (segment_id, profile_id, has_joined, at, cause, recorded_at)
SELECT 1, '00000000-0000-0000-0000-000000000001', at = OLD, at, '{}', at
FROM unnest(ARRAY[OLD - interval '1 day', OLD, YOUNG]) AS at;
INSERT INTO profile_changes (id, profile_id, part, changes, source, source_id, at, recorded_at)
SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', part, changes::jsonb, 'event', '', at, at
FROM (VALUES
  -- Replaced long ago, and by what is replaced itself: both go.
  ('consent', '{"email": {}}', OLD - interval '9 days'),
  ('consent', '{"email": {}}', OLD - interval '8 days'),
  ('consent', '{"email": {}}', OLD - interval '7 days'),
  -- The last word, since a short time.
  ('consent', '{"email": {}}', YOUNG),
  -- One of its two answers is still the last word.
  ('preferences', '{"news.email": {}, "offers.email": {}}', OLD - interval '3 days'),
  ('preferences', '{"news.email": {}}', OLD),
  -- No answer.
  ('traits', '{"email": {}}', OLD - interval '2 days'), ('traits', '{"email": {}}', OLD)
) AS item (part, changes, at);
INSERT INTO rejects (received_at, position, error, body) VALUES (OLD, 0, '', ''), (YOUNG, 0, '', '');
"""
_COUNTS = """
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM message_ids) AS message_ids,
       (SELECT count(*) FROM audit_log) AS audit, (SELECT count(*) FROM decisions) AS decisions,
       (SELECT count(*) FROM rejects) AS rejects, (SELECT count(*) FROM segment_changes) AS segment_changes,
       (SELECT count(*) FROM profile_changes) AS consents,
       to_regclass('events_2020_01') IS NOT NULL AS has_month
"""


async def test_rows_beyond_their_age_are_deleted(database_url: str) -> None:
    async with Database(database_url, pool_size=2) as database:

        async def counts() -> list[int | bool]:
            await apply_retention(database)
            async with database.transaction() as connection:
                [row] = await (await connection.execute(_COUNTS)).fetchall()
                return list(row.values())

        async with database.transaction() as connection:
            await connection.execute(_ROWS.replace("OLD", _OLD).replace("YOUNG", _YOUNG))
        # Without a document only rejects and surveys are deleted.
        assert await counts() == [3, 2, 2, 2, 1, 3, 8, True]
        seconds = int(timedelta(days=40).total_seconds())
        rules = [RetentionRule(kind, seconds) for kind in get_args(RetainedKind)]
        async with database.transaction() as connection:
            await documents.put(connection, RETENTION, "retention: {…}", rules, "test")
        # The change by which a member joined stays, and the proof of an answer that holds, or held until a month ago.
        assert await counts() == [1, 1, 1, 1, 1, 2, 6, False]


async def test_a_page_reads_its_own_rows_only(database_url: str) -> None:
    """By an index, and by the places that it leads to: never the table for each page."""
    async with Database(database_url, pool_size=2) as database, database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        for kind, statement in retention.PAGES.items():
            cursor = await connection.execute(
                f"EXPLAIN (COSTS OFF) {statement}", {"age": timedelta(days=1), "limit": 10}
            )
            plan = "\n".join([line async for row in cursor for line in row.values()])
            assert "Seq Scan" not in plan.replace("Seq Scan on journeys", ""), (kind, plan)
            if kind != "events":
                assert "Tid Scan" in plan, (kind, plan)
