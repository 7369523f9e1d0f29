"""An index of messages by campaign, step, state, channel and provider, for lists.

It takes the place of that by campaign alone.
"""

from alembic import op

revision = "0095"
down_revision = "0094"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_listed")
        op.execute(
            "CREATE INDEX CONCURRENTLY messages_listed "
            "ON messages (campaign_key, step, state, channel, COALESCE(provider, ''), at, id)"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_campaign")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_campaign ON messages (campaign_key)")
        op.execute("DROP INDEX CONCURRENTLY messages_listed")
