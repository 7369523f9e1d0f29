"""The phone numbers of people as addresses of WhatsApp, and when each last wrote."""

from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE addresses ADD COLUMN wrote jsonb NOT NULL DEFAULT '{}';
        UPDATE profiles SET addresses = addresses || jsonb_build_object('whatsapp', addresses -> 'sms')
        WHERE addresses ? 'sms';
        INSERT INTO addresses (channel, value)
        SELECT DISTINCT 'whatsapp', addresses ->> 'sms' FROM profiles WHERE addresses ? 'sms'
        ON CONFLICT DO NOTHING;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        UPDATE profiles SET addresses = addresses - 'whatsapp' WHERE addresses ? 'whatsapp';
        DELETE FROM addresses WHERE channel = 'whatsapp';
        ALTER TABLE addresses DROP COLUMN wrote;
        """
    )
