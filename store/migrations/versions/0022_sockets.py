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
        """
    )
