"""Renames: a journey's status, the outbox's priority and partition, audience runs."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE journeys RENAME COLUMN standing TO status")
    op.execute("ALTER TABLE journeys RENAME CONSTRAINT journeys_standing TO journeys_status")
    op.execute("ALTER TABLE outbox RENAME COLUMN class TO priority")
    op.execute("ALTER TABLE outbox RENAME COLUMN lane TO partition")
    op.execute("ALTER TABLE operations RENAME COLUMN occasion TO audience_run")
    op.execute("ALTER TABLE operations RENAME CONSTRAINT operations_once_an_occasion TO operations_once_a_run")
    op.execute("ALTER INDEX outbox_class RENAME TO outbox_priority")
    op.execute("ALTER INDEX outbox_lane RENAME TO outbox_partition")
