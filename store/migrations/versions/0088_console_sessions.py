"""The sessions of the web console."""

from alembic import op

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE console_sessions (
          id TEXT PRIMARY KEY,
          digest BYTEA NOT NULL,
          actor_id TEXT NOT NULL,
          actor_name TEXT NOT NULL,
          scopes TEXT[] NOT NULL,
          how TEXT NOT NULL,
          key_id TEXT,
          created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
          expires_at TIMESTAMPTZ NOT NULL,
          revoked_at TIMESTAMPTZ
        );
        CREATE INDEX console_sessions_created ON console_sessions (created_at, id);
        CREATE INDEX console_sessions_actor ON console_sessions (actor_id, created_at);
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE console_sessions")
