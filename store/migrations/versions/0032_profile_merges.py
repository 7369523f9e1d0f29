"""Merges of profiles, which redirect old ids and can be undone."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# Every table with a `profile_id`, the identities first: a batch that still holds one of them is waited for, and the
# following statements see its events. A partitioned table is only touched from the first day of the merged profiles on;
# the day before allows for clocks that differ.
MOVE_ROWS = """
CREATE OR REPLACE FUNCTION move_rows_of_profiles(merges jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  owner record;
  since timestamptz;
BEGIN
  SELECT min(created_at) - interval '1 day' INTO since
  FROM jsonb_to_recordset(merges) AS item (source uuid, target uuid) JOIN profiles ON profiles.id = item.source;
  UPDATE identities SET profile_id = item.target, is_former = is_former OR kind = 'user'
  FROM jsonb_to_recordset(merges) AS item (source uuid, target uuid) WHERE identities.profile_id = item.source;
  FOR owner IN
    SELECT pg_class.oid::regclass AS name, arrival.attname AS arrival
    FROM pg_attribute JOIN pg_class ON pg_class.oid = pg_attribute.attrelid
    LEFT JOIN pg_partitioned_table ON partrelid = pg_class.oid
    LEFT JOIN pg_attribute AS arrival
      ON arrival.attrelid = pg_class.oid AND arrival.attnum = partattrs[0] AND arrival.attname = 'received_at'
    WHERE pg_attribute.attname = 'profile_id' AND NOT pg_attribute.attisdropped AND relkind IN ('r', 'p')
      AND NOT relispartition AND relnamespace = current_schema()::regnamespace AND relname <> 'identities'
    ORDER BY relname
  LOOP
    EXECUTE format(
      'UPDATE %s AS owned SET profile_id = item.target
       FROM jsonb_to_recordset($1) AS item (source uuid, target uuid) WHERE owned.profile_id = item.source', owner.name)
      || CASE WHEN owner.arrival IS NULL THEN '' ELSE format(' AND owned.%I >= $2', owner.arrival) END
    USING merges, since;
  END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE profile_merges (
          source_id UUID PRIMARY KEY,
          target_id UUID NOT NULL,
          profile_id UUID NOT NULL REFERENCES profiles (id),
          source_user_id TEXT,
          merged_by TEXT NOT NULL,
          at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
          snapshot JSONB
        );
        CREATE INDEX profile_merges_profile_id ON profile_merges (profile_id);
        CREATE INDEX profile_merges_source_user_id ON profile_merges (source_user_id) WHERE source_user_id IS NOT NULL;
        ALTER TABLE identities ADD COLUMN is_former BOOLEAN NOT NULL DEFAULT false;
        DROP INDEX identities_one_user;
        CREATE UNIQUE INDEX identities_one_user ON identities (profile_id) WHERE kind = 'user' AND NOT is_former;
        """
    )
    op.execute(MOVE_ROWS)
