"""An index of rejects by source."""

from alembic import op

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS rejects_source")
        op.execute("CREATE INDEX CONCURRENTLY rejects_source ON rejects (source, received_at)")


def downgrade() -> None:
    op.execute("DROP INDEX rejects_source")
