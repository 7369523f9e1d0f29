"""The outcomes of a message, one for each of its addresses and channels."""

from collections.abc import Mapping
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from store.database import Connection

_STATES = {Accepted: "sent", Rejected: "failed", Ambiguous: "unknown", Unavailable: "waiting"}


async def find_settled(connection: Connection, message_id: UUID, channel: str) -> dict[str, Delivery]:
    """Return the final outcomes on a channel, by address."""
    cursor = await connection.execute(
        """
        SELECT address, state, reason, detail, provider_id FROM deliveries
        WHERE message_id = %s AND channel IN (%s, '') AND state IN ('sent', 'failed')
        """,
        (message_id, channel),
    )
    return {
        row["address"]: Accepted(row["provider_id"])
        if row["state"] == "sent"
        else Rejected(row["reason"], row["detail"])
        async for row in cursor
    }


async def write(
    connection: Connection,
    message_id: UUID,
    channel: str,
    providers: Mapping[str, str],
    outcomes: Mapping[str, Delivery],
) -> None:
    """Record the outcomes of one attempt, except final ones, under the message's lock.

    Both are by address.
    """
    rows = [
        {
            "address": address,
            "provider": providers[address],
            "state": _STATES[type(outcome)],
            "reason": getattr(outcome, "reason", None),
            "detail": getattr(outcome, "detail", None),
            "provider_id": getattr(outcome, "provider_id", None),
        }
        for address, outcome in outcomes.items()
    ]
    await connection.execute(
        """
        INSERT INTO deliveries (message_id, channel, address, provider, state, reason, detail, provider_id)
        SELECT %s, %s, address, provider, state, reason, detail, provider_id
        FROM jsonb_to_recordset(%s) AS item
          (address text, provider text, state text, reason text, detail text, provider_id text)
        ON CONFLICT (message_id, channel, address) DO UPDATE
        SET provider = EXCLUDED.provider, state = EXCLUDED.state, reason = EXCLUDED.reason, detail = EXCLUDED.detail,
            provider_id = EXCLUDED.provider_id, at = EXCLUDED.at
        WHERE deliveries.state NOT IN ('sent', 'failed')
        """,
        (message_id, channel, Jsonb(rows)),
    )
