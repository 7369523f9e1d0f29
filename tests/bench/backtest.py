"""A backtest of the example campaigns, over the events of many people."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psycopg

from store.database import Database
from store.history_reads import list_people
from tests.bench.measure import Result, single
from tests.bench.stack import Stack
from tests.processes import start

# Half a minute; PEOPLE=100000 takes five.
PEOPLE = 10_000
CAMPAIGNS = ("abandoned-cart", "browse-abandonment", "win-back", "post-purchase")
DOCUMENTS = (
    "computed/computed",
    "segments/vip",
    "segments/lapsing-buyers",
    "segments/staff",
    "caps/frequency-caps",
)
FILES = [f"examples/{name}.yaml" for name in (*CAMPAIGNS, *DOCUMENTS)]
PAGE = 500
LOOK_SECONDS = 0.5
MEGABYTE = 2**20
INSERT_PEOPLE = """
WITH person AS (
  INSERT INTO profiles (id, user_id, traits, said, created_at)
  SELECT uuidv7(), 'user-' || number, jsonb_build_object(
           'email', 'user-' || number || '@mail.example', 'first_name', 'Ada',
           'timezone', (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + number %% 3]
         ), '[]', now() - interval '60 days' * random()
  FROM generate_series(1, %s) AS number
  RETURNING id, user_id
)
INSERT INTO identities (kind, value, profile_id) SELECT 'user', user_id, id FROM person
"""
# Everyone is identified when they come, and then visits the shop; a visit may end at a cart, and a cart in an order.
INSERT_EVENTS = """
WITH visits AS MATERIALIZED (
  SELECT id, user_id, user_id || '-' || visit AS cart, random() AS mood,
         created_at + (now() - created_at) * random() AS at
  FROM profiles CROSS JOIN generate_series(1, 12) AS visit
  WHERE random() < 0.5 * extract(epoch FROM now() - created_at) / 5184000
), reported (profile_id, user_id, type, name, properties, at) AS (
  SELECT id, user_id, 'identify', NULL, traits, created_at FROM profiles
  UNION ALL SELECT id, user_id, 'track', 'Session Started', '{}', at FROM visits
  UNION ALL
  SELECT id, user_id, 'track', 'Product Viewed', jsonb_build_object('price', 10 + floor(random() * 90)),
         at + number * interval '2 minutes'
  FROM visits CROSS JOIN generate_series(1, 3) AS number WHERE random() < 0.5
  UNION ALL
  SELECT id, user_id, 'page', 'Product', '{}', at + number * interval '2 minutes 5 seconds'
  FROM visits CROSS JOIN generate_series(1, 3) AS number WHERE random() < 0.3
  UNION ALL
  SELECT id, user_id, 'track', name, jsonb_build_object(
           'cart_id', cart, 'order_id', cart, 'sku', 'p-1', 'value', 50 + floor(random() * 150),
           'checkout_url', 'https://shop.example/' || cart
         ), at + after
  FROM visits CROSS JOIN (VALUES
    ('Product Added', interval '7 minutes', 0.3), ('Cart Abandoned', interval '1 hour', 0.3),
    ('Order Completed', interval '9 hours', 0.12), ('Order Delivered', interval '3 days', 0.1)
  ) AS bought (name, after, share)
  WHERE mood < share
)
INSERT INTO events (id, message_id, profile_id, type, name, user_id, properties, context, timestamp, received_at,
                    recorded_at)
SELECT uuidv7(), gen_random_uuid()::text, profile_id, type, name, user_id, properties, '{}', at, at, at
FROM reported WHERE at < now() ORDER BY at
"""
INSERT_CHANGES = """
INSERT INTO profile_changes (id, profile_id, part, changes, source, source_id, source_name, at, recorded_at)
SELECT uuidv7(), profile_id, 'traits', (
         SELECT jsonb_object_agg(key, jsonb_build_object('before', NULL, 'after', value)) FROM jsonb_each(properties)
       ), 'event', id::text, 'default', timestamp, recorded_at
FROM events WHERE type = 'identify' ORDER BY recorded_at
"""
COUNT_RECENT = "SELECT count(*) FROM events WHERE received_at >= now() - interval '30 days'"
READ_EVENTS = "SELECT * FROM events WHERE profile_id = ANY(%s) AND received_at < now() ORDER BY received_at, id"


async def measure(stack: Stack) -> list[Result]:
    """Measure a backtest of the last 30 days, and reading the events of the same people."""
    people = int(os.environ.get("PEOPLE", stack.count(PEOPLE, 60)))
    url = await stack.database()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SELECT setseed(0.5)")
        await connection.execute(INSERT_PEOPLE, (people,))
        await connection.execute(INSERT_EVENTS)
        await connection.execute(INSERT_CHANGES)
        await connection.execute("VACUUM ANALYZE profiles, identities, events, profile_changes")
        [(recent,)] = await (await connection.execute(COUNT_RECENT)).fetchall()
        [(folder,)] = await (await connection.execute("SHOW data_directory")).fetchall()
    server = _read_pid(folder)
    before = _count_processor_seconds(server)
    await _read_events(url)
    floor = _count_processor_seconds(server) - before
    began, before = time.monotonic(), _count_processor_seconds(server)
    sent, memory = await _backtest(stack, url)
    seconds, figure = time.monotonic() - began, _count_processor_seconds(server) - before
    note = f"{people:,} people, {recent:,} events, {sent:,} messages in {seconds:,.0f} s"
    _, least = await _backtest(stack, await stack.database())
    return [
        single("backtest", 1000 * figure / people, 1000 * floor / people, note),
        single("backtest_memory", memory, least, note),
    ]


async def _backtest(stack: Stack, url: str) -> tuple[int, float]:
    """Run a backtest as its users do; return its messages, and its memory in MB."""
    process = await start(stack.settings(url), "backtest", *FILES, "--last", "30d", "--json")
    watching = asyncio.create_task(_watch_memory(process.pid))
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(output.decode())
    return sum(one["sent"] for one in msgspec.json.decode(output)["campaigns"]), await watching


async def _read_events(url: str) -> None:
    """Read everyone's events, page by page."""
    async with Database(url, pool_size=2) as database, database.snapshot() as connection:
        ids = await list_people(connection, 1, None)
        for page in range(0, len(ids), PAGE):
            cursor = await connection.execute(READ_EVENTS, (ids[page : page + PAGE],))
            await cursor.fetchall()


def _read_pid(folder: str) -> int:
    """Return the server's process, whose children the connections are."""
    return int(Path(folder, "postmaster.pid").read_text().partition("\n")[0])


def _count_processor_seconds(server: int) -> float:
    """Return the processor time of this process, of those that it started, and of connections, once they have ended."""
    own = os.times()
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    of_connections = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
    return own.user + own.system + own.children_user + own.children_system + of_connections


async def _watch_memory(pid: int) -> float:
    """Return the most memory that a process and those that it starts have at once, in MB, once it has ended."""
    most = 0.0
    while True:
        now = sum(map(_count_bytes, _iter_tree(pid))) / MEGABYTE
        if not now:
            return most
        most = max(most, now)
        await asyncio.sleep(LOOK_SECONDS)


def _iter_tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in file.read_text().split():
                yield from _iter_tree(int(child))


def _count_bytes(pid: int) -> int:
    """Return the memory of a process, with its part of what it shares; 0 once it has ended."""
    with suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if "Pss:" in rollup:
            return int(rollup.partition("Pss:")[2].split()[0]) * 1024
    return 0
