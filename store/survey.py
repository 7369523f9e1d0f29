"""How much there is of what must not pile up. Every statement reads a bounded number of rows."""

from msgspec import Struct

from store.database import Connection

# What waits in the outbox is counted up to this; after an hour without Temporal there may be millions of rows.
MOST_ROWS = 100_000
# Journeys under way are counted up to this; beyond, the planner's estimate is exact enough.
MOST_JOURNEYS = 10_000


class Survey(Struct, frozen=True):
    """The outbox by class, `single` and `many`: how many rows wait, and since when the oldest does, in seconds."""

    waiting: dict[str, int]
    oldest: dict[str, float]
    active_journeys: int


_OUTBOX = """
SELECT CASE class WHEN 0 THEN 'single' ELSE 'many' END AS class,
       (SELECT count(*) FROM (SELECT FROM outbox WHERE outbox.class = of.class LIMIT %(most)s) AS counted) AS number,
       COALESCE((SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox
                 WHERE outbox.class = of.class ORDER BY id LIMIT 1), 0) AS seconds
FROM (VALUES (0), (1)) AS of (class)
"""
# The statistics of an index that holds the active ones alone.
_JOURNEYS = """
SELECT CASE WHEN number < %(most)s THEN number ELSE greatest(number, estimate::bigint) END AS active
FROM (SELECT count(*) AS number
      FROM (SELECT FROM journeys WHERE state = 'active' LIMIT %(most)s) AS counted) AS counting,
     (SELECT reltuples AS estimate FROM pg_class WHERE oid = 'journeys_step'::regclass) AS planned
"""


async def survey(connection: Connection) -> Survey:
    """Two statements, whose cost does not grow with the deployment."""
    cursor = await connection.execute(_OUTBOX, {"most": MOST_ROWS})
    outbox = await cursor.fetchall()
    cursor = await connection.execute(_JOURNEYS, {"most": MOST_JOURNEYS})
    journeys = await cursor.fetchone()
    return Survey(
        {row["class"]: row["number"] for row in outbox},
        {row["class"]: max(row["seconds"], 0.0) for row in outbox},
        journeys["active"] if journeys else 0,
    )
