"""A migrated database is what the tables say, and migrating is safe to repeat."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from store.database import Database
from store.migrate import current, newest, sqlalchemy_url, upgrade
from store.tables import metadata


def _differences(connection: Connection) -> list[object]:
    def is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and (name or "").startswith("events_"))

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_object": is_ours}
    )
    return list(compare_metadata(context, metadata))


def test_the_migrations_make_the_tables(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        assert _differences(connection) == []
        checks = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace")
        made = {row[0] for row in connection.execute(checks)}
    engine.dispose()
    declared = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if constraint.__visit_name__ == "check_constraint"
    }
    assert declared <= made


async def test_two_migrations_at_once_and_again_change_nothing(database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(upgrade, database_url) for _ in range(2)))
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        assert await current(connection) == newest()
        cursor = await connection.execute(
            "SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'events'::regclass"
        )
        row = await cursor.fetchone()
    assert row is not None
    assert row["partitions"] == 5
