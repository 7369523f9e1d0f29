"""SIGTERM ends an API process within its time, whatever its clients and its database do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from signal import SIGTERM
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from api.server import STOP_SECONDS
from runtime.embedded.ports import free_port
from tests.api import hanging
from tests.api.fakes import WRITE_KEY
from tests.api.live import api_process
from tests.api.wire import Wire, request
from tests.forks import fork_with_log
from tests.harness import until_blocked

CALL = b'{"userId": "u-1", "event": "Visited"}'
# What a busy machine may add. Seconds.
MARGIN = 30.0


@pytest.mark.takes_long
async def test_it_ends_whatever_its_clients_do(database_url: str) -> None:
    """A head and a body that are half sent, an answer that is not read, and a request that waits for a lock."""
    async with (
        api_process(database_url) as api,
        await psycopg.AsyncConnection.connect(database_url) as holder,
    ):
        key = f"Authorization: Bearer {WRITE_KEY}"
        silent, head, body, reader, waiting = [await Wire.open(api) for _ in range(5)]
        await head.send(b"GET /healthz HTTP/1.1\r\n")
        await body.send(request("/v1/track", key, "Content-Length: 100") + b"{")
        await reader.send(request("/openapi.json", method="GET") * 8)
        await holder.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        await waiting.send(request("/v1/track", key, body=CALL))
        await until_blocked(holder)
        api.process.send_signal(SIGTERM)
        async with asyncio.timeout(STOP_SECONDS + MARGIN):
            assert await api.process.wait() == 0
        for wire in (silent, head, body, reader, waiting):
            await wire.close()


@pytest.mark.takes_long
async def test_it_ends_although_the_database_is_silent(database_url: str) -> None:
    """As behind a network that drops everything: neither answers nor errors come, also not to the one that gives up."""
    async with _silenceable(database_url) as (url, silence), api_process(url) as api:
        call = await Wire.open(api)
        silence.set()
        await call.send(request("/v1/track", f"Authorization: Bearer {WRITE_KEY}", body=CALL))
        await asyncio.sleep(0.5)
        api.process.send_signal(SIGTERM)
        async with asyncio.timeout(STOP_SECONDS + MARGIN):
            await api.process.wait()
        await call.close()


async def test_it_ends_whatever_holds_it(tmp_path: Path) -> None:
    """Work that keeps the event loop, a thread, or a task that does not heed its cancellation; all at once."""
    await asyncio.gather(*(_ends(how, tmp_path / how) for how in ("event loop", "thread", "deaf task")))


async def _ends(how: str, log: Path) -> None:
    port = free_port(None)
    process = fork_with_log(log, str(port), how, variables=environ, launch=hanging.main)
    try:
        reader, writer = await _connected(port)
        writer.write(request("/", method="GET"))
        await reader.readuntil(b"begun")
        process.send_signal(SIGTERM)
        async with asyncio.timeout(MARGIN):
            assert await process.wait() == 1
        said = log.read_bytes()  # noqa: ASYNC240 a few lines
        # It tells where it was held.
        assert b"Timeout" in said
        assert b"hanging.py" in said or how != "event loop"
        writer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(10 * MARGIN):
        for _ in range(10_000):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
    raise AssertionError("the process does not listen")


@asynccontextmanager
async def _silenceable(database_url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the database on which nothing moves any more once the event is set."""
    parts = urlsplit(database_url)
    silence = asyncio.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if silence.is_set():
                await asyncio.Event().wait()
            writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        writers.extend((writer, back))
        pumps.extend((asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))))

    pumps: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}"))), silence
    finally:
        server.close()
        for task in pumps:
            task.cancel()
        for writer in writers:
            writer.close()
        await asyncio.gather(*pumps, *(writer.wait_closed() for writer in writers), return_exceptions=True)
