"""Browser keys, the trust of events, and unverified values of people."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE api_keys
          ADD COLUMN is_browser BOOLEAN NOT NULL DEFAULT false,
          ADD COLUMN origins TEXT[] NOT NULL DEFAULT '{}',
          ADD COLUMN trust TEXT NOT NULL DEFAULT 'full',
          ADD COLUMN token_secrets TEXT[] NOT NULL DEFAULT '{}',
          DROP CONSTRAINT api_keys_source;
        -- The new constraint keeps these names for browser keys.
        UPDATE api_keys SET source = 'server ' || source WHERE source LIKE 'browser:%';
        ALTER TABLE api_keys
          ADD CONSTRAINT api_keys_source
            CHECK (source <> 'sojourn' AND is_browser = (source LIKE 'browser:%')),
          ADD CONSTRAINT api_keys_browser
            CHECK (NOT is_browser OR scopes = ARRAY['ingest'] AND origins <> '{}');
        ALTER TABLE events ADD COLUMN trust TEXT NOT NULL DEFAULT 'verified';
        ALTER TABLE profiles ADD COLUMN claims JSONB NOT NULL DEFAULT '{}'::jsonb;
        """
    )
