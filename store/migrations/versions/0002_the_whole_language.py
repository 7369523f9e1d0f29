"""Goals, splits, stages, priorities, and reactions to messages."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHANGES = """
ALTER TABLE profiles ADD COLUMN stage TEXT;

ALTER TABLE messages ADD COLUMN priority TEXT DEFAULT 'normal' NOT NULL;
ALTER TABLE messages ADD COLUMN opened_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE messages ADD CONSTRAINT messages_priority CHECK (priority IN ('normal', 'high'));

ALTER TABLE decisions DROP CONSTRAINT decisions_kind;
ALTER TABLE decisions ADD CONSTRAINT decisions_kind CHECK (kind IN (
    'entry', 'delay', 'send', 'branch', 'split', 'repeat', 'update_profile', 'set_stage', 'emit_event',
    'exit'));
CREATE INDEX decisions_held ON decisions (journey_id) WHERE kind = 'send' AND outcome = 'held';
CREATE INDEX decisions_split ON decisions (journey_id, step) WHERE kind = 'split';

CREATE TABLE conversions (
    journey_id UUID NOT NULL,
    profile_id UUID NOT NULL,
    campaign_key TEXT NOT NULL,
    campaign_version INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    message_id UUID,
    arms JSONB DEFAULT '{}'::jsonb NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (journey_id),
    FOREIGN KEY(journey_id) REFERENCES journeys (id)
);

CREATE INDEX conversions_profile_id ON conversions (profile_id, recorded_at);
CREATE INDEX conversions_campaign ON conversions (campaign_key, at);
"""


def upgrade() -> None:
    op.execute(CHANGES)
