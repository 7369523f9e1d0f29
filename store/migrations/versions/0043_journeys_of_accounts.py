"""Journeys of accounts, one at a time for each account, campaign and key."""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

# Built without stopping writers, which no transaction may do.
INDEXES = {
    "UNIQUE": {
        "journeys_one_active_of_profile": (
            "journeys (campaign_key, profile_id, entry_key) WHERE state = 'active' AND account_id IS NULL"
        ),
        "journeys_one_active_of_account": (
            "journeys (campaign_key, account_id, entry_key) WHERE state = 'active' AND account_id IS NOT NULL"
        ),
    },
    "": {"journeys_account_id": "journeys (account_id, campaign_key, entry_key) WHERE account_id IS NOT NULL"},
}


def upgrade() -> None:
    op.execute("ALTER TABLE journeys ADD COLUMN IF NOT EXISTS account_id TEXT REFERENCES accounts (id)")
    with op.get_context().autocommit_block():
        for unique, indexes in INDEXES.items():
            for name, definition in indexes.items():
                # An interrupted build leaves an invalid index.
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                op.execute(f"CREATE {unique} INDEX CONCURRENTLY {name} ON {definition}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS journeys_one_active")
