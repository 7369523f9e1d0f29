"""Whether a worker lives and works, by HTTP: for the health checks of containers and of Kubernetes.

It is answered by the event loop that does the work, so that a worker whose loop hangs does not answer.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from domain.deployment.findings import DeploymentFinding
from domain.errors import ConflictError
from runtime.embedded.http import HttpServer

AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Health:
    """What the worker does at the moment, as it says itself."""

    is_working: bool = False
    lacks: Sequence[DeploymentFinding] = field(default=())

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: AsgiSend) -> None:
        """An ASGI application: `/healthz`, and `/readyz` with what the worker waits for."""
        if scope["type"] == "lifespan":
            # There is nothing to begin or to end: the server takes the exception for that.
            raise RuntimeError("no lifespan")
        status, body = self._answer(scope["path"])
        content = msgspec.json.encode(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, path: str) -> tuple[HTTPStatus, dict[str, Any]]:
        if path == "/healthz":
            return HTTPStatus.OK, {"status": "ok"}
        if path != "/readyz":
            return HTTPStatus.NOT_FOUND, {"status": "there are /healthz and /readyz"}
        lacks = {found.part.value: str(found) for found in self.lacks}
        if self.is_working:
            return HTTPStatus.OK, {"status": "ok", "lacks": lacks}
        return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable", "lacks": lacks}


@asynccontextmanager
async def serve_health(health: Health, address: str | None) -> AsyncIterator[None]:
    """Answer at an address, host:port, or nowhere, during the block. Raises ConflictError where it is taken."""
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        bound = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConflictError(f"SOJOURN_HEALTH_ADDRESS {address} cannot be had: {error.strerror}") from error
    server = await HttpServer.start(health, bound)
    try:
        yield
    finally:
        await server.stop()
