"""How much each key may do in a second, and how large a body may be that a route reads."""

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from fastapi import Request

from domain.access import Actor
from domain.errors import PayloadTooLargeError, RateLimitedError

# A key may do so many seconds' worth at once.
BURST_SECONDS: Final = 1.0
# Of a body whose key is not known before it is read, as sent and decompressed. Clients that put their key there alone
# fill a batch to 500 KB at most.
MAX_UNKNOWN_BYTES: Final = 512 * 1024


def body_too_large(limit: int, *, is_known: bool = True) -> PayloadTooLargeError:
    """The refusal of a body of more than `limit` bytes. `is_known`: its key was, before it was read."""
    told = f"the body may have {limit:,} bytes"
    if limit == MAX_UNKNOWN_BYTES and not is_known:
        told += " where its key is in no header: send that of a larger one as `Authorization: Bearer KEY`"
    return PayloadTooLargeError(told, limit=limit)


async def read_body(request: Request, limit: int) -> bytes:
    """The body as it was sent. Raises PayloadTooLargeError where it is more than `limit` bytes."""
    body = await request.body()
    if len(body) > limit:
        raise body_too_large(limit)
    return body


class Allowance:
    """How much of one unit each key may use in a second, counted in this process.

    Who has not used up a second's worth may use any amount once, since a batch cannot be served in part. What is more
    than a second's worth is a debt: the next is let in when that is paid off, so that in the long run no key has more
    than its rate. What is refused costs nothing.
    """

    def __init__(self, a_second: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        """0 is no limit. `unit` is what is counted, in the plural."""
        self._a_second = a_second
        self._unit = unit
        self._clock = clock
        # For each key, when what it has used is paid off. Only keys that are verified come here, so there are few.
        self._paid_off_at: dict[Actor, float] = {}

    def check(self, key: Actor) -> None:
        """Raises RateLimitedError where the key must wait."""
        behind = self._paid_off_at.get(key, 0.0) - self._clock()
        # As much less as floating point may be off: what was used up exactly is used up.
        if behind >= BURST_SECONDS - 1e-6:
            raise RateLimitedError(
                f"this key has used up its {self._a_second:,} {self._unit} a second",
                limit=self._a_second,
                unit=self._unit,
                retry_after=max(1, ceil(behind - BURST_SECONDS)),
            )

    def use(self, key: Actor, amount: int) -> None:
        """Count an amount, in one step with the check. Raises as `check` does, and counts nothing then."""
        if self._a_second:
            self.check(key)
            now = self._clock()
            self._paid_off_at[key] = max(self._paid_off_at.get(key, 0.0), now) + amount / self._a_second


class RateLimits:
    """The allowances of every key: for requests, for events, and for bytes of tracking calls."""

    def __init__(self, *, requests: int, events: int, bytes: int) -> None:
        self._requests = Allowance(requests, "requests")
        self._events = Allowance(events, "events")
        self._bytes = Allowance(bytes, "bytes")

    def begin(self, key: Actor) -> None:
        """Count a request. Raises RateLimitedError where the key must wait, also for its events and bytes."""
        self._events.check(key)
        self._bytes.check(key)
        self._requests.use(key, 1)

    def use_bytes(self, key: Actor, amount: int) -> None:
        """Count a body, before it is decoded. Raises RateLimitedError."""
        self._bytes.use(key, amount)

    def use_events(self, key: Actor, amount: int) -> None:
        """Count the calls of a body, before they are stored. Raises RateLimitedError."""
        self._events.use(key, amount)
