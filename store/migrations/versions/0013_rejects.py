"""Rejects with person, parts and unrecorded numbers; times of impossible clocks."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

CHANGES = """
ALTER TABLE rejects
  ADD COLUMN recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  ADD COLUMN source TEXT DEFAULT 'default' NOT NULL,
  ADD COLUMN event_id UUID,
  ADD COLUMN user_id TEXT,
  ADD COLUMN anonymous_id TEXT,
  ADD COLUMN part TEXT,
  ADD COLUMN unrecorded INTEGER DEFAULT 0 NOT NULL;
UPDATE rejects SET recorded_at = received_at;
ALTER TABLE events ADD COLUMN reported_timestamp TIMESTAMP WITH TIME ZONE;
CREATE INDEX rejects_received_at ON rejects (received_at);
CREATE INDEX rejects_user_id ON rejects (user_id, recorded_at) WHERE user_id IS NOT NULL;
CREATE INDEX rejects_anonymous_id ON rejects (anonymous_id, recorded_at) WHERE anonymous_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(CHANGES)
