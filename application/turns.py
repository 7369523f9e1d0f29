"""Long work in turns: one work at a time, interleaved with the event loop.

A thread would hold the interpreter for 5 ms at any time, so that with six of them the event loop waits for 30 ms after
each call that releases it; twenty bodies to decompress and decode stopped it for 2.6 s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

from domain.long_work import LongWork

T = TypeVar("T")

# The length of a turn, after which the event loop does other work first.
TURN_SECONDS = 0.005


class Turns:
    """Works that share the event loop: each round, the next one in line has a turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, work: LongWork[T]) -> T:
        """Do long work in as many turns as it takes."""
        while True:
            async with self._turn():
                until = perf_counter() + TURN_SECONDS
                try:
                    next(work)
                    while perf_counter() < until:
                        next(work)
                except StopIteration as done:
                    value: T = done.value
                    return value

    async def call(self, work: Callable[[], T]) -> T:
        """Do short work in one turn."""
        async with self._turn():
            return work()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                yield
            finally:
                # Continue in the next round of the loop: other work that is ready in this one finds the turn taken.
                await asyncio.sleep(0)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def run(work: LongWork[T]) -> T:
    """Do long work in turns, with all others of this event loop."""
    return await _get_turns().run(work)


async def call(work: Callable[[], T]) -> T:
    """Do short work in one turn of this event loop."""
    return await _get_turns().call(work)


def _get_turns() -> Turns:
    return _of_loops.setdefault(asyncio.get_running_loop(), Turns())
