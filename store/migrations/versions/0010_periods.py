"""How many times a campaign has begun to let users in."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE campaigns ADD COLUMN period INTEGER DEFAULT 0 NOT NULL")
