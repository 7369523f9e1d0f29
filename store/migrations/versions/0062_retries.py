"""Retries of failed messages."""

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_failed")
        op.execute("CREATE INDEX CONCURRENTLY messages_failed ON messages (id) WHERE state = 'failed'")
    # No value is written, so no row is rewritten.
    op.execute(
        "ALTER TABLE messages ADD COLUMN retry_of UUID, ADD COLUMN retry_version INTEGER, ADD COLUMN retried_by UUID"
    )
