"""Holds of all marketing to a person."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS decisions_on_hold")
        op.execute(
            "CREATE INDEX CONCURRENTLY decisions_on_hold ON decisions ((data ->> 'hold'), journey_id) "
            "WHERE reason = 'on_hold'"
        )
    op.execute(
        """
        CREATE TABLE holds (
          id UUID PRIMARY KEY,
          profile_id UUID NOT NULL REFERENCES profiles (id),
          id_kind TEXT NOT NULL,
          id_value TEXT NOT NULL,
          until TIMESTAMP WITH TIME ZONE NOT NULL,
          event TEXT,
          reason TEXT NOT NULL,
          placed_by TEXT NOT NULL,
          placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
          ended_at TIMESTAMP WITH TIME ZONE,
          ended_by TEXT
        );
        CREATE INDEX holds_profile_id ON holds (profile_id);
        CREATE INDEX holds_open ON holds (profile_id, until) WHERE ended_at IS NULL;
        ALTER TABLE registry ADD COLUMN holds_until TIMESTAMP WITH TIME ZONE;
        """
    )
