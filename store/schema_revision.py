"""At which schema a database is, and whether this release can work with it. What migrates it is `store.migrate`."""

from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow

MIGRATIONS: Final = Path(__file__).parent / "migrations"

# The revision that this release expects: a number of four digits, which the name of its file begins with.
NEWEST: Final = max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def is_ready(revision: str | None) -> bool:
    """Whether this release can work with a database at that revision, which may be a later release's.

    A migration leaves what the release before it needs, so that this one serves on while the next is deployed.
    """
    return revision is not None and revision >= NEWEST


async def current(connection: AsyncConnection[DictRow]) -> str | None:
    """The revision that a database is at; None when it was never migrated."""
    cursor = await connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS is_migrated")
    row = await cursor.fetchone()
    if row is None or not row["is_migrated"]:
        return None
    cursor = await connection.execute("SELECT version_num FROM alembic_version")
    row = await cursor.fetchone()
    return str(row["version_num"]) if row else None
