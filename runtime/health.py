"""Liveness and readiness of a worker by HTTP, for containers and Kubernetes.

The event loop that does the work answers, so a worker whose loop hangs does not answer.
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
    """The worker's state, as it reports it."""

    is_working: bool = False
    lacks: Sequence[DeploymentFinding] = field(default=())

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: AsgiSend) -> None:
        """Serve `/healthz`, and `/readyz` with the worker's problems, by ASGI."""
        if scope["type"] == "lifespan":
            # There is no lifespan: the server expects the exception.
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
    """Serve at an address, host:port, during the block; None serves nowhere.

    Raises ConflictError if the address is taken.
    """
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        bound = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConflictError(f"SOJOURN_HEALTH_ADDRESS {address} cannot be used: {error.strerror}") from error
    server = await HttpServer.start(health, bound)
    try:
        yield
    finally:
        await server.stop()
