"""The schema revision of a database, and whether this release supports it."""

from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from domain.errors import InvalidRequestError

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


async def require_ready(connection: AsyncConnection[DictRow]) -> None:
    """Raise InvalidRequestError for a database that this release does not support."""
    revision = await current(connection)
    if not is_ready(revision):
        found = "was never migrated" if revision is None else f"has schema {revision}, and this release needs {NEWEST}"
        raise InvalidRequestError(f"the database {found}: run `sojourn migrate`, or correct SOJOURN_DATABASE_URL")
