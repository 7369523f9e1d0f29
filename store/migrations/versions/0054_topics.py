"""Subscriptions to topics, and the proof of consents."""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults are constants, so no row is rewritten.
    op.execute("ALTER TABLE profiles ADD COLUMN IF NOT EXISTS preferences JSONB NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE profile_changes ADD COLUMN IF NOT EXISTS proof JSONB")
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS profile_changes_answers")
        op.execute(
            "CREATE INDEX CONCURRENTLY profile_changes_answers ON profile_changes (profile_id, recorded_at) "
            "WHERE part IN ('consent', 'preferences', 'suppressed', 'addresses')"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS profile_changes_consent")
