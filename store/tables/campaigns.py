"""Campaigns, their history and their versions."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.tables.columns import CLOCK, INSTANT, metadata

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
    # The actor's id. Those of earlier releases are not known.
    Column("actor", Text),
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
    Column("compiled_bodies", JSONB, nullable=False, server_default=text("'{}'")),
    Column("plan", JSONB, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("published_at", INSTANT, nullable=False, server_default=text("now()")),
    Index("campaign_versions_surveys", "campaign_key", "version", postgresql_where=text("rules ? 'surveys'")),
)

# Changes that reach so many people that another person approves them. `decision` is null until there is one.
approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("campaign_key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_by_name", Text, nullable=False),
    Column("requested_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("decision", Text),
    Column("decided_by", Text),
    Column("decided_by_name", Text),
    Column("decided_at", INSTANT),
    ForeignKeyConstraint(["campaign_key", "version"], ["campaign_versions.campaign_key", "campaign_versions.version"]),
    CheckConstraint("decision IN ('approved', 'rejected', 'expired', 'outdated')", name="approvals_decision"),
    CheckConstraint("decision IN ('approved', 'rejected') = (decided_by IS NOT NULL)", name="approvals_decided"),
    Index("approvals_open", "campaign_key", "action", unique=True, postgresql_where=text("decision IS NULL")),
    Index("approvals_campaign", "campaign_key", "id"),
)

# Files that mails attach. One that no version has is deleted after a while.
attachment_files = Table(
    "attachment_files",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("stored_at", INSTANT, nullable=False, server_default=text("now()")),
)

version_attachments = Table(
    "version_attachments",
    metadata,
    Column("sha256", Text, ForeignKey("attachment_files.sha256"), primary_key=True),
    Column("campaign_key", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    ForeignKeyConstraint(["campaign_key", "version"], ["campaign_versions.campaign_key", "campaign_versions.version"]),
)
