"""The schema revision of a database, and whether this release supports it."""

from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow

MIGRATIONS: Final = Path(__file__).parent / "migrations"

# The revision of this release: the four digits at the start of a migration's file name.
NEWEST: Final = max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def is_ready(revision: str | None) -> bool:
    """Return whether this release supports a revision, which may be a later one.

    A migration keeps what the previous release needs, so that it serves on during a deployment.
    """
    return revision is not None and revision >= NEWEST


async def current(connection: AsyncConnection[DictRow]) -> str | None:
    """Return the revision of a database; None if it was never migrated."""
    cursor = await connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS is_migrated")
    row = await cursor.fetchone()
    if row is None or not row["is_migrated"]:
        return None
    cursor = await connection.execute("SELECT version_num FROM alembic_version")
    row = await cursor.fetchone()
    return str(row["version_num"]) if row else None
