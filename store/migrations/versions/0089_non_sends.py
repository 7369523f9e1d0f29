"""An index of refused entries and messages, by the rule as well.

Rows of before have no rule: `data` has it.
"""

from alembic import op

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE decisions ADD COLUMN rule TEXT")
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS decisions_non_sends")
        op.execute(
            "CREATE INDEX CONCURRENTLY decisions_non_sends "
            "ON decisions (campaign_key, step, reason, rule, at, id) INCLUDE (profile_id) WHERE outcome = 'refused'"
        )


def downgrade() -> None:
    op.execute("DROP INDEX decisions_non_sends; ALTER TABLE decisions DROP COLUMN rule")
