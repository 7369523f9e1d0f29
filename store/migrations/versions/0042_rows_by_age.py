"""Indexes by which retention finds old rows, of a few pages each."""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

# Built without stopping writers, which no transaction may do.
INDEXES = {
    "decisions_recorded_at": "decisions USING brin (recorded_at)",
    "message_ids_received_at": "message_ids USING brin (received_at)",
    "audit_log_at": "audit_log USING brin (at)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            # An interrupted build leaves an invalid index.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition} WITH (autosummarize = on)")
