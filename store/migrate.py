"""Bring a database to the newest schema, and say whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from domain.errors import UnavailableError
from store import partitions

# Two processes that migrate at once take turns.
MIGRATION_LOCK = 0x50_4A_52_4E


def sqlalchemy_url(database_url: str) -> str:
    """The same database for SQLAlchemy, which is to use psycopg 3."""
    return database_url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)


def upgrade(database_url: str) -> None:
    """Migrate to the newest schema and make the partitions that the coming months need. Safe to repeat.

    A database that a later release has migrated is left as it is: that release was rolled back to this one.

    Raises UnavailableError when the database does not answer.
    """
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
            try:
                if not _is_ahead(MigrationContext.configure(connection).get_current_revision()):
                    command.upgrade(_config(connection), "head")
                connection.execute(text(partitions.ENSURE))
                connection.commit()
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
                connection.commit()
    except OperationalError as error:
        raise UnavailableError(f"the database does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def is_ready(revision: str | None) -> bool:
    """Whether this release can work with a database at that revision, which may be a later release's.

    A migration leaves what the release before it needs, so that this one serves on while the next is deployed.
    """
    return revision == newest() or _is_ahead(revision)


def newest() -> str:
    """The revision that this release expects."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:
        raise RuntimeError("the release ships no migrations")
    return head


async def current(connection: AsyncConnection[DictRow]) -> str | None:
    """The revision that a database is at; None when it was never migrated."""
    cursor = await connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS is_migrated")
    row = await cursor.fetchone()
    if row is None or not row["is_migrated"]:
        return None
    cursor = await connection.execute("SELECT version_num FROM alembic_version")
    row = await cursor.fetchone()
    return str(row["version_num"]) if row else None


def _is_ahead(revision: str | None) -> bool:
    """Revisions are numbers of four digits."""
    return revision is not None and revision > newest()


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
