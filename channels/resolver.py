"""Resolve host names in threads of their own, isolated from silent name servers.

`getaddrinfo` cannot be cancelled: with dead name servers it keeps its thread for up to half a minute. In the default
executor of asyncio, with six threads on two processors, two such receivers would delay all others.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

# A thread that waits for a name server costs 8 kB of memory and no CPU.
MAX_THREADS: Final = 64
# Threads for names whose last look-up timed out: enough to notice a recovery.
MAX_SLOW_THREADS: Final = 8
# A healthy name server answers within milliseconds, or a few seconds after a lost packet.
LOOKUP_SECONDS: Final = 10.0
# Names may come from templates, so their number is unlimited.
MAX_KNOWN_SLOW: Final = 10_000

Lookup = Callable[[str], list[str]]


class LookupFailedError(OSError):
    """The name could not be resolved. A retry may succeed."""


class Resolver:
    """Resolves names in one thread each, whatever number of callers wait."""

    def __init__(self, lookup: Lookup | None = None, *, seconds: float = LOOKUP_SECONDS) -> None:
        self._lookup = lookup or _addresses
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="lookup")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}
        # An ordered set: the oldest is forgotten first.
        self._slow: dict[str, None] = {}

    async def addresses(self, host: str) -> list[str]:
        """Return a host's IP addresses. Raises LookupFailedError or UnicodeError."""
        future = self._under_way.get(host)
        if future is None:
            if not self._has_place(host):
                raise LookupFailedError(f"{host} was not looked up: too many look-ups wait for their name servers")
            future = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)
            self._under_way[host] = future
            future.add_done_callback(lambda done: self._end(host, done))
        try:
            # A caller that gives up does not end the look-up for the others.
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError as error:
            self._remember_slow(host)
            raise LookupFailedError(f"{host} could not be looked up within {self._seconds:g} s") from error
        except OSError as error:
            raise LookupFailedError(f"{host} could not be looked up: {error}") from error

    def _has_place(self, host: str) -> bool:
        slow = sum(name in self._slow for name in self._under_way)
        if host in self._slow:
            return slow < MAX_SLOW_THREADS
        return len(self._under_way) < MAX_THREADS

    def _remember_slow(self, host: str) -> None:
        self._slow[host] = None
        if len(self._slow) > MAX_KNOWN_SLOW:
            del self._slow[next(iter(self._slow))]

    def _end(self, host: str, done: asyncio.Future[Any]) -> None:
        del self._under_way[host]
        # Reading the exception tells asyncio that it is handled: all callers may have given up.
        if not done.cancelled() and done.exception() is None:
            self._slow.pop(host, None)


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
