"""Workers' reports about the deployment."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE worker_reports (
          worker TEXT PRIMARY KEY,
          reported_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
          findings JSONB NOT NULL,
          link_mark TEXT NOT NULL
        )
        """
    )
