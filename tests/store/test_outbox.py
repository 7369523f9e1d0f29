"""What a relay takes from the outbox, and in what order: no matter how much waits, and how many relays there are."""

from collections.abc import AsyncIterator

import pytest

from store import outbox
from store.database import Connection, Database
from store.outbox import OutboxKind, OutboxMessage

LIMIT, OF_MANY = 20, 4


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=5) as opened:
        yield opened


def message(workflow_id: str, kind: OutboxKind = "exit") -> OutboxMessage:
    return OutboxMessage(workflow_id, kind, {})


async def append(database: Database, *workflow_ids: str, minutes_ago: int = 0, bulk: bool = False) -> None:
    """One row for each, as if it had been written so many minutes ago."""
    async with database.transaction() as connection:
        await outbox.append(connection, [message(id) for id in workflow_ids], bulk=bulk)
        await connection.execute(
            """
            UPDATE outbox SET created_at = created_at - make_interval(mins => %(ago)s),
                              available_at = available_at - make_interval(mins => %(ago)s)
            WHERE created_at = now()
            """,
            {"ago": minutes_ago},
        )


async def taken(connection: Connection) -> list[str]:
    return [row.workflow_id for row in await outbox.take(connection, LIMIT, OF_MANY)]


async def round_of(database: Database) -> list[str]:
    """What a relay takes and delivers in one round."""
    async with database.transaction() as connection:
        rows = await outbox.take(connection, LIMIT, OF_MANY)
        await outbox.remove(connection, [row.id for row in rows])
        return [row.workflow_id for row in rows]


def users(count: int, campaign: str = "cart") -> list[str]:
    return [f"{campaign}/u{number}/0" for number in range(count)]


async def test_what_has_just_come_goes_before_what_has_piled_up(database: Database) -> None:
    await append(database, *users(500), minutes_ago=60)
    await append(database, "cart/fresh1/0", "cart/fresh2/0")
    assert await round_of(database) == ["cart/fresh2/0", "cart/fresh1/0", *users(LIMIT // 2)]


async def test_what_has_piled_up_is_not_starved_by_what_comes(database: Database) -> None:
    await append(database, *users(30), minutes_ago=60)
    for number in range(3):
        await append(database, *users(100, f"c{number}"))
    old = [id for _ in range(8) for id in await round_of(database) if id.startswith("cart")]
    assert old[:16] == users(16)


async def test_campaigns_have_equal_shares_however_much_one_of_them_has(database: Database) -> None:
    await append(database, *users(500, "flood"))
    await append(database, *users(3, "quiet"))
    await append(database, *users(500, "flood2"))
    first = await round_of(database)
    assert [id for id in first if id.startswith("quiet/")] == users(3, "quiet")[::-1]
    assert len(first) <= LIMIT


async def test_with_more_campaigns_than_a_round_has_room_for_all_get_their_turn(database: Database) -> None:
    campaigns = {f"c{number}" for number in range(3 * LIMIT)}
    for campaign in campaigns:
        await append(database, *users(5, campaign))
    seen: set[str] = set()
    rounds = 0
    while seen != campaigns:
        found = await round_of(database)
        assert 0 < len(found) <= LIMIT
        seen |= {id.partition("/")[0] for id in found}
        rounds += 1
    assert rounds < 5 * len(campaigns) * 5 / LIMIT


async def test_a_workflow_is_told_by_whoever_holds_its_oldest_row(database: Database) -> None:
    await append(database, "cart/a/0", minutes_ago=60)
    await append(database, "cart/a/0", "cart/b/0", "cart/a/0")
    async with database.transaction() as one:
        rows = await outbox.take(one, LIMIT, OF_MANY)
        assert [(row.workflow_id, row.is_alone, row.is_late) for row in rows] == [
            ("cart/b/0", True, False),
            ("cart/a/0", False, True),
        ]
        async with database.transaction() as other:
            assert await taken(other) == []
        await outbox.remove(one, [row.id for row in rows])
        async with database.transaction() as other:
            # They are told, and the other relay cannot know yet.
            assert await taken(other) == []
    assert await round_of(database) == ["cart/a/0"]
    assert await round_of(database) == ["cart/a/0"]
    assert await round_of(database) == []


async def test_a_row_of_a_single_event_waits_for_what_was_told_to_many_before(database: Database) -> None:
    await append(database, "news/a/0", bulk=True)
    await append(database, "news/a/0", "news/b/0")
    assert await round_of(database) == ["news/b/0", "news/a/0"]
    assert await round_of(database) == ["news/a/0"]


async def test_relays_share_what_there_is(database: Database) -> None:
    await append(database, *users(200), minutes_ago=60)
    async with database.transaction() as one, database.transaction() as two:
        first, second = await taken(one), await taken(two)
    assert len(first) == len(second) == LIMIT // 2
    assert not set(first) & set(second)


async def test_what_follows_a_row_that_could_not_be_told_waits_with_it(database: Database) -> None:
    await append(database, "cart/a/0", "cart/a/0", "cart/b/0")
    async with database.transaction() as connection:
        rows = await outbox.take(connection, LIMIT, OF_MANY)
        await outbox.postpone(connection, [(row.id, 3_600, "refused") for row in rows if row.workflow_id == "cart/a/0"])
        await outbox.remove(connection, [row.id for row in rows if row.workflow_id == "cart/b/0"])
    await append(database, "cart/a/0")
    assert await round_of(database) == []
    async with database.transaction() as connection:
        due = await outbox.next_due(connection, looked=0)
        assert due is not None
        assert 3_500 < due <= 3_600
        cursor = await connection.execute("SELECT attempts, last_error FROM outbox ORDER BY id")
        assert [tuple(row.values()) for row in await cursor.fetchall()] == [(1, "refused"), (0, None), (0, None)]
        await connection.execute("UPDATE outbox SET available_at = now() - interval '1 hour' WHERE attempts = 1")
    assert await round_of(database) == ["cart/a/0"]


async def test_rows_in_another_relays_hands_are_not_waited_for_by_looking_again_and_again(database: Database) -> None:
    await append(database, "cart/a/0", "cart/a/0", minutes_ago=1)
    async with database.transaction() as one:
        assert await taken(one) == ["cart/a/0"]
        async with database.transaction() as other:
            assert await outbox.next_due(other, looked=0.01) is None
            # Not so what has become due since it looked.
            assert await outbox.next_due(other, looked=120) == 0


async def test_a_round_costs_the_same_however_much_waits(database: Database) -> None:
    """By the plan that PostgreSQL follows: no more rows and pages are read with 20,000 waiting than with 1,000."""
    read = []
    for count in (1_000, 19_000):
        async with database.transaction() as connection:
            await connection.execute(
                """
                INSERT INTO outbox (workflow_id, kind, payload, available_at)
                SELECT 'c' || n %% 5 || '/u' || %(count)s + n / 10 || '/0', 'exit', '{}', now() - interval '1 hour'
                FROM generate_series(1, %(count)s) AS n
                """,
                {"count": count},
            )
            cursor = await connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {outbox._TAKE}",
                {"limit": 100, "bulk_limit": 20, "fresh": 10.0, "late": 60.0},
            )
            row = await cursor.fetchone()
            assert row is not None
            plan = row["QUERY PLAN"][0]["Plan"]
            read.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
            assert "Seq Scan" not in str(plan)
    assert read[1] < 2 * read[0], read
