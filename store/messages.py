"""The send ledger: every message, from its reservation to its outcome."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.campaign.life import CampaignState
from domain.journey.state import StoredState
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.learned import LearnedRow
from domain.sending.claim import MessageState
from domain.sending.policy import Reservation
from store import addresses
from store.addresses import REFUSED_OF_PROFILE
from store.campaigns import REGISTRY_LOCK
from store.database import Connection
from store.profiles import LEARNED
from store.transaction_metrics import Metric


class Claimed(Struct, frozen=True):
    """A message with its journey and its recipient, read under the locks of all three."""

    id: UUID
    state: MessageState
    reason: str | None
    attempts: int
    channel: str
    category: str
    template: str
    expires_at: datetime
    first_claimed_at: datetime | None
    provider: str | None
    first_handed_over_at: datetime | None
    journey_id: UUID
    journey_state: StoredState
    campaign_key: str
    campaign_version: int
    campaign_state: CampaignState
    entry: dict[str, Any]
    saved: dict[str, Any]
    profile_id: UUID
    user_id: str | None
    traits: dict[str, Any]
    context: dict[str, str]
    addresses: dict[str, str]
    consent: dict[str, bool]
    suppressed: dict[str, str | None]
    refused_addresses: dict[str, dict[str, str | None]]
    counted: dict[str, Any]
    learned: LearnedRow | None
    registry_revision: int
    computed: Mapping[str, Any] = {}
    account_id: str | None = None
    account: AccountView = NO_ACCOUNT


async def reserve(connection: Connection, reservation: Reservation) -> None:
    """Insert a granted message, or one returned for its send window.

    A message in another state stays as it is, which the attempt to send it will find.
    """
    await connection.execute(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority,
                              template, at, expires_at)
        VALUES (%(id)s, %(journey_id)s, %(profile_id)s, %(campaign_key)s, %(step)s, %(visit)s, %(channel)s,
                %(category)s, %(priority)s, %(template)s, %(at)s, %(expires_at)s)
        ON CONFLICT (id) DO UPDATE
        SET profile_id = EXCLUDED.profile_id, channel = EXCLUDED.channel, category = EXCLUDED.category,
            priority = EXCLUDED.priority, template = EXCLUDED.template, at = EXCLUDED.at,
            expires_at = EXCLUDED.expires_at, state = 'reserved', reason = NULL, detail = NULL,
            reserved_at = clock_timestamp(), claimed_at = NULL, settled_at = NULL
        WHERE messages.state = 'cancelled' AND messages.reason = 'send_window'
        """,
        asdict(reservation),
    )


async def lock_for_claim(connection: Connection, message_id: UUID) -> Claimed | None:
    """Lock campaigns, recipient, addresses, journey and message, in order; read them.

    Campaigns are locked shared. The locks settle the refusals of recipient and address: a change waits for this claim,
    or is seen by it. None if the journey was just moved to another profile, or there is no such message; the first is
    worth a retry.
    """
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    recipient = await connection.execute(
        """
        SELECT profiles.id
        FROM profiles
        JOIN journeys ON journeys.profile_id = profiles.id
        JOIN messages ON messages.journey_id = journeys.id
        WHERE messages.id = %s FOR SHARE OF profiles
        """,
        (message_id,),
    )
    await addresses.lock_of_message(connection, message_id)
    await connection.execute(
        """
        SELECT journeys.id FROM journeys JOIN messages ON messages.journey_id = journeys.id
        WHERE messages.id = %s FOR NO KEY UPDATE OF journeys
        """,
        (message_id,),
    )
    cursor = await connection.execute(
        f"""
        SELECT messages.id, messages.state, messages.reason, attempts, channel, category, template, expires_at,
               first_claimed_at, provider, first_handed_over_at,
               messages.journey_id, journeys.campaign_key, journeys.campaign_version, journeys.entry,
               journeys.account_id, journeys.saved,
               CASE WHEN journeys.state = 'active' AND campaign_version = ANY(exiting) THEN 'exited'
                    ELSE journeys.state END AS journey_state,
               campaigns.state AS campaign_state,
               profiles.id AS profile_id, profiles.user_id, traits, profiles.context, profiles.addresses, consent,
               suppressed, {REFUSED_OF_PROFILE} AS refused_addresses,
               COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
               {LEARNED} AS learned,
               (SELECT revision FROM registry) AS registry_revision
        FROM messages
        JOIN journeys ON journeys.id = messages.journey_id
        JOIN profiles ON profiles.id = journeys.profile_id
        JOIN campaigns ON campaigns.key = journeys.campaign_key
        WHERE messages.id = %s FOR NO KEY UPDATE OF messages
        """,  # noqa: S608 -- a constant of the store
        (message_id,),
    )
    locked = await recipient.fetchone()
    row = await cursor.fetchone()
    if locked is None or row is None or locked["id"] != row["profile_id"]:
        return None
    return Claimed(**row)


async def mark_sending(
    connection: Connection, message_id: UUID, at: datetime, provider: str, address: str | None
) -> None:
    """Claim the message: from now on the provider may have it, and caps count it.

    They count it from `at`, by the journey's clock. `address` is its normalised destination, which reports about the
    message concern.
    """
    await connection.execute(
        """
        UPDATE messages
        SET state = 'sending', at = greatest(at, %s), claimed_at = clock_timestamp(), attempts = attempts + 1,
            address = %s, first_claimed_at = COALESCE(first_claimed_at, %s), provider = %s,
            first_handed_over_at = COALESCE(first_handed_over_at, %s)
        WHERE id = %s
        """,
        (at, address, at, provider, at, message_id),
    )


class Settlement(Struct, frozen=True):
    """The state of a message, and whether this attempt has written it."""

    state: MessageState
    is_written: bool


async def settle(
    connection: Connection,
    message_id: UUID,
    state: MessageState,
    *,
    attempt: int,
    reason: str | None = None,
    detail: str | None = None,
    provider_id: str | None = None,
) -> Settlement:
    """Write the outcome, or `reserved` if certainly not delivered; return the state.

    `attempt` is the number of the last claim that the caller knows of. A timed-out attempt may report late: it may
    overwrite `unknown`, and `sent` may also overwrite a newer claim. Anything else is ignored.
    """
    cursor = await connection.execute(
        """
        UPDATE messages
        SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, provider_id = %(provider_id)s,
            settled_at = CASE WHEN %(state)s = 'reserved' THEN NULL ELSE clock_timestamp() END,
            -- It was certainly not handed over.
            first_handed_over_at = CASE WHEN %(state)s = 'reserved' THEN NULL ELSE first_handed_over_at END
        WHERE id = %(id)s AND CASE state
          WHEN 'unknown' THEN %(state)s IN ('sent', 'failed')
          WHEN 'reserved' THEN attempts = %(attempt)s OR %(state)s = 'sent'
          WHEN 'sending' THEN attempts = %(attempt)s OR %(state)s = 'sent'
          ELSE false END
        RETURNING state, campaign_key, channel
        """,
        {
            "id": message_id,
            "attempt": attempt,
            "state": state,
            "reason": reason,
            "detail": detail,
            "provider_id": provider_id,
        },
    )
    if (row := await cursor.fetchone()) is not None:
        if state != "reserved":
            connection.metrics.add(Metric.SETTLED, row["campaign_key"], row["channel"], row["state"], reason or "")
        return Settlement(row["state"], is_written=True)
    cursor = await connection.execute("SELECT state FROM messages WHERE id = %s", (message_id,))
    row = await cursor.fetchone()
    return Settlement(row["state"] if row else state, is_written=False)


async def mark_opened(connection: Connection, reactions: Mapping[UUID, datetime], ending: Collection[UUID]) -> None:
    """Record the first reaction to each of these messages, if it exists.

    `ending` are the journeys that the caller ends in the same transaction, which locks messages, too: all are locked
    here in the order of their ids, so that two such transactions never deadlock.
    """
    await connection.execute(
        """
        WITH item AS (SELECT * FROM jsonb_to_recordset(%(reactions)s) AS item (id uuid, at timestamptz)),
        wanted AS (
          SELECT id FROM item
          UNION SELECT id FROM messages WHERE journey_id = ANY(%(ending)s) AND state = 'reserved'
        ), locked AS (
          SELECT messages.id FROM messages JOIN wanted ON wanted.id = messages.id
          ORDER BY messages.id FOR NO KEY UPDATE OF messages
        )
        UPDATE messages SET opened_at = item.at
        FROM locked JOIN item ON item.id = locked.id
        WHERE messages.id = locked.id AND opened_at IS NULL
        """,
        {
            "reactions": Jsonb([{"id": id, "at": at} for id, at in reactions.items()]),
            "ending": list(ending),
        },
    )
