"""Snapshots that all viewers of one process share."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# The age of a snapshot, in seconds, and how many are kept.
MAX_AGE: Final = 2.0
MAX_KEPT: Final = 200


class Snapshots(Generic[K, V]):
    """Keeps each value for some seconds; those who ask meanwhile get the same.

    One that is being read is waited for, so that any number of viewers costs what one costs.
    """

    def __init__(self, read: Callable[[K], Awaitable[V]], max_age: float = MAX_AGE) -> None:
        self._read = read
        self._max_age = max_age
        self._kept: OrderedDict[K, tuple[float, asyncio.Future[V]]] = OrderedDict()

    async def get(self, key: K) -> V:
        """Return the value of a key, of at most the age. Raises what reading it raises."""
        read_at, kept = self._kept.get(key, (0.0, None))
        if kept is None or (kept.done() and (monotonic() - read_at >= self._max_age or _has_failed(kept))):
            kept = asyncio.ensure_future(self._read(key))
            # Known, though perhaps every viewer has gone.
            kept.add_done_callback(_has_failed)
            self._kept[key] = (monotonic(), kept)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        # A viewer who goes away does not end what others wait for.
        return await asyncio.shield(kept)


def _has_failed(read: asyncio.Future[V]) -> bool:
    return read.cancelled() or read.exception() is not None
