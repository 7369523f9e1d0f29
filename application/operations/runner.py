"""The runner of operations: pages of one transaction each, in turns."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol
from uuid import UUID

import structlog

from domain.campaign.life import OperationKind
from store import operations
from store.database import Connection, Database
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
    """Works on the operations of campaigns. Any number of processes may do so."""

    def __init__(self, database: Database, handlers: Mapping[OperationKind, OperationHandler]) -> None:
        self._database = database
        self._handlers = handlers

    async def work(self, campaign_key: str, *, goes_on: Callable[[], bool]) -> bool:
        """Work on the campaign's open operations in turns; False once there are none.

        `goes_on` is checked at every turn. A page that fails is rolled back, and delays no other operation; its error
        is raised once there is nothing else to do.
        """
        due: dict[UUID, float] = {}
        failed: dict[UUID, Exception] = {}
        while goes_on():
            async with self._database.transaction() as connection:
                waiting = await operations.open_operations(connection, campaign_key)
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
            except Exception as error:
                # A faulty operation must not affect the others.
                log.exception(
                    "failed to continue operation", campaign=campaign_key, kind=turn.kind, operation=str(turn.id)
                )
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
            handler = self._handlers[operation.kind]
            if operation.started_at is None:
                await operations.begin(connection, id, await handler.total(connection, operation))
            page = await handler.page(connection, operation)
            await operations.advance(connection, id, page)
            return page
