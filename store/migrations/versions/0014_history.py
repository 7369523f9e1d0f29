"""The integrations of events, and which events are history."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE events ADD COLUMN integrations JSONB DEFAULT '{}'::jsonb NOT NULL, "
        "ADD COLUMN is_history BOOLEAN DEFAULT false NOT NULL"
    )
