"""A lane of the outbox for each campaign."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE outbox ADD COLUMN lane TEXT GENERATED ALWAYS AS (split_part(workflow_id, '/', 1)) STORED NOT NULL"
    )
    op.execute("CREATE INDEX outbox_lane ON outbox (class, lane, available_at, id)")
    op.execute("DROP INDEX outbox_available_at")
