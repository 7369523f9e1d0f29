"""Files that mails attach, and the versions that have them."""

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE attachment_files (
          sha256 TEXT PRIMARY KEY,
          data BYTEA NOT NULL,
          stored_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        );
        -- The files are compressed by their own formats.
        ALTER TABLE attachment_files ALTER COLUMN data SET STORAGE EXTERNAL;
        CREATE TABLE version_attachments (
          sha256 TEXT NOT NULL REFERENCES attachment_files (sha256),
          campaign_key TEXT NOT NULL,
          version INTEGER NOT NULL,
          PRIMARY KEY (sha256, campaign_key, version),
          FOREIGN KEY (campaign_key, version) REFERENCES campaign_versions (campaign_key, version)
        );
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE version_attachments, attachment_files")
