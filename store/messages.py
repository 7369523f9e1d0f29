"""The send ledger: every message, from its reservation to its outcome."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.channels.kinds import CHANNELS
from domain.sending.claim import POSTPONING_REASONS, MessageState
from domain.sending.policy import Reservation
from store.database import Connection
from store.delivery_counts import DOMAIN, OUTCOMES, SENT_AT, append_from
from store.transaction_metrics import Metric

# Those that wait for their person count from when they are given.
_UNCOUNTED = [name for name, kind in CHANNELS.items() if kind.waits_for_person]


async def reserve(connection: Connection, reservations: Sequence[Reservation]) -> None:
    """Insert granted messages, or grant postponed ones and cancelled retries anew.

    A message in another state stays as it is, which the attempt to send it will find.
    """
    await connection.execute(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority,
                              template, at, expires_at, provider, retry_of, retry_version, fallback_of, cost,
                              currency, charges, is_counted)
        SELECT id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority, template, at,
               expires_at, provider, retry_of, retry_version, fallback_of, cost, currency, charges,
               NOT channel = ANY(%s)
        FROM jsonb_to_recordset(%s) AS item (
          id uuid, journey_id uuid, profile_id uuid, campaign_key text, step text, visit int, channel text,
          category text, priority text, template text, at timestamptz, expires_at timestamptz,
          provider text, retry_of uuid, retry_version int, fallback_of uuid, cost bigint, currency text, charges jsonb)
        ORDER BY id
        ON CONFLICT (id) DO UPDATE
        SET profile_id = EXCLUDED.profile_id, channel = EXCLUDED.channel, category = EXCLUDED.category,
            priority = EXCLUDED.priority, template = EXCLUDED.template, at = EXCLUDED.at,
            expires_at = EXCLUDED.expires_at, provider = EXCLUDED.provider,
            is_counted = EXCLUDED.is_counted,
            cost = EXCLUDED.cost, currency = EXCLUDED.currency, charges = EXCLUDED.charges,
            retry_version = EXCLUDED.retry_version, state = 'reserved', reason = NULL, detail = NULL,
            reserved_at = clock_timestamp(), claimed_at = NULL, first_claimed_at = NULL,
            first_handed_over_at = NULL, settled_at = NULL
        WHERE messages.state = 'cancelled' AND (messages.reason = ANY(%s) OR messages.retry_of IS NOT NULL)
        """,
        (_UNCOUNTED, Jsonb(reservations), list(POSTPONING_REASONS)),
    )


async def find_open(connection: Connection, journey_id: UUID, step: str, visit: int) -> dict[UUID, str | None]:
    """Return the open messages of a visit, each with its provider.

    Retries are sent by their own workflows.
    """
    cursor = await connection.execute(
        """
        SELECT id, provider FROM messages
        WHERE journey_id = %s AND step = %s AND visit = %s AND state IN ('reserved', 'sending') AND retry_of IS NULL
        ORDER BY id
        """,
        (journey_id, step, visit),
    )
    return {row["id"]: row["provider"] async for row in cursor}


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


# Outcomes that reports alone tell.
_NOT_REPORTED = ", ".join(f"false AS {name}" for name in (*OUTCOMES, "has_hardened") if name != "sent")


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
        _SETTLE,
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
        if row["sent"] and row["provider"] is not None:
            connection.metrics.add(Metric.DELIVERABILITY, row["provider"], row["domain"], "sent")
        return Settlement(row["state"], is_written=True)
    cursor = await connection.execute("SELECT state FROM messages WHERE id = %s", (message_id,))
    row = await cursor.fetchone()
    return Settlement(row["state"] if row else state, is_written=False)


_SETTLE = f"""
WITH settled AS (
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
  RETURNING state, campaign_key, channel, provider, {DOMAIN} AS domain, {SENT_AT} AS sent_at,
            state = 'sent' AS sent, {_NOT_REPORTED}
), appended AS ({append_from("settled")})
SELECT * FROM settled
"""  # noqa: S608 -- constants of the store
