"""Keys of the scope stream read the stream, and nothing else."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes;
        ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes
          CHECK (scopes <@ ARRAY['ingest', 'stream', 'read', 'operate', 'admin']);
        """
    )
