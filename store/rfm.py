"""The values of buyers for RFM, by fifths, and the breakpoints of each day."""

from collections.abc import AsyncGenerator
from datetime import date, datetime
from typing import Any, Final

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.epoch import to_microseconds
from domain.people.rfm.scores import FIFTHS, Breakpoints, Population
from domain.people.rfm.value import ValueModel
from store.database import Connection

# The parts of a window's state: an instant and an aggregate for each event, then a number, the last instant and an
# aggregate for each cell of older ones (domain/people/computed/window_log.py).
_WITHIN: Final = """
COALESCE((SELECT sum((entry ->> 1)::numeric) FROM jsonb_array_elements({state} -> 0) AS entry
          WHERE (entry ->> 0)::bigint + %(window)s > %(at)s), 0)
+ COALESCE((SELECT sum((cell ->> 2)::numeric) FROM jsonb_array_elements({state} -> 1) AS cell
            WHERE (cell ->> 1)::bigint + %(window)s > %(at)s), 0)
"""
# A value at a breakpoint is in the lower fifth. `width_bucket` puts it into the upper one, so the signs are turned.
_TURNED: Final = "ARRAY(SELECT -point FROM unnest({points}) AS point ORDER BY point DESC)"

STATES_AT_ONCE: Final = 20


class RfmDay(Struct, frozen=True):
    """The buyers of an instant and their breakpoints; None for too few."""

    as_of: datetime
    population: Population
    breakpoints: Breakpoints | None


async def measure(
    connection: Connection, last: int, orders: int, spent: int, *, window: int, at: datetime
) -> Population:
    """Measure the buyers by the states of three computed traits, as of an instant.

    `window` is that of the traits, in seconds. One statement sees one state of all people.
    """
    cursor = await connection.execute(
        f"""
        WITH states AS (
          SELECT (state #>> ARRAY[%(last)s, '0'])::bigint AS last, state -> %(orders)s AS orders,
                 state -> %(spent)s AS spent
          FROM profile_states WHERE state ? %(last)s
        ), buyers AS MATERIALIZED (
          SELECT (%(at)s - last) / 86400000000 AS days, ({_WITHIN.format(state="orders")})::bigint AS orders,
                 {_WITHIN.format(state="spent")} AS spent
          FROM states WHERE last + %(window)s > %(at)s
        ), fifths AS (
          SELECT count(*) AS buyers,
                 jsonb_build_array(count(DISTINCT days), count(DISTINCT orders), count(DISTINCT spent)) AS "distinct",
                 percentile_disc(%(fifths)s::float8[]) WITHIN GROUP (ORDER BY days) AS recency,
                 percentile_disc(%(fifths)s::float8[]) WITHIN GROUP (ORDER BY orders) AS frequency,
                 percentile_disc(%(fifths)s::float8[]) WITHIN GROUP (ORDER BY spent) AS monetary
          FROM buyers
        ), turned AS MATERIALIZED (
          SELECT {_TURNED.format(points="recency")} AS recency, {_TURNED.format(points="frequency")} AS frequency
          FROM fifths
        ), cells AS (
          SELECT 1 + width_bucket(-days, turned.recency) AS recency,
                 5 - width_bucket(-orders, turned.frequency) AS frequency,
                 count(*) AS people, sum(spent)::float8 AS spent
          FROM buyers CROSS JOIN turned GROUP BY 1, 2
        )
        SELECT buyers, "distinct", COALESCE(recency, '{{}}') AS recency, COALESCE(frequency, '{{}}') AS frequency,
               COALESCE(monetary::float8[], '{{}}') AS monetary,
               COALESCE((SELECT jsonb_agg(cells ORDER BY recency DESC, frequency DESC) FROM cells), '[]') AS cells
        FROM fifths
        """,  # noqa: S608 -- constants of this module
        {
            "last": str(last),
            "orders": str(orders),
            "spent": str(spent),
            "window": window * 1_000_000,
            "at": to_microseconds(at),
            "fifths": list(FIFTHS),
        },
    )
    [row] = await cursor.fetchall()
    return convert(row, Population)


async def claim_day(connection: Connection, day: date) -> bool:
    """Claim the scores of a day; False if they are claimed."""
    cursor = await connection.execute(
        "INSERT INTO rfm_days (day) VALUES (%s) ON CONFLICT (day) DO NOTHING RETURNING day", (day,)
    )
    return await cursor.fetchone() is not None


async def is_claimed(connection: Connection, day: date) -> bool:
    """Return whether the scores of a day are claimed."""
    cursor = await connection.execute("SELECT FROM rfm_days WHERE day = %s", (day,))
    return await cursor.fetchone() is not None


async def write(connection: Connection, day: date, found: RfmDay) -> None:
    """Write the scores of a day, in place of earlier ones."""
    await connection.execute(
        """
        INSERT INTO rfm_days (day, as_of, population, breakpoints)
        VALUES (%(day)s, %(as_of)s, %(population)s, %(breakpoints)s)
        ON CONFLICT (day) DO UPDATE
        SET as_of = excluded.as_of, population = excluded.population, breakpoints = excluded.breakpoints
        """,
        {
            "day": day,
            "as_of": found.as_of,
            "population": Jsonb(found.population),
            "breakpoints": None if found.breakpoints is None else Jsonb(found.breakpoints),
        },
    )


async def latest(connection: Connection) -> RfmDay | None:
    """Return the latest scores; None before the first."""
    cursor = await connection.execute(
        """
        SELECT as_of, population, breakpoints FROM rfm_days WHERE as_of IS NOT NULL ORDER BY as_of DESC LIMIT 1
        """
    )
    row: dict[str, Any] | None = await cursor.fetchone()
    return None if row is None else convert(row, RfmDay)


async def forget(connection: Connection) -> None:
    """Forget all days and models: those of another rule say nothing of this one."""
    await connection.execute("DELETE FROM rfm_days")
    await connection.execute("DELETE FROM rfm_models")


async def draw_states(
    connection: Connection, last: int, orders: int, spent: int, *, window: int, at: datetime, limit: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Draw buyers at random; iterate over the states of their orders and values.

    A state may have 200 kB, so the server keeps those that are not read yet.
    """
    async with connection.cursor(name="buyers") as cursor:
        cursor.itersize = STATES_AT_ONCE
        await cursor.execute(
            """
            SELECT jsonb_build_object(%(orders)s::text, state -> %(orders)s,
                                      %(spent)s::text, state -> %(spent)s) AS state
            FROM profile_states
            WHERE state ? %(last)s AND (state #>> ARRAY[%(last)s, '0'])::bigint + %(window)s > %(at)s
            ORDER BY uuid_hash(profile_id) LIMIT %(limit)s
            """,
            {
                "last": str(last),
                "orders": str(orders),
                "spent": str(spent),
                "window": window * 1_000_000,
                "at": to_microseconds(at),
                "limit": limit,
            },
        )
        async for row in cursor:
            yield row["state"]


async def keep_model(connection: Connection, as_of: datetime, model: ValueModel, by: str) -> None:
    """Keep a model, which holds from now on."""
    await connection.execute(
        """
        INSERT INTO rfm_models (as_of, model, kept_by) VALUES (%(as_of)s, %(model)s, %(by)s)
        ON CONFLICT (as_of) DO UPDATE SET model = excluded.model, kept_by = excluded.kept_by
        """,
        {"as_of": as_of, "model": Jsonb(model), "by": by},
    )


async def latest_model(connection: Connection) -> tuple[datetime, ValueModel] | None:
    """Return the model that holds, with the instant of its histories."""
    cursor = await connection.execute("SELECT as_of, model FROM rfm_models ORDER BY as_of DESC LIMIT 1")
    row = await cursor.fetchone()
    return None if row is None else (row["as_of"], convert(row["model"], ValueModel))
