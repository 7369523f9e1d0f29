"""Keys of the API, the audit log, and stored responses."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.tables.columns import CLOCK, DEFAULT_SOURCE, EMPTY_OBJECT, INSTANT, by_age, metadata

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
    # For browser keys: the origins of their pages, whether calls about users need a token (`token`) or none (`full`),
    # and the secrets that sign tokens, the newest first. Verifying takes the secret itself.
    Column("is_browser", Boolean, nullable=False, server_default=text("false")),
    Column("origins", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("trust", Text, nullable=False, server_default=text("'full'")),
    Column("token_secrets", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("created_by", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("expires_at", INSTANT),
    Column("revoked_at", INSTANT),
    Column("last_used_at", INSTANT),
    # Anyone has a browser key: it only reports, and its message ids hide none of a server's.
    CheckConstraint("source <> 'sojourn' AND is_browser = (source LIKE 'browser:%')", name="api_keys_source"),
    CheckConstraint("NOT is_browser OR scopes = ARRAY['ingest'] AND origins <> '{}'", name="api_keys_browser"),
)

# The sessions of the web console. As with keys, one round of SHA-256 is enough. `key_id` may be the mark of a key of
# the settings, and references nothing.
console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("how", Text, nullable=False),
    Column("key_id", Text),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("expires_at", INSTANT, nullable=False),
    Column("revoked_at", INSTANT),
    Index("console_sessions_created", "created_at", "id"),
    Index("console_sessions_actor", "actor_id", "created_at"),
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
    by_age("audit_log_at", "at"),
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
