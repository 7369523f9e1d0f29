"""Event ids, and sources within which message ids are unique."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults serve what is stored, and the release before while this one is deployed.
    op.execute("ALTER TABLE api_keys ADD COLUMN source TEXT DEFAULT 'default' NOT NULL")
    op.execute("ALTER TABLE api_keys ADD CONSTRAINT api_keys_source CHECK (source <> 'sojourn')")
    op.execute("ALTER TABLE message_ids ADD COLUMN source TEXT DEFAULT 'default' NOT NULL, ADD COLUMN event_id UUID")
    op.execute(
        "ALTER TABLE message_ids DROP CONSTRAINT message_ids_pkey, "
        "ADD CONSTRAINT message_ids_pkey PRIMARY KEY (source, message_id)"
    )
    # Two sources may report the same message id in the same microsecond.
    op.execute(
        "ALTER TABLE events ADD COLUMN id UUID DEFAULT gen_random_uuid() NOT NULL, "
        "ADD COLUMN source TEXT DEFAULT 'default' NOT NULL, DROP CONSTRAINT events_pkey, "
        "ADD CONSTRAINT events_pkey PRIMARY KEY (received_at, id)"
    )
