"""The tables, for migrations and for checks of a migrated database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from store.arms import IS_ARM

metadata = MetaData()

INSTANT = TIMESTAMP(timezone=True)
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_ARRAY = text("'[]'::jsonb")
CLOCK = text("clock_timestamp()")
# The clock that development and tests may set (store/clock.py).
DEPLOYMENT_CLOCK = text("now() + clock_ahead()")
# For keys and events without a named source.
DEFAULT_SOURCE = text("'default'")

# One row. Its revision changes with the routing of events.
registry = Table(
    "registry",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("only_row", name="registry_has_one_row"),
)

# One row: the lead of the clock in a deployment for development or tests.
clock_offset = Table(
    "clock_offset",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("ahead", Interval, nullable=False, server_default=text("'00:00:00'::interval")),
    CheckConstraint("only_row", name="clock_offset_has_one_row"),
)

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
    # The stamps of the values above, and the person's normalised address on each channel.
    Column("said", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("addresses", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("stage", Text),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
)

# Every address that a profile has had, normalised. Refusals belong to the address, independent of profiles: `refusals`
# maps `suppression` and `opt_out` to the reason, null if lifted; `said` has their stamps.
addresses = Table(
    "addresses",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("app", Text, primary_key=True, server_default=text("''")),
    Column("value", Text, primary_key=True),
    Column("refusals", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("said", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
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
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("profile_changes_profile_id", "profile_id", "recorded_at"),
)

identities = Table(
    "identities",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
    Index("identities_profile_id", "profile_id"),
    # Two users are never one person, even in concurrent transactions.
    Index("identities_one_user", "profile_id", unique=True, postgresql_where=text("kind = 'user'")),
)

# Events are partitioned by month, and PostgreSQL cannot enforce a key across partitions, so this table does.
message_ids = Table(
    "message_ids",
    metadata,
    Column("source", Text, primary_key=True, server_default=DEFAULT_SOURCE),
    Column("message_id", Text, primary_key=True),
    Column("event_id", Uuid),
    Column("received_at", INSTANT, nullable=False),
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
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("events_profile_id", "profile_id", "recorded_at"),
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
    Index("rejects_user_id", "user_id", "recorded_at", postgresql_where=text("user_id IS NOT NULL")),
    Index("rejects_anonymous_id", "anonymous_id", "recorded_at", postgresql_where=text("anonymous_id IS NOT NULL")),
)

# `revision` changes with every change of a campaign. Journeys of the versions in `exiting` count as ended from the
# instant at which it was set, though their rows may not say so yet.
campaigns = Table(
    "campaigns",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("stage", Text),
    Column("state", Text, nullable=False, server_default=text("'draft'")),
    Column("running_version", Integer),
    Column("latest_version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
    Column("exiting", ARRAY(Integer), nullable=False, server_default=text("'{}'::integer[]")),
    Column("period", Integer, nullable=False, server_default=text("0")),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
    CheckConstraint(
        "state IN ('draft', 'scheduled', 'running', 'paused', 'stopping', 'ended', 'archived')",
        name="campaigns_state",
    ),
    CheckConstraint("state IN ('draft', 'archived') OR running_version IS NOT NULL", name="campaigns_running_version"),
)

# The history of campaigns' states. Append-only.
campaign_changes = Table(
    "campaign_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("campaign_key", Text, ForeignKey("campaigns.key"), nullable=False),
    Column("state_before", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("running_version", Integer),
    Column("exiting", ARRAY(Integer), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("campaign_changes_campaign", "campaign_key", "id"),
)

campaign_versions = Table(
    "campaign_versions",
    metadata,
    Column("campaign_key", Text, ForeignKey("campaigns.key"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("stage", Text),
    Column("file", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("templates", JSONB, nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("published_at", INSTANT, nullable=False, server_default=text("now()")),
)

journeys = Table(
    "journeys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign_key", Text, nullable=False),
    Column("campaign_version", Integer, nullable=False),
    Column("profile_id", Uuid, ForeignKey("profiles.id"), nullable=False),
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
    # A user has one active journey in a campaign for each entry key, even with concurrent processes.
    Index(
        "journeys_one_active",
        "campaign_key",
        "profile_id",
        "entry_key",
        unique=True,
        postgresql_where=text("state = 'active'"),
    ),
    Index("journeys_profile_id", "profile_id", "campaign_key", "entry_key"),
    # For the versions in use and the counts of a campaign, which are read while all events wait. With the id, also for
    # pages of a version.
    Index("journeys_campaign", "state", "campaign_key", "campaign_version", "id"),
    # For pages of operations and of lists: a list of all states merges three ranges.
    Index("journeys_pages", "campaign_key", "state", "id"),
    Index("journeys_step", "campaign_key", "step", "id", postgresql_where=text("state = 'active'")),
)

# The send ledger. The id is derived from journey, step and visit, so a retried message exists once.
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
    Column("opened_at", INSTANT),
    UniqueConstraint("journey_id", "step", "visit", name="messages_once_a_visit"),
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
    # For the funnel. A campaign's rows share one entry of the index, so it is small.
    Index("messages_campaign", "campaign_key"),
    # For messages that an ended journey may have left behind.
    Index("messages_open", "journey_id", postgresql_where=text("state IN ('reserved', 'sending')")),
)

# The outcomes of a message with several addresses, one for each.
deliveries = Table(
    "deliveries",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("provider_id", Text),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("state IN ('sent', 'failed', 'unknown', 'waiting')", name="deliveries_state"),
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
    Column("answer", JSONB),
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("decisions_profile_id", "profile_id", "recorded_at"),
    # For the funnel.
    Index("decisions_campaign", "campaign_key"),
    # Held journeys, for the resumption of their campaign.
    Index("decisions_held", "journey_id", postgresql_where=text("kind = 'send' AND outcome = 'held'")),
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
    Index("conversions_profile_id", "profile_id", "recorded_at"),
    Index("conversions_campaign", "campaign_key", "at"),
)

# Messages to Temporal. A row is deleted after Temporal has accepted it. Bulk messages have priority 1 and follow
# event-triggered ones, which have 0.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    Column("partition", Text, Computed("split_part(workflow_id, '/', 1)", persisted=True), nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=DEPLOYMENT_CLOCK),
    Column("available_at", INSTANT, nullable=False, server_default=DEPLOYMENT_CLOCK),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Index("outbox_priority", "priority", "id"),
    Index("outbox_partition", "priority", "partition", "available_at", "id"),
    Index("outbox_workflow_id", "workflow_id", "id"),
)

frequency_caps = Table(
    "frequency_caps",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
)

# Operations on many journeys or users of a campaign: page by page, by the campaign's workflow. `cursor` is the last id
# done, `counts` the results. A repeated audience has one for each run.
operations = Table(
    "operations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign_key", Text, ForeignKey("campaigns.key"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("parameters", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("audience_run", Text),
    Column("cursor", Uuid),
    Column("total", BigInteger),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("counts", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("requested_by", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("started_at", INSTANT),
    Column("finished_at", INSTANT),
    CheckConstraint("state IN ('pending', 'running', 'done', 'cancelled')", name="operations_state"),
    CheckConstraint("(state IN ('done', 'cancelled')) = (finished_at IS NOT NULL)", name="operations_finished_at"),
    UniqueConstraint("campaign_key", "kind", "audience_run", name="operations_once_a_run"),
    Index("operations_campaign", "campaign_key", "id"),
    Index("operations_open", "campaign_key", "id", postgresql_where=text("finished_at IS NULL")),
)

# Comparisons of PostgreSQL with Temporal. `report` has the differences and their repairs.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("requested_by", Text, nullable=False),
    Column("report", JSONB),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("started_at", INSTANT),
    Column("finished_at", INSTANT),
    CheckConstraint("state IN ('pending', 'running', 'done')", name="reconciliations_state"),
    CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", name="reconciliations_finished_at"),
)

# Keys of the API. A secret is as random as its hash, so one round of SHA-256 is enough.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    # Message ids are unique within it. Sojourn's own events have their own source.
    Column("source", Text, nullable=False, server_default=DEFAULT_SOURCE),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("expires_at", INSTANT),
    Column("revoked_at", INSTANT),
    Column("last_used_at", INSTANT),
    CheckConstraint("scopes <@ ARRAY['ingest', 'read', 'operate', 'admin']", name="api_keys_scopes"),
    CheckConstraint("source <> 'sojourn'", name="api_keys_source"),
)

# Who did what. Written in the transaction of the action.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    Column("actor", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Index("audit_log_target", "target", "id"),
)

# Stored responses, returned when a request with the same Idempotency-Key arrives.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("idempotency_keys_created_at", "created_at"),
)

# The last report of each worker about the deployment.
worker_reports = Table(
    "worker_reports",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("reported_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("findings", JSONB, nullable=False),
    Column("link_mark", Text, nullable=False),
)
