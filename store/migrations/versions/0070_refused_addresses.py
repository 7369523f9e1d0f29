"""Numbers of refused addresses, and of complaints by mail."""

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("delivery_counts", "delivery_count_changes"):
        op.execute(
            f"""
            ALTER TABLE {table}
            ADD COLUMN refused BIGINT NOT NULL DEFAULT 0, ADD COLUMN complained_by_mail BIGINT NOT NULL DEFAULT 0
            """
        )
