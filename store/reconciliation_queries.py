"""Queries and repairs of a reconciliation, in pages."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.journey.state import JourneyStatus, StoredState
from store.database import Connection
from store.single_messages import SINGLE, is_template
from store.transaction_metrics import Metric

# A journey with pending outbox rows may legitimately differ from Temporal.
_IS_TOLD = "NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.workflow_id = journeys.workflow_id)"


class ActiveRow(Struct, frozen=True):
    """An active journey."""

    id: UUID
    campaign_key: str
    campaign_version: int
    workflow_id: str
    is_told: bool


class KnownRow(Struct, frozen=True):
    """The journey of a workflow. `is_over`: it ended before the grace period.

    `is_sending`: a message is being settled. `is_exiting`: it counts as ended though its row does not say so yet.
    `is_ending`: an operation requested within the hour is ending the workflows of its version; an older one may be
    stuck.
    """

    id: UUID
    workflow_id: str
    campaign_version: int
    state: StoredState
    step: str | None
    status: JourneyStatus | None
    is_over: bool
    is_told: bool
    is_sending: bool
    is_exiting: bool
    is_ending: bool


class LostRow(Struct, frozen=True):
    """A journey to restart: its position, and the last visit of each step that sent.

    `single` is the message of a journey without a campaign.
    """

    id: UUID
    campaign_key: str
    campaign_version: int
    workflow_id: str
    step: str | None
    wakes_at: datetime | None
    moves: int
    visits: dict[str, int]
    single: dict[str, Any] | None


async def active_page(connection: Connection, after: ActiveRow | None, *, grace: float, limit: int) -> list[ActiveRow]:
    """Return the next active journeys entered before the grace, in index order.

    Journeys that a stop has ended are left to its operation.
    """
    cursor = await connection.execute(
        f"""
        SELECT journeys.id, campaign_key, campaign_version, workflow_id, {_IS_TOLD} AS is_told
        FROM journeys
        WHERE journeys.state = 'active'
          AND (campaign_key, campaign_version, journeys.id) > (%(key)s, %(version)s, %(id)s)
          AND journeys.recorded_at < clock_timestamp() - make_interval(secs => %(grace)s)
          AND NOT EXISTS (SELECT 1 FROM campaigns WHERE key = campaign_key AND campaign_version = ANY(exiting))
        ORDER BY campaign_key, campaign_version, journeys.id LIMIT %(limit)s
        """,  # noqa: S608 -- a constant
        {
            "key": after.campaign_key if after else "",
            "version": after.campaign_version if after else 0,
            "id": after.id if after else UUID(int=0),
            "grace": grace,
            "limit": limit,
        },
    )
    return [ActiveRow(**row) async for row in cursor]


async def find_workflows(connection: Connection, workflow_ids: Collection[str], *, grace: float) -> list[KnownRow]:
    """Return the journeys of these workflows."""
    cursor = await connection.execute(
        f"""
        SELECT id, workflow_id, campaign_version, journeys.state, step, status, {_IS_TOLD} AS is_told,
               COALESCE(ended_recorded_at < clock_timestamp() - make_interval(secs => %(grace)s), false) AS is_over,
               EXISTS (SELECT 1 FROM messages
                       WHERE journey_id = journeys.id AND messages.state IN ('reserved', 'sending')) AS is_sending,
               EXISTS (SELECT 1 FROM campaigns
                       WHERE key = campaign_key AND campaign_version = ANY(exiting)) AS is_exiting,
               EXISTS (SELECT 1 FROM operations
                       WHERE operations.campaign_key = journeys.campaign_key AND finished_at IS NULL AND kind = 'exit'
                         AND operations.created_at > clock_timestamp() - interval '1 hour'
                         AND (parameters ->> 'whole_versions')::boolean
                         AND parameters #> '{{selection,versions}}' @> to_jsonb(campaign_version)) AS is_ending
        FROM journeys WHERE workflow_id = ANY(%(ids)s)
        """,  # noqa: S608 -- a constant
        {"ids": list(workflow_ids), "grace": grace},
    )
    return [KnownRow(**row) async for row in cursor]


async def lock_lost(connection: Connection, ids: Collection[UUID]) -> list[LostRow]:
    """Lock those of these journeys that are active and have no outbox rows."""
    cursor = await connection.execute(
        f"""
        SELECT id, campaign_key, campaign_version, workflow_id, step, wakes_at, moves, {SINGLE} AS single,
               COALESCE((SELECT jsonb_object_agg(step, visit) FROM (
                 SELECT step, max(visit) AS visit FROM messages WHERE journey_id = journeys.id GROUP BY step
               ) AS visited), '{{}}') AS visits
        FROM journeys WHERE id = ANY(%s) AND state = 'active' AND {_IS_TOLD}
        ORDER BY id FOR UPDATE
        """,  # noqa: S608 -- a constant
        (list(ids),),
    )
    return [LostRow(**row) async for row in cursor]


async def still_over(connection: Connection, ids: Collection[UUID]) -> list[tuple[UUID, str]]:
    """Return those of these journeys that are over and have no outbox rows.

    As (id, workflow id).
    """
    cursor = await connection.execute(
        f"SELECT id, workflow_id FROM journeys WHERE id = ANY(%s) AND state <> 'active' AND {_IS_TOLD} ORDER BY id",  # noqa: S608
        (list(ids),),
    )
    return [(row["id"], row["workflow_id"]) async for row in cursor]


async def place(connection: Connection, moved: Sequence[tuple[KnownRow, str, str]]) -> set[UUID]:
    """Set journeys' (row, step, status) unless they moved; return the changed ones.

    The end of a wait is unknown then. Any next move is accepted, since the workflow may have been reset.
    """
    cursor = await connection.execute(
        """
        UPDATE journeys SET step = item.step, status = item.status, wakes_at = NULL, moves = 0,
                            via = NULL, since = now() + clock_ahead()
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
          AS item (id, old_step, old_status, step, status)
        WHERE journeys.id = item.id AND journeys.state = 'active'
          AND journeys.step IS NOT DISTINCT FROM old_step AND journeys.status IS NOT DISTINCT FROM old_status
        RETURNING journeys.id
        """,
        (
            [row.id for row, _, _ in moved],
            [row.step for row, _, _ in moved],
            [row.status for row, _, _ in moved],
            [step for _, step, _ in moved],
            [status for _, _, status in moved],
        ),
    )
    return {row["id"] async for row in cursor}


async def take_back(connection: Connection, moved: Sequence[tuple[KnownRow, int]], *, grace: float) -> set[UUID]:
    """Set rows to their workflows' version unless migrated since; return the changed."""
    cursor = await connection.execute(
        """
        UPDATE journeys SET campaign_version = item.version
        FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS item (id, old_version, version)
        WHERE journeys.id = item.id AND journeys.state = 'active' AND campaign_version = old_version
          AND NOT EXISTS (
            SELECT 1 FROM decisions
            WHERE decisions.profile_id = journeys.profile_id AND journey_id = journeys.id AND kind = 'migrate'
              AND decisions.recorded_at > clock_timestamp() - make_interval(secs => %s))
        RETURNING journeys.id
        """,
        (
            [row.id for row, _ in moved],
            [row.campaign_version for row, _ in moved],
            [version for _, version in moved],
            grace,
        ),
    )
    return {row["id"] async for row in cursor}


async def settle_left_behind(connection: Connection, *, age: float, limit: int) -> list[UUID]:
    """Settle messages of journeys that ended `age` seconds ago; return their ids.

    Messages handed over become unknown, others cancelled; at most `limit`. A retry outlives its journey until it
    expires.
    """
    cursor = await connection.execute(
        """
        WITH left_behind AS (
          SELECT messages.id FROM messages JOIN journeys ON journeys.id = messages.journey_id
          WHERE messages.state IN ('reserved', 'sending')
            AND (retry_of IS NULL OR journeys.state = 'exited' OR expires_at < statement_timestamp() + clock_ahead())
            AND ended_recorded_at < clock_timestamp() - make_interval(secs => %s)
            AND COALESCE(claimed_at, reserved_at) < clock_timestamp() - make_interval(secs => %s)
          ORDER BY messages.id LIMIT %s FOR NO KEY UPDATE OF messages SKIP LOCKED
        )
        UPDATE messages
        SET state = CASE messages.state WHEN 'sending' THEN 'unknown' ELSE 'cancelled' END,
            reason = CASE messages.state WHEN 'sending' THEN 'answer_lost' ELSE 'journey_ended' END,
            settled_at = clock_timestamp()
        FROM left_behind WHERE messages.id = left_behind.id
        RETURNING messages.id, campaign_key, channel, messages.state, reason
        """,
        (age, age, limit),
    )
    settled = await cursor.fetchall()
    for row in settled:
        connection.metrics.add(Metric.SETTLED, row["campaign_key"], row["channel"], row["state"], row["reason"])
    return [row["id"] for row in settled]


async def active_by_campaign(connection: Connection) -> dict[str, int]:
    """Count active journeys by campaign, without those that a stop has ended."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, count(*) AS number FROM journeys
        WHERE state = 'active'
          AND NOT EXISTS (SELECT 1 FROM campaigns WHERE key = campaign_key AND campaign_version = ANY(exiting))
        GROUP BY campaign_key ORDER BY campaign_key
        """
    )
    return {row["campaign_key"]: row["number"] async for row in cursor}


async def campaigns_at_work(connection: Connection, *, grace: float) -> list[str]:
    """Return campaigns whose workflow should run: alive or with operations.

    Campaigns that were just changed are excluded.
    """
    cursor = await connection.execute(
        f"""
        SELECT key FROM campaigns
        WHERE NOT {is_template("key")} AND (campaigns.state IN ('scheduled', 'running', 'paused', 'stopping')
               OR EXISTS (SELECT 1 FROM operations WHERE campaign_key = key AND finished_at IS NULL))
          AND campaigns.updated_at < clock_timestamp() - make_interval(secs => %s)
          AND NOT EXISTS (SELECT 1 FROM outbox WHERE kind = 'campaign' AND payload ->> 'campaign' = key)
        ORDER BY key
        """,  # noqa: S608 -- a constant of the store
        (grace,),
    )
    return [row["key"] async for row in cursor]
