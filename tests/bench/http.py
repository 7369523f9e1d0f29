"""A client that costs next to nothing, so that what is measured is the server: keep-alive, one request at a time."""

import asyncio
import base64
from typing import Self
from urllib.parse import urlsplit

from tests.bench.stack import WRITE_KEY

_AUTHORIZATION = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()


class Connection:
    """One connection to the tracking API, opened anew where the server has closed it while nobody spoke."""

    def __init__(self, url: str, authorization: str = _AUTHORIZATION) -> None:
        parts = urlsplit(url)
        self._authorization = authorization
        self._host, self._port = parts.hostname, parts.port

    @classmethod
    async def open(cls, url: str, authorization: str = _AUTHORIZATION) -> Self:
        connection = cls(url, authorization)
        await connection._open()
        return connection

    async def _open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def post(self, path: str, body: bytes, expected: int = 200) -> None:
        """Post a body of JSON. Raises RuntimeError for an answer with another status than expected."""
        if self._reader.at_eof():
            await self.close()
            await self._open()
        self._writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Basic {self._authorization}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if b" %d " % expected not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"{head.decode()}{answer.decode()}")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
