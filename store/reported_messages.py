"""Messages that providers report about."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.sending.address_reports import SILENT_AFTER, BounceRow
from domain.sending.report_events import ReportedMessage
from store.arms import IS_ARM
from store.database import Connection

# Soft bounces of one address are counted by one transaction at a time. The first key of a pair.
_SOFT_BOUNCES = 0x53_42


async def find(connection: Connection, provider: str, message_ids: Collection[UUID]) -> dict[UUID, ReportedMessage]:
    """Return the messages that were handed over to a provider, by id.

    The person has the id by which they entered the journey while it is theirs: the undo of a merge gives its events
    back with the message.
    """
    cursor = await connection.execute(
        f"""
        SELECT messages.id, messages.profile_id,
               COALESCE((SELECT value FROM identities
                         WHERE kind = 'user' AND value = journeys.entry ->> 'user_id'
                           AND identities.profile_id = messages.profile_id), user_id) AS user_id,
               (SELECT min(value) FROM identities
                WHERE identities.profile_id = profiles.id AND kind = 'anonymous' AND user_id IS NULL) AS anonymous_id,
               channel, messages.campaign_key AS campaign, messages.step, template, messages.address,
               COALESCE((SELECT jsonb_object_agg(step, outcome ORDER BY recorded_at) FROM decisions
                         WHERE decisions.journey_id = messages.journey_id AND {IS_ARM}), '{{}}') AS arms,
               (SELECT kind FROM inbox WHERE message_id = messages.id) AS kind
        FROM messages
        LEFT JOIN journeys ON journeys.id = messages.journey_id
        JOIN profiles ON profiles.id = messages.profile_id
        WHERE messages.id = ANY(%s) AND provider = %s
        """,  # noqa: S608 -- a constant of the store
        (list(message_ids), provider),
    )
    return {row["id"]: ReportedMessage(**row) async for row in cursor}


async def find_provider(connection: Connection, message_id: UUID) -> str | None:
    """Return the provider that a message was handed over to; None if to none."""
    cursor = await connection.execute("SELECT provider FROM messages WHERE id = %s", (message_id,))
    row = await cursor.fetchone()
    return None if row is None else row["provider"]


class AnsweredMessage(Struct, frozen=True):
    """A message of a campaign that its recipient answers, with their traits."""

    campaign_key: str
    campaign_version: int
    step: str
    channel: str
    provider: str | None
    traits: dict[str, Any]


async def find_answered(connection: Connection, message_id: UUID) -> AnsweredMessage | None:
    """Return a message that is answered; None unless a campaign sent it."""
    cursor = await connection.execute(
        """
        SELECT messages.campaign_key, journeys.campaign_version, messages.step, messages.channel, messages.provider,
               profiles.traits
        FROM messages
        JOIN journeys ON journeys.id = messages.journey_id
        JOIN profiles ON profiles.id = messages.profile_id
        WHERE messages.id = %s
        """,
        (message_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else AnsweredMessage(**row)


class AddressRef(Struct, frozen=True):
    """A person's address on a channel, which messages of theirs were handed over for."""

    profile_id: UUID
    channel: str
    address: str


async def lock_rows_of_bounces(connection: Connection, wanted: Collection[AddressRef]) -> dict[AddressRef, BounceRow]:
    """Lock addresses until the commit; return their soft bounces and last deliveries.

    Nothing else takes this lock.
    """
    ordered = sorted(wanted, key=lambda one: (one.channel, one.address, one.profile_id))
    await connection.execute(
        """
        SELECT pg_advisory_xact_lock(%s, key)
        FROM (SELECT DISTINCT hashtext(name) AS key FROM unnest(%s::text[]) AS item (name) ORDER BY 1) AS ordered
        """,
        (_SOFT_BOUNCES, [f"{one.channel}/{one.address}" for one in ordered]),
    )
    cursor = await connection.execute(
        """
        SELECT place, messages.id, CASE WHEN bounce = 'soft' THEN bounced_at END AS bounced_at,
               COALESCE(delivered_at, CASE WHEN bounced_at IS NULL THEN settled_at END) AS delivered_at
        FROM unnest(%s::uuid[], %s::text[], %s::text[]) WITH ORDINALITY AS item (profile_id, channel, address, place)
        JOIN messages USING (profile_id, channel, address)
        WHERE bounce = 'soft' OR delivered_at IS NOT NULL
              OR (state = 'sent' AND bounced_at IS NULL AND settled_at < %s)
        """,
        (
            [one.profile_id for one in ordered],
            [one.channel for one in ordered],
            [one.address for one in ordered],
            connection.clock.now() - SILENT_AFTER,
        ),
    )
    bounced: dict[AddressRef, dict[UUID, datetime]] = {one: {} for one in ordered}
    delivered: dict[AddressRef, datetime] = {}
    async for row in cursor:
        ref = ordered[row["place"] - 1]
        if row["bounced_at"] is not None:
            bounced[ref][row["id"]] = row["bounced_at"]
        if (at := row["delivered_at"]) is not None:
            delivered[ref] = max(at, delivered.get(ref, at))
    return {one: BounceRow(bounced[one], delivered.get(one)) for one in ordered}
