"""Which journeys of a campaign something is done to, and pages of them."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from store.database import Connection


class Selection(Struct, frozen=True, omit_defaults=True):
    """Active journeys of one campaign: those for which all holds that is given."""

    versions: tuple[int, ...] | None = None
    step: str | None = None
    status: str | None = None
    profile_id: UUID | None = None
    entered_after: datetime | None = None
    entered_before: datetime | None = None


class Selected(Struct, frozen=True):
    """One of them."""

    id: UUID
    campaign_key: str
    profile_id: UUID
    campaign_version: int
    workflow_id: str
    step: str | None
    status: str | None
    wakes_at: datetime | None
    moves: int


# Before every id. Pages are ranges of an index, said as a row: by equalities the planner may walk all journeys by id.
FIRST = UUID(int=0)

# What is not given narrows nothing. The planner sees which is which, since these statements are planned with values.
_SELECTED = """
FROM journeys
WHERE campaign_key = %(campaign_key)s AND state = 'active'
  AND (%(versions)s::int[] IS NULL OR campaign_version = ANY(%(versions)s))
  AND (%(step)s::text IS NULL OR step = %(step)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(profile_id)s::uuid IS NULL OR profile_id = %(profile_id)s)
  AND (%(entered_after)s::timestamptz IS NULL OR entered_at >= %(entered_after)s)
  AND (%(entered_before)s::timestamptz IS NULL OR entered_at < %(entered_before)s)
"""


async def count(connection: Connection, campaign_key: str, selection: Selection) -> int:
    """How many there are."""
    cursor = await connection.execute(
        f"SELECT count(*) AS number {_SELECTED}",
        _parameters(campaign_key, selection),
    )
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def lock_page(
    connection: Connection, campaign_key: str, selection: Selection, after: UUID | None, limit: int
) -> list[Selected]:
    """The next of them in the order of their ids, locked."""
    cursor = await connection.execute(
        f"""
        SELECT id, campaign_key, profile_id, campaign_version, workflow_id, step, status, wakes_at, moves {_SELECTED}
          AND (campaign_key, state, id) > (%(campaign_key)s, 'active', %(after)s::uuid)
        ORDER BY campaign_key, state, id LIMIT %(limit)s FOR UPDATE
        """,
        {**_parameters(campaign_key, selection), "after": after or FIRST, "limit": limit},
    )
    return [Selected(**row) async for row in cursor]


async def lock_one(connection: Connection, id: UUID) -> Selected | None:
    """One active journey, locked."""
    cursor = await connection.execute(
        """
        SELECT id, campaign_key, profile_id, campaign_version, workflow_id, step, status, wakes_at, moves
        FROM journeys WHERE id = %s AND state = 'active' FOR UPDATE
        """,
        (id,),
    )
    row = await cursor.fetchone()
    return Selected(**row) if row else None


def _parameters(campaign_key: str, selection: Selection) -> dict[str, object]:
    return {
        "campaign_key": campaign_key,
        "versions": None if selection.versions is None else list(selection.versions),
        "step": selection.step,
        "status": selection.status,
        "profile_id": selection.profile_id,
        "entered_after": selection.entered_after,
        "entered_before": selection.entered_before,
    }
