"""Events and properties as they are reported."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE seen_events (
          source TEXT NOT NULL,
          type TEXT NOT NULL,
          is_rest BOOLEAN NOT NULL,
          name TEXT NOT NULL,
          first_at TIMESTAMP WITH TIME ZONE NOT NULL,
          last_at TIMESTAMP WITH TIME ZONE NOT NULL,
          count BIGINT NOT NULL,
          days JSONB NOT NULL DEFAULT '{}'::jsonb,
          properties JSONB NOT NULL DEFAULT '{}'::jsonb,
          more_properties BIGINT NOT NULL DEFAULT 0,
          PRIMARY KEY (source, type, is_rest, name)
        )
        """
    )
