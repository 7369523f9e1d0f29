"""The counts of journeys, decisions, messages and goals are those of their rows, however they changed."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application.campaign_graph import CampaignGraphs
from application.count_sweeper import CountSweeper
from store import daily_counts, journey_moves
from store.database import Connection, Database
from tests.folding import fold_all

SOURCE = """
key: world
name: World
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 1h}
  - {id: mail, send: {channel: email, template: note}}
  - {id: after, delay: 1d}
"""
STEPS = ("rest", "mail", "after")
STATES = ("reserved", "sending", "sent", "failed", "unknown", "cancelled")
PEOPLE = 40
# Each row as it counts, so that a sum of them is compared with what was folded.
DECISIONS = """
SELECT (at AT TIME ZONE 'UTC')::date AS day, decisions.campaign_key, COALESCE(campaign_version, 0) AS version, kind,
       COALESCE(decisions.step, '') AS step, decisions.outcome, COALESCE(reason, '') AS reason,
       COALESCE(data ->> 'rule', '') AS rule, '' AS channel, '' AS provider, '' AS category, '' AS priority,
       '' AS taken_by
FROM decisions LEFT JOIN journeys ON journeys.id = journey_id
"""
MESSAGES = """
SELECT (at AT TIME ZONE 'UTC')::date AS day, messages.campaign_key, campaign_version AS version, 'message' AS kind,
       messages.step, messages.state AS outcome, COALESCE(reason, '') AS reason, '' AS rule, channel,
       COALESCE(provider, '') AS provider, category, priority, '' AS taken_by
FROM messages JOIN journeys ON journeys.id = journey_id
"""
GOALS = """
SELECT (entered_at AT TIME ZONE 'UTC')::date AS day, conversions.campaign_key, conversions.campaign_version AS version,
       'goal' AS kind, '' AS step, 'reached' AS outcome, '' AS reason, '' AS rule, '' AS channel, '' AS provider,
       '' AS category, '' AS priority, '' AS taken_by
FROM conversions JOIN journeys ON journeys.id = journey_id
"""
ROOM = """
SELECT (at AT TIME ZONE 'UTC')::date AS day, campaign_key, 0 AS version, 'room' AS kind, '' AS step, 'taken' AS outcome,
       '' AS reason, data ->> 'rule' AS rule, '' AS channel, '' AS provider, '' AS category, '' AS priority, taken_by
FROM decisions CROSS JOIN jsonb_object_keys(data -> 'taken') AS taken_by
"""
KEY = daily_counts._KEY
COUNTED = f"SELECT {KEY}, sum(number)::bigint AS number FROM {daily_counts.COUNTS} GROUP BY {KEY}"  # noqa: S608
POSITIONS = """
SELECT campaign_version AS version, CASE WHEN state = 'active' THEN COALESCE(step, '') ELSE '' END AS step,
       CASE WHEN state = 'active' THEN COALESCE(status, '') ELSE '' END AS status,
       CASE WHEN state = 'active' THEN '' ELSE outcome END AS outcome, count(*) AS number
FROM journeys GROUP BY 1, 2, 3, 4
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=8) as opened:
        async with opened.transaction() as connection:
            await connection.execute(
                """
                INSERT INTO campaigns (key, name, state, running_version, latest_version)
                VALUES ('world', 'World', 'running', 2, 2)
                """
            )
            await connection.execute(
                """
                INSERT INTO campaign_versions (campaign_key, version, name, file, source, templates, plan, rules)
                SELECT 'world', version, 'World', 'world.yaml', %s, '{}', '{}', '{}'
                FROM generate_series(1, 2) AS version
                """,
                (SOURCE,),
            )
            await connection.execute(
                "INSERT INTO profiles (id, user_id) SELECT uuidv7(), 'u' || n FROM generate_series(1, %s) AS n",
                (PEOPLE,),
            )
        yield opened


async def enter(connection: Connection, chance: random.Random) -> None:
    await connection.execute(
        """
        INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, entry_key, workflow_id, entry, step,
                              status, entered_at, since)
        SELECT uuidv7(), 'world', 1 + n %% 2, profiles.id, gen_random_uuid(), gen_random_uuid(), '{}', 'rest',
               'waiting', at, at
        FROM profiles CROSS JOIN generate_series(1, %s) AS n
        CROSS JOIN LATERAL (SELECT now() - n * interval '9 hours' AS at) AS entered
        ORDER BY random() LIMIT %s
        """,
        (chance.randint(2, 4), chance.randint(1, 20)),
    )


async def move(connection: Connection, chance: random.Random) -> None:
    """A statement moves several, as an operation does, or one."""
    await connection.execute(
        """
        UPDATE journeys SET step = %s, status = %s, via = %s, moves = moves + 1
        WHERE id IN (SELECT id FROM journeys WHERE state = 'active' ORDER BY random() LIMIT %s)
        """,
        (
            chance.choice(STEPS),
            chance.choice(("waiting", "deferred", "held", "acting")),
            chance.choice((None, "mail")),
            chance.randint(1, 5),
        ),
    )


async def end(connection: Connection, chance: random.Random) -> None:
    await connection.execute(
        """
        UPDATE journeys SET state = 'completed', outcome = %s, ended_at = now()
        WHERE id IN (SELECT id FROM journeys WHERE state = 'active' ORDER BY random() LIMIT %s)
        """,
        (chance.choice(("completed", "engaged")), chance.randint(1, 5)),
    )


async def migrate(connection: Connection, chance: random.Random) -> None:
    await connection.execute(
        """
        UPDATE journeys SET campaign_version = 2
        WHERE id IN (SELECT id FROM journeys
                     WHERE state = 'active' AND campaign_version = 1
                       AND NOT EXISTS (SELECT FROM messages WHERE journey_id = journeys.id)
                       AND NOT EXISTS (SELECT FROM decisions WHERE journey_id = journeys.id)
                     ORDER BY random() LIMIT %s)
        """,
        (chance.randint(1, 3),),
    )


async def save(connection: Connection, chance: random.Random) -> None:
    """What is no move."""
    await connection.execute(
        "UPDATE journeys SET saved = '{}' WHERE id IN (SELECT id FROM journeys ORDER BY random() LIMIT %s)",
        (chance.randint(1, 5),),
    )


async def decide(connection: Connection, chance: random.Random) -> None:
    await connection.execute(
        """
        INSERT INTO decisions (id, profile_id, campaign_key, journey_id, kind, step, outcome, reason, data, at)
        SELECT uuidv7(), profile_id, 'world', id, 'send', 'mail', %s, %s, %s, now() - %s * interval '1 hour'
        FROM journeys ORDER BY random() LIMIT %s
        """,
        (
            chance.choice(("refused", "deferred", "held")),
            chance.choice(("capped", "no_consent", "send_window")),
            json.dumps(chance.choice(({}, {"rule": "daily"}, {"rule": "daily", "taken": {"world": 1, "other": 2}}))),
            chance.randint(0, 50),
            chance.randint(1, 9),
        ),
    )
    await connection.execute(
        """
        INSERT INTO decisions (id, profile_id, campaign_key, kind, outcome, reason, at)
        SELECT uuidv7(), id, 'world', 'entry', 'refused', 'already_in', now() FROM profiles ORDER BY random() LIMIT 2
        """
    )


async def grant(connection: Connection, chance: random.Random) -> None:
    await connection.execute(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, at,
                              expires_at)
        SELECT gen_random_uuid(), id, profile_id, 'world', 'mail', 1, 'email', 'marketing', 'note',
               now() - %s * interval '1 hour', now() + interval '1 day'
        FROM journeys ORDER BY random() LIMIT %s
        """,
        (chance.randint(0, 30), chance.randint(1, 5)),
    )


async def settle(connection: Connection, chance: random.Random) -> None:
    """Also late: what was unknown becomes sent, and a cancelled one is granted anew, as another and on another day."""
    await connection.execute(
        """
        UPDATE messages SET state = %s, reason = %s, provider = %s, channel = %s, category = %s, priority = %s,
                            at = now() - %s * interval '1 hour'
        WHERE id IN (SELECT id FROM messages ORDER BY random() LIMIT %s) AND state <> %s
        """,
        (
            state := chance.choice(STATES),
            chance.choice((None, "bounced")),
            chance.choice((None, "postmark", "ses")),
            chance.choice(("email", "sms")),
            chance.choice(("marketing", "news", "transactional")),
            chance.choice(("normal", "high")),
            chance.randint(0, 30),
            chance.randint(1, 5),
            state,
        ),
    )


async def convert(connection: Connection, _: random.Random) -> None:
    await connection.execute(
        """
        INSERT INTO conversions (journey_id, profile_id, campaign_key, campaign_version, event_id, at)
        SELECT id, profile_id, 'world', campaign_version, 'e', now() FROM journeys WHERE campaign_version = 2
        ORDER BY random() LIMIT 1 ON CONFLICT DO NOTHING
        """
    )


CHANGES = (enter, move, move, move, end, migrate, save, decide, grant, settle, settle, convert)


async def live(database: Database, seed: int, changes: int) -> None:
    """Change the world at random; what meets others' locks in another order is left out."""
    chance = random.Random(seed)
    for _ in range(changes):
        change = chance.choice(CHANGES)
        async with database.transaction() as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(%s), setseed(%s)", (CHANGES.index(change), chance.random())
            )
            await change(connection, chance)
            if chance.random() < 0.2:
                await asyncio.sleep(chance.random() / 100)


async def compare(database: Database) -> None:
    """In one snapshot: what is folded, what is not yet, and the rows."""
    async with database.own_transaction() as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found: Counter[tuple[Any, ...]] = Counter()
        for rows in (DECISIONS, ROOM, MESSAGES, GOALS):
            cursor = await connection.execute(
                f"SELECT {KEY}, count(*) AS number FROM ({rows}) AS one GROUP BY {KEY}"  # noqa: S608
            )
            found.update({tuple(row.values())[:-1]: row["number"] async for row in cursor})
        cursor = await connection.execute(COUNTED)
        counted = Counter({tuple(row.values())[:-1]: row["number"] async for row in cursor})
        assert +counted == +found
        assert not -counted
        cursor = await connection.execute(POSITIONS)
        there = Counter({tuple(row.values())[:-1]: row["number"] async for row in cursor})
        moved: Counter[tuple[Any, ...]] = Counter()
        for one in await journey_moves.read(connection, "world"):
            moved[one.version, one.step, one.status, one.outcome] += one.number
            moved[one.from_version, one.from_step, one.from_status, one.from_outcome] -= one.number
        del moved[0, "", "", ""]
        assert +moved == there
        active = await journey_moves.count_active(connection)
        assert sum(active.values()) == sum(number for position, number in there.items() if not position[3])


async def test_counts_of_a_changing_world_are_those_of_its_rows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    monkeypatch.setattr(daily_counts, "PAGE", 7)
    monkeypatch.setattr(journey_moves, "PAGE", 5)
    is_over = asyncio.Event()

    async def sweep() -> None:
        while not is_over.is_set():
            await CountSweeper(database).sweep()
            await asyncio.sleep(0.001)

    async def look() -> None:
        while not is_over.is_set():
            await compare(database)

    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(each) for each in (sweep(), sweep(), look())]
        await asyncio.gather(*(live(database, seed + place, 60) for place in range(3)))
        is_over.set()
        await asyncio.gather(*others)
    await compare(database)
    await fold_all(database)
    await compare(database)


async def test_what_is_erased_or_forgotten_stays_counted_as_what_happened(database: Database) -> None:
    chance = random.Random(1)
    for change in (enter, decide, grant):
        async with database.transaction() as connection:
            await change(connection, chance)
    await fold_all(database)
    before = await CampaignGraphs(database)("world", 1), await CampaignGraphs(database)("world", 2)
    async with database.transaction() as connection:
        for table in ("decisions", "messages", "journeys"):
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608
    after = await CampaignGraphs(database)("world", 1), await CampaignGraphs(database)("world", 2)
    for was, now in zip(before, after, strict=True):
        assert [node.came for node in now.nodes] == [node.came for node in was.nodes]
        assert [(node.refused, node.under_way) for node in now.nodes] == [
            (node.refused, node.under_way) for node in was.nodes
        ]
        # Nobody is there any more.
        assert [node.here for node in now.nodes] == [0] * len(now.nodes)
        assert [node.oldest_waiting_since for node in now.nodes] == [None] * len(now.nodes)


async def test_the_longest_wait_is_of_those_who_are_still_there(database: Database) -> None:
    async with database.transaction() as connection:
        for _ in range(20):
            await enter(connection, random.Random(2))
        cursor = await connection.execute(
            "SELECT id, since FROM journeys WHERE campaign_version = 1 ORDER BY since LIMIT 2"
        )
        first, second = await cursor.fetchall()
    graphs = CampaignGraphs(database)
    [rest] = [node for node in (await graphs("world", 1)).nodes if node.id == "rest"]
    assert rest.oldest_waiting_since == first["since"]
    async with database.transaction() as connection:
        await connection.execute("UPDATE journeys SET step = 'after' WHERE id = %s", (first["id"],))
    [rest] = [node for node in (await CampaignGraphs(database)("world", 1)).nodes if node.id == "rest"]
    assert rest.oldest_waiting_since == second["since"]


async def test_viewers_share_a_snapshot(database: Database) -> None:
    graphs = CampaignGraphs(database)
    first, *others = await asyncio.gather(*(graphs("world", None) for _ in range(50)))
    assert all(other is first for other in others)


async def test_a_folded_world_is_read_without_its_rows(database: Database) -> None:
    chance = random.Random(3)
    for _ in range(10):
        for change in (enter, move, decide, grant, settle, convert):
            async with database.transaction() as connection:
                await change(connection, chance)
    await fold_all(database)
    async with database.transaction() as connection:
        await connection.execute("ANALYZE")
        await connection.execute("SET LOCAL enable_seqscan = off")
        cursor = await connection.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {COUNTED}")
        [row] = await cursor.fetchall()
    [explained] = row["QUERY PLAN"]
    read = Counter(dict.fromkeys(("decisions", "message_changes", "conversions"), 0))
    waiting = [explained["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if (table := node.get("Relation Name")) in read:
            read[table] += node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    assert sum(read.values()) == 0, read
