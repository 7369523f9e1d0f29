"""New breakpoints come once a night, whoever runs and is killed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import application.rfm_scores
from application.operations.runner import OperationRunner
from application.rfm import Rfm
from application.rfm_scores import ScoreHandler, ScoreSchedule
from domain.access import SOJOURN
from domain.errors import NotFoundError
from store import operations, rfm
from store.database import Connection
from tests.engine.computed_harness import event
from tests.engine.rfm_harness import NIGHT, Orders, RfmHarness, rfm_harness


def spread(at: datetime) -> Orders:
    """Buyers whose days and orders differ."""
    return {
        f"u{number}": [(at - timedelta(days=number % 11, hours=1), 10.0)] * (1 + number % 5) for number in range(110)
    }


async def begin(harness: RfmHarness) -> datetime:
    """Score people, and order something since; return the next night."""
    now = datetime.now(UTC)
    harness.set_clock(now)
    await harness.order(spread(now))
    await harness.apply_rfm()
    assert await scored(harness) == (1, 1)
    night = now + NIGHT
    harness.set_clock(night)
    for number in range(40):
        await harness.ingest(event("Order Completed", f"u{number}", at=night, value=1), at=night)
    return night


async def scored(harness: RfmHarness) -> tuple[int, int]:
    """The operations that score, and the days that are scored."""
    requested = await harness.count("operations WHERE kind = 'score'")
    return requested, await harness.count("rfm_days WHERE as_of IS NOT NULL")


async def test_two_schedules_and_two_workers_at_once_score_a_night_once(database_url: str) -> None:
    async with rfm_harness(database_url, pool_size=8) as harness:
        await begin(harness)
        schedules = [ScoreSchedule(harness.database) for _ in range(4)]
        results = await asyncio.gather(*(schedule.sweep() for schedule in schedules))
        assert sorted(result.number for result in results) == [0, 0, 0, 1]
        assert all(0 < (result.seconds or 0) <= 25 * 3_600 for result in results)
        workers = [OperationRunner(harness.database, {"score": ScoreHandler()}) for _ in range(2)]
        await asyncio.gather(*(worker.work_on_deployment() for worker in workers))
        assert await scored(harness) == (2, 2)
        versions = await harness.count("segments WHERE key = 'rfm.champions' AND version = 3")
        await harness.operate()
        before = await harness.changes()
        # Another look of the same day finds nothing to do, and another request the same breakpoints.
        assert [(await schedule.sweep()).number for schedule in schedules] == [0] * 4
        await Rfm(harness.database).recompute(SOJOURN)
        await harness.operate()
        assert await harness.changes() == before
        assert await harness.count("segments WHERE key = 'rfm.champions' AND version = 3") == versions == 1


async def test_a_worker_that_is_killed_leaves_the_night_to_another(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the breakpoints and the commit, it leaves nothing of them."""
    async with rfm_harness(database_url) as harness:
        await begin(harness)
        await ScoreSchedule(harness.database).sweep()
        before = await harness.members()
        put = application.rfm_scores.put_segments

        async def die(connection: Connection, *arguments: Any) -> None:
            await put(connection, *arguments)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        monkeypatch.setattr(application.rfm_scores, "put_segments", die)
        await OperationRunner(harness.database, {"score": ScoreHandler()}).work_on_deployment()
        assert await scored(harness) == (2, 1)
        assert await harness.count("segments WHERE key = 'rfm.champions' AND version = 2") == 1
        assert await harness.members() == before
        monkeypatch.undo()
        await harness.operate()
        assert await scored(harness) == (2, 2)
        assert await harness.members() != before


async def test_a_killed_request_is_made_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rfm_harness(database_url) as harness:
        await begin(harness)

        async def die(*_: object, **__: object) -> None:
            raise ConnectionError("killed")

        monkeypatch.setattr(operations, "insert_for_deployment", die)
        with pytest.raises(ConnectionError):
            await ScoreSchedule(harness.database).sweep()
        monkeypatch.undo()
        assert (await ScoreSchedule(harness.database).sweep()).number == 1
        assert (await ScoreSchedule(harness.database).sweep()).number == 0


async def test_scores_wait_for_the_judgement_of_earlier_ones(database_url: str) -> None:
    async with rfm_harness(database_url) as harness:
        night = await begin(harness)
        await harness.pass_midnight()
        runner = OperationRunner(harness.database, {"score": ScoreHandler()})
        for number in range(40, 80):
            await harness.ingest(event("Order Completed", f"u{number}", at=night, value=1), at=night)
        harness.set_clock(night + timedelta(seconds=1))
        await Rfm(harness.database).recompute(SOJOURN)
        await runner.work_on_deployment()
        # Its breakpoints are in force, and have not judged everyone yet.
        assert await harness.count("operations WHERE kind = 'judge' AND finished_at IS NULL") == 1
        harness.set_clock(night + timedelta(seconds=2))
        again = await Rfm(harness.database).recompute(SOJOURN)
        assert await runner.work_on_deployment() is not None
        async with harness.database.transaction() as connection:
            waiting = await operations.find(connection, again.id)
            found = await rfm.latest(connection)
        assert waiting is not None
        assert waiting.finished_at is None
        assert found is not None
        assert found.as_of == night + timedelta(seconds=1)
        await harness.operate()
        assert await harness.count("operations WHERE finished_at IS NULL") == 0


async def test_a_local_midnight_begins_the_day(database_url: str) -> None:
    async with rfm_harness(database_url) as harness:
        await harness.apply_rfm("rfm: {event: Sold, value: event.properties.value, timezone: Pacific/Auckland}\n")
        schedule = ScoreSchedule(harness.database)
        # Midnight of 5 December there is 11:00 of the day before in UTC.
        harness.set_clock(datetime(2030, 12, 4, 10, 59, 59, tzinfo=UTC))
        assert (await schedule.sweep()).number == 1
        assert (await schedule.sweep()).seconds == 1
        harness.set_clock(datetime(2030, 12, 4, 11, 0, 2, tzinfo=UTC))
        result = await schedule.sweep()
        assert (result.number, result.late) == (1, 2)
        assert await harness.count("rfm_days WHERE day = '2030-12-05'") == 1


async def test_without_a_document_nothing_is_scored(database_url: str) -> None:
    async with rfm_harness(database_url) as harness:
        assert (await ScoreSchedule(harness.database).sweep()).seconds is None
        with pytest.raises(NotFoundError):
            await Rfm(harness.database).recompute(SOJOURN)
