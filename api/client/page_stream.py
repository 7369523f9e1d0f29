"""One stream of a page or an app: server-sent events about its person's messages.

Little waits in memory for a reader: notices only say that there is news, and the inbox is read when the reader has
taken what was sent before. A stream keeps the ids of an inbox that it has read, and of its contents only what it sends
next, which alone are read.
A reader that takes nothing is disconnected (api/http_protocol.py).

Source: the HTML standard, 9.2 "Server-sent events".
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Final
from uuid import UUID

from api.client.open_streams import OpenStream
from api.event_stream import HEARTBEAT, RETRY_INTERVAL, write_event, write_retry
from api.problems import DATABASE_AWAY
from application.inbox import InboxView
from domain.errors import UnavailableError
from domain.sending.inbox import InboxMessage, InboxState

# Between two readings, so that notices that come together are one. Seconds.
MIN_INTERVAL: Final = 0.1
# The messages of one reading that wait for their reader, and one more; the next reading has the others. Bytes.
MAX_HELD: Final = 64 * 1024

# Reads the inbox of the person, whose page has the messages named.
Read = Callable[[Collection[UUID]], Awaitable[InboxView]]
Load = Callable[[Sequence[InboxState]], Awaitable[Sequence[InboxMessage]]]


class PageStream:
    """The events that bring a page to the state of the inbox.

    `since` is the place up to which the page has everything. The stream ends by itself after `seconds`.
    """

    def __init__(self, stream: OpenStream, read: Read, load: Load, since: int, seconds: float) -> None:
        self._stream = stream
        self._read = read
        self._load = load
        self._since = since
        self._seconds = seconds
        self._open: set[UUID] = set()
        self._sent: set[UUID] = set()

    async def events(self, view: InboxView) -> AsyncIterator[bytes]:
        """Yield the events of the stream; `view` is the inbox at its beginning."""
        clock, news = asyncio.get_running_loop().time, self._stream.subscription.news
        ends_at = clock() + self._seconds
        self._open = set(view.open)
        self._sent = {one.message_id for one in view.messages if one.seq <= self._since}
        opening = write_event("open", {"open": view.open, "seq": view.seq})
        waiting = deque([write_retry(), opening])
        next_poll = await self._follow_into(waiting, view)
        # As long as the stream it would hold all that was read.
        del view, opening
        while waiting:
            yield waiting.popleft()
        reads_at, beats_at = clock() + next_poll, clock() + HEARTBEAT
        while not self._stream.is_ended and clock() < ends_at:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(reads_at, beats_at, ends_at)):
                    await news.wait()
            if self._stream.is_ended:
                return
            if news.is_set() or clock() >= reads_at:
                news.clear()
                next_poll = await self._follow_into(waiting)
                reads_at = clock() + next_poll
                while waiting:
                    yield waiting.popleft()
                    beats_at = clock() + HEARTBEAT
                # Others that come meanwhile are one reading.
                await asyncio.sleep(MIN_INTERVAL)
            if clock() >= beats_at:
                yield write_event("ping", {})
                beats_at = clock() + HEARTBEAT

    async def _follow_into(self, waiting: deque[bytes], view: InboxView | None = None) -> float:
        """Add what follows from the inbox; return in how many seconds to read it again."""
        try:
            if view is None:
                view = await self._read(self._open)
            waiting += await self._follow(view)
        except (*DATABASE_AWAY, UnavailableError):
            return RETRY_INTERVAL
        return view.next_poll

    async def _follow(self, view: InboxView) -> list[bytes]:
        """Return what the page may not keep, else what it has not, up to MAX_HELD."""
        withdrawn = sorted(self._open.difference(view.open))
        self._open = set(view.open)
        self._sent.intersection_update(one.message_id for one in view.messages)
        if withdrawn:
            # These wait for no one. The next reading has the others, which may have to wait or fail.
            self._stream.subscription.news.set()
            return [write_event("withdrawn", {"message_id": id}) for id in withdrawn]
        unsent = sorted((one for one in view.messages if one.message_id not in self._sent), key=lambda one: one.seq)
        # The sizes before each.
        before = accumulate((one.size for one in unsent), initial=0)
        next_ones = [one for one, size in zip(unsent, before, strict=False) if size < MAX_HELD]
        loaded = await self._load(next_ones)
        if len(next_ones) < len(unsent):
            # Read again once the reader has taken these.
            self._stream.subscription.news.set()
        self._sent.update(one.message_id for one in loaded)
        return [write_event("message", one, one.seq) for one in loaded]
