"""The viewers of live events in this process, and their bounds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from random import randint
from typing import Final

from msgspec.structs import replace

from api.admission import Share
from api.event_stream import HEARTBEAT, RETRY_INTERVAL, write_event, write_retry
from api.problems import DATABASE_AWAY
from application.live_events import LiveTail
from domain.errors import OverloadedError, UnavailableError

# Each looks once in a while, by a connection of the pool.
MAX_VIEWERS: Final = 20
MAX_VIEWERS_OF_ACTOR: Final = 5
# Between two looks. The rights are looked at as often: a revoked key or session ends its streams after two seconds.
# Seconds.
LOOK_INTERVAL: Final = 1.0
# No stream is older, so that those of many processes spread anew. Seconds.
MAX_STREAM_SECONDS: Final = 3_600.0
# The range of delays of viewers that were refused together. Seconds.
SOONEST: Final = 20
LATEST: Final = 60


class Viewer:
    """One open stream of live events."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End the stream at once."""
        self._ended.set()

    async def watch(
        self, tail: LiveTail, may_look: Callable[[], Awaitable[bool]], *, is_masked: bool
    ) -> AsyncIterator[bytes]:
        """Yield what comes as server-sent events; masked ones name no event.

        A reader that takes nothing is not waited for with anything in memory: the next look is when it has taken all.
        """
        clock = asyncio.get_running_loop().time
        ends_at, beats_at = clock() + MAX_STREAM_SECONDS, clock()
        yield write_retry()
        while not self._ended.is_set() and clock() < ends_at:
            seconds = LOOK_INTERVAL
            try:
                if not await may_look():
                    return
                look = await tail.look()
            except (*DATABASE_AWAY, UnavailableError):
                seconds = RETRY_INTERVAL
            else:
                for cursor, event in look.events:
                    yield write_event("event", replace(event, event=None) if is_masked else event, cursor)
                if look.events or clock() >= beats_at:
                    yield write_event("looked", {"left_out": look.left_out, "masked": is_masked}, look.next)
                    beats_at = clock() + HEARTBEAT
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._ended.wait()


class LiveViewers:
    """Counts the viewers."""

    def __init__(self) -> None:
        self._share = Share(MAX_VIEWERS, MAX_VIEWERS_OF_ACTOR)

    @contextmanager
    def open(self, actor_id: str) -> Iterator[Viewer]:
        """Count a viewer. Raises OverloadedError."""
        if not self._share.take(actor_id, 1):
            raise OverloadedError(
                f"{MAX_VIEWERS} viewers follow live events in this process, or {MAX_VIEWERS_OF_ACTOR} by your key: "
                "close one, or read `GET /v1/stream`",
                retry_after=randint(SOONEST, LATEST),  # noqa: S311 -- not a secret
            )
        try:
            yield Viewer()
        finally:
            self._share.give_back(actor_id, 1)
