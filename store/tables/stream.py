"""The origin of positions in the stream, and how far its consumers are."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, Text, Uuid, text

from store.tables.columns import CLOCK, CURRENT_XID, INSTANT, metadata

# One row: the cluster whose transaction ids are counted, and the number added to them. After a restore into another
# cluster its ids begin anew, and `base` keeps positions growing (store/stream_origin.py).
stream_origin = Table(
    "stream_origin",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("system_identifier", BigInteger, nullable=False),
    Column("base", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("only_row", name="stream_origin_has_one_row"),
)

# The position of the last row that each consumer has processed.
stream_consumers = Table(
    "stream_consumers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("xid", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
)

# Profiles that were merged into others, separated again or erased, for readers of the stream: written by triggers of
# `profiles` and `profile_merges`. Not `profile_id`, since the rows of a merged profile stay.
moved_profiles = Table(
    "moved_profiles",
    metadata,
    Column("source_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    Column("outcome", Text, nullable=False),
    Column("target_id", Uuid),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("recorded_xid", BigInteger, nullable=False, server_default=CURRENT_XID),
    Index("moved_profiles_recorded_xid", "recorded_xid"),
)
