"""Reported events, their message ids, and rejects."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import CLOCK, CURRENT_XID, DEFAULT_SOURCE, EMPTY_OBJECT, INSTANT, by_age, metadata

# Events are partitioned by month, and PostgreSQL cannot enforce a key across partitions, so this table does.
message_ids = Table(
    "message_ids",
    metadata,
    Column("source", Text, primary_key=True, server_default=DEFAULT_SOURCE),
    Column("message_id", Text, primary_key=True),
    Column("event_id", Uuid),
    Column("received_at", INSTANT, nullable=False),
    by_age("message_ids_received_at", "received_at"),
)

events = Table(
    "events",
    metadata,
    Column("received_at", INSTANT, primary_key=True),
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("source", Text, nullable=False, server_default=DEFAULT_SOURCE),
    Column("message_id", Text, nullable=False),
    Column("profile_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("name", Text),
    Column("user_id", Text),
    Column("anonymous_id", Text),
    Column("previous_id", Text),
    Column("group_id", Text),
    Column("properties", JSONB, nullable=False),
    Column("context", JSONB, nullable=False),
    Column("timestamp", INSTANT, nullable=False),
    # The time of an impossible client clock; `timestamp` is then the arrival.
    Column("reported_timestamp", INSTANT),
    Column("integrations", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("is_history", Boolean, nullable=False, server_default=text("false")),
    # `unverified` ones count for nothing: a browser reported them about a known person, without a user token.
    Column("trust", Text, nullable=False, server_default=text("'verified'")),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("recorded_xid", BigInteger, server_default=CURRENT_XID),
    Index("events_profile_id", "profile_id", "recorded_at"),
    Index("events_recorded_xid", "recorded_xid"),
    postgresql_partition_by="RANGE (received_at)",
)

# `part` is the path of the part left out of an accepted call; null if the whole call was refused.
rejects = Table(
    "rejects",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("received_at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("position", Integer, nullable=False),
    Column("source", Text, nullable=False, server_default=DEFAULT_SOURCE),
    Column("event_id", Uuid),
    Column("message_id", Text),
    Column("user_id", Text),
    Column("anonymous_id", Text),
    Column("part", Text),
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("unrecorded", Integer, nullable=False, server_default=text("0")),
    Index("rejects_received_at", "received_at"),
    Index("rejects_source", "source", "received_at"),
    Index("rejects_user_id", "user_id", "recorded_at", postgresql_where=text("user_id IS NOT NULL")),
    Index("rejects_anonymous_id", "anonymous_id", "recorded_at", postgresql_where=text("anonymous_id IS NOT NULL")),
)
