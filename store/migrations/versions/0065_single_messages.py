"""Single messages: their scope, and their journeys by the message."""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS journeys_single")
        op.execute(
            "CREATE INDEX CONCURRENTLY journeys_single ON journeys (entry_key) WHERE strpos(campaign_key, ':') > 0"
        )
    op.execute(
        """
        ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes, ADD CONSTRAINT api_keys_scopes
          CHECK (scopes <@ ARRAY['ingest', 'send', 'stream', 'read', 'operate', 'admin']);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP INDEX journeys_single;
        ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes, ADD CONSTRAINT api_keys_scopes
          CHECK (scopes <@ ARRAY['ingest', 'stream', 'read', 'operate', 'admin']);
        """
    )
