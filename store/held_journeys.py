"""Journeys and retries whose messages a hold, or the pause of a provider, held."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.journey.records import retry_workflow_id
from store.database import Connection

# The retries among some decisions: the failed message of each, and the operation that retries it.
_RETRIES: Final = """
COALESCE(jsonb_agg(DISTINCT jsonb_build_array(campaign_key, data ->> 'retry_of', data ->> 'operation'))
         FILTER (WHERE data ? 'retry_of'), '[]')
"""


class HeldJourney(Struct, frozen=True):
    """A journey, and the workflows that wait: its own, unless it is over, and retries."""

    id: UUID
    workflow_ids: list[str]


async def find_by_hold(connection: Connection, id: UUID, after: UUID | None, limit: int) -> list[HeldJourney]:
    """Return journeys of which a hold held a message, in the order of their ids."""
    return await _find(connection, "reason = 'on_hold' AND data ->> 'hold' = %(cause)s", id, after, limit)


async def find_by_pause(connection: Connection, id: UUID, after: UUID | None, limit: int) -> list[HeldJourney]:
    """Return journeys of which a pause held a message, in the order of their ids."""
    return await _find(connection, "reason = 'provider_paused' AND data ->> 'pause' = %(cause)s", id, after, limit)


async def find_of_people(connection: Connection, profile_ids: Collection[UUID]) -> list[str]:
    """Return the workflows that wait for the end of a hold of these people."""
    cursor = await connection.execute(
        f"""
        SELECT journeys.workflow_id, held.retries FROM (
          SELECT journey_id, {_RETRIES} AS retries FROM decisions
          WHERE profile_id = ANY(%s) AND reason = 'on_hold' GROUP BY journey_id
        ) AS held LEFT JOIN journeys ON journeys.id = journey_id AND state = 'active'
        """,  # noqa: S608 -- a constant of this module
        (list(profile_ids),),
    )
    return sorted({id async for row in cursor for id in _list_workflows(row)})


async def _find(
    connection: Connection, condition: str, cause: UUID, after: UUID | None, limit: int
) -> list[HeldJourney]:
    cursor = await connection.execute(
        f"""
        SELECT held.id, journeys.workflow_id, held.retries FROM (
          SELECT journey_id AS id, {_RETRIES} AS retries FROM decisions
          WHERE {condition} AND (%(after)s::uuid IS NULL OR journey_id > %(after)s)
          GROUP BY journey_id ORDER BY journey_id LIMIT %(limit)s
        ) AS held LEFT JOIN journeys ON journeys.id = held.id AND state = 'active' ORDER BY held.id
        """,  # noqa: S608 -- constants of this module
        {"cause": str(cause), "after": after, "limit": limit},
    )
    return [HeldJourney(row["id"], _list_workflows(row)) async for row in cursor]


def _list_workflows(row: dict[str, Any]) -> list[str]:
    own = [] if row["workflow_id"] is None else [row["workflow_id"]]
    return own + [retry_workflow_id(campaign, UUID(id), UUID(by)) for campaign, id, by in row["retries"]]
