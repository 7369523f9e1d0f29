"""Messages by several channels: a delivery for each channel, and fallbacks."""

from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No value is written, so no row is rewritten. A repeated migration keeps columns that an interrupted one added.
    op.execute("ALTER TABLE messages ADD COLUMN IF NOT EXISTS fallback_of UUID")
    op.execute(
        "ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS channel TEXT NOT NULL DEFAULT '', "
        "ADD COLUMN IF NOT EXISTS provider TEXT"
    )
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS deliveries_by_channel")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY deliveries_by_channel ON deliveries (message_id, channel, address)"
        )
    op.execute(
        """
        ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey,
          ADD CONSTRAINT deliveries_pkey PRIMARY KEY USING INDEX deliveries_by_channel
        """
    )
