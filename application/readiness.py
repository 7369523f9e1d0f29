"""Whether what the API depends on is there."""

import psycopg

from store import migrate
from store.database import Database


async def readiness(database: Database) -> dict[str, str]:
    """Each part with `ok` or what is wrong. Temporal is none of them: events are taken in while it is away."""
    try:
        async with database.transaction() as connection:
            current = await migrate.current(connection)
    except psycopg.OperationalError:
        return {"database": "does not answer", "migrations": "unknown"}
    if migrate.is_ready(current):
        return {"database": "ok", "migrations": "ok"}
    return {
        "database": "ok",
        "migrations": f"the database is at {current or 'none'}, this release needs {migrate.newest()}",
    }
