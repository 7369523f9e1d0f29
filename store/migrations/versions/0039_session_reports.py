"""Ends and openings of sessions that wait to be reported."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE session_reports (
          id UUID NOT NULL DEFAULT uuidv7() PRIMARY KEY,
          profile_id UUID NOT NULL REFERENCES profiles (id),
          started_at TIMESTAMP WITH TIME ZONE NOT NULL,
          last_at TIMESTAMP WITH TIME ZONE NOT NULL,
          platform TEXT
        );
        CREATE INDEX session_reports_profile_id ON session_reports (profile_id);
        """
    )
