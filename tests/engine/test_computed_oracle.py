"""Each computed trait of each person equals SQL over the whole history, however the events came."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from application.merges import Merges
from domain.access import SOJOURN
from domain.errors import ConflictError, NotFoundError
from domain.people.computed.state_row import EMPTY
from domain.tracking.event import Event
from store import profile_states
from tests.engine.computed_harness import ComputedHarness, computed_harness, event
from tests.proofs import rounds

SEED = os.environ.get("SOJOURN_TEST_SEED", "2026-11")
PEOPLE, PROCESSES = 10, 4
STEPS = rounds(4, 110)
BATCHES = rounds(6, 12)
# Long ago: an event is recorded after it happened.
START = datetime(2025, 1, 1, tzinfo=UTC)
TOPICS = ("a", "b", "c", "d", "e")

FIRST = """
computed:
  orders: {count: Order Completed}
  big_orders: {count: Order Completed, where: event.properties.value > 50, within: 10d}
  spent: {sum: Order Completed, of: event.properties.value}
  least: {min: Order Completed, of: event.properties.value, within: 20d}
  most: {max: Order Completed, of: event.properties.value}
  first_order: {first: Order Completed}
  last_topic: {last: Article Read, of: event.properties.topic, within: 15d}
"""
# These begin in the middle of the history.
SECOND = """
  spent_lately: {sum: Order Completed, of: event.properties.value, within: 7d}
  active: {any: '*', within: 3d}
  top_topic: {top: Article Read, of: event.properties.topic}
  by_topic: {count: Article Read, by: event.properties.topic}
  topics: {distinct: Article Read, of: event.properties.topic, within: 12d}
  read_then_bought: {sequence: [Article Read, Order Completed], within: 1d}
  order_rhythm: {rhythm: Order Completed}
"""
REFERENCE = """
WITH one AS (
  SELECT profile_id, name, timestamp, properties ->> 'topic' AS topic,
         CASE WHEN jsonb_typeof(properties -> 'value') = 'number' THEN (properties ->> 'value')::numeric END AS value
  FROM events WHERE type = 'track'
), orders AS (
  SELECT profile_id, count(*) AS orders,
         count(*) FILTER (WHERE value > 50 AND timestamp > %(at)s - interval '10 days') AS big_orders,
         COALESCE(sum(value), 0)::float8 AS spent,
         (min(value) FILTER (WHERE timestamp > %(at)s - interval '20 days'))::float8 AS least,
         max(value)::float8 AS most, min(timestamp) AS first_order,
         COALESCE(sum(value) FILTER (WHERE timestamp > %(at)s - interval '7 days'), 0)::float8 AS spent_lately,
         max(timestamp) FILTER (WHERE EXISTS (
           SELECT FROM one AS earlier
           WHERE earlier.profile_id = one.profile_id AND earlier.name = 'Article Read'
             AND earlier.timestamp < one.timestamp AND earlier.timestamp >= one.timestamp - interval '1 day'
         )) AS read_then_bought
  FROM one WHERE name = 'Order Completed' GROUP BY profile_id
), latest AS (
  SELECT profile_id, timestamp, lag(timestamp) OVER (PARTITION BY profile_id ORDER BY timestamp) AS before
  FROM (
    SELECT DISTINCT profile_id, timestamp,
           dense_rank() OVER (PARTITION BY profile_id ORDER BY timestamp DESC) AS place
    FROM one WHERE name = 'Order Completed'
  ) AS instants WHERE place <= 64
), gaps AS (
  SELECT profile_id, max(timestamp) AS last, count(*) AS instants,
         floor(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM timestamp - before) * 1000000)) AS gap
  FROM latest GROUP BY profile_id
), rhythms AS (
  SELECT profile_id, (LEAST(100, floor(10 * GREATEST(0, extract(epoch FROM %(at)s - last)) * 1000000
                                       / gap::numeric)) / 10)::float8 AS order_rhythm
  FROM gaps WHERE instants > 2
), topics AS (
  SELECT profile_id, topic, count(*) AS number, max(timestamp) AS seen FROM one
  WHERE name = 'Article Read' AND topic IS NOT NULL GROUP BY profile_id, topic
), articles AS (
  SELECT profile_id, (array_agg(topic ORDER BY number DESC, topic))[1] AS top_topic,
         jsonb_object_agg(topic, number) AS by_topic,
         array_agg(topic ORDER BY seen DESC) FILTER (WHERE seen > %(at)s - interval '12 days') AS topics,
         (array_agg(topic ORDER BY seen DESC) FILTER (WHERE seen > %(at)s - interval '15 days'))[1] AS last_topic
  FROM topics GROUP BY profile_id
)
SELECT profiles.id, COALESCE(orders, 0) AS orders, COALESCE(big_orders, 0) AS big_orders, COALESCE(spent, 0) AS spent,
       least, most, first_order, COALESCE(spent_lately, 0) AS spent_lately, read_then_bought,
       top_topic, COALESCE(by_topic, '{}') AS by_topic, COALESCE(topics, '{}') AS topics, last_topic,
       order_rhythm,
       EXISTS (SELECT FROM events WHERE events.profile_id = profiles.id
                                    AND timestamp > %(at)s - interval '3 days') AS active
FROM profiles
LEFT JOIN orders ON orders.profile_id = profiles.id
LEFT JOIN articles ON articles.profile_id = profiles.id
LEFT JOIN rhythms ON rhythms.profile_id = profiles.id
"""


class Clients:
    """Clients that report late, twice and out of order, and log in now and then."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._sent: list[Event] = []
        self.now = START

    def batch(self) -> list[Event]:
        """The next batch, which arrives now."""
        # The batches of a step arrive at once, within the day by which clocks may differ.
        self.now += timedelta(seconds=self._draw.uniform(60, 86_400 / BATCHES))
        batch = [self._event() for _ in range(self._draw.randrange(1, 12))]
        self._sent += batch
        batch += [replace(self._draw.choice(self._sent), id=uuid4()) for _ in range(self._draw.randrange(3))]
        self._draw.shuffle(batch)
        return batch

    def _event(self) -> Event:
        draw = self._draw
        person = draw.randrange(PEOPLE)
        # Late by minutes or by days.
        at = self.now - timedelta(seconds=draw.choice([draw.uniform(0, 600), draw.uniform(0, 500_000)]))
        user, anonymous = draw.choice([(f"u{person}", None), (None, f"a{person}-{draw.randrange(3)}")])
        if draw.random() < 0.05:
            # A log-in: what an anonymous person did becomes the user's.
            return event(None, f"u{person}", at=at, type="identify", anonymous=f"a{person}-{draw.randrange(3)}")
        if draw.random() < 0.5:
            value = draw.choice([round(draw.uniform(0, 100), 2), draw.randrange(100), None, "much"])
            return event("Order Completed", user, at=at, anonymous=anonymous, value=value)
        return event("Article Read", user, at=at, anonymous=anonymous, topic=draw.choice(TOPICS))


@pytest.mark.prove
@pytest.mark.usefixtures("patient_locks")
async def test_every_trait_equals_sql_over_all_history(database_url: str) -> None:
    print(f"seed {SEED}, {STEPS} steps")  # noqa: T201
    draw = Random(SEED)
    clients = Clients(draw)
    compared, wrong, merged = 0, list[str](), list[tuple[str, str]]()
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(computed_harness(database_url)) for _ in range(PROCESSES)]
        [harness, *_] = processes
        await harness.apply(FIRST)
        for step in range(STEPS):
            clients.now += timedelta(days=draw.uniform(0, 4))
            batches = [(clients.batch(), clients.now) for _ in range(BATCHES)]
            work = [draw.choice(processes).ingest(*batch, at=at) for batch, at in batches]
            if step == STEPS // 2:
                await harness.apply(FIRST + SECOND.lstrip("\n"))
                work.append(harness.backfill())
            await asyncio.gather(*work)
            # An operator's merges, and undone ones.
            merges = Merges(harness.database, harness.catalogue)
            if merged:
                await merges.undo(*merged.pop(draw.randrange(len(merged))), by=SOJOURN)
            with suppress(NotFoundError, ConflictError):
                pair = (f"u{2 * draw.randrange(PEOPLE // 2)}", f"u{2 * draw.randrange(PEOPLE // 2) + 1}")
                await merges.merge(*pair, by=SOJOURN)
                merged.append(pair)
            at = clients.now + timedelta(seconds=draw.uniform(0, 2_000_000))
            expected, found = await reference(harness, at), await computed(harness, at)
            assert expected.keys() == found.keys()
            for id, values in found.items():
                compared += len(values)
                wrong += [
                    f"{id} at {at}: {key} is {value!r}, and {expected[id][key]!r} by SQL"
                    for key, value in values.items()
                    if value != expected[id][key]
                ]
    print(f"{compared:,} compared, {len(wrong)} wrong")  # noqa: T201
    assert not wrong, "\n".join(wrong[:5])
    assert compared > rounds(300, 10_000)


async def reference(harness: ComputedHarness, at: datetime) -> Mapping[Any, Mapping[str, Any]]:
    async with harness.database.transaction() as connection:
        return {row["id"]: row async for row in await connection.execute(REFERENCE, {"at": at})}


async def computed(harness: ComputedHarness, at: datetime) -> Mapping[Any, Mapping[str, Any]]:
    traits = await harness.traits()
    async with harness.database.transaction() as connection:
        ids = [row["id"] async for row in await connection.execute("SELECT id FROM profiles")]
        rows = await (await profile_states.read(connection, ids)).get()
    return {id: dict(traits.view(rows.get(id, EMPTY).state, at)) for id in ids}
