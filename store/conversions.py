"""Conversions: the journeys that reached a goal, with the event and the message."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from store.arms import IS_ARM
from store.database import Connection


class Conversion(Struct, frozen=True):
    """A goal that was reached. `at` is the event's time by its client's clock."""

    journey_id: UUID
    profile_id: UUID
    campaign_key: str
    campaign_version: int
    event_id: UUID
    at: datetime


_INSERT = f"""
INSERT INTO conversions (journey_id, profile_id, campaign_key, campaign_version, event_id, at, message_id, arms)
SELECT item.*,
       (SELECT id FROM messages
        WHERE messages.journey_id = item.journey_id AND claimed_at <= item.at
          AND state IN ('sending', 'sent', 'unknown')
        ORDER BY claimed_at DESC, id DESC LIMIT 1),
       COALESCE((SELECT jsonb_object_agg(step, outcome ORDER BY recorded_at) FROM decisions
                 WHERE decisions.journey_id = item.journey_id AND {IS_ARM}), '{{}}')
FROM jsonb_to_recordset(%s) AS item (
  journey_id uuid, profile_id uuid, campaign_key text, campaign_version int, event_id text, at timestamptz)
ORDER BY item.journey_id
ON CONFLICT (journey_id) DO NOTHING
"""  # noqa: S608 -- a constant of the store


async def insert(connection: Connection, conversions: Sequence[Conversion]) -> None:
    """Record conversions with the last message sent before, and the arms of splits.

    A journey has one conversion, the first recorded. Requires the locked profiles.
    """
    await connection.execute(_INSERT, (Jsonb(conversions),))
