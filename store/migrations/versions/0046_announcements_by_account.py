"""An index by which an account finds its unfinished announcement."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS operations_announce")
        op.execute(
            "CREATE INDEX CONCURRENTLY operations_announce ON operations ((parameters ->> 'account_id'), id) "
            "WHERE kind = 'announce' AND finished_at IS NULL"
        )
