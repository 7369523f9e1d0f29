"""The people who book calls: by the message, an earlier booking, or an address."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from domain.sending.bookings import OF_MESSAGE, Booker
from domain.tracking.event import SOJOURN_SOURCE
from store.database import Connection

_IDS = """
profiles.user_id,
(SELECT min(value) FROM identities
 WHERE identities.profile_id = profiles.id AND kind = 'anonymous' AND profiles.user_id IS NULL) AS anonymous_id
"""


async def find_by_event(connection: Connection, event_ids: Collection[UUID]) -> Booker | None:
    """Return the person of the newest of these events, with its message."""
    cursor = await connection.execute(
        f"""
        SELECT {_IDS}, properties
        FROM message_ids
        JOIN events ON events.received_at = message_ids.received_at AND events.id = message_ids.event_id
        JOIN profiles ON profiles.id = events.profile_id
        WHERE message_ids.source = %s AND message_ids.message_id = ANY(%s)
        ORDER BY events.timestamp DESC, events.id DESC LIMIT 1
        """,  # noqa: S608 -- a constant of this module
        (SOJOURN_SOURCE, [str(id) for id in event_ids]),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return _booker(row, {name: row["properties"][name] for name in OF_MESSAGE if name in row["properties"]})


async def find_by_message(connection: Connection, message_id: UUID) -> Booker | None:
    """Return the recipient of a message that has one."""
    cursor = await connection.execute(
        f"""
        SELECT {_IDS}, messages.id, channel, campaign_key, step, template
        FROM messages JOIN profiles ON profiles.id = messages.profile_id
        WHERE messages.id = %s
        """,  # noqa: S608 -- a constant of this module
        (message_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    values = str(row["id"]), row["channel"], row["campaign_key"], row["step"], row["template"]
    return _booker(row, dict(zip(OF_MESSAGE, values, strict=True)))


async def find_by_address(connection: Connection, channel: str, addresses: Collection[str]) -> Booker | None:
    """Return the person who has one of these addresses.

    If several have one, it is the person last written to there.
    """
    cursor = await connection.execute(
        f"""
        SELECT {_IDS}
        FROM unnest(%(addresses)s::text[]) WITH ORDINALITY AS item (address, place)
        JOIN profiles ON profiles.addresses @> jsonb_build_object(%(channel)s::text, item.address)
        LEFT JOIN LATERAL (
          SELECT first_handed_over_at FROM messages
          WHERE messages.profile_id = profiles.id AND channel = %(channel)s AND messages.address = item.address
            AND first_handed_over_at IS NOT NULL
          ORDER BY first_handed_over_at DESC LIMIT 1
        ) AS written ON true
        ORDER BY place, first_handed_over_at DESC NULLS LAST, profiles.updated_at DESC, profiles.id LIMIT 1
        """,  # noqa: S608 -- a constant of this module
        {"channel": channel, "addresses": list(addresses)},
    )
    row = await cursor.fetchone()
    return None if row is None else _booker(row, {})


def _booker(row: dict[str, Any], message: dict[str, Any]) -> Booker | None:
    """Return a person whose events can be named; None for one without any id."""
    if row["user_id"] is None and row["anonymous_id"] is None:
        return None
    return Booker(row["user_id"], row["anonymous_id"], message)
