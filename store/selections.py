"""The active journeys of an operation: their number, and locked pages.

Journeys of a version that is being ended are included, since their rows may not say so yet.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.journey.filters import JourneyFilter
from domain.journey.state import JourneyStatus
from store.database import Connection
from store.journey_filters import filter_conditions, filter_parameters


class Selected(Struct, frozen=True):
    """A locked journey."""

    id: UUID
    campaign_key: str
    profile_id: UUID
    campaign_version: int
    workflow_id: str
    step: str | None
    status: JourneyStatus | None
    wakes_at: datetime | None
    moves: int


# Before every id. Pages are ranges of an index, compared as rows: with equalities the planner may walk all journeys by
# id.
FIRST = UUID(int=0)


async def count(connection: Connection, campaign_key: str, which: JourneyFilter) -> int:
    """Count the journeys."""
    cursor = await connection.execute(
        f"SELECT count(*) AS number {_from(which)}",
        _parameters(campaign_key, which),
    )
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def lock_page(
    connection: Connection, campaign_key: str, which: JourneyFilter, after: UUID | None, limit: int
) -> list[Selected]:
    """Lock the next journeys in the order of their ids."""
    cursor = await connection.execute(
        f"""
        SELECT id, campaign_key, profile_id, campaign_version, workflow_id, step, status, wakes_at, moves {_from(which)}
          AND (campaign_key, state, id) > (%(key)s, 'active', %(after)s::uuid)
        ORDER BY campaign_key, state, id LIMIT %(limit)s FOR UPDATE
        """,
        {**_parameters(campaign_key, which), "after": after or FIRST, "limit": limit},
    )
    return [Selected(**row) async for row in cursor]


async def lock_one(connection: Connection, id: UUID) -> Selected | None:
    """Lock one active journey."""
    cursor = await connection.execute(
        """
        SELECT id, campaign_key, profile_id, campaign_version, workflow_id, step, status, wakes_at, moves
        FROM journeys WHERE id = %s AND state = 'active' FOR UPDATE
        """,
        (id,),
    )
    row = await cursor.fetchone()
    return Selected(**row) if row else None


def _from(which: JourneyFilter) -> str:
    conditions = ["campaign_key = %(key)s", "state = 'active'", *filter_conditions(which)]
    return f"FROM journeys WHERE {' AND '.join(conditions)}"


def _parameters(campaign_key: str, which: JourneyFilter) -> dict[str, Any]:
    return {**filter_parameters(which), "key": campaign_key}
