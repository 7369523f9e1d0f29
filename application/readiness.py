"""Whether what the API depends on is there."""

from dataclasses import dataclass
from typing import Final

import psycopg

from store import outbox, partitions, schema_revision
from store.database import Database

OK: Final = "ok"

# Far longer than a relay takes when all is well, and than it waits before it tries again. Seconds.
LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Each part with `ok` or what is wrong, and whether requests can be served all the same."""

    is_ready: bool
    parts: dict[str, str]


async def readiness(database: Database) -> Readiness:
    """What the API cannot do without: the database and its migrations.

    The others are told for whoever looks: without its partition an event goes to the default one, and while Temporal
    or the workers are away, the outbox keeps what they are to be told.
    """
    try:
        async with database.transaction() as connection:
            current = await schema_revision.current(connection)
            if not schema_revision.is_ready(current):
                wrong = f"the database is at {current or 'none'}, this release needs {schema_revision.NEWEST}"
                return Readiness(False, {"database": OK, "migrations": wrong})
            missing = await partitions.missing(connection)
            waits = await outbox.oldest_wait(connection)
    except psycopg.OperationalError:
        return Readiness(False, {"database": "does not answer"})
    return Readiness(
        True,
        {
            "database": OK,
            "migrations": OK,
            "partitions": f"{missing} is missing: a worker makes it within an hour of running" if missing else OK,
            "outbox": OK
            if waits < LONGEST_WAIT
            else f"the oldest row waits {waits:.0f} s: is a worker running, and Temporal up?",
        },
    )
