"""Operations of the deployment: workers beside one another, failures, and kills."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from application.operations.runner import OperationRunner
from application.operations.service import OperationService
from domain.access import SOJOURN
from runtime.operations import work_on_operations
from store import operations
from store.database import Connection, Database
from store.operations import Operation, Page
from tests.harness import PATIENCE

PAGES = 20


class CountingHandler:
    """Counts pages in the database, in their transaction; `fails` fails them for a while."""

    def __init__(self) -> None:
        self.fails: set[UUID] = set()
        self.began: Counter[UUID] = Counter()
        self.blocked: asyncio.Event | None = None
        self.entered = asyncio.Event()

    async def total(self, connection: Connection, operation: Operation) -> int:
        return PAGES

    async def page(self, connection: Connection, operation: Operation) -> Page:
        self.began[operation.id] += 1
        await connection.execute("INSERT INTO audit_log (actor, actor_name, action, target) VALUES ('', '', 'p', 't')")
        self.entered.set()
        if self.blocked is not None:
            await self.blocked.wait()
        if operation.id in self.fails:
            raise ValueError(f"secret of {operation.id}")
        return Page(UUID(int=operation.done), done=1, counts={"pages": 1}, is_last=operation.done + 1 == PAGES)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as database:
        yield database


async def request(database: Database) -> UUID:
    async with database.transaction() as connection:
        return (await operations.insert_for_deployment(connection, "skip", {}, requested_by="test")).id


async def until_done(database: Database, id: UUID) -> Operation:
    while True:
        operation = await OperationService(database).get(id)
        if operation.finished_at is not None:
            return operation
        await asyncio.sleep(0.02)


async def pages(database: Database) -> int:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT count(*) AS number FROM audit_log WHERE action = 'p'")
        row: Any = await cursor.fetchone()
        return int(row["number"])


async def test_each_page_is_done_once_by_any_number_of_workers(database: Database) -> None:
    handler, stop = CountingHandler(), asyncio.Event()
    runners = [OperationRunner(database, {"skip": handler}) for _ in range(3)]
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for runner in runners:
            tasks.create_task(work_on_operations(database, runner, stop))
        ids = [await request(database) for _ in range(3)]
        done = [await until_done(database, id) for id in ids]
        stop.set()
    assert [(one.state, one.done, one.counts, one.total) for one in done] == [
        ("done", PAGES, {"pages": PAGES}, PAGES)
    ] * 3
    assert handler.began == dict.fromkeys(ids, PAGES)
    assert await pages(database) == 3 * PAGES


async def test_an_operation_that_fails_delays_no_other_and_is_tried_again(database: Database) -> None:
    handler = CountingHandler()
    failing, other = await request(database), await request(database)
    handler.fails.add(failing)
    runner = OperationRunner(database, {"skip": handler})
    rest = await runner.work_on_deployment()
    assert rest is not None
    assert 0 < rest <= 1
    service = OperationService(database)
    assert (await service.get(other)).state == "done"
    shown = await service.get(failing)
    # The text of the error may quote rows, so it is left to the log.
    assert (shown.state, shown.done, shown.failures, shown.last_error) == ("pending", 0, 1, "ValueError")
    handler.fails.clear()
    async with database.transaction() as connection:
        await connection.execute("UPDATE operations SET next_page_at = now()")
    assert await runner.work_on_deployment() is None
    shown = await service.get(failing)
    assert (shown.state, shown.done, shown.failures, shown.last_error) == ("done", PAGES, 0, None)


async def test_a_worker_that_stops_in_a_page_leaves_it_to_the_next(database: Database) -> None:
    handler, stop = CountingHandler(), asyncio.Event()
    handler.blocked = asyncio.Event()
    id = await request(database)
    runner = OperationRunner(database, {"skip": handler})
    working = asyncio.create_task(work_on_operations(database, runner, stop))
    await asyncio.wait_for(handler.entered.wait(), 30)
    stop.set()
    await working
    handler.blocked = None
    assert await runner.work_on_deployment() is None
    assert (await OperationService(database).get(id)).done == await pages(database) == PAGES
    assert handler.began[id] == PAGES + 1


async def test_it_is_cancelled_and_listed_without_a_campaign(database: Database) -> None:
    ids = [await request(database) for _ in range(2)]
    service = OperationService(database)
    assert (await service.cancel(ids[0], by=SOJOURN)).state == "cancelled"
    listed = await service.list(None, limit=10, before=None)
    assert [(one.id, one.state) for one in listed] == [(ids[1], "pending"), (ids[0], "cancelled")]
    assert await service.list(None, limit=10, before=ids[0]) == []
    handler = CountingHandler()
    assert await OperationRunner(database, {"skip": handler}).work_on_deployment() is None
    assert handler.began.keys() == {ids[1]}
    # A worker of an earlier release leaves kinds that it does not know to others.
    await request(database)
    assert await OperationRunner(database, {}).work_on_deployment() is None
