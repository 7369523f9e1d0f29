"""An order of people at random, for the samples of previews."""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS profiles_sample")
        op.execute("CREATE INDEX CONCURRENTLY profiles_sample ON profiles (uuid_hash(id))")
