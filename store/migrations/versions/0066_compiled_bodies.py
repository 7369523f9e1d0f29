"""The HTML that the bodies of templates in MJML were compiled to."""

from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE campaign_versions ADD COLUMN compiled_bodies JSONB NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE campaign_versions DROP COLUMN compiled_bodies")
