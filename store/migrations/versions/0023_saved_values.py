"""Journeys keep values of the replies of their webhooks."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE journeys ADD COLUMN saved JSONB NOT NULL DEFAULT '{}'::jsonb")
