"""The deployment itself: registry, clock, caps, operations, outbox."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import CLOCK, DEPLOYMENT_CLOCK, EMPTY_OBJECT, INSTANT, metadata

# One row. Its revision changes with the routing of events.
registry = Table(
    "registry",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    # The end of the hold that ends last; the gate looks for holds until then.
    Column("holds_until", INSTANT),
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

# The documents that hold once for the deployment, with all of their versions. `rules` are as compiled.
documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
)

# Providers that have failed since they last answered; an open circuit hands nothing over but a probe at `probe_at`.
provider_circuits = Table(
    "provider_circuits",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("opened_at", INSTANT),
    Column("probe_at", INSTANT),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

# Pauses of a provider's marketing, each with the numbers that caused it. Counts begin anew at `resumed_at`.
provider_pauses = Table(
    "provider_pauses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("limit", Double, nullable=False),
    Column("paused_at", INSTANT, nullable=False),
    Column("resumed_at", INSTANT),
    Column("resumed_by", Text),
    Index("provider_pauses_resumed", "provider", "resumed_at"),
    Index("provider_pauses_open", "provider", unique=True, postgresql_where=text("resumed_at IS NULL")),
)


def _list_counts() -> list[Column[int]]:
    """Return the numbers of messages by what became of them."""
    names = ("sent", "delivered", "hard_bounced", "soft_bounced", "complained", "opened", "clicked")
    later = ("refused", "complained_by_mail")
    return [
        *(Column(name, BigInteger, nullable=False) for name in names),
        *(Column(name, BigInteger, nullable=False, server_default=text("0")) for name in later),
    ]


# Messages of a provider by recipient domain, in the hour from `since` on, or in the rest of one after a pause.
delivery_counts = Table(
    "delivery_counts",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("since", INSTANT, primary_key=True),
    *_list_counts(),
    Index("delivery_counts_since", "since"),
)

# Changes not yet added to these: rows that no transaction waits for, unlike a counter.
delivery_count_changes = Table(
    "delivery_count_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("since", INSTANT, nullable=False),
    *_list_counts(),
)

# Long work, page by page: on journeys and users of a campaign, by its workflow; without a campaign, on the deployment,
# by every worker. `cursor` is the last id done, `counts` the results. A repeated audience has one for each run.
# `failures` are those of the next page, in a row.
operations = Table(
    "operations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign_key", Text, ForeignKey("campaigns.key")),
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
    Column("next_page_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    CheckConstraint("state IN ('pending', 'running', 'held', 'done', 'cancelled', 'failed')", name="operations_state"),
    CheckConstraint(
        "(state IN ('done', 'cancelled', 'failed')) = (finished_at IS NOT NULL)", name="operations_finished_at"
    ),
    UniqueConstraint("campaign_key", "kind", "audience_run", name="operations_once_a_run"),
    Index("operations_campaign", "campaign_key", "id"),
    Index("operations_open", "campaign_key", "id", postgresql_where=text("finished_at IS NULL")),
    # The announcement of an account to which its next change is added.
    Index(
        "operations_announce",
        text("(parameters ->> 'account_id')"),
        "id",
        postgresql_where=text("kind = 'announce' AND finished_at IS NULL"),
    ),
)

# Simulations of campaigns over the past. `request` has the documents and the options; `attempts` counts the processes
# that have begun. `report` names no person.
backtests = Table(
    "backtests",
    metadata,
    Column("operation_id", Uuid, ForeignKey("operations.id"), primary_key=True),
    Column("request", JSONB, nullable=False),
    Column("since", INSTANT, nullable=False),
    Column("until", INSTANT, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("report", JSONB),
)

# The people of a backtest: the ones that were asked for, with their traces, and the ones that its report names.
backtest_people = Table(
    "backtest_people",
    metadata,
    Column("operation_id", Uuid, ForeignKey("backtests.operation_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Index("backtest_people_user_id", "user_id"),
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

# The last report of each worker about the deployment.
worker_reports = Table(
    "worker_reports",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("reported_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("findings", JSONB, nullable=False),
    Column("link_mark", Text, nullable=False),
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
