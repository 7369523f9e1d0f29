"""The number of the move that last said where a journey is."""

from alembic import op

revision = "0009"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE journeys ADD COLUMN moves INTEGER DEFAULT 0 NOT NULL")
