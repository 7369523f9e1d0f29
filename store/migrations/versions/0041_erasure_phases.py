"""Phases of erasures, and the operation that erased an id."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE erasures ADD COLUMN phase TEXT DEFAULT 'deleting_workflows' NOT NULL;
        UPDATE erasures SET phase = 'deleting_rows' WHERE has_kept_refusals;
        ALTER TABLE erasures DROP COLUMN has_kept_refusals;
        ALTER TABLE erased_ids ADD COLUMN operation_id UUID;
        """
    )
