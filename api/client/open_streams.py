"""The open streams of this process: what they hear, and what ends them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Final
from uuid import UUID

import psycopg
import structlog

from api.client.callers import Caller, verify_token
from api.client.stream_bounds import StreamBounds
from domain.access import Access
from domain.errors import SojournError, UnauthorizedError
from runtime.inbox_notices import InboxNotices, InboxSubscription
from runtime.metrics import CLIENT_STREAMS
from runtime.tasks import cancel_and_wait
from wiring import Services

log = structlog.get_logger(__name__)

# The interval in which keys and people are looked at, in seconds: a revoked key ends its streams after two at most.
WATCH_INTERVAL: Final = 1.0


class OpenStream:
    """One stream, until `is_ended`."""

    def __init__(self, caller: Caller, subscription: InboxSubscription) -> None:
        self.caller = caller
        self.subscription = subscription
        self.is_ended = False

    def end(self) -> None:
        """End the stream at its next step, which is due at once."""
        self.is_ended = True
        self.subscription.news.set()


class OpenStreams:
    """Opens streams within their bounds, and watches them."""

    def __init__(self, services: Services, database_url: str, most: int) -> None:
        self._services = services
        self._bounds = StreamBounds(most)
        self._notices = InboxNotices(database_url)
        self._open: set[OpenStream] = set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def number(self) -> int:
        """How many are open."""
        return len(self._open)

    async def close(self) -> None:
        """Stop to listen and to watch; the server has ended the streams."""
        await self._notices.close()
        if self._watching is not None:
            await cancel_and_wait(self._watching)

    @contextmanager
    def open(self, caller: Caller, address: str, person: UUID | None) -> Iterator[OpenStream]:
        """Open a stream. Raises OverloadedError."""
        key, is_anonymous = caller.access.actor.id, caller.token is None
        self._bounds.take(address, key, is_anonymous=is_anonymous)
        try:
            with self._notices.subscribe(person) as subscription:
                stream = OpenStream(caller, subscription)
                self._open.add(stream)
                CLIENT_STREAMS.inc()
                if self._watching is None:
                    # It outlives the request that happens to be the first.
                    self._watching = asyncio.create_task(self._watch(), context=Context())
                try:
                    yield stream
                finally:
                    self._open.discard(stream)
                    CLIENT_STREAMS.dec()
        finally:
            self._bounds.give_back(address, key, is_anonymous=is_anonymous)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            if not self._open:
                continue
            try:
                await self._check_keys()
                await self._find_people()
            except (psycopg.Error, SojournError):
                # The database is away. The streams read again once it is back.
                continue
            except Exception:
                log.exception("failed to watch streams")

    async def _check_keys(self) -> None:
        for key in {stream.caller.key for stream in self._open}:
            access = await self._services.keys.verify(key)
            for stream in [one for one in self._open if one.caller.key == key]:
                if access is None or not _is_still_valid(stream.caller, access):
                    stream.end()

    async def _find_people(self) -> None:
        """Follow merges, and people who were unknown or anonymous, by one statement."""
        streams = list(self._open)
        people = await self._services.page_inboxes.find_people({one.caller.identity for one in streams})
        for stream in streams:
            if stream in self._open:
                self._notices.move(stream.subscription, people.get(stream.caller.identity))


def _is_still_valid(caller: Caller, access: Access) -> bool:
    """Return whether the caller would be admitted now.

    The secrets of tokens may have been rotated.
    """
    if caller.token is None or access.browser == caller.access.browser:
        return True
    try:
        verify_token(access, caller.token)
    except UnauthorizedError:
        return False
    return True
