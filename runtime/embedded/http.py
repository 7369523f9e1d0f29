"""A web application on loopback inside the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn

from runtime.embedded.ports import LOOPBACK, get_port

FINISH_SECONDS = 5  # for the requests under way at a stop
KEEP_ALIVE_SECONDS = 75  # longer than clients and proxies keep a connection: else both close it at once
_OPTIONS: Final[dict[str, Any]] = {
    "log_config": None,
    "access_log": False,
    "ws": "none",
    "server_header": False,
    "timeout_keep_alive": KEEP_ALIVE_SECONDS,
}


@dataclass(slots=True)
class HttpServer:
    """A running server; `port` is the actual one."""

    port: int
    _server: uvicorn.Server = field(repr=False)
    _serving: asyncio.Task[None] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @classmethod
    async def start(cls, application: Any, bound: socket.socket, **options: Any) -> "HttpServer":
        """Serve an ASGI application on a listening socket; return once it answers.

        The server closes the socket at its end. `options` are further ones of uvicorn.

        Raises:
            RuntimeError: its lifespan failed; the reason is in the log of `uvicorn.error`.
        """
        config = uvicorn.Config(
            application,
            timeout_graceful_shutdown=FINISH_SECONDS,
            **{**_OPTIONS, **options},
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        ready = asyncio.create_task(server.ready.wait())
        try:
            await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                bound.close()
                serving.result()
        finally:
            ready.cancel()
        return cls(get_port(bound), server, serving)

    async def stop(self) -> None:
        """Finish the open requests, then end the application's lifespan."""
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    """Signals its readiness, and leaves process signals to the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # in a task it would end the whole event loop
            raise RuntimeError("the web application did not start; see its log") from None
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
