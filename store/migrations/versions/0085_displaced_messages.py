"""The time at which newer messages took the place of one in the inbox."""

from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only messages without it are read with a person, however many there were before.
    op.execute(
        """
        ALTER TABLE inbox ADD COLUMN displaced_at TIMESTAMPTZ;
        CREATE INDEX inbox_kept ON inbox (profile_id, expires_at) WHERE displaced_at IS NULL;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE inbox DROP COLUMN displaced_at")
