"""When people were there, and their devices."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE profile_activity (
          profile_id UUID NOT NULL PRIMARY KEY REFERENCES profiles (id),
          first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
          last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
          sessions INTEGER NOT NULL,
          session_started_at TIMESTAMP WITH TIME ZONE NOT NULL,
          ended_at TIMESTAMP WITH TIME ZONE,
          ends_at TIMESTAMP WITH TIME ZONE,
          opened JSONB NOT NULL DEFAULT '[]'::jsonb,
          marks JSONB NOT NULL DEFAULT '{}'::jsonb
        ) WITH (fillfactor = 80);
        CREATE INDEX profile_activity_ends_at ON profile_activity (ends_at) WHERE ends_at IS NOT NULL;
        CREATE TABLE devices (
          profile_id UUID NOT NULL REFERENCES profiles (id),
          id TEXT NOT NULL,
          platform TEXT,
          app TEXT,
          app_version TEXT,
          os TEXT,
          os_version TEXT,
          model TEXT,
          locale TEXT,
          timezone TEXT,
          push_token TEXT,
          first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
          last_seen TIMESTAMP WITH TIME ZONE NOT NULL,
          PRIMARY KEY (profile_id, id)
        );
        """
    )
