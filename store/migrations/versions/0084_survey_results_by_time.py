"""Indexes by which results of surveys read the rows of their period alone."""

from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

_INDEXES = {
    "messages_at": "messages USING brin ((COALESCE(given_at, at))) WITH (autosummarize = on)",
    "survey_answers_of_campaign": "survey_answers (template, campaign_key, at, message_id)",
    "survey_answers_texts": "survey_answers (template, at, message_id, question) WHERE text IS NOT NULL",
    "campaign_versions_surveys": "campaign_versions (campaign_key, version) WHERE rules ? 'surveys'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns in _INDEXES.items():
            # An interrupted build leaves an invalid index.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS survey_answers_template")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS survey_answers_template ON survey_answers (template, at)")
        for name in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
