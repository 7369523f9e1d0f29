"""Numbers of journeys by position, and of their moves.

Triggers of `journeys` append what each statement has moved, so that no transaction waits for another's counter. A
sweeper adds these rows up. Every sum reads both in one snapshot, and is exact.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from msgspec import Struct

from store.database import Connection
from store.tables.counts import MOVE

# Rows that are added up at once.
PAGE: Final = 10_000
# One worker at a time adds up. A key of two parts.
_LOCK: Final = (7_340_121, 3)
_KEY: Final = ", ".join(MOVE)
_ALL: Final = f"""
(SELECT {_KEY}, number FROM journey_moves UNION ALL SELECT {_KEY}, number FROM journey_move_changes) AS moves
"""  # noqa: S608 -- constants of the schema


class JourneyMoves(Struct, frozen=True):
    """The number of moves between two positions of a campaign's journeys.

    A position is a version with a step and its status, or with an outcome; version 0 is none. `via` is the step whose
    request was answered in between.
    """

    from_version: int
    from_step: str
    from_status: str
    from_outcome: str
    via: str
    version: int
    step: str
    status: str
    outcome: str
    number: int


async def read(connection: Connection, campaign_key: str) -> list[JourneyMoves]:
    """Return all moves of a campaign's journeys."""
    cursor = await connection.execute(
        f"""
        SELECT from_version, from_step, from_status, from_outcome, via, version, step, status, outcome,
               sum(number)::bigint AS number
        FROM {_ALL} WHERE campaign_key = %s GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        """,  # noqa: S608 -- constants of this module
        (campaign_key,),
    )
    return [JourneyMoves(**row) async for row in cursor]


async def count_active(connection: Connection) -> dict[tuple[str, int], int]:
    """Return the number of active journeys of each campaign and version."""
    cursor = await connection.execute(
        f"""
        SELECT campaign_key, version, sum(number)::bigint AS number
        FROM (
          SELECT campaign_key, version, number FROM {_ALL} WHERE version > 0 AND outcome = ''
          UNION ALL
          SELECT campaign_key, from_version, -number FROM {_ALL} WHERE from_version > 0 AND from_outcome = ''
        ) AS changes
        GROUP BY 1, 2
        """  # noqa: S608 -- constants of this module
    )
    return {(row["campaign_key"], row["version"]): row["number"] async for row in cursor}


async def add_up(connection: Connection) -> int:
    """Add up a page of appended rows, unless another worker does; return their number."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s) AS is_locked", _LOCK)
    [lock] = await cursor.fetchall()
    if not lock["is_locked"]:
        return 0
    cursor = await connection.execute(
        f"""
        WITH taken AS (
          DELETE FROM journey_move_changes WHERE id IN (SELECT id FROM journey_move_changes ORDER BY id LIMIT %s)
          RETURNING {_KEY}, number
        ), added AS (
          INSERT INTO journey_moves AS known ({_KEY}, number)
          SELECT {_KEY}, sum(number)::bigint FROM taken GROUP BY {_KEY}
          ON CONFLICT ({_KEY}) DO UPDATE SET number = known.number + EXCLUDED.number
        )
        SELECT count(*) AS number FROM taken
        """,  # noqa: S608 -- constants of the schema
        (PAGE,),
    )
    [row] = await cursor.fetchall()
    number: int = row["number"]
    return number


async def find_oldest(
    connection: Connection, campaign_key: str, version: int, steps: Collection[str]
) -> dict[str, datetime]:
    """Return since when the journey waits that is at each step for the longest time."""
    cursor = await connection.execute(
        """
        SELECT named.step, oldest.since
        FROM unnest(%(steps)s::text[]) AS named (step) CROSS JOIN LATERAL (
          SELECT since FROM journeys
          WHERE campaign_key = %(key)s AND campaign_version = %(version)s AND step = named.step AND state = 'active'
            AND since IS NOT NULL
          ORDER BY since LIMIT 1) AS oldest
        """,
        {"steps": list(steps), "key": campaign_key, "version": version},
    )
    return {row["step"]: row["since"] async for row in cursor}
