"""Breakpoints of RFM by day."""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rfm_days (
          day DATE PRIMARY KEY,
          requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
          as_of TIMESTAMP WITH TIME ZONE,
          population JSONB,
          breakpoints JSONB
        )
        """
    )
