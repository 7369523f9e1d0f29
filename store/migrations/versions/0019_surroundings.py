"""Time zone and language of people's devices."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE profiles ADD COLUMN context JSONB DEFAULT '{}'::jsonb NOT NULL")
