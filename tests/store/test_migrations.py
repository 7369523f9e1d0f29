"""A migrated database is what the tables say, and migrating is safe to repeat."""

import asyncio
from importlib import import_module

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, create_engine, text

from domain.errors import UnavailableError
from store import migrate, partitions
from store.database import Database
from store.migrate import sqlalchemy_url, upgrade
from store.schema_revision import MIGRATIONS, NEWEST, current, is_ready
from store.tables import metadata
from tests.harness import PATIENCE


def _differences(connection: Connection) -> list[object]:
    def is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and (name or "").startswith("events_"))

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_object": is_ours}
    )
    return list(compare_metadata(context, metadata))


def test_the_newest_revision_is_the_one_that_migrating_ends_at() -> None:
    assert ScriptDirectory(MIGRATIONS).get_heads() == [NEWEST]


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


async def test_the_phone_numbers_of_people_become_addresses(database_url: str) -> None:
    phones = {"ada": "+49 151 12345678", "bo": "0151 12345679", "cy": "call me"}
    async with Database(database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            for user, phone in phones.items():
                traits = Jsonb({"phone": phone, "country": "DE"})
                await connection.execute(
                    "INSERT INTO profiles (id, user_id, traits) VALUES (gen_random_uuid(), %s, %s)", (user, traits)
                )
        await asyncio.to_thread(_run, database_url, "0071_phone_addresses")
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT user_id, addresses FROM profiles ORDER BY user_id")
            known = {row["user_id"]: row["addresses"] for row in await cursor.fetchall()}
            cursor = await connection.execute("SELECT value FROM addresses WHERE channel = 'sms' ORDER BY value")
            named = [row["value"] for row in await cursor.fetchall()]
    assert known == {"ada": {"sms": "+4915112345678"}, "bo": {"sms": "+4915112345679"}, "cy": {}}
    assert named == ["+4915112345678", "+4915112345679"]


def _run(database_url: str, name: str) -> None:
    """Run one migration once more."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        import_module(f"store.migrations.versions.{name}").upgrade()
    engine.dispose()


async def test_an_event_that_outran_the_partitions_moves_into_its_own(database_url: str) -> None:
    """As when no worker has run for months: the month's partition is made with what waits in the default one."""
    async with Database(database_url, pool_size=2) as database:
        async with database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT max(relname) AS last FROM pg_class WHERE relname ~ '^events_[0-9]{4}_[0-9]{2}$'"
            )
            row = await cursor.fetchone()
            assert row is not None
            last = row["last"]
            await connection.execute(f"DROP TABLE {last}")
            _, year, month = last.split("_")
            await connection.execute(
                """
                INSERT INTO events (received_at, message_id, profile_id, type, properties, context, timestamp)
                VALUES (%s, 'm1', gen_random_uuid(), 'track', '{}', '{}', now())
                """,
                (f"{year}-{month}-15T00:00:00Z",),
            )

        async def ensured() -> None:
            async with database.transaction() as connection:
                await partitions.ensure(connection)

        await asyncio.gather(ensured(), ensured())
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT tableoid::regclass::text AS partition FROM events")
            assert await cursor.fetchall() == [{"partition": last}]


async def test_two_migrations_at_once_and_again_change_nothing(database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(upgrade, database_url) for _ in range(2)))
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        assert await current(connection) == NEWEST
        cursor = await connection.execute(
            "SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'events'::regclass"
        )
        row = await cursor.fetchone()
    assert row is not None
    assert row["partitions"] == 5


async def test_a_database_of_a_later_release_is_left_alone_and_good_enough(database_url: str) -> None:
    """As after a roll-back, and as the release that still serves finds it while the next one is deployed."""
    assert is_ready(NEWEST)
    assert not is_ready(None)
    assert not is_ready("0001")
    async with Database(database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        await asyncio.to_thread(upgrade, database_url)
        async with database.transaction() as connection:
            revision = await current(connection)
    assert revision == "9999"
    assert is_ready(revision)


def upgrade_to(database_url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


async def test_a_migration_does_not_keep_requests_waiting_for_a_table(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(upgrade_to, empty_database_url, "0022")
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "100ms")
    async with Database(empty_database_url, pool_size=2) as database:
        async with database.transaction() as reading:
            await reading.execute("SELECT 1 FROM journeys")
            with pytest.raises(UnavailableError, match="a long transaction holds a table"):
                await asyncio.to_thread(upgrade, empty_database_url)
            async with database.transaction() as connection:
                assert await current(connection) == "0022"
                await connection.execute("SELECT 1 FROM journeys")
        await asyncio.to_thread(upgrade, empty_database_url)
        async with database.transaction() as connection:
            assert await current(connection) == NEWEST


async def test_a_migration_locks_tables_in_the_order_of_transactions(empty_database_url: str) -> None:
    await asyncio.to_thread(upgrade_to, empty_database_url, "0081")
    async with Database(empty_database_url, pool_size=2) as database:
        async with database.transaction() as writing:
            await writing.execute("UPDATE profiles SET updated_at = now()")
            migrating = asyncio.create_task(asyncio.to_thread(upgrade, empty_database_url))
            await wait_for_lock(database, "profiles")
            await writing.execute("UPDATE journeys SET state = state")
            await writing.execute("UPDATE messages SET state = state")
        await migrating
        async with database.transaction() as connection:
            assert await current(connection) == NEWEST


async def wait_for_lock(database: Database, table: str) -> None:
    """Wait until another session waits for a lock of a table."""
    async with asyncio.timeout(PATIENCE), database.own_transaction() as connection:
        waiting = "SELECT FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        while True:
            cursor = await connection.execute(waiting, (table,))
            if cursor.rowcount:
                return
            await asyncio.sleep(0.01)


async def test_a_migration_that_is_ended_by_a_deadlock_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "ENSURE", "DO $$ BEGIN RAISE deadlock_detected; END $$")
    with pytest.raises(UnavailableError, match="in another order: migrate again"):
        await asyncio.to_thread(upgrade, database_url)


BEFORE_STAMPS = """
INSERT INTO profiles (id, user_id, traits, consent, suppressed, updated_at) VALUES
  ('00000000-0000-0000-0000-000000000001', 'u1', '{"email": " Ada@Example.com ", "plan": "pro"}', '{"email": false}',
   '{}', '2026-11-01T12:00:00Z'),
  ('00000000-0000-0000-0000-000000000002', 'u2', '{"email": "bob@example.com"}', '{}', '{"email": "hard bounce"}',
   '2026-11-01T12:00:00Z'),
  ('00000000-0000-0000-0000-000000000003', 'u3', '{"email": 42}', '{"email": false}', '{}', '2026-11-01T12:00:00Z');
INSERT INTO events (received_at, message_id, profile_id, type, name, properties, context, timestamp) VALUES
  (now(), 'm1', '00000000-0000-0000-0000-000000000001', 'track', 'Unsubscribed', '{"channel": "email"}', '{}', now());
"""


async def test_what_was_known_before_stamps_counts_as_said_when_it_was_written(empty_database_url: str) -> None:
    await asyncio.to_thread(upgrade_to, empty_database_url, "0017")
    async with Database(empty_database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            for statement in BEFORE_STAMPS.split(";")[:-1]:
                await connection.execute(statement)
        await asyncio.to_thread(upgrade, empty_database_url)
        async with database.transaction() as connection:
            people = [person async for person in await connection.execute("SELECT * FROM profiles ORDER BY user_id")]
            refused = [row async for row in await connection.execute("SELECT * FROM addresses ORDER BY value")]
    stamp = [1_793_534_400_000_000, ""]
    assert [(person["said"], person["addresses"]) for person in people] == [
        (
            {"traits": [[*stamp, "plan", "email"]], "consent": [[*stamp, "email"]], "suppressed": []},
            {"email": "ada@example.com"},
        ),
        (
            {"traits": [[*stamp, "email"]], "consent": [], "suppressed": [[*stamp, "email"]]},
            {"email": "bob@example.com"},
        ),
        ({"traits": [[*stamp, "email"]], "consent": [[*stamp, "email"]], "suppressed": []}, {}),
    ]
    assert [(row["value"], row["refusals"], row["said"]) for row in refused] == [
        ("ada@example.com", {"opt_out": "unsubscribed by link"}, [[*stamp, "opt_out"]]),
        ("bob@example.com", {"suppression": "hard bounce"}, [[*stamp, "suppression"]]),
    ]
