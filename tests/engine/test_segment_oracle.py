"""The members of each segment equal SQL over the whole history, however the events came, at any instant."""

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from application.merges import Merges
from domain.access import SOJOURN
from domain.errors import ConflictError, NotFoundError
from domain.tracking.event import Event
from tests.engine.computed_harness import event
from tests.engine.generated_segments import REFERENCE, TRAITS, Generated, generate, generate_one, in_sql
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.proofs import rounds

SEED = os.environ.get("SOJOURN_TEST_SEED", "2026-12")
PEOPLE, PROCESSES, SEGMENTS = 12, 3, 16
STEPS = rounds(5, 60)
BATCHES = 4
# Long ago: an event is recorded after it happened.
START = datetime(2025, 1, 1, tzinfo=UTC)


class Clients:
    """Clients that report late, twice and out of order, and log in now and then."""

    def __init__(self, draw: Random, now: datetime) -> None:
        self._draw = draw
        self._sent: list[Event] = []
        self.now = now

    def batch(self) -> list[Event]:
        """The next batch, which arrives now."""
        batch = [self._event() for _ in range(self._draw.randrange(1, 10))]
        self._sent += batch
        batch += [replace(self._draw.choice(self._sent), id=uuid4()) for _ in range(self._draw.randrange(2))]
        self._draw.shuffle(batch)
        return batch

    def _event(self) -> Event:
        draw = self._draw
        person = draw.randrange(PEOPLE)
        # Late by minutes or by days.
        at = self.now - timedelta(seconds=draw.choice([draw.uniform(0, 600), draw.uniform(0, 400_000)]))
        user, anonymous = draw.choice([(f"u{person}", None), (None, f"a{person}-{draw.randrange(2)}")])
        if draw.random() < 0.1:
            # A log-in: what an anonymous person did becomes the user's.
            return event(None, f"u{person}", at=at, type="identify", anonymous=f"a{person}-{draw.randrange(2)}")
        if draw.random() < 0.15:
            plan = draw.choice(("pro", "free"))
            return event(None, user, at=at, type="identify", anonymous=anonymous, plan=plan)
        if draw.random() < 0.5:
            return event("Order Completed", user, at=at, anonymous=anonymous, value=draw.randrange(100))
        return event("Article Read", user, at=at, anonymous=anonymous)


async def compare(
    harness: SegmentHarness, segments: dict[str, Generated], at: datetime, counts: dict[str, int]
) -> list[str]:
    """Return the people whose membership is another than SQL says."""
    columns = ", ".join(f"{in_sql(key, segments)} AS {key}" for key in segments)
    async with harness.database.transaction() as connection:
        statement = f"{REFERENCE} SELECT id, {columns} FROM person ORDER BY id"  # noqa: S608
        cursor = await connection.execute(statement, {"at": at})
        wanted = {(row["id"], key) for row in await cursor.fetchall() for key in segments if row[key]}
        cursor = await connection.execute(
            """
            SELECT profile_id, key FROM segment_members JOIN segments ON segments.id = segment_id
            WHERE retired_at IS NULL
            """
        )
        members: set[tuple[UUID, str]] = {(row["profile_id"], row["key"]) async for row in cursor}
        cursor = await connection.execute("SELECT count(*) AS number FROM profiles")
        [row] = await cursor.fetchall()
    counts["compared"] += row["number"] * len(segments)
    counts["members"] += len(wanted)
    return [
        f"{at}: {id} {'is not' if (id, key) in wanted else 'is'} in {key}: {segments[key].cel}"
        for id, key in sorted(wanted ^ members)
    ]


@pytest.mark.prove
async def test_membership_equals_sql_over_all_history(database_url: str) -> None:
    print(f"seed {SEED}, {STEPS} steps")  # noqa: T201
    draw = Random(SEED)
    counts, wrong, merged = {"compared": 0, "members": 0}, list[str](), list[tuple[str, str]]()
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(segment_harness(database_url)) for _ in range(PROCESSES)]
        [harness, *_] = processes
        clients = Clients(draw, START)
        for process in processes:
            process.set_clock(START)
        await harness.apply(TRAITS)
        segments = generate(draw, SEGMENTS)
        await harness.put(**{key: one.cel for key, one in segments.items()})
        for step in range(STEPS):
            passed = timedelta(days=draw.uniform(0, 3))
            clients.now += passed
            for process in processes:
                process.set_clock(clients.now)
            work = [draw.choice(processes).ingest(*clients.batch(), at=clients.now) for _ in range(BATCHES)]
            if step % 5 == 4:
                # Others in their place, judged over everyone while events go on.
                index = draw.randrange(SEGMENTS)
                segments[f"s{index}"] = generate_one(draw, index)
                await harness.put(draw.choice(("silent", "trigger")), **{f"s{index}": segments[f"s{index}"].cel})
                work.append(harness.operate())
            await asyncio.gather(*work, *(process.sweep() for process in processes[1:]))
            merges = Merges(harness.database, harness.catalogue)
            if merged:
                await merges.undo(*merged.pop(), by=SOJOURN)
            with suppress(NotFoundError, ConflictError):
                pair = (f"u{2 * draw.randrange(PEOPLE // 2)}", f"u{2 * draw.randrange(PEOPLE // 2) + 1}")
                await merges.merge(*pair, by=SOJOURN)
                merged.append(pair)
            await harness.operate()
            # Now, and at an instant to come, which time alone leads to.
            await harness.sweep()
            wrong += await compare(harness, segments, clients.now, counts)
            clients.now += timedelta(seconds=draw.uniform(0, 400_000))
            for process in processes:
                process.set_clock(clients.now)
            await harness.sweep()
            wrong += await compare(harness, segments, clients.now, counts)
    print(f"{counts['compared']:,} compared, {counts['members']:,} members, {len(wrong):,} wrong")  # noqa: T201
    assert not wrong, "\n".join(wrong[:10])
    assert counts["members"] > counts["compared"] / 20
