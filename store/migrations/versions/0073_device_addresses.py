"""Addresses of devices, and dismissed notifications."""

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE device_addresses (
          value TEXT PRIMARY KEY,
          profile_id UUID NOT NULL REFERENCES profiles (id),
          kind TEXT NOT NULL,
          app TEXT NOT NULL DEFAULT '',
          device_id TEXT,
          environment TEXT,
          keys JSONB,
          seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
          registered_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
          removed_at TIMESTAMP WITH TIME ZONE,
          removed_reason TEXT
        );
        CREATE INDEX device_addresses_profile_id ON device_addresses (profile_id, seen_at);
        INSERT INTO device_addresses (value, profile_id, kind, app, device_id, seen_at)
        SELECT DISTINCT ON (push_token) push_token, profile_id,
               CASE WHEN lower(platform) IN ('ios', 'ipados', 'macos', 'tvos', 'visionos', 'watchos')
                         AND push_token ~ '^([0-9a-fA-F]{2}){32,100}$' THEN 'apns' ELSE 'token' END,
               COALESCE(app, ''), id, last_seen
        FROM devices WHERE push_token ~ '^[\\x21-\\x7e]+$' AND length(push_token) <= 2000
        ORDER BY push_token, last_seen DESC, profile_id;
        ALTER TABLE devices DROP COLUMN push_token;
        ALTER TABLE messages ADD COLUMN dismissed_at TIMESTAMP WITH TIME ZONE;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE devices ADD COLUMN push_token TEXT;
        UPDATE devices SET push_token = value FROM device_addresses AS known
        WHERE known.profile_id = devices.profile_id AND known.device_id = devices.id AND removed_at IS NULL;
        DROP TABLE device_addresses;
        ALTER TABLE messages DROP COLUMN dismissed_at;
        """
    )
