"""Notices of inboxes, heard by one connection of a process for all streams."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog

from runtime.tasks import cancel_and_wait
from store import inbox
from store.database import describe_error

log = structlog.get_logger(__name__)

# The pause before the connection is opened again, in seconds.
PAUSE: Final = 1.0
# A connection that was lost without a word says nothing for ever, so it is asked each so many seconds, and answers
# within as many. The system asks the server as well, so that either end forgets the other.
PROBE_INTERVAL: Final = 3.0
CONNECTION: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# The beginning of a notice that concerns one person; any other concerns all.
OF_PERSON: Final = "p:"


class InboxSubscription:
    """The news of one person.

    `news` is set until it is cleared, so that any number of notices is one.
    """

    def __init__(self, person: UUID | None) -> None:
        self.person = person
        self.news = asyncio.Event()


class InboxNotices:
    """Wakes the subscriptions of people whose inboxes have changed.

    The connection is opened at the first subscription. After an interruption all are woken, since notices may be lost.
    It is asked each `probe_interval` seconds whether it is still there.
    """

    def __init__(self, database_url: str, probe_interval: float = PROBE_INTERVAL) -> None:
        self._url = database_url
        self._probe_interval = probe_interval
        self._of_person: dict[UUID | None, set[InboxSubscription]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End the connection."""
        if self._listening is not None:
            await cancel_and_wait(self._listening)

    @contextmanager
    def subscribe(self, person: UUID | None) -> Iterator[InboxSubscription]:
        """Hear of a person; None while the person is unknown."""
        if self._listening is None:
            # It outlives the request that happens to be the first.
            self._listening = asyncio.create_task(self._listen(), context=Context())
        subscription = InboxSubscription(person)
        self._add(subscription)
        try:
            yield subscription
        finally:
            self._discard(subscription)

    def move(self, subscription: InboxSubscription, person: UUID | None) -> None:
        """Hear of another person from now on: merged, known by now, or none."""
        if subscription.person == person:
            return
        self._discard(subscription)
        subscription.person = person
        self._add(subscription)
        subscription.news.set()

    def wake_all(self) -> None:
        """Wake every subscription."""
        for subscriptions in self._of_person.values():
            for one in subscriptions:
                one.news.set()

    def _add(self, subscription: InboxSubscription) -> None:
        self._of_person.setdefault(subscription.person, set()).add(subscription)

    def _discard(self, subscription: InboxSubscription) -> None:
        known = self._of_person[subscription.person]
        known.discard(subscription)
        if not known:
            del self._of_person[subscription.person]

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, **CONNECTION
                ) as connection:
                    await connection.execute(f"LISTEN {inbox.NOTICES}")
                    self.wake_all()
                    while True:
                        async for notice in connection.notifies(timeout=self._probe_interval):
                            self._hear(notice.payload)
                        await self._probe(connection)
            except psycopg.Error as error:
                log.warning("failed to listen for inbox notices", error=describe_error(error))
            except Exception:
                log.exception("failed to listen for inbox notices")
            await asyncio.sleep(PAUSE)

    async def _probe(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Raise psycopg.Error if the connection does not answer.

        It keeps the notices that come meanwhile.
        """
        asking = asyncio.create_task(connection.execute("SELECT 1"))
        try:
            await asyncio.wait([asking], timeout=self._probe_interval)
            if not asking.done():
                # The library would cancel a query by another connection first, which may not answer either.
                with socket.socket(fileno=os.dup(connection.pgconn.socket)) as same:
                    same.shutdown(socket.SHUT_RDWR)
            await asking
        finally:
            await cancel_and_wait(asking)

    def _hear(self, payload: str) -> None:
        if not payload.startswith(OF_PERSON):
            self.wake_all()
            return
        for one in self._of_person.get(UUID(payload.removeprefix(OF_PERSON)), ()):
            one.news.set()
