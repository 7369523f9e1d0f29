"""Kinds are open: no constraint lists them. The ledger knows the provider, its first hand-over and its deliveries."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE identities DROP CONSTRAINT identities_kind;
        ALTER TABLE decisions DROP CONSTRAINT decisions_kind;
        ALTER TABLE outbox DROP CONSTRAINT outbox_kind;
        ALTER TABLE operations DROP CONSTRAINT operations_kind;
        ALTER TABLE messages ADD COLUMN provider TEXT, ADD COLUMN first_handed_over_at TIMESTAMP WITH TIME ZONE;
        UPDATE messages SET first_handed_over_at = first_claimed_at WHERE state = 'sending';
        CREATE TABLE deliveries (
          message_id UUID NOT NULL REFERENCES messages (id),
          address TEXT NOT NULL,
          state TEXT NOT NULL,
          reason TEXT,
          detail TEXT,
          provider_id TEXT,
          at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (message_id, address),
          CONSTRAINT deliveries_state CHECK (state IN ('sent', 'failed', 'unknown', 'waiting'))
        );
        """
    )
