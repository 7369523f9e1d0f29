"""People: profiles, their identities and addresses, and their history."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import CLOCK, EMPTY_ARRAY, EMPTY_OBJECT, INSTANT, by_age, metadata

profiles = Table(
    "profiles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Text, unique=True),
    Column("traits", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("consent", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("suppressed", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # The time zone and the language of the person's device.
    Column("context", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # Values that a browser stated without a user token, by their path in the call. Nothing uses them.
    Column("claims", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # The stamps of the values above, and the person's normalised address on each channel.
    Column("said", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("addresses", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # The registers of subscriptions by topic and channel, and of the pace (domain/people/topics/subscription.py).
    Column("preferences", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("stage", Text),
    # The name by which arms of splits are drawn; null: the id. A merge may keep the one of the merged profile.
    Column("bucket", Uuid),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
    # An order at random, from which samples are drawn.
    Index("profiles_sample", text("uuid_hash(id)")),
    Index("profiles_addresses", "addresses", postgresql_using="gin", postgresql_ops={"addresses": "jsonb_path_ops"}),
)

# Every address that a profile has had, normalised. Refusals belong to the address, independent of profiles: `refusals`
# maps `suppression` and `opt_out` to the reason, null if lifted; `said` has their stamps. `wrote` maps a provider to
# the time of the last text from the address, on channels with a window after it.
addresses = Table(
    "addresses",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("app", Text, primary_key=True, server_default=text("''")),
    Column("value", Text, primary_key=True),
    Column("refusals", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("said", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("wrote", JSONB, nullable=False, server_default=EMPTY_OBJECT),
)

# The history of profiles. Append-only; rows of a merged profile move to the one that stays.
profile_changes = Table(
    "profile_changes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("part", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("source_name", Text),
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    # How a consent was given: form, wording, and the keyed hash of the client's address.
    Column("proof", JSONB),
    Index("profile_changes_profile_id", "profile_id", "recorded_at"),
    Index(
        "profile_changes_answers",
        "profile_id",
        "recorded_at",
        postgresql_where=text("part IN ('consent', 'preferences', 'suppressed', 'addresses')"),
    ),
    # Finds claims by their values, in lower case.
    Index(
        "profile_changes_claims",
        text("changed_values(changes)"),
        postgresql_using="gin",
        postgresql_where=text("part = 'claims'"),
    ),
)

# Requests for subscriptions that are to be confirmed, by keyed hashes of addresses and clients, for a day.
subscription_requests = Table(
    "subscription_requests",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("since", INSTANT, nullable=False),
    Column("number", Integer, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    # The user id of a user who was merged into the profile.
    Column("is_former", Boolean, nullable=False, server_default=text("false")),
    Index("identities_profile_id", "profile_id"),
    # Two users are never one person, even in concurrent transactions, unless an operator has merged them.
    Index("identities_one_user", "profile_id", unique=True, postgresql_where=text("kind = 'user' AND NOT is_former")),
)

# Profiles that were merged into others. `target_id` is the profile of the merge, `profile_id` the one that has its rows
# now: it may have been merged in turn. `snapshot` is what the undo of a merge by an operator needs.
profile_merges = Table(
    "profile_merges",
    metadata,
    Column("source_id", Uuid, primary_key=True),
    Column("target_id", Uuid, nullable=False),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    Column("source_user_id", Text),
    # The event, or the name of the operator.
    Column("merged_by", Text, nullable=False),
    Column("at", INSTANT, nullable=False, server_default=text("now()")),
    Column("snapshot", JSONB),
    Index("profile_merges_profile_id", "profile_id"),
    Index("profile_merges_source_user_id", "source_user_id", postgresql_where=text("source_user_id IS NOT NULL")),
)

# The computed traits. Another definition of a key has another id, and so its own part of the states.
computed_traits = Table(
    "computed_traits",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("key", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active_from", INSTANT, nullable=False, server_default=CLOCK),
    Column("ready_at", INSTANT),
    Column("retired_at", INSTANT),
    # Whether the looks at people are set for its changes by time.
    Column("is_watched", Boolean, nullable=False, server_default=text("false")),
    Index("computed_traits_key", "key", unique=True, postgresql_where=text("retired_at IS NULL")),
)

# The sums of a person's events, by trait id. One row a person: one write for all traits of a batch.
profile_states = Table(
    "profile_states",
    metadata,
    Column("profile_id", Uuid, ForeignKey("profiles.id"), primary_key=True),
    Column("state", JSONB, nullable=False),
    Column("next_at", INSTANT),
    Column("is_partial", Boolean, nullable=False, server_default=text("false")),
    # The segments that the person is in, by id, the revision of the definitions that judged them last, and the instant
    # of the last judgement that was written.
    Column("segments", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("judged", BigInteger, nullable=False, server_default=text("0")),
    Column("judged_at", INSTANT),
    Index("profile_states_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    Index("profile_states_partial", "profile_id", postgresql_where=text("is_partial")),
    postgresql_with={"fillfactor": 80},
)

# The segments. `revision` is that of the registry at which the definition came into force; until `ready_at`, a pass
# judges everyone by it.
segments = Table(
    "segments",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("active_from", INSTANT, nullable=False, server_default=text("(clock_timestamp() + clock_ahead())")),
    Column("ready_at", INSTANT),
    Column("retired_at", INSTANT),
    Index("segments_key", "key", unique=True, postgresql_where=text("retired_at IS NULL")),
)

# The members by segment: what the states of people hold by person. A foreign key would have everyone who joins lock the
# row of the segment, which is never deleted.
segment_members = Table(
    "segment_members",
    metadata,
    Column("segment_id", Integer, primary_key=True, autoincrement=False),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), primary_key=True),
    Column("since", INSTANT, nullable=False),
    Index("segment_members_profile_id", "profile_id"),
)

# The changes of the number of members: a trigger writes one for each statement that changes it, and maintenance adds
# them up. A row for each segment would make those who join wait for one another.
segment_counts = Table(
    "segment_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("segment_id", Integer, nullable=False),
    Column("change", BigInteger, nullable=False),
)

# Who joined and left, when and why. Append-only; rows of a merged profile move to the one that stays.
segment_changes = Table(
    "segment_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("segment_id", Integer, nullable=False),
    Column("profile_id", Uuid, nullable=False),
    Column("has_joined", Boolean, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("cause", JSONB, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("segment_changes_profile_id", "profile_id", "at"),
    Index("segment_changes_segment_id", "segment_id", "at"),
    by_age("segment_changes_recorded_at", "recorded_at"),
)

# The breakpoints of RFM by local day: a row claims the scores of its day. `as_of` is when they were computed, null
# before, and `population` the buyers then. Without `breakpoints` there were too few.
rfm_days = Table(
    "rfm_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("requested_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("as_of", INSTANT),
    Column("population", JSONB),
    Column("breakpoints", JSONB),
)

# The models of orders and their value that have passed their test. The latest holds.
rfm_models = Table(
    "rfm_models",
    metadata,
    Column("as_of", INSTANT, primary_key=True),
    Column("model", JSONB, nullable=False),
    Column("kept_by", Text, nullable=False),
)

# When a person was there (domain/people/sessions.py), and what their clients said, with its time, by name.
profile_activity = Table(
    "profile_activity",
    metadata,
    Column("profile_id", Uuid, ForeignKey("profiles.id"), primary_key=True),
    Column("first_seen", INSTANT, nullable=False),
    Column("last_seen", INSTANT, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("session_started_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    # When to look whether the open session is over; null if that interests no rule.
    Column("ends_at", INSTANT),
    Column("opened", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("marks", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Index("profile_activity_ends_at", "ends_at", postgresql_where=text("ends_at IS NOT NULL")),
    postgresql_with={"fillfactor": 80},
)

# The latest devices of a person (domain/people/devices.py).
devices = Table(
    "devices",
    metadata,
    Column("profile_id", Uuid, ForeignKey("profiles.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("platform", Text),
    Column("app", Text),
    Column("app_version", Text),
    Column("os", Text),
    Column("os_version", Text),
    Column("model", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("first_seen", INSTANT, nullable=False),
    Column("last_seen", INSTANT, nullable=False),
)

# Where push services reach the devices of people: a token belongs to the profile that registered it last. One that is
# not to be reached any more stays, with the reason.
device_addresses = Table(
    "device_addresses",
    metadata,
    Column("value", Text, primary_key=True),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("app", Text, nullable=False, server_default=text("''")),
    Column("device_id", Text),
    Column("environment", Text),
    Column("keys", JSONB),
    Column("seen_at", INSTANT, nullable=False),
    Column("registered_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("removed_at", INSTANT),
    Column("removed_reason", Text),
    Index("device_addresses_profile_id", "profile_id", "seen_at"),
    # For those that are to be deleted.
    Index("device_addresses_seen_at", "seen_at"),
)

# People who are to be judged: another person has refused an address that they have as well, or allowed it again. The
# transaction that marks them has not locked them, since profiles are locked before addresses.
marked_people = Table(
    "marked_people",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("marked_at", INSTANT, nullable=False, server_default=text("(clock_timestamp() + clock_ahead())")),
    Index("marked_people_profile_id", "profile_id"),
)

# Ends and openings of sessions that wait to be reported. `platform` is that of an opening.
session_reports = Table(
    "session_reports",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("last_at", INSTANT, nullable=False),
    Column("platform", Text),
    Index("session_reports_profile_id", "profile_id"),
)
