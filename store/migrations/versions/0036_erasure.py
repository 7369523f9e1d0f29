"""Erasures of people: what is under way, erased ids, and refusals that stay.

The key of the hashes is made here and never changes.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# HMAC (RFC 2104) with SHA-256, whose block has 64 bytes.
_BLOCK = 64
_INNER, _OUTER = 0x36, 0x5C

TABLES = """
CREATE TABLE erasure_key (
    only_row BOOLEAN DEFAULT true NOT NULL,
    inner_pad BYTEA NOT NULL,
    outer_pad BYTEA NOT NULL,
    PRIMARY KEY (only_row),
    CONSTRAINT erasure_key_has_one_row CHECK (only_row)
);
CREATE TABLE erasures (
    operation_id UUID NOT NULL,
    profile_id UUID NOT NULL,
    identities JSONB NOT NULL,
    addresses JSONB NOT NULL,
    has_kept_refusals BOOLEAN DEFAULT false NOT NULL,
    erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (operation_id),
    FOREIGN KEY (operation_id) REFERENCES operations (id)
);
CREATE TABLE erased_ids (
    hash BYTEA NOT NULL,
    erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (hash)
);
CREATE INDEX erased_ids_erased_at ON erased_ids (erased_at);
CREATE TABLE erased_refusals (
    hash BYTEA NOT NULL,
    refusals JSONB NOT NULL,
    said JSONB NOT NULL,
    PRIMARY KEY (hash)
);
CREATE FUNCTION keyed_hash(kind text, value text) RETURNS bytea LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
  SELECT sha256(outer_pad || sha256(inner_pad || convert_to(kind || chr(31) || value, 'UTF8'))) FROM erasure_key
$$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    key = secrets.token_bytes(32).ljust(_BLOCK, b"\0")
    op.get_bind().execute(
        sa.text("INSERT INTO erasure_key (inner_pad, outer_pad) VALUES (:inner, :outer)"),
        {"inner": bytes(byte ^ _INNER for byte in key), "outer": bytes(byte ^ _OUTER for byte in key)},
    )
