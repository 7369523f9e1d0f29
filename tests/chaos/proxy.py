"""A TCP proxy before PostgreSQL: it can cut every connection, and lose what the server answers."""

import asyncio
from contextlib import suppress

from runtime.embedded.ports import LOOPBACK, get_port, listen

CHUNK = 1 << 16


class Proxy:
    """Listens on `port` of loopback and connects to `target`, which may change."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.is_cut = False
        self.is_mute = False
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._carriers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        bound = listen(None)
        self.port = get_port(bound)
        self._server = await asyncio.start_server(self._connected, sock=bound)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            for carrier in self._carriers:
                carrier.cancel()
            await asyncio.gather(*self._carriers, return_exceptions=True)
            await self._server.wait_closed()
            # The loop closes an aborted connection in its next round, and this may be its last.
            await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset what is connected."""
        for link in list(self._links):
            link.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrier = asyncio.current_task()
        assert carrier is not None
        self._carriers.add(carrier)
        try:
            if not self.is_cut:
                await self._connect(reader, writer)
        finally:
            self._carriers.discard(carrier)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            return
        self._links |= {writer, far_writer}
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer, is_answer=True))
        finally:
            self._links -= {writer, far_writer}
            far_writer.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if is_answer and self.is_mute:
                    continue
                writer.write(chunk)
                await writer.drain()
        # One side has gone: the other is to know at once.
        writer.transport.abort()
