"""The transaction of each event, decision, conversion and change of a message.

Rows of before have none. A default that is set after its column rewrites no row.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMN = """
ALTER TABLE {table} ADD COLUMN recorded_xid BIGINT;
ALTER TABLE {table} ALTER COLUMN recorded_xid SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX {table}_recorded_xid ON {table} (recorded_xid);
"""
CHANGES = """
CREATE TABLE message_changes (
  message_id UUID NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  id UUID NOT NULL DEFAULT uuidv7(),
  state TEXT NOT NULL,
  reason TEXT,
  recorded_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
  recorded_xid BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  PRIMARY KEY (message_id, id)
);
CREATE INDEX message_changes_recorded_xid ON message_changes (recorded_xid);
CREATE FUNCTION record_message_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO message_changes (message_id, state, reason) VALUES (NEW.id, NEW.state, NEW.reason);
  RETURN NULL;
END $$;
CREATE TRIGGER messages_reserved AFTER INSERT ON messages
  FOR EACH ROW EXECUTE FUNCTION record_message_change();
CREATE TRIGGER messages_changed AFTER UPDATE OF state ON messages
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION record_message_change();
"""
READERS = """
CREATE TABLE stream_origin (
  only_row BOOLEAN NOT NULL DEFAULT true PRIMARY KEY,
  system_identifier BIGINT NOT NULL,
  base BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT stream_origin_has_one_row CHECK (only_row)
);
INSERT INTO stream_origin (system_identifier) SELECT system_identifier FROM pg_control_system();
CREATE TABLE stream_consumers (
  name TEXT NOT NULL PRIMARY KEY,
  xid BIGINT NOT NULL,
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    for table in ("events", "decisions", "conversions"):
        op.execute(COLUMN.format(table=table))
    op.execute(CHANGES)
    op.execute(READERS)
