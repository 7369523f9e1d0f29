"""Open kinds without constraints; provider, first hand-over and deliveries.

A merge of profiles moves the rows of every table with a `profile_id`.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Every table with a `profile_id`, the identities first: a batch that still holds one of them is waited for, and the
# following statements see its events.
MOVE_ROWS = """
CREATE FUNCTION move_rows_of_profiles(merges jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  owner regclass;
BEGIN
  FOR owner IN
    SELECT pg_class.oid FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attname = 'profile_id' AND NOT attisdropped AND relkind IN ('r', 'p') AND NOT relispartition
      AND relnamespace = current_schema()::regnamespace
    ORDER BY relname <> 'identities', relname
  LOOP
    EXECUTE format(
      'UPDATE %s AS owned SET profile_id = item.target
       FROM jsonb_to_recordset($1) AS item (source uuid, target uuid) WHERE owned.profile_id = item.source', owner)
    USING merges;
  END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE identities DROP CONSTRAINT identities_kind;
        ALTER TABLE decisions DROP CONSTRAINT decisions_kind;
        ALTER TABLE outbox DROP CONSTRAINT outbox_kind;
        ALTER TABLE operations DROP CONSTRAINT operations_kind;
        ALTER TABLE messages ADD COLUMN provider TEXT, ADD COLUMN first_handed_over_at TIMESTAMP WITH TIME ZONE;
        UPDATE messages SET first_handed_over_at = first_claimed_at WHERE state = 'sending';
        CREATE TABLE deliveries (
          message_id UUID NOT NULL REFERENCES messages (id),
          address TEXT NOT NULL,
          state TEXT NOT NULL,
          reason TEXT,
          detail TEXT,
          provider_id TEXT,
          at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (message_id, address),
          CONSTRAINT deliveries_state CHECK (state IN ('sent', 'failed', 'unknown', 'waiting'))
        );
        """
    )
    op.execute(MOVE_ROWS)
