"""Circuits of providers, and the days of their warm-up."""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE provider_circuits (
          provider TEXT PRIMARY KEY,
          failures INTEGER NOT NULL DEFAULT 0,
          opened_at TIMESTAMP WITH TIME ZONE,
          probe_at TIMESTAMP WITH TIME ZONE,
          reason TEXT NOT NULL,
          detail TEXT NOT NULL
        );
        CREATE TABLE provider_days (
          provider TEXT NOT NULL,
          day DATE NOT NULL,
          slot INTEGER NOT NULL,
          leased INTEGER NOT NULL DEFAULT 0,
          used INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (provider, day, slot)
        );
        """
    )
