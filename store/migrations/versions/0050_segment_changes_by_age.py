"""The index by which retention finds old changes of segments."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS segment_changes_recorded_at")
        op.execute(
            "CREATE INDEX CONCURRENTLY segment_changes_recorded_at ON segment_changes USING brin (recorded_at) "
            "WITH (autosummarize = on)"
        )
