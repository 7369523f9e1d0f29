"""The runner of operations: pages of one transaction each, in turns."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol
from uuid import UUID

import psycopg
import structlog

from domain.operations import HELD, OperationKind, retry_after
from store import operations
from store.database import Connection, Database, describe_error
from store.operations import Operation, Page

log = structlog.get_logger()

# A new operation of the campaign is found this soon while another one waits, in seconds.
LOOK_INTERVAL = 0.5
# The delay before a failed page is tried again while there are other operations, in seconds.
FAILURE_PAUSE = 5.0


class OperationHandler(Protocol):
    """The implementation of operations of one kind."""

    async def total(self, connection: Connection, operation: Operation) -> int | None:
        """Count the journeys or users at the start; None if that is unknown."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Process the next page in this transaction, which holds the operation's lock."""


class OperationRunner:
    """Works on operations: in turns, any number of processes at once."""

    def __init__(self, database: Database, handlers: Mapping[OperationKind, OperationHandler]) -> None:
        self._database = database
        self._handlers = handlers

    async def work_on_deployment(self) -> float | None:
        """Work on due operations of the deployment; return how soon the next page is due.

        None if there are none. One worker at a time has an operation, for a page. A page that fails is rolled back, and
        tried again after a pause, by any worker; meanwhile others go on.
        """
        kinds = list(self._handlers)
        while await self._next_page():
            pass
        async with self._database.transaction() as connection:
            seconds = await operations.seconds_until_due(connection, kinds)
        # Another worker may have the one that is due.
        return None if seconds is None else max(seconds, LOOK_INTERVAL)

    async def _next_page(self) -> bool:
        """Process a page of the deployment that is due; False if there is none."""
        operation: Operation | None = None
        try:
            async with self._database.transaction() as connection:
                operation = await operations.claim_due(connection, list(self._handlers))
                if operation is not None:
                    await self._continue(connection, operation)
        except Exception as error:
            if operation is None:
                raise
            await self._record_failure(operation, error)
        return operation is not None

    async def work(self, campaign_key: str, *, goes_on: Callable[[], bool]) -> bool:
        """Work on the campaign's open operations in turns; False once none can go on.

        `goes_on` is checked at every turn. A page that fails is rolled back, and delays no other operation; its error
        is raised once there is nothing else to do.
        """
        due: dict[UUID, float] = {}
        failed: dict[UUID, Exception] = {}
        while goes_on():
            async with self._database.transaction() as connection:
                opened = await operations.open_operations(connection, campaign_key)
            waiting = [operation for operation in opened if operation.state != HELD]
            if not waiting:
                return False
            if all(operation.id in failed for operation in waiting):
                raise failed[waiting[0].id]
            turn = min(waiting, key=lambda operation: due.get(operation.id, 0.0))
            rest = due.get(turn.id, 0.0) - monotonic()
            if rest > 0:
                await asyncio.sleep(min(rest, LOOK_INTERVAL))
                continue
            began = monotonic()
            try:
                page = await self._page(turn.id)
            except Exception as error:  # noqa: BLE001 - it is logged and recorded
                # A faulty operation must not affect the others.
                await self._record_failure(turn, error)
                failed[turn.id] = error
                due[turn.id] = began + FAILURE_PAUSE
                continue
            failed.pop(turn.id, None)
            due[turn.id] = began + page.pause if page else monotonic()
        return True

    async def _page(self, id: UUID) -> Page | None:
        """Process the next page of an operation; None if it was cancelled meanwhile."""
        async with self._database.transaction() as connection:
            operation = await operations.lock_open(connection, id)
            if operation is None:
                return None
            return await self._continue(connection, operation)

    async def _continue(self, connection: Connection, operation: Operation) -> Page:
        handler = self._handlers[operation.kind]
        if operation.started_at is None:
            await operations.begin(connection, operation.id, await handler.total(connection, operation))
        page = await handler.page(connection, operation)
        await operations.advance(connection, operation.id, page)
        return page

    async def _record_failure(self, operation: Operation, error: Exception) -> None:
        """Log a failed page, and record the kind of error: its text may quote rows."""
        log.error(
            "failed to continue operation",
            campaign=operation.campaign_key,
            kind=operation.kind,
            operation=str(operation.id),
            exc_info=error,
        )
        text = describe_error(error) if isinstance(error, psycopg.Error) else type(error).__name__
        async with self._database.transaction() as connection:
            await operations.record_failure(connection, operation, text, retry_after(operation.failures + 1))
