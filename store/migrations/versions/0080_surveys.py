"""Surveys of messages, and their answers."""

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE message_surveys (
          message_id UUID PRIMARY KEY REFERENCES messages (id),
          content JSONB NOT NULL
        );
        CREATE TABLE survey_answers (
          message_id UUID NOT NULL REFERENCES messages (id),
          question TEXT NOT NULL,
          profile_id UUID NOT NULL,
          journey_id UUID NOT NULL,
          campaign_key TEXT NOT NULL,
          campaign_version INTEGER NOT NULL,
          step TEXT NOT NULL,
          channel TEXT NOT NULL,
          template TEXT NOT NULL,
          arms JSONB NOT NULL DEFAULT '{}'::jsonb,
          type TEXT NOT NULL,
          score SMALLINT,
          choices TEXT[],
          text TEXT,
          at TIMESTAMP WITH TIME ZONE NOT NULL,
          recorded_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (message_id, question)
        );
        CREATE INDEX survey_answers_profile_id ON survey_answers (profile_id);
        CREATE INDEX survey_answers_journey_id ON survey_answers (journey_id);
        CREATE INDEX survey_answers_template ON survey_answers (template, at);
        CREATE INDEX survey_answers_recorded_at ON survey_answers USING brin (recorded_at) WITH (autosummarize = on);
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE survey_answers, message_surveys")
