"""Single messages: their templates, their recipients by address, their states."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.journey.state import StoredState
from domain.people.erasure import CREATED_WHEN_ERASED
from domain.people.registers import UNVERIFIED_BOUNDS
from domain.sending.claim import MessageState
from domain.sending.single_messages import SingleMessage
from domain.templates.parts import CompiledBody
from store.database import Connection


def is_template(key: str) -> str:
    """Return the condition that a key is that of a template, as an SQL expression."""
    return f"strpos({key}, ':') > 0"


# The message of a journey without a campaign: an expression for statements that read `journeys`. An entry of any other
# journey may say nothing of it.
SINGLE = f"CASE WHEN {is_template('journeys.campaign_key')} THEN journeys.entry #> '{{context,sojourn,message}}' END"
# The address that such a journey's request was to: an expression as well.
ASKED_ADDRESS = f"""
CASE WHEN {is_template("journeys.campaign_key")} THEN journeys.entry #>> '{{context,sojourn,address}}' END
"""


class StoredTemplate(Struct, frozen=True):
    """The version of a template that requests use."""

    key: str
    version: int
    templates: dict[str, str]
    compiled_bodies: dict[str, CompiledBody]
    plan: Plan
    rules: Rules
    published_at: datetime


class StoredMessage(Struct, frozen=True):
    """A message of the ledger, or one that never came there, with its journey.

    `state` and the fields of its attempts are None for the latter. `decision` is the last answer of the gate about it,
    with its reason and `until`.
    """

    id: UUID
    journey_id: UUID
    profile_id: UUID
    user_id: str | None
    campaign_key: str
    step: str
    single: SingleMessage | None
    requested_at: datetime
    journey_state: StoredState
    channel: str | None
    category: str | None
    template: str | None
    state: MessageState | None
    reason: str | None
    detail: str | None
    attempts: int | None
    provider: str | None
    provider_id: str | None
    expires_at: datetime | None
    settled_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    clicked_link: str | None
    bounced_at: datetime | None
    bounce: str | None
    complained_at: datetime | None
    replied_at: datetime | None
    dismissed_at: datetime | None
    decision: str | None
    decision_reason: str | None
    until: str | None


_TEMPLATES = f"""
SELECT key, version, templates, compiled_bodies, plan, rules, published_at
FROM campaigns JOIN campaign_versions ON campaign_key = key AND version = running_version
WHERE {is_template("key")}
"""  # noqa: S608 -- a constant of the store


async def list_templates(connection: Connection) -> list[StoredTemplate]:
    """Return the templates in force, by key."""
    cursor = await connection.execute(f"{_TEMPLATES} ORDER BY key")
    return [convert(row, StoredTemplate) async for row in cursor]


async def find_template(connection: Connection, key: str) -> StoredTemplate | None:
    """Return the template in force of a key."""
    cursor = await connection.execute(f"{_TEMPLATES} AND key = %s", (key,))
    row = await cursor.fetchone()
    return convert(row, StoredTemplate) if row else None


async def find_running_version(connection: Connection, key: str) -> int | None:
    """Return the version of a template that requests use."""
    cursor = await connection.execute("SELECT running_version FROM campaigns WHERE key = %s", (key,))
    row = await cursor.fetchone()
    return row["running_version"] if row else None


async def find_owner(connection: Connection, channel: str, address: str, trait: str) -> UUID | None:
    """Return the profile with a normalised address: a user, else the oldest.

    One whose trait only a browser has stated is passed over.
    """
    after, before = UNVERIFIED_BOUNDS
    cursor = await connection.execute(
        """
        SELECT id FROM profiles
        WHERE addresses @> %(address)s AND created_at < %(created_when_erased)s
          AND NOT EXISTS (
            SELECT FROM jsonb_array_elements(said -> 'traits') AS stated (packed)
            WHERE packed - 0 - 0 ? %(trait)s
              AND (packed -> 0)::bigint > %(after)s AND (packed -> 0)::bigint < %(before)s)
        ORDER BY user_id IS NULL, created_at, id LIMIT 1
        """,
        {
            "address": Jsonb({channel: address}),
            "created_when_erased": CREATED_WHEN_ERASED,
            "trait": trait,
            "after": after,
            "before": before,
        },
    )
    row = await cursor.fetchone()
    return row["id"] if row else None


async def lock_address(connection: Connection, channel: str, address: str) -> None:
    """Take turns with other requests that may make the first profile of an address."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"single message/{channel}/{address}",)
    )


async def find(connection: Connection, id: UUID) -> StoredMessage | None:
    """Return any message of the ledger, or a single one that the gate has not granted."""
    cursor = await connection.execute(_FIND, {"id": id})
    row = await cursor.fetchone()
    return convert(row, StoredMessage) if row else None


_FIND = f"""
SELECT %(id)s::uuid AS id, journeys.id AS journey_id, journeys.profile_id, user_id, journeys.campaign_key,
       asked.step, {SINGLE} AS single, COALESCE(messages.reserved_at, journeys.entered_at) AS requested_at,
       journeys.state AS journey_state, messages.channel, messages.category, messages.template, messages.state,
       messages.reason, messages.detail, messages.attempts, messages.provider, messages.provider_id,
       messages.expires_at, messages.settled_at, messages.delivered_at, messages.opened_at, messages.clicked_at,
       messages.clicked_link, messages.bounced_at, messages.bounce, messages.complained_at, messages.replied_at,
       messages.dismissed_at,
       last.outcome AS decision, last.reason AS decision_reason, last.data ->> 'until' AS until
FROM (
  SELECT journey_id, step FROM messages WHERE id = %(id)s
  UNION ALL
  SELECT journeys.id, 'message' FROM journeys
  WHERE {is_template("campaign_key")} AND entry_key = %(id)s::uuid::text
  LIMIT 1
) AS asked
JOIN journeys ON journeys.id = asked.journey_id
LEFT JOIN messages ON messages.id = %(id)s
JOIN profiles ON profiles.id = COALESCE(messages.profile_id, journeys.profile_id)
LEFT JOIN LATERAL (
  SELECT outcome, reason, data FROM decisions
  WHERE decisions.profile_id = profiles.id AND decisions.journey_id = journeys.id AND kind = 'send'
    AND decisions.step = asked.step
  ORDER BY recorded_at DESC LIMIT 1
) AS last ON true
"""  # noqa: S608 -- constants of the store
