"""How reported events depart from what is declared."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE violations (
          source TEXT NOT NULL,
          type TEXT NOT NULL,
          name TEXT NOT NULL,
          kind TEXT NOT NULL,
          path TEXT NOT NULL,
          detail TEXT NOT NULL,
          count BIGINT NOT NULL,
          first_at TIMESTAMP WITH TIME ZONE NOT NULL,
          last_at TIMESTAMP WITH TIME ZONE NOT NULL,
          last_event_id UUID NOT NULL,
          PRIMARY KEY (source, type, name, kind, path, detail)
        );
        CREATE INDEX violations_last_at ON violations (last_at);
        """
    )
