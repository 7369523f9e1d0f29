"""Rate limits of keys, and size limits of bodies."""

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from fastapi import Request

from domain.access import Actor
from domain.errors import PayloadTooLargeError, RateLimitedError

# A key may save up this many seconds of its rate.
BURST_SECONDS: Final = 1.0
# For a body whose key is inside, as sent and decompressed. Clients that put their key only there fill a batch to 500 KB
# at most.
MAX_UNKNOWN_BYTES: Final = 512 * 1024


def body_too_large(limit: int, *, is_known: bool = True) -> PayloadTooLargeError:
    """Return the refusal of a body beyond `limit` bytes, by a known or unknown key."""
    told = f"the body may have {limit:,} bytes"
    if limit == MAX_UNKNOWN_BYTES and not is_known:
        told += " where its key is in no header: send that of a larger one as `Authorization: Bearer KEY`"
    return PayloadTooLargeError(told, limit=limit)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body as it was sent. Raises PayloadTooLargeError."""
    body = await request.body()
    if len(body) > limit:
        raise body_too_large(limit)
    return body


class Allowance:
    """The rate at which each key may use one unit, in this process.

    A key below its rate may use any amount once, since a batch cannot be served in part. The excess is a debt: the next
    request is admitted when it is paid off, so that no key exceeds its rate in the long run. A refused request costs
    nothing.
    """

    def __init__(self, a_second: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        """A limit of 0 is none. `unit` is the counted noun, in the plural."""
        self._a_second = a_second
        self._unit = unit
        self._clock = clock
        # When each key's usage is paid off. Only verified keys are counted, so there are few.
        self._paid_off_at: dict[Actor, float] = {}

    def check(self, key: Actor) -> None:
        """Raise RateLimitedError if the key must wait."""
        behind = self._paid_off_at.get(key, 0.0) - self._clock()
        # Allows for the error of floating point at exactly zero.
        if behind >= BURST_SECONDS - 1e-6:
            raise RateLimitedError(
                f"this key has used up its {self._a_second:,} {self._unit} a second",
                limit=self._a_second,
                unit=self._unit,
                retry_after=max(1, ceil(behind - BURST_SECONDS)),
            )

    def use(self, key: Actor, amount: int) -> None:
        """Check and count an amount in one step. Raises as `check` does, without counting."""
        if self._a_second:
            self.check(key)
            now = self._clock()
            self._paid_off_at[key] = max(self._paid_off_at.get(key, 0.0), now) + amount / self._a_second


class RateLimits:
    """The allowances of every key: requests, events, and bytes of tracking calls."""

    def __init__(self, *, requests: int, events: int, bytes: int) -> None:
        self._requests = Allowance(requests, "requests")
        self._events = Allowance(events, "events")
        self._bytes = Allowance(bytes, "bytes")

    def begin(self, key: Actor) -> None:
        """Count a request. Raises RateLimitedError, also for excess events and bytes."""
        self._events.check(key)
        self._bytes.check(key)
        self._requests.use(key, 1)

    def use_bytes(self, key: Actor, amount: int) -> None:
        """Count a body before it is decoded. Raises RateLimitedError."""
        self._bytes.use(key, amount)

    def use_events(self, key: Actor, amount: int) -> None:
        """Count the calls of a body before they are stored. Raises RateLimitedError."""
        self._events.use(key, amount)
