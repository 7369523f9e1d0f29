"""TLS before a Temporal server, as Temporal Cloud has it: clients show a certificate, and their metadata is read."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import trustme
from hpack import Decoder

from runtime.embedded.ports import LOOPBACK, get_port, listen

CHUNK = 1 << 16
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# RFC 9113, 4.1 and 6.2.
FRAME_HEAD = 9
HEADERS, CONTINUATION = 0x1, 0x9
PADDED, PRIORITY, END_HEADERS = 0x8, 0x20, 0x4


class TlsFront:
    """Ends TLS and hands on to `target`. `metadata` has what each call of each client was sent with.

    Every client must show a certificate of `clients`; its own is of `authority`.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.authority, self.clients = trustme.CA(), trustme.CA()
        self.metadata: list[dict[str, str]] = []
        self.subjects: list[str] = []
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert("temporal.test").configure_cert(self._context)
        self.clients.configure_trust(self._context)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.set_alpn_protocols(["h2"])
        self._links: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "TlsFront":
        bound = listen(None)
        self.address = f"{LOOPBACK}:{get_port(bound)}"
        self._server = await asyncio.start_server(self._connected, sock=bound, ssl=self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for link in list(self._links):
            link.transport.abort()
        await self._server.wait_closed()

    def files(self, folder: Path) -> dict[str, str]:
        """The certificates of a client in a folder, by Temporal's own variables."""
        client = self.clients.issue_cert("worker.test")
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
        client.private_key_pem.write_to_path(str(folder / "client.key"))
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_TLS_SERVER_NAME": "temporal.test",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(folder / "ca.pem"),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(folder / "client.pem"),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(folder / "client.key"),
        }

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("peercert")
        self.subjects += [name for kind, name in shown["subjectAltName"] if kind == "DNS"]
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target)
        self._links |= {writer, far_writer}
        try:
            await asyncio.gather(self._hand_on(reader, far_writer), self._hand_back(far_reader, writer))
        finally:
            self._links -= {writer, far_writer}
            for one in (writer, far_writer):
                one.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames()
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                self.metadata.extend(frames.read(chunk))
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()

    async def _hand_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


class Frames:
    """The headers of the requests of one connection."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._left = b""
        self._block = b""
        self._is_begun = False

    def read(self, chunk: bytes) -> Iterator[dict[str, str]]:
        """What has become complete with these bytes."""
        self._left += chunk
        if not self._is_begun and self._left.startswith(PREFACE):
            self._left, self._is_begun = self._left[len(PREFACE) :], True
        while self._is_begun and len(self._left) >= FRAME_HEAD:
            length = int.from_bytes(self._left[:3], "big")
            if len(self._left) < FRAME_HEAD + length:
                return
            kind, flags = self._left[3], self._left[4]
            content = self._left[FRAME_HEAD : FRAME_HEAD + length]
            self._left = self._left[FRAME_HEAD + length :]
            if kind == HEADERS:
                padding = content[0] if flags & PADDED else 0
                begin = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0)
                self._block = content[begin : len(content) - padding]
            elif kind == CONTINUATION:
                self._block += content
            if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
                yield {str(name): str(value) for name, value in self._decoder.decode(self._block)}
