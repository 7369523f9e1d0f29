"""Clicks that providers report, kept until their verdicts."""

from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE link_hits ALTER COLUMN number DROP NOT NULL, ADD COLUMN link TEXT")


def downgrade() -> None:
    op.execute(
        """
        DELETE FROM link_hits WHERE number IS NULL;
        ALTER TABLE link_hits ALTER COLUMN number SET NOT NULL, DROP COLUMN link;
        """
    )
