"""The bucket by which arms of splits are drawn."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null stands for the id, by which arms were drawn before: no row is rewritten.
    op.execute("ALTER TABLE profiles ADD COLUMN bucket UUID")
