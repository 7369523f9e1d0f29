"""Accounts and their members."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import EMPTY_ARRAY, EMPTY_OBJECT, INSTANT, metadata

# `said` has the stamps of the traits.
accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("traits", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("said", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
)

# Former members stay with `is_member` false, so that no older statement brings them back. `said` has the stamps of
# `is_member` and `role`, and `said_at` that of `is_member`.
account_members = Table(
    "account_members",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), primary_key=True),
    Column("is_member", Boolean, nullable=False),
    Column("role", Text),
    Column("said", JSONB, nullable=False),
    Column("said_at", BigInteger, nullable=False),
    Index("account_members_profile_id", "profile_id", "said_at"),
)
