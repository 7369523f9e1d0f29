"""One table for the documents of the deployment."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE documents (
          kind TEXT NOT NULL,
          version INTEGER NOT NULL,
          source TEXT NOT NULL,
          rules JSONB NOT NULL,
          created_by TEXT NOT NULL DEFAULT '',
          created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
          PRIMARY KEY (kind, version)
        );
        INSERT INTO documents (kind, version, source, rules, created_by, created_at)
        SELECT 'frequency-caps', version, source, rules, created_by, created_at FROM frequency_caps;
        DROP TABLE frequency_caps;
        """
    )
