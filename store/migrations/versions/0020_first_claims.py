"""The first claim of a message, which its template uses as `now` in every attempt."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN first_claimed_at TIMESTAMP WITH TIME ZONE")
