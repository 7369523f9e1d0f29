"""The data plan: events and properties as they are reported."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import EMPTY_OBJECT, INSTANT, metadata

# One row for each source, type and name, up to a number of names (domain/data_plan/seen.py). `is_rest` counts the
# others.
seen_events = Table(
    "seen_events",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("is_rest", Boolean, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("first_at", INSTANT, nullable=False),
    Column("last_at", INSTANT, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("days", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("properties", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("more_properties", BigInteger, nullable=False, server_default=text("0")),
)

# How reported events depart from what is declared, counted up to a number of kinds (store/violations.py). `name` and
# `path` are empty where there is none.
violations = Table(
    "violations",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("detail", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_at", INSTANT, nullable=False),
    Column("last_at", INSTANT, nullable=False),
    Column("last_event_id", Uuid, nullable=False),
    Index("violations_last_at", "last_at"),
)
