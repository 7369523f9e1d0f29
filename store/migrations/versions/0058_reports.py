"""Reports of providers about messages."""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No value is written, so no row is rewritten.
    op.execute(
        """
        ALTER TABLE messages
          ADD COLUMN IF NOT EXISTS delivered_at TIMESTAMP WITH TIME ZONE,
          ADD COLUMN IF NOT EXISTS clicked_at TIMESTAMP WITH TIME ZONE,
          ADD COLUMN IF NOT EXISTS clicked_link TEXT,
          ADD COLUMN IF NOT EXISTS bounced_at TIMESTAMP WITH TIME ZONE,
          ADD COLUMN IF NOT EXISTS bounce TEXT,
          ADD COLUMN IF NOT EXISTS complained_at TIMESTAMP WITH TIME ZONE,
          ADD COLUMN IF NOT EXISTS replied_at TIMESTAMP WITH TIME ZONE,
          ADD COLUMN IF NOT EXISTS machine_at TIMESTAMP WITH TIME ZONE
        """
    )
    op.execute(
        """
        CREATE TABLE callback_ids (
          provider TEXT NOT NULL,
          event_id TEXT NOT NULL,
          received_at TIMESTAMP WITH TIME ZONE NOT NULL,
          PRIMARY KEY (provider, event_id)
        )
        """
    )
    op.execute("CREATE INDEX callback_ids_received_at ON callback_ids (received_at)")
