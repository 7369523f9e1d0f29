"""The model of what buyers are worth."""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rfm_models (
          as_of TIMESTAMP WITH TIME ZONE PRIMARY KEY,
          model JSONB NOT NULL,
          kept_by TEXT NOT NULL
        )
        """
    )
