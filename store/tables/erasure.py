"""Erasures of people, and what stays of them: keyed hashes."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import INSTANT, metadata

# One row: the padded key of `keyed_hash`. It never changes: hashes under another one would find nothing.
erasure_key = Table(
    "erasure_key",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("inner_pad", LargeBinary, nullable=False),
    Column("outer_pad", LargeBinary, nullable=False),
    CheckConstraint("only_row", name="erasure_key_has_one_row"),
)

# Erasures under way. `identities` and `addresses` lead to what is still there of the person; the row is deleted last.
# `phase` is that of domain/people/erasure.py.
erasures = Table(
    "erasures",
    metadata,
    Column("operation_id", Uuid, ForeignKey("operations.id"), primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("identities", JSONB, nullable=False),
    Column("addresses", JSONB, nullable=False),
    Column("erased_at", INSTANT, nullable=False),
    Column("phase", Text, nullable=False, server_default="deleting_workflows"),
)

# Ids of erased people: events that happened before are rejected, and a repeated request gets the same operation.
erased_ids = Table(
    "erased_ids",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("erased_at", INSTANT, nullable=False),
    Column("operation_id", Uuid),
    Index("erased_ids_erased_at", "erased_at"),
)

# Refusals of addresses of erased people. They return to `addresses` when a person says the address again.
erased_refusals = Table(
    "erased_refusals",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("refusals", JSONB, nullable=False),
    Column("said", JSONB, nullable=False),
)
