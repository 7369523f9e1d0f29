"""Users whom a race of an earlier release had made one person have profiles of their own again."""

from importlib import import_module
from typing import Any
from uuid import UUID

import psycopg
import pytest

STATEMENTS = import_module("store.migrations.versions.0016_one_user").STATEMENTS
SHARED, OTHER = UUID(int=1), UUID(int=2)
DOUBLED = """
DROP INDEX identities_one_user;
CREATE TEMPORARY TABLE one AS SELECT '00000000-0000-0000-0000-000000000001'::uuid AS shared,
                                     '00000000-0000-0000-0000-000000000002'::uuid AS other;
INSERT INTO profiles (id, user_id, traits, consent, suppressed)
SELECT shared, 'bob', '{"email": "bob@example.com"}'::jsonb, '{"email": false, "push": true}'::jsonb,
       '{"sms": "complaint"}'::jsonb FROM one
UNION ALL SELECT other, 'eve', '{}', '{}', '{}' FROM one;
INSERT INTO identities (kind, value, profile_id)
SELECT kind, value, CASE value WHEN 'eve' THEN other ELSE shared END
FROM one, (VALUES ('anonymous', 'tablet'), ('user', 'ada'), ('user', 'bob'), ('user', 'eve')) AS named (kind, value);
INSERT INTO events (received_at, message_id, profile_id, type, user_id, anonymous_id, properties, context, timestamp)
SELECT now(), message_id, CASE user_id WHEN 'eve' THEN other ELSE shared END, 'track', user_id, device, '{}', '{}',
       now()
FROM one, (VALUES ('m1', 'ada', 'tablet'), ('m2', 'bob', NULL), ('m3', NULL, 'tablet'), ('m4', 'eve', NULL))
  AS reported (message_id, user_id, device);
"""


async def separate(connection: psycopg.AsyncConnection[Any]) -> None:
    async with connection.transaction():
        for statement in STATEMENTS:
            await connection.execute(statement)


async def rows(connection: psycopg.AsyncConnection[Any], sql: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(sql)).fetchall()


async def test_each_has_a_profile_and_the_events_under_the_own_name(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(DOUBLED)
        await separate(connection)
        people = await rows(
            connection, "SELECT user_id, id, traits, consent, suppressed FROM profiles ORDER BY user_id"
        )
        names = await rows(connection, "SELECT value, user_id FROM identities JOIN profiles ON id = profile_id")
        events = await rows(
            connection, "SELECT message_id, profiles.user_id FROM events JOIN profiles ON profiles.id = profile_id"
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            await connection.execute("INSERT INTO identities VALUES ('user', 'zoe', %s)", (SHARED,))
    [ada, bob, eve] = people
    assert (ada[0], bob[:2], eve[:2]) == ("ada", ("bob", SHARED), ("eve", OTHER))
    assert isinstance(ada[1], UUID)
    assert ada[2:] == ({}, {"email": False}, {"sms": "complaint"})
    assert bob[3] == {"email": False, "push": True}
    assert dict(names) == {"tablet": "bob", "ada": "ada", "bob": "bob", "eve": "eve"}
    assert dict(events) == {"m1": "ada", "m2": "bob", "m3": "bob", "m4": "eve"}


async def test_where_nobody_was_made_one_nothing_changes(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(DOUBLED)
        await connection.execute("DELETE FROM identities WHERE value = 'ada'")
        before = await rows(connection, "SELECT profiles::text FROM profiles ORDER BY id")
        await separate(connection)
        assert await rows(connection, "SELECT profiles::text FROM profiles ORDER BY id") == before
