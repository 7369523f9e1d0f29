"""Migrate a database to the newest schema."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from domain.errors import SojournError, UnavailableError
from store import partitions, stream_origin
from store.connection_failure import as_error, describe_failure
from store.schema_revision import MIGRATIONS, is_ready

# Concurrent migrations take turns.
MIGRATION_LOCK = 0x50_4A_52_4E
# Requests queue behind a migration that waits for a table. It gives up before they do (store/database.py).
LOCK_TIMEOUT = "4s"


def sqlalchemy_url(database_url: str) -> str:
    """Return the database's URL for SQLAlchemy with psycopg 3."""
    return database_url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)


def upgrade(database_url: str) -> None:
    """Migrate to the newest schema and create coming partitions. Safe to repeat.

    A database restored from another cluster continues its stream.

    A database of a later release stays as it is: that release was rolled back to this one.

    Raises UnavailableError if the database does not answer or a table is in use, InvalidRequestError if it refuses the
    connection.
    """
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.commit()
            try:
                current = MigrationContext.configure(connection).get_current_revision()
                # Each migration begins and ends its own transaction, and may build an index outside of one.
                connection.commit()
                if not is_ready(current):
                    command.upgrade(_config(connection), "head")
                connection.execute(text(partitions.ENSURE))
                connection.execute(text(stream_origin.REBASE.replace(":", r"\:")))
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
                connection.commit()
    except OperationalError as error:
        raise _failure(error.orig) from error
    finally:
        engine.dispose()


def _failure(error: BaseException | None) -> SojournError:
    if not isinstance(error, psycopg.Error):
        return UnavailableError(f"the database does not answer: {error}")
    if isinstance(error, LockNotAvailable):
        return UnavailableError("a long transaction holds a table that is to be changed: end it, and migrate again")
    if isinstance(error, DeadlockDetected):
        return UnavailableError("another transaction locked the same tables in another order: migrate again")
    return as_error(describe_failure(error))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
