"""Indexes for lists of journeys and funnels, and reconciliations."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHANGES = """
DROP INDEX journeys_campaign;
CREATE INDEX journeys_campaign ON journeys (state, campaign_key, campaign_version, id);
DROP INDEX journeys_pages;
CREATE INDEX journeys_pages ON journeys (campaign_key, state, id);
DROP INDEX journeys_step;
CREATE INDEX journeys_step ON journeys (campaign_key, step, id) WHERE state = 'active';

CREATE INDEX messages_campaign ON messages (campaign_key);
CREATE INDEX messages_open ON messages (journey_id) WHERE state IN ('reserved', 'sending');
CREATE INDEX decisions_campaign ON decisions (campaign_key);

CREATE TABLE reconciliations (
    id UUID NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    requested_by TEXT NOT NULL,
    report JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT reconciliations_state CHECK (state IN ('pending', 'running', 'done')),
    CONSTRAINT reconciliations_finished_at CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
"""


def upgrade() -> None:
    op.execute(CHANGES)
