"""Counts of messages by category, and of the room that campaigns took.

The counts are folded anew from the stream, without the rows that were deleted since.
"""

from alembic import op

revision = "0093"
down_revision = "0092"
branch_labels = None
depends_on = None

KEY = "day, campaign_key, version, kind, step, outcome, reason, rule, channel, provider"
# A worker of before whose page is under way meets the new key, fails, and moves nothing.
ANEW = """
TRUNCATE daily_counts;
DELETE FROM stream_consumers WHERE name = 'daily_counts';
"""


def write_trigger(columns: str) -> str:
    """Return the trigger function that records these columns of a changed message."""
    values = ", ".join(f"NEW.{column}" for column in columns.split(", "))
    return f"""
    CREATE OR REPLACE FUNCTION record_message_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO message_changes (message_id, {columns}) VALUES (NEW.id, {values});
      RETURN NULL;
    END $$;
    """  # noqa: S608 -- constants of this module


def upgrade() -> None:
    op.execute(
        f"""
        {ANEW}
        ALTER TABLE daily_counts
          ADD COLUMN category TEXT NOT NULL, ADD COLUMN priority TEXT NOT NULL, ADD COLUMN taken_by TEXT NOT NULL,
          DROP CONSTRAINT daily_counts_pkey, ADD PRIMARY KEY ({KEY}, category, priority, taken_by);
        ALTER TABLE message_changes ADD COLUMN category TEXT, ADD COLUMN priority TEXT;
        """
    )
    op.execute(write_trigger("state, reason, at, channel, provider, category, priority"))


def downgrade() -> None:
    op.execute(write_trigger("state, reason, at, channel, provider"))
    op.execute(
        f"""
        {ANEW}
        ALTER TABLE message_changes DROP COLUMN category, DROP COLUMN priority;
        ALTER TABLE daily_counts
          DROP CONSTRAINT daily_counts_pkey, DROP COLUMN category, DROP COLUMN priority, DROP COLUMN taken_by,
          ADD PRIMARY KEY ({KEY});
        """
    )
