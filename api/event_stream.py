"""Server-sent events. Source: the HTML standard, 9.2 "Server-sent events"."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from random import randint
from typing import Any, Final

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.request_metrics import STREAM

# Proxies close connections that are silent for a minute or so. Seconds.
HEARTBEAT: Final = 25.0
# Until a reading is tried again while the database is away. Seconds.
RETRY_INTERVAL: Final = 2.0
# How long a client waits before it opens another stream, so that those of a process that stops do not come at once.
# Milliseconds.
SOONEST: Final = 1_000
LATEST: Final = 5_000


class EventStream(StreamingResponse):
    """The answer whose body is a stream.

    `resources` are given back at its end, however it ends.
    """

    media_type = STREAM

    def __init__(self, events: AsyncIterator[bytes], resources: ExitStack) -> None:
        # A proxy must neither keep nor gather it.
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._resources:
            await super().__call__(scope, receive, send)


def write_retry() -> bytes:
    """Write how long the client waits before it opens the stream again."""
    return b"retry: %d\n\n" % randint(SOONEST, LATEST)  # noqa: S311 -- not a secret


def write_event(name: str, data: Any, id: str | int | None = None) -> bytes:
    """Write an event with its JSON, and the id by which the client goes on after it."""
    place = b"" if id is None else b"id: %b\n" % str(id).encode()
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), place, msgspec.json.encode(data))
