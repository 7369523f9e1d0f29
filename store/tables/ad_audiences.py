"""Audiences at ad platforms: who is wanted in them, and what the platforms have."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from store.tables.columns import INSTANT, metadata

_NONE = text("'{}'")
_NOW = text("(clock_timestamp() + clock_ahead())")

# The audiences of the document. One that was removed goes on until it is empty there. `list_id` is the id
# at the platform; `channels` and `has_user_ids` say by what it finds people. A worker flushes an audience at a time,
# until `leased_until`, and the next flush begins at `flush_at`.
ad_audiences = Table(
    "ad_audiences",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("list_id", Text, nullable=False),
    Column("mirror", Text),
    Column("identifiers", ARRAY(Text), nullable=False),
    Column("channels", ARRAY(Text), nullable=False),
    Column("has_user_ids", Boolean, nullable=False),
    Column("retired_at", INSTANT),
    Column("flush_at", INSTANT, nullable=False, server_default=_NOW),
    Column("leased_until", INSTANT),
    Column("flushed_at", INSTANT),
    Column("failure", Text),
    Column("failed_at", INSTANT),
    Index("ad_audiences_name", "name", unique=True, postgresql_where=text("retired_at IS NULL")),
)

# Who is wanted in an audience: those without a `reason`, which is `removed`, `exited`, `left`, `no_consent`,
# `no_address` or `retired`. Where steps fill it, only `no_address` may pass. `journey_id`
# is the journey of the step that wrote last, and `held` the hashes that the platform has, or may have. A row is to be
# flushed while it has `due_at`; a change meanwhile raises its `version`, and it is flushed again. `failure` is why the
# platform refused the person.
ad_audience_members = Table(
    "ad_audience_members",
    metadata,
    Column("audience_id", Integer, primary_key=True, autoincrement=False),
    Column("profile_id", Uuid, primary_key=True),
    Column("journey_id", Uuid),
    Column("reason", Text),
    Column("changed_at", INSTANT, nullable=False, server_default=_NOW),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("held", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("due_at", INSTANT),
    Column("failure", Text),
    Index("ad_audience_members_profile_id", "profile_id"),
    Index("ad_audience_members_journey_id", "journey_id", postgresql_where=text("journey_id IS NOT NULL")),
    Index("ad_audience_members_due", "audience_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("ad_audience_members_held", "held", postgresql_using="gin"),
)

# Members who are to be judged again, written by triggers of journeys, profiles and the members of segments, so that no
# statement can forget it. With `has_moved`, an identifier is another one.
ad_audience_marks = Table(
    "ad_audience_marks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("has_moved", Boolean, nullable=False, server_default=text("false")),
    Column("marked_at", INSTANT, nullable=False, server_default=_NOW),
    Index("ad_audience_marks_profile_id", "profile_id"),
)

# Hashes that a platform still has of a row that is gone, by an erasure or a merge: a trigger writes them. Those that
# were removed while the platform still worked on additions are removed once more, after the upload `after_upload`.
ad_audience_leftovers = Table(
    "ad_audience_leftovers",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("audience_id", Integer, nullable=False),
    Column("held", ARRAY(Text), nullable=False),
    Column("after_upload", BigInteger),
    Column("since", INSTANT, nullable=False, server_default=_NOW),
    Index("ad_audience_leftovers_audience_id", "audience_id"),
)

# The requests to platforms, for some weeks.
ad_audience_uploads = Table(
    "ad_audience_uploads",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("audience_id", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("people", Integer, nullable=False),
    Column("invalid", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_id", Text),
    Column("detail", Text, nullable=False),
    Column("at", INSTANT, nullable=False, server_default=_NOW),
    Column("asked_at", INSTANT),
    Index("ad_audience_uploads_audience_id", "audience_id", "at"),
)
