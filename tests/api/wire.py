"""HTTP byte by byte, as no client sends it: what an attacker writes to a socket, and what comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from tests.api.live import ApiProcess

# Of the machine's loopback network, each counts as another client.
ATTACKER, VISITOR, BACKEND = "127.0.0.66", "127.0.0.2", "127.0.0.3"
# Far beyond what anything here takes; a test that waits for so long has failed. Seconds.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass(slots=True)
class Wire:
    """One connection, from an address of this machine."""

    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)

    @classmethod
    async def open(cls, api: ApiProcess, source: str = ATTACKER, *, receive_buffer: int | None = None) -> Self:
        parts = urlsplit(api.url)
        options = {} if receive_buffer is None else {"limit": receive_buffer}
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, local_addr=(source, 0), **options))

    async def send(self, data: bytes) -> bool:
        """False where the server takes no more."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(PATIENCE):
                await self.writer.drain()
        except (ConnectionError, TimeoutError):
            return False
        return True

    async def answer(self, *, is_head: bool = False) -> Answer:
        """The next answer. Raises EOFError where the connection ends before it."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise EOFError from error
            status, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = 0 if is_head else int(headers.get("content-length", 0))
            return Answer(int(status.split()[1]), headers, await self.reader.readexactly(length))

    async def is_closed(self) -> bool:
        """Whether the server closes the connection while this side is silent; what it says before is dropped."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    @property
    def is_open(self) -> bool:
        """As far as this side has heard."""
        return not self.reader.at_eof() and self.reader.exception() is None

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def wires(api: ApiProcess, count: int, source: str = ATTACKER) -> AsyncIterator[list[Wire]]:
    """So many connections, open until the end as far as this side decides."""
    opened: list[Wire] = []
    try:
        opened += [await Wire.open(api, source) for _ in range(count)]
        yield opened
    finally:
        for wire in opened:
            await wire.close()


def request(target: str, *headers: str, method: str = "POST", body: bytes = b"") -> bytes:
    """One request; its length is said unless the headers do."""
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        headers = (*headers, f"Content-Length: {len(body)}")
    lines = [f"{method} {target} HTTP/1.1", "Host: sojourn.test", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def resident(api: ApiProcess) -> int:
    """The memory of the process at its highest, in kilobytes."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
