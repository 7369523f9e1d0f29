"""Computed traits whose changes by time campaigns watch."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE computed_traits ADD COLUMN is_watched BOOLEAN NOT NULL DEFAULT false")
