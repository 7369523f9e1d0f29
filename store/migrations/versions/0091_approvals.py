"""Approvals of campaigns by another person, and who changed a campaign."""

from alembic import op

revision = "0091"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE approvals (
          id UUID NOT NULL,
          campaign_key TEXT NOT NULL,
          version INTEGER NOT NULL,
          revision BIGINT NOT NULL,
          action TEXT NOT NULL,
          parameters JSONB NOT NULL,
          people BIGINT NOT NULL,
          requested_by TEXT NOT NULL,
          requested_by_name TEXT NOT NULL,
          requested_at TIMESTAMPTZ NOT NULL,
          expires_at TIMESTAMPTZ NOT NULL,
          decision TEXT,
          decided_by TEXT,
          decided_by_name TEXT,
          decided_at TIMESTAMPTZ,
          PRIMARY KEY (id),
          FOREIGN KEY (campaign_key, version) REFERENCES campaign_versions (campaign_key, version),
          CONSTRAINT approvals_decision CHECK (decision IN ('approved', 'rejected', 'expired', 'outdated')),
          CONSTRAINT approvals_decided CHECK (decision IN ('approved', 'rejected') = (decided_by IS NOT NULL))
        );
        CREATE UNIQUE INDEX approvals_open ON approvals (campaign_key, action) WHERE decision IS NULL;
        CREATE INDEX approvals_campaign ON approvals (campaign_key, id);
        ALTER TABLE campaign_changes ADD COLUMN actor TEXT;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE campaign_changes DROP COLUMN actor; DROP TABLE approvals")
