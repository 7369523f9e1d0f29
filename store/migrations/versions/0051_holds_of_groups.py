"""Holds of the people of a segment or an area."""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE holds ALTER COLUMN profile_id DROP NOT NULL")
