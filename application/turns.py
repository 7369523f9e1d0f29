"""Long work of a process that serves others meanwhile: a turn at a time, and one work a turn.

A thread would not do. It holds the interpreter for 5 ms whenever it likes, so with six of them the event loop waits for
30 ms after each call that lets go of it; twenty bodies to decompress and decode made it stop for 2.6 s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

from domain.long_work import LongWork

T = TypeVar("T")

# For so long the event loop does one work, and then whatever else is due, before the next has its turn.
TURN_SECONDS = 0.005


class Turns:
    """Works that share the event loop. In each round of it one of them has a turn, in the order in which they wait."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, work: LongWork[T]) -> T:
        """Carry work out, in as many turns as it takes."""
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
        """Carry out what is short enough for one turn."""
        async with self._turn():
            return work()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                yield
            finally:
                # Into the next round of the loop: another work that is ready in this one finds the turn taken.
                await asyncio.sleep(0)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def run(work: LongWork[T]) -> T:
    """Carry work out in turns, with all others of this event loop."""
    return await _of_this_loop().run(work)


async def call(work: Callable[[], T]) -> T:
    """Carry out what is short enough for one turn of this event loop."""
    return await _of_this_loop().call(work)


def _of_this_loop() -> Turns:
    return _of_loops.setdefault(asyncio.get_running_loop(), Turns())
