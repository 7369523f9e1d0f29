"""Changes of profiles name their source; people are found by address."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Built without stopping writers, which no transaction may do.
INDEXES = {
    "profile_changes_consent": """
        profile_changes (profile_id, recorded_at) WHERE part IN ('consent', 'suppressed', 'addresses')""",
    "profiles_addresses": "profiles USING gin (addresses jsonb_path_ops)",
}


def upgrade() -> None:
    op.execute("ALTER TABLE profile_changes ADD COLUMN source_name TEXT")
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            # An interrupted build leaves an invalid index.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
