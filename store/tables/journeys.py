"""Journeys, the decisions about them, and reached goals."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.arms import IS_ARM
from store.tables.columns import CLOCK, CURRENT_XID, EMPTY_OBJECT, INSTANT, by_age, metadata

journeys = Table(
    "journeys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign_key", Text, nullable=False),
    Column("campaign_version", Integer, nullable=False),
    # the member that the steps of an account's journey see.
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id")),
    Column("entry_key", Text, nullable=False, server_default=text("''")),
    Column("workflow_id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default=text("'active'")),
    Column("outcome", Text),
    Column("ended_by", Text),
    Column("entry", JSONB, nullable=False),
    # The position of an active journey: `status` is waiting, deferred, held or acting, and `moves` is the number of the
    # move that recorded it. There is no step if the flow ends as it begins.
    Column("step", Text),
    Column("status", Text),
    Column("wakes_at", INSTANT),
    Column("moves", Integer, nullable=False, server_default=text("0")),
    # Since when it is at the step; and the step whose request the last move answered.
    Column("since", INSTANT),
    Column("via", Text),
    # Values of the replies of its webhooks, by name.
    Column("saved", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("entered_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Column("ended_recorded_at", INSTANT),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    ForeignKeyConstraint(
        ["campaign_key", "campaign_version"], ["campaign_versions.campaign_key", "campaign_versions.version"]
    ),
    CheckConstraint("state IN ('active', 'completed', 'exited')", name="journeys_state"),
    CheckConstraint("(state = 'active') = (ended_at IS NULL)", name="journeys_ended_at"),
    CheckConstraint("status IN ('waiting', 'deferred', 'held', 'acting')", name="journeys_status"),
    # A user or an account has one active journey in a campaign for each entry key, even with concurrent processes.
    Index(
        "journeys_one_active_of_profile",
        "campaign_key",
        "profile_id",
        "entry_key",
        unique=True,
        postgresql_where=text("state = 'active' AND account_id IS NULL"),
    ),
    Index(
        "journeys_one_active_of_account",
        "campaign_key",
        "account_id",
        "entry_key",
        unique=True,
        postgresql_where=text("state = 'active' AND account_id IS NOT NULL"),
    ),
    Index("journeys_profile_id", "profile_id", "campaign_key", "entry_key"),
    Index(
        "journeys_account_id",
        "account_id",
        "campaign_key",
        "entry_key",
        postgresql_where=text("account_id IS NOT NULL"),
    ),
    # For the versions in use and the counts of a campaign, which are read while all events wait. With the id, also for
    # pages of a version.
    Index("journeys_campaign", "state", "campaign_key", "campaign_version", "id"),
    # For pages of operations and of lists: a list of all states merges three ranges.
    Index("journeys_pages", "campaign_key", "state", "id"),
    # Single messages, whose entry key is the message.
    Index("journeys_single", "entry_key", postgresql_where=text("strpos(campaign_key, ':') > 0")),
    # For the journey that is at a step of a version for the longest time.
    Index(
        "journeys_oldest",
        "campaign_key",
        "campaign_version",
        "step",
        "since",
        postgresql_where=text("state = 'active'"),
    ),
    Index("journeys_step", "campaign_key", "step", "id", postgresql_where=text("state = 'active'")),
)

# Why a user entered or not, and why a message was sent or not. The id is derived from the subject of the decision.
decisions = Table(
    "decisions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("campaign_key", Text, nullable=False),
    Column("journey_id", Uuid),
    Column("event_id", Text),
    Column("step", Text),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    # The rule of the cap or the budget, as `data` has it.
    Column("rule", Text),
    Column("answer", JSONB),
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("recorded_xid", BigInteger, server_default=CURRENT_XID),
    Index("decisions_profile_id", "profile_id", "recorded_at"),
    Index("decisions_recorded_xid", "recorded_xid"),
    by_age("decisions_recorded_at", "recorded_at"),
    # For the funnel.
    Index("decisions_campaign", "campaign_key"),
    # For the people who got nothing: the latest of each reason, and how many they are.
    Index(
        "decisions_non_sends",
        "campaign_key",
        "step",
        "reason",
        "rule",
        "at",
        "id",
        postgresql_include=["profile_id"],
        postgresql_where=text("outcome = 'refused'"),
    ),
    # Those of one person in 64, for estimates of many.
    Index(
        "decisions_non_sends_sample",
        "campaign_key",
        "step",
        "reason",
        "rule",
        "at",
        postgresql_include=["profile_id"],
        postgresql_where=text("outcome = 'refused' AND (uuid_hash(profile_id) & 63) = 0"),
    ),
    # Held journeys, for the resumption of their campaign.
    Index("decisions_held", "journey_id", postgresql_where=text("kind = 'send' AND outcome = 'held'")),
    # Messages on hold, for its release.
    Index("decisions_on_hold", text("(data ->> 'hold')"), "journey_id", postgresql_where=text("reason = 'on_hold'")),
    # Messages that a provider's pause holds, for its end.
    Index(
        "decisions_provider_paused",
        text("(data ->> 'pause')"),
        "journey_id",
        postgresql_where=text("reason = 'provider_paused'"),
    ),
    # Decisions about the members of an account, for the timeline of its journey.
    Index("decisions_members", "journey_id", "recorded_at", postgresql_where=text("data ? 'role'")),
    # The arms of splits that a journey took.
    Index("decisions_split", "journey_id", "step", postgresql_where=text(IS_ARM)),
)

# Reached goals: each journey at most once, by the first event that did, perhaps after its end. `message_id` is the last
# message sent before, `arms` the arms of the splits on the journey's path.
conversions = Table(
    "conversions",
    metadata,
    Column("journey_id", Uuid, ForeignKey("journeys.id"), primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("campaign_key", Text, nullable=False),
    Column("campaign_version", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("message_id", Uuid),
    Column("arms", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("recorded_xid", BigInteger, server_default=CURRENT_XID),
    Index("conversions_profile_id", "profile_id", "recorded_at"),
    Index("conversions_recorded_xid", "recorded_xid"),
    Index("conversions_campaign", "campaign_key", "at"),
)
