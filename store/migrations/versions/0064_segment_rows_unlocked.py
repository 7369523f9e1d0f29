"""Members and changes of segments without foreign keys to these."""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Each row that is inserted would lock its segment's row, in which transactions then queue their ids.
    op.execute(
        """
        ALTER TABLE segment_members DROP CONSTRAINT segment_members_segment_id_fkey;
        ALTER TABLE segment_changes DROP CONSTRAINT segment_changes_segment_id_fkey;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE segment_members ADD FOREIGN KEY (segment_id) REFERENCES segments (id);
        ALTER TABLE segment_changes ADD FOREIGN KEY (segment_id) REFERENCES segments (id);
        """
    )
