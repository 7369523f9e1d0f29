"""An index by which an erasure finds what browsers claimed of the person."""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE OR REPLACE FUNCTION changed_values(changes jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_agg(DISTINCT lower(side #>> '{}')) FROM jsonb_path_query(changes, '$.*.*') AS side
$$
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    # Built without stopping writers, which no transaction may do.
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS profile_changes_claims")
        op.execute(
            "CREATE INDEX CONCURRENTLY profile_changes_claims ON profile_changes "
            "USING gin (changed_values(changes)) WHERE part = 'claims'"
        )
