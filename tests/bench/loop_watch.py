"""`sojourn api` with a watch on its event loop, which is asked over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from fastapi import FastAPI
from msgspec import Struct
from msgspec.json import encode
from starlette.requests import Request
from starlette.responses import Response

import wiring
from api import app
from cli import serve
from settings import Settings

# Seconds from one look at the loop to the next.
TICK = 0.001
PATH = "/bench/longest-stop"


class Stops(Struct):
    """The longest stop, and the most processor time that the loop's thread had in one, in seconds.

    They differ where the thread could not run: it waited for the processor or for another thread.
    """

    longest: float = 0.0
    busiest: float = 0.0


class LoopWatch:
    """How late the loop of this process calls back."""

    def __init__(self) -> None:
        self._stops = Stops()

    async def run(self) -> None:
        """Watch until cancelled."""
        before, busy_before = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TICK)
            now, busy = time.perf_counter(), time.thread_time()
            self._stops.longest = max(self._stops.longest, now - before - TICK)
            self._stops.busiest = max(self._stops.busiest, busy - busy_before)
            before, busy_before = now, busy

    def take(self) -> Stops:
        """The stops since this was last asked."""
        stops, self._stops = self._stops, Stops()
        return stops


def run_api(port: int) -> None:
    """Serve as `sojourn api` does, with one route more."""
    create_app = app.create_app
    with patch.object(app, "create_app", lambda settings: _watched(create_app(settings, _open_watched))):
        serve.api(port=port)


@asynccontextmanager
async def _open_watched(settings: Settings) -> AsyncIterator[wiring.Services]:
    async with wiring.services(settings) as services:
        watching = asyncio.create_task(_WATCH.run())
        try:
            yield services
        finally:
            watching.cancel()


def _watched(api: FastAPI) -> FastAPI:
    async def longest_stop(_: Request) -> Response:
        return Response(encode(_WATCH.take()))

    api.add_route(PATH, longest_stop, include_in_schema=False)
    return api


_WATCH = LoopWatch()
