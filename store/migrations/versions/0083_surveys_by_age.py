"""The age of surveys that messages link to, by which retention deletes them."""

from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The first default is a constant, so no row is rewritten: the age of known surveys begins now.
    op.execute(
        """
        ALTER TABLE message_surveys ADD COLUMN recorded_at TIMESTAMPTZ NOT NULL DEFAULT now();
        ALTER TABLE message_surveys ALTER COLUMN recorded_at SET DEFAULT clock_timestamp();
        CREATE INDEX message_surveys_recorded_at ON message_surveys USING brin (recorded_at) WITH (autosummarize = on);
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE message_surveys DROP COLUMN recorded_at")
