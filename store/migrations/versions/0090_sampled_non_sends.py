"""An index of the refusals of one person in 64, for estimates of many people."""

from alembic import op

revision = "0090"
down_revision = "0089"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS decisions_non_sends_sample")
        op.execute(
            "CREATE INDEX CONCURRENTLY decisions_non_sends_sample "
            "ON decisions (campaign_key, step, reason, rule, at) INCLUDE (profile_id) "
            "WHERE outcome = 'refused' AND (uuid_hash(profile_id) & 63) = 0"
        )


def downgrade() -> None:
    op.execute("DROP INDEX decisions_non_sends_sample")
