"""A client that costs next to nothing, so that what is measured is the server: keep-alive, one request at a time."""

import asyncio
import base64
from typing import Self
from urllib.parse import urlsplit

from tests.bench.stack import WRITE_KEY

_AUTHORIZATION = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()


class Connection(asyncio.Protocol):
    """One connection to the tracking API, opened anew where the server has closed it while nobody spoke."""

    def __init__(self, url: str, authorization: str = _AUTHORIZATION) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f" HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Basic {authorization}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answered: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, url: str, authorization: str = _AUTHORIZATION) -> Self:
        connection = cls(url, authorization)
        await connection._open()
        return connection

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)

    def build(self, path: str, body: bytes) -> bytes:
        """Build the request that posts a body of JSON."""
        return f"POST {path}{self._head}{len(body)}\r\n\r\n".encode() + body

    async def post(self, path: str, body: bytes, expected: int = 200) -> None:
        """Post a body of JSON. Raises RuntimeError for an answer with another status than expected."""
        await self.send(self.build(path, body), expected)

    async def send(self, request: bytes, expected: int = 200) -> None:
        """Send a request that is built already. Raises as `post` does, and ConnectionError."""
        if self._transport is None:
            await self._open()
        assert self._transport is not None
        self._received.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answered
        if int(answer[9:12]) != expected:
            raise RuntimeError(answer.decode())

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0 or self._answered is None:
            return
        _, _, length = bytes(self._received[:head]).lower().partition(b"content-length:")
        if len(self._received) >= head + 4 + int(length.partition(b"\r\n")[0]) and not self._answered.done():
            self._answered.set_result(bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the server has closed the connection"))
