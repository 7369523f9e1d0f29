"""Operations of the deployment, without a campaign; failures of operations."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE operations
            ALTER COLUMN campaign_key DROP NOT NULL,
            ADD COLUMN next_page_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            ADD COLUMN failures INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN last_error TEXT;
        """
    )
