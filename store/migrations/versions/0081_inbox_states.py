"""The columns that are read of a message in the inbox without its content."""

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # It rewrites `inbox`, which no release has with rows.
    op.execute(
        """
        ALTER TABLE inbox ADD COLUMN every JSONB GENERATED ALWAYS AS (content -> 'every') STORED,
          ADD COLUMN size INTEGER GENERATED ALWAYS AS (octet_length(content::text)) STORED
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE inbox DROP COLUMN every, DROP COLUMN size")
