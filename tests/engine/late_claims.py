"""Triggers that note exits and claims, and the query for claims that came after an exit."""

from typing import Final

AUDIT: Final = """
CREATE TABLE audit (journey_id uuid, kind text, xid xid8 DEFAULT pg_current_xact_id(), before pg_snapshot);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit (journey_id, kind, before)
  VALUES ((to_jsonb(NEW) ->> TG_ARGV[0])::uuid, TG_TABLE_NAME, pg_current_snapshot());
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE OF state ON journeys FOR EACH ROW WHEN (NEW.state = 'exited')
EXECUTE FUNCTION note('id');
CREATE TRIGGER note AFTER INSERT OR UPDATE OF state ON messages
FOR EACH ROW WHEN (NEW.state = 'sending') EXECUTE FUNCTION note('journey_id');
"""
# Claims that were not committed when the exit was written: it had its locks by then.
TOO_LATE: Final = """
SELECT claim.journey_id FROM audit AS claim JOIN audit AS exit USING (journey_id)
WHERE claim.kind = 'messages' AND exit.kind = 'journeys' AND NOT pg_visible_in_snapshot(claim.xid, exit.before)
"""
