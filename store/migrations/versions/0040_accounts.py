"""Accounts and their members."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE accounts (
          id TEXT NOT NULL PRIMARY KEY,
          traits JSONB NOT NULL DEFAULT '{}',
          said JSONB NOT NULL DEFAULT '[]',
          created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
          updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        );
        CREATE TABLE account_members (
          account_id TEXT NOT NULL REFERENCES accounts (id),
          profile_id UUID NOT NULL REFERENCES profiles (id),
          is_member BOOLEAN NOT NULL,
          role TEXT,
          said JSONB NOT NULL,
          said_at BIGINT NOT NULL,
          PRIMARY KEY (account_id, profile_id)
        );
        CREATE INDEX account_members_profile_id ON account_members (profile_id, said_at);
        """
    )
