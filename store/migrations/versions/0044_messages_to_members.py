"""Several messages a visit of a step: one for each member of an account."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

# Built without stopping writers, which no transaction may do.
INDEXES = {
    "messages_journey": "messages (journey_id, step, visit)",
    "decisions_members": "decisions (journey_id, recorded_at) WHERE data ? 'role'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            # An interrupted build leaves an invalid index.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
    # The id is derived from journey, step, visit and member, so it keeps a message unique.
    op.execute("ALTER TABLE messages DROP CONSTRAINT IF EXISTS messages_once_a_visit")
