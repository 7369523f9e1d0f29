"""Numbers of segments: by day, and of two together."""

from datetime import date, datetime

from msgspec import Struct

from store.database import Connection


class SegmentDay(Struct, frozen=True):
    """A day of a segment: its members at the end, and who joined and left."""

    day: date
    members: int
    joined: int
    left: int


class SegmentOverlap(Struct, frozen=True):
    """How many people are in two segments, and in only one of them."""

    both: int
    only_first: int
    only_second: int


async def read_days(
    connection: Connection, segment_id: int, days: int, timezone: str, now: datetime
) -> list[SegmentDay]:
    """Return the last days of a segment in a zone, the earliest first.

    The members are counted back from those of now. The history of a merged person has that of both, and counts once.
    """
    cursor = await connection.execute(
        """
        WITH bounds AS (
          SELECT (%(now)s::timestamptz AT TIME ZONE %(timezone)s)::date AS last
        ), days AS (
          SELECT last - past AS day FROM bounds CROSS JOIN generate_series(0, %(days)s - 1) AS past
        ), changes AS (
          SELECT (at AT TIME ZONE %(timezone)s)::date AS day, has_joined,
                 lag(has_joined) OVER (PARTITION BY profile_id ORDER BY at, id) AS before
          FROM segment_changes
          WHERE segment_id = %(id)s
            AND at >= (SELECT (last - %(days)s + 1)::timestamp AT TIME ZONE %(timezone)s FROM bounds)
        ), moved AS (
          SELECT day, count(*) FILTER (WHERE has_joined) AS joined, count(*) FILTER (WHERE NOT has_joined) AS "left"
          FROM changes WHERE before IS DISTINCT FROM has_joined GROUP BY day
        )
        SELECT day, COALESCE(joined, 0) AS joined, COALESCE("left", 0) AS "left",
               (SELECT COALESCE(sum(change), 0)::bigint FROM segment_counts WHERE segment_id = %(id)s)
                 - COALESCE(sum(joined - "left") OVER later, 0)::bigint AS members
        FROM days LEFT JOIN moved USING (day)
        WINDOW later AS (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ORDER BY day
        """,
        {"id": segment_id, "days": days, "timezone": timezone, "now": now},
    )
    return [SegmentDay(**row) async for row in cursor]


async def read_overlap(connection: Connection, first: int, second: int) -> SegmentOverlap:
    """Return how the members of two segments overlap, at one instant."""
    cursor = await connection.execute(
        """
        SELECT count(*) FILTER (WHERE is_first AND is_second) AS both,
               count(*) FILTER (WHERE NOT is_second) AS only_first, count(*) FILTER (WHERE NOT is_first) AS only_second
        FROM (
          SELECT bool_or(segment_id = %(first)s) AS is_first, bool_or(segment_id = %(second)s) AS is_second
          FROM segment_members WHERE segment_id IN (%(first)s, %(second)s) GROUP BY profile_id
        ) AS members
        """,
        {"first": first, "second": second},
    )
    [row] = await cursor.fetchall()
    return SegmentOverlap(**row)
