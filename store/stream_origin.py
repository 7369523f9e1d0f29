"""The cluster whose transaction ids the stream counts.

A logical backup restored into another cluster brings positions of the first one, while the ids of the second begin
anew. REBASE adds the difference, so that new rows follow all that are there, and consumers skip none. Cursors given to
clients name the cluster, and are refused.
"""

REBASE = """
DO $$
DECLARE
  here bigint := (SELECT system_identifier FROM pg_control_system());
  last bigint;
  added bigint;
  streamed text;
BEGIN
  IF to_regclass('stream_origin') IS NULL OR EXISTS (SELECT FROM stream_origin WHERE system_identifier = here) THEN
    RETURN;
  END IF;
  LOCK TABLE events, decisions, message_changes, conversions, moved_profiles IN ACCESS EXCLUSIVE MODE;
  last := greatest(
    (SELECT max(recorded_xid) FROM events), (SELECT max(recorded_xid) FROM decisions),
    (SELECT max(recorded_xid) FROM message_changes), (SELECT max(recorded_xid) FROM conversions),
    (SELECT max(recorded_xid) FROM moved_profiles), (SELECT max(xid) FROM stream_consumers), 0);
  added := greatest(0, last + 1 - pg_current_xact_id()::text::bigint);
  UPDATE stream_origin SET system_identifier = here, base = added;
  FOREACH streamed IN ARRAY ARRAY[
    'events', 'decisions', 'message_changes', 'conversions', 'moved_profiles'] LOOP
    EXECUTE format(
      'ALTER TABLE %I ALTER COLUMN recorded_xid SET DEFAULT %s + pg_current_xact_id()::text::bigint', streamed, added);
  END LOOP;
END
$$
"""
