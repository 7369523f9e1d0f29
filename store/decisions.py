"""Decisions about entries, messages and ends of journeys."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.journey.decision import Decision
from store.database import Connection
from store.transaction_metrics import Metric


async def insert(connection: Connection, decisions: Sequence[Decision]) -> None:
    """Insert decisions in order. An existing one stays as it is.

    A message under a hold of many people, or of a retry that is held, is asked about each hour. Only the first of such
    answers is kept, until another decision on the message.
    """
    await connection.execute(
        """
        INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, at, journey_id, event_id, step, reason,
                               rule, answer, data)
        SELECT id, profile_id, campaign_key, kind, outcome, at, journey_id, event_id, step, reason, data ->> 'rule',
               answer, data
        FROM ROWS FROM (jsonb_to_recordset(%s) AS (
          id uuid, profile_id uuid, campaign_key text, kind text, outcome text, at timestamptz, journey_id uuid,
          event_id text, step text, reason text, answer jsonb, data jsonb)) WITH ORDINALITY AS item (
          id, profile_id, campaign_key, kind, outcome, at, journey_id, event_id, step, reason, answer, data, position)
        WHERE CASE WHEN reason IN ('on_hold', 'provider_paused') THEN
          COALESCE(data ->> 'hold', data ->> 'pause') IS DISTINCT FROM (
          SELECT COALESCE(latest.data ->> 'hold', latest.data ->> 'pause') FROM decisions AS latest
          WHERE latest.profile_id = item.profile_id AND latest.journey_id = item.journey_id
            AND latest.step = item.step AND latest.kind = 'send'
          ORDER BY latest.recorded_at DESC LIMIT 1) ELSE true END
        ORDER BY position
        ON CONFLICT (id) DO NOTHING
        """,
        (Jsonb(decisions),),
    )
    for decision in decisions:
        connection.metrics.add(Metric.DECISION, decision.kind, decision.outcome, decision.reason or "")


async def find_known(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return which of these decisions exist."""
    cursor = await connection.execute("SELECT id FROM decisions WHERE id = ANY(%s)", (list(ids),))
    return {row["id"] async for row in cursor}


async def entries_decided(
    connection: Connection, profile_id: UUID, event_ids: Collection[UUID]
) -> set[tuple[UUID, str]]:
    """Return events and campaigns of a profile with a recorded entry or refusal."""
    cursor = await connection.execute(
        """
        SELECT event_id, campaign_key FROM decisions
        WHERE profile_id = %s AND kind = 'entry' AND event_id = ANY(%s)
        """,
        (profile_id, [str(id) for id in event_ids]),
    )
    return {(UUID(row["event_id"]), row["campaign_key"]) async for row in cursor}


async def find_answer(connection: Connection, id: UUID) -> Any | None:
    """Return the answer of an earlier decision; None if there is none."""
    cursor = await connection.execute("SELECT answer FROM decisions WHERE id = %s", (id,))
    row = await cursor.fetchone()
    return row["answer"] if row else None
