"""Deletes what is older than its retention: whole months of events, else pages."""

from datetime import timedelta

from domain.retention_document import RetainedKind
from store.database import Connection

# Rows deleted in one transaction.
PAGE = 10_000
# A page is deleted by the places of its rows: joined by its keys, each would read the whole table. A row that has moved
# meanwhile is of the next page. A journey that goes on still reads its decisions, and a
# member of a segment the change by which they joined.
PAGES: dict[RetainedKind, str] = {
    "events": """
        DELETE FROM events WHERE received_at < now() - %(age)s AND (received_at, id) IN (
          SELECT received_at, id FROM events WHERE received_at < now() - %(age)s LIMIT %(limit)s)
        """,
    "decisions": """
        DELETE FROM decisions WHERE ctid = ANY(ARRAY(
          SELECT decisions.ctid FROM decisions LEFT JOIN journeys ON journeys.id = journey_id
          WHERE decisions.recorded_at < now() - %(age)s AND journeys.state IS DISTINCT FROM 'active' LIMIT %(limit)s))
        """,
    "rejects": """
        DELETE FROM rejects WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM rejects WHERE received_at < now() - %(age)s ORDER BY received_at LIMIT %(limit)s))
        """,
    "audit": """
        DELETE FROM audit_log WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM audit_log WHERE at < now() - %(age)s LIMIT %(limit)s))
        """,
    "message_ids": """
        DELETE FROM message_ids WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM message_ids WHERE received_at < now() - %(age)s LIMIT %(limit)s))
        """,
    "segment_changes": """
        DELETE FROM segment_changes WHERE ctid = ANY(ARRAY(
          SELECT changes.ctid FROM segment_changes AS changes
          WHERE changes.recorded_at < now() - %(age)s
            AND NOT EXISTS (SELECT FROM segment_members AS members
                            WHERE members.segment_id = changes.segment_id AND members.profile_id = changes.profile_id
                              AND changes.has_joined AND members.since = changes.at)
          LIMIT %(limit)s))
        """,
    "survey_answers": """
        DELETE FROM survey_answers WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM survey_answers WHERE recorded_at < now() - %(age)s LIMIT %(limit)s))
        """,
    "surveys": """
        DELETE FROM message_surveys WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM message_surveys WHERE recorded_at < now() - %(age)s LIMIT %(limit)s))
        """,
    # An answer is the proof of every message that was sent by it: its age is that of the answer which replaced it.
    "consents": """
        DELETE FROM profile_changes WHERE ctid = ANY(ARRAY(
          SELECT answers.ctid FROM profile_changes AS answers
          WHERE answers.part IN ('consent', 'preferences') AND answers.recorded_at < now() - %(age)s
            AND NOT EXISTS (
              SELECT FROM jsonb_object_keys(answers.changes) AS name
              WHERE NOT EXISTS (
                SELECT FROM profile_changes AS later
                WHERE later.profile_id = answers.profile_id AND later.part = answers.part
                  AND later.part IN ('consent', 'preferences') AND later.changes ? name
                  AND later.recorded_at < now() - %(age)s
                  AND (later.recorded_at, later.id) > (answers.recorded_at, answers.id)))
          LIMIT %(limit)s))
        """,
}
_DROP_MONTHS = """
DO $$
DECLARE
  partition text;
BEGIN
  FOR partition IN
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'events'::regclass AND relname ~ '^events_\\d{4}_\\d{2}$'
      AND (to_date(right(relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC'
          < now() - current_setting('sojourn.age')::interval
    ORDER BY relname
  LOOP
    EXECUTE format('DROP TABLE %I', partition);
  END LOOP;
END
$$
"""


async def drop_months(connection: Connection, age: timedelta) -> None:
    """Drop the partitions of months that are past their retention as a whole."""
    await connection.execute("SELECT set_config('sojourn.age', %s, true)", (f"{age.total_seconds()} seconds",))
    await connection.execute(_DROP_MONTHS)


async def delete_page(connection: Connection, kind: RetainedKind, age: timedelta) -> bool:
    """Delete a page of rows beyond an age; return whether there may be more."""
    cursor = await connection.execute(PAGES[kind], {"age": age, "limit": PAGE})
    return cursor.rowcount == PAGE
