"""Requests for subscriptions, by which they are limited."""

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE subscription_requests (
          hash BYTEA PRIMARY KEY,
          since TIMESTAMP WITH TIME ZONE NOT NULL,
          number INTEGER NOT NULL
        )
        """
    )
