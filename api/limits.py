"""Bounds on what a request may send, kept while it is read, and on how often a key may be used."""

from fastapi import Request
from fastapi.exceptions import HTTPException
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.access import Actor
from domain.errors import PayloadTooLargeError, RateLimitedError

# A campaign with its templates. The largest seen in practice are tens of kilobytes.
MAX_REQUEST_BYTES = 4 * 1024 * 1024


async def read_body(request: Request, limit: int) -> bytes:
    """The body as it was sent. Stops reading and raises PayloadTooLargeError once it is more than `limit` bytes."""
    refusal = PayloadTooLargeError(f"the body may have {limit:,} bytes", limit=limit)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise refusal
    return bytes(body)


class BodyLimit:
    """Refuses the rest of a body beyond MAX_REQUEST_BYTES, whichever route reads it.

    FastAPI has such a limit too, and answers in plain text where all else here is a problem document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def counting_receive() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_REQUEST_BYTES:
                # FastAPI passes only its own kind through while it reads a body.
                raise HTTPException(413, f"the body may have {MAX_REQUEST_BYTES:,} bytes")
            return message

        await self._app(scope, counting_receive, send)


class RateLimit:
    """How often each key may be used in a second, counted in this process."""

    def __init__(self, requests_a_second: int) -> None:
        """0 is no limit."""
        self._limit = RateLimitItemPerSecond(requests_a_second) if requests_a_second else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def spend(self, key: Actor) -> None:
        """Count one request. Raises RateLimitedError where it is one too many."""
        if self._limit is not None and not await self._limiter.hit(self._limit, key.id, key.name):
            raise RateLimitedError(
                f"this key may be used {self._limit.amount:,} times a second", limit=self._limit.amount, retry_after=1
            )
