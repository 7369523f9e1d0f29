"""Rate limits of keys and addresses, and size limits of bodies."""

import time
from collections.abc import Callable, Hashable
from math import ceil
from typing import Final

from fastapi import Request

from domain.access import Actor
from domain.errors import PayloadTooLargeError, RateLimitedError

# A key may save up this many seconds of its rate.
BURST_SECONDS: Final = 1.0
# Debts remembered by one allowance, before those that are paid off are forgotten. Addresses can be many.
MAX_DEBTS: Final = 10_000
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
    """The rate at which each key or address may use one unit, in this process.

    A key below its rate may use any amount once, since a batch cannot be served in part. The excess is a debt: the next
    request is admitted when it is paid off, so that no key exceeds its rate in the long run. A refused request costs
    nothing.
    """

    def __init__(
        self, a_second: int, unit: str, clock: Callable[[], float] = time.monotonic, whose: str = "this key"
    ) -> None:
        """A limit of 0 is none. `unit` is the counted noun, in the plural."""
        self._a_second = a_second
        self._unit = unit
        self._clock = clock
        self._whose = whose
        # When the usage of each is paid off.
        self._paid_off_at: dict[Hashable, float] = {}

    def check(self, key: Hashable) -> None:
        """Raise RateLimitedError if the key must wait."""
        behind = self._paid_off_at.get(key, 0.0) - self._clock()
        # Allows for the error of floating point at exactly zero.
        if behind >= BURST_SECONDS - 1e-6:
            raise RateLimitedError(
                f"{self._whose} has used up its {self._a_second:,} {self._unit} a second",
                limit=self._a_second,
                unit=self._unit,
                retry_after=max(1, ceil(behind - BURST_SECONDS)),
            )

    def use(self, key: Hashable, amount: int) -> None:
        """Check and count an amount in one step. Raises as `check` does, without counting."""
        if self._a_second:
            self.check(key)
            now = self._clock()
            if len(self._paid_off_at) >= MAX_DEBTS and key not in self._paid_off_at:
                self._paid_off_at = {each: at for each, at in self._paid_off_at.items() if at > now}
            self._paid_off_at[key] = max(self._paid_off_at.get(key, 0.0), now) + amount / self._a_second


class RateLimits:
    """The allowances of every key: requests, events, and bytes of tracking calls.

    A browser key is shared by all visitors, so that each client address has an allowance besides: of requests and of
    events.
    """

    def __init__(self, *, requests: int, events: int, bytes: int, of_address: int = 0) -> None:
        self._requests = Allowance(requests, "requests")
        self._events = Allowance(events, "events")
        self._bytes = Allowance(bytes, "bytes")
        self._requests_of_address = Allowance(of_address, "requests", whose="your address")
        self._events_of_address = Allowance(of_address, "events", whose="your address")

    def begin_address(self, client: str) -> None:
        """Count a request with a browser key. Raises RateLimitedError."""
        self._events_of_address.check(client)
        self._requests_of_address.use(client, 1)

    def use_events_of_address(self, client: str, amount: int) -> None:
        """Count the calls of a body with a browser key. Raises RateLimitedError."""
        self._events_of_address.use(client, amount)

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
