"""Scopes of keys by the product alone: another scope takes no migration."""

from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes")


def downgrade() -> None:
    # The release before reads no other scopes.
    op.execute(
        """
        UPDATE api_keys SET scopes = ARRAY(
          SELECT scope FROM unnest(scopes) AS scope
          WHERE scope = ANY (ARRAY['ingest', 'send', 'stream', 'read', 'operate', 'admin']));
        ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes
          CHECK (scopes <@ ARRAY['ingest', 'send', 'stream', 'read', 'operate', 'admin']);
        """
    )
