"""Gauges of backlogs. Every statement reads a bounded number of rows."""

from datetime import datetime

from msgspec import Struct

from store import approvals, circuits, provider_pauses
from store.database import Connection

# The outbox is counted up to this; after an hour without Temporal it may have millions of rows.
MAX_ROWS = 10_000
# Open journeys are counted up to this; beyond it, the planner's estimate is exact enough.
MAX_JOURNEYS = 10_000


class Gauges(Struct, frozen=True):
    """The outbox's rows and its oldest age in seconds, for `triggered` and `bulk`.

    `failing_operations` are open ones whose next page has failed, `open_circuits` those of providers,
    `paused_providers` those whose marketing is paused, and `waiting_approvals` the changes that wait for a person.
    """

    waiting: dict[str, int]
    oldest: dict[str, float]
    active_journeys: int
    failing_operations: int
    open_circuits: int
    paused_providers: int
    waiting_approvals: int


# Ordered like an index, so that no plan reads more rows than it counts. With `priority = 0` the planner would order by
# id alone, and scan millions of rows of the other priority.
_OUTBOX = """
SELECT 'triggered' AS priority, count(*) AS number, min(created_at) AS oldest, clock_timestamp() + clock_ahead() AS now
FROM (SELECT created_at FROM outbox WHERE priority <= 0 ORDER BY priority, id LIMIT %(most)s) AS triggered
UNION ALL
SELECT 'bulk', count(*), min(created_at), clock_timestamp() + clock_ahead()
FROM (SELECT created_at FROM outbox WHERE priority >= 1 ORDER BY priority, id LIMIT %(most)s) AS bulk
"""
# The statistics of an index with only the active ones.
_JOURNEYS = """
SELECT CASE WHEN number < %(most)s THEN number ELSE greatest(number, estimate::bigint) END AS active
FROM (SELECT count(*) AS number
      FROM (SELECT FROM journeys WHERE state = 'active'
            ORDER BY campaign_key, campaign_version, id LIMIT %(most)s) AS counted) AS counting,
     (SELECT max(reltuples) AS estimate FROM pg_class WHERE oid = to_regclass('journeys_step')) AS planned
"""
_OPERATIONS = "SELECT count(*) AS failing FROM operations WHERE finished_at IS NULL AND failures > 0"


async def read_gauges(connection: Connection) -> Gauges:
    """Read the gauges in six statements of bounded cost."""
    cursor = await connection.execute(_OUTBOX, {"most": MAX_ROWS})
    outbox = await cursor.fetchall()
    cursor = await connection.execute(_JOURNEYS, {"most": MAX_JOURNEYS})
    journeys = await cursor.fetchone()
    cursor = await connection.execute(_OPERATIONS)
    operations = await cursor.fetchone()
    return Gauges(
        {row["priority"]: row["number"] for row in outbox},
        {row["priority"]: _age(row["oldest"], row["now"]) for row in outbox},
        journeys["active"] if journeys else 0,
        operations["failing"] if operations else 0,
        sum(row.opened_at is not None for row in await circuits.load(connection)),
        len(await provider_pauses.open_pauses(connection)),
        await approvals.count_waiting(connection, connection.clock.now()),
    )


def _age(oldest: datetime | None, now: datetime) -> float:
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
