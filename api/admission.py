"""How much one process takes in hand at once. What is more is refused at once, instead of after it has waited.

A process that is asked for more than it can do must not answer everybody late: whoever is refused comes again, or is
led to another process, while those it has in hand are served in time.
"""

import asyncio
from random import randint
from typing import Final

from fastapi.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from domain.errors import OverloadedError, RequestTimeoutError

# For each connection to the database, which a request waits for 2 s at most: so that at 100 ms a transaction all get
# theirs. A batch of 100 events takes less.
REQUESTS_A_CONNECTION: Final = 20
# Of bodies, which grow several times when they are decoded.
MOST_BYTES: Final = 64 * 1024 * 1024
# How long a body may take to arrive: whoever sends slowly must not keep others out. Seconds.
BODY_SECONDS: Final = 20.0
# Those who are refused together do not come again together. Seconds.
SOONEST: Final = 1
LATEST: Final = 5

# Whoever looks after the process is answered whatever its load.
_EXEMPT: Final = frozenset({"/healthz", "/readyz"})


class Admission:
    """Lets in `most_requests` at a time, and MOST_BYTES of their bodies. Others are told when to come again."""

    def __init__(self, app: ASGIApp, most_requests: int) -> None:
        self._app = app
        self._most_requests = most_requests
        self._requests = 0
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _EXEMPT:
            await self._app(scope, receive, send)
            return
        if self._requests >= self._most_requests or self._bytes >= MOST_BYTES:
            refusal = problem(OverloadedError.status, OverloadedError.code, _DETAIL, headers=_later())
            await refusal(scope, receive, send)
            return
        self._requests += 1
        body = _Body(receive)
        try:
            await self._app(scope, self._counting(body), send)
        finally:
            self._requests -= 1
            self._bytes -= body.size

    def _counting(self, body: "_Body") -> Receive:
        async def receive() -> Message:
            message = await body.receive()
            size = len(message.get("body", b""))
            body.size += size
            self._bytes += size
            if self._bytes > MOST_BYTES:
                # FastAPI passes only its own kind through while it reads a body.
                raise HTTPException(OverloadedError.status, _DETAIL, _later())
            return message

        return receive


class _Body:
    """The body of a request as it arrives; `size` is how much there is of it."""

    def __init__(self, receive: Receive) -> None:
        self.size = 0
        self._receive = receive
        self._is_complete = False
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        # Behind the body comes only that the client has gone, for which there is no time.
        if self._is_complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"the body did not arrive within {BODY_SECONDS:.0f} s"
            raise HTTPException(RequestTimeoutError.status, detail, {"Connection": "close"}) from error
        self._is_complete = not message.get("more_body", False)
        return message


_DETAIL: Final = "this process has as much in hand as it can serve in time; the same request may be sent again"


def _later() -> dict[str, str]:
    return {"Retry-After": str(randint(SOONEST, LATEST))}  # noqa: S311 - not a secret
