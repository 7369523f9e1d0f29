"""The send ledger, and the holds of it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import CLOCK, CURRENT_XID, DEPLOYMENT_CLOCK, INSTANT, by_age, metadata

# The send ledger. The id is derived from journey, step and visit, and for members of an account from the profile, so a
# retried message exists once.
messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("journey_id", Uuid, ForeignKey("journeys.id"), nullable=False),
    Column("profile_id", Uuid, nullable=False),
    Column("campaign_key", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("priority", Text, nullable=False, server_default=text("'normal'")),
    Column("template", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'reserved'")),
    Column("at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Column("detail", Text),
    Column("provider_id", Text),
    # The normalised address of the hand-over; null on channels without addresses.
    Column("address", Text),
    Column("reserved_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("claimed_at", INSTANT),
    # By the journey's clock: the template's `now`, the same in every attempt.
    Column("first_claimed_at", INSTANT),
    # The provider, and its first possible hand-over: how long the provider knows the id decides about repeats.
    Column("provider", Text),
    Column("first_handed_over_at", INSTANT),
    Column("settled_at", INSTANT),
    # The earliest of what was reported of it; `machine_at` is the opening or click of a scanner or an image proxy.
    Column("delivered_at", INSTANT),
    Column("opened_at", INSTANT),
    Column("clicked_at", INSTANT),
    Column("clicked_link", Text),
    Column("bounced_at", INSTANT),
    Column("bounce", Text),
    Column("complained_at", INSTANT),
    Column("replied_at", INSTANT),
    Column("dismissed_at", INSTANT),
    Column("machine_at", INSTANT),
    # The failed message that this one repeats, and the version whose step and templates it takes, if that is not its
    # journey's.
    Column("retry_of", Uuid),
    Column("retry_version", Integer),
    # The first message of a step, of which this one by another channel is the fallback.
    Column("fallback_of", Uuid),
    # Its price, in millionths of the currency's unit, and what it takes from budgets, until it fails or is cancelled.
    Column("cost", BigInteger),
    Column("currency", Text),
    Column("charges", JSONB),
    # The operation that has retried this failed message, or is about to.
    Column("retried_by", Uuid),
    # Whether caps count it, from its hand-over on, or from when it was given to a page or an app of its person. In the
    # inbox it is not counted before, and a kind that does not interrupt never is.
    Column("is_counted", Boolean, nullable=False, server_default=text("true")),
    Column("given_at", INSTANT),
    CheckConstraint(
        "state IN ('reserved', 'sending', 'sent', 'failed', 'cancelled', 'unknown')", name="messages_state"
    ),
    CheckConstraint("priority IN ('normal', 'high')", name="messages_priority"),
    Index(
        "messages_counting",
        "profile_id",
        "at",
        postgresql_where=text("state IN ('reserved', 'sending', 'sent', 'unknown')"),
    ),
    Index("messages_profile_id", "profile_id", "reserved_at"),
    # For lists of messages, the latest first, and for the funnel.
    Index("messages_listed", "campaign_key", "step", "state", "channel", text("COALESCE(provider, '')"), "at", "id"),
    # For results of surveys, which read those of a time. A range of pages has one entry; that of messages in the app
    # ends at the last time at which a page was given one.
    by_age("messages_at", text("(COALESCE(given_at, at))")),
    # The messages of a journey: one a visit of a step, or one for each member of its account.
    Index("messages_journey", "journey_id", "step", "visit"),
    # For messages that an ended journey may have left behind.
    Index("messages_open", "journey_id", postgresql_where=text("state IN ('reserved', 'sending')")),
    # For retries: failed messages are few.
    Index("messages_failed", "id", postgresql_where=text("state = 'failed'")),
)

# The limits that messages share, of budgets in millionths: slot 0 says how much is leased, the others use their slices.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("leased", BigInteger, nullable=False, server_default=text("0")),
    Column("used", BigInteger, nullable=False, server_default=text("0")),
)

# The costs of messages that failed or were cancelled, until their budgets have taken them in.
lease_returns = Table(
    "lease_returns",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Index("lease_returns_name", "name", "key"),
)

# Messages that wait until their person comes, with what their templates rendered. They are withdrawn by what ends their
# journey, pauses their campaign or sends a fallback: triggers of those tables notify the pages that are open.
inbox = Table(
    "inbox",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("journey_id", Uuid, nullable=False),
    # Its place among what pages were given.
    Column("seq", BigInteger, Identity(), nullable=False),
    Column("kind", Text, nullable=False),
    Column("placement", Text),
    Column("priority", Integer, nullable=False),
    Column("content", JSONB, nullable=False),
    # How often it is shown, and its size in bytes: what is read of the messages whose contents are not.
    Column("every", JSONB, Computed("content -> 'every'", persisted=True)),
    Column("size", Integer, Computed("octet_length(content::text)", persisted=True)),
    Column("expires_at", INSTANT, nullable=False),
    # When it was shown, the latest times; `completed_at` is when a tour or a survey was gone through.
    Column("shows", ARRAY(INSTANT), nullable=False, server_default=text("'{}'")),
    Column("completed_at", INSTANT),
    # When newer messages took its place: a person has so many, and it does not come back.
    Column("displaced_at", INSTANT),
    Index("inbox_profile_id", "profile_id", "expires_at"),
    Index("inbox_kept", "profile_id", "expires_at", postgresql_where=text("displaced_at IS NULL")),
    Index("inbox_journey_id", "journey_id"),
    Index("inbox_expires_at", "expires_at"),
)

# The outcomes of a message with several addresses, or by several channels, one for each.
deliveries = Table(
    "deliveries",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    # Empty in rows of earlier releases, whose messages had one channel.
    Column("channel", Text, primary_key=True, server_default=text("''")),
    # Empty on channels without addresses.
    Column("address", Text, primary_key=True),
    Column("provider", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("provider_id", Text),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("state IN ('sent', 'failed', 'unknown', 'waiting')", name="deliveries_state"),
)

# Messages that their providers can take back, and when the next recall is due of those whose journeys have ended: a
# trigger of `journeys` says so. They outlive the message of an erased person.
recalls = Table(
    "recalls",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("journey_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("possible_until", INSTANT, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", INSTANT),
    Index("recalls_journey_id", "journey_id"),
    Index("recalls_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)

# The reports that were applied, by the provider's id of each: a repeated one changes nothing.
callback_ids = Table(
    "callback_ids",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("received_at", INSTANT, nullable=False),
    Index("callback_ids_received_at", "received_at"),
)

# Where the tracked links of a message lead, by number.
tracked_links = Table(
    "tracked_links",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("targets", ARRAY(Text), nullable=False),
)

# Who has asked for a tracked link or image: what the client said of itself, and the verdict once it is due.
link_hits = Table(
    "link_hits",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("message_id", Uuid, ForeignKey("tracked_links.message_id", ondelete="CASCADE"), nullable=False),
    # None for a click that a provider has tracked, with its target.
    Column("number", SmallInteger),
    Column("link", Text),
    Column("at", INSTANT, nullable=False, server_default=DEPLOYMENT_CLOCK),
    Column("client", Text, nullable=False),
    Column("is_head", Boolean, nullable=False),
    Column("is_confirmed", Boolean, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("is_person", Boolean),
    Index("link_hits_message_id", "message_id"),
    Index("link_hits_due_at", "due_at", postgresql_where=text("is_person IS NULL")),
)

# Every state that a message was in, written by triggers of `messages`, so that no statement can forget it.
message_changes = Table(
    "message_changes",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    # As they were then, for counts.
    Column("at", INSTANT),
    Column("channel", Text),
    Column("provider", Text),
    Column("category", Text),
    Column("priority", Text),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("recorded_xid", BigInteger, nullable=False, server_default=CURRENT_XID),
    Index("message_changes_recorded_xid", "recorded_xid"),
)

# Holds of all marketing to a person, over once released, at the event, or at `until`. The person was named by the id;
# without a person, it is the key of a segment or an area.
holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("profile_id", Uuid, ForeignKey("profiles.id")),
    Column("id_kind", Text, nullable=False),
    Column("id_value", Text, nullable=False),
    Column("until", INSTANT, nullable=False),
    Column("event", Text),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Column("ended_by", Text),
    Index("holds_profile_id", "profile_id"),
    # For the gate, and for the events that end holds.
    Index("holds_open", "profile_id", "until", postgresql_where=text("ended_at IS NULL")),
)
