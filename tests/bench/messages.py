"""From the request for a single message to its mail, beside an event that is stored and a mail ready made."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import msgspec
import psycopg

from tests.bench.http import Connection
from tests.bench.measure import Result, percentile, single
from tests.bench.people import abandoned, settle_in
from tests.bench.stack import ADMIN_KEY, ANSWER_SECONDS, Process, Stack

PACE = 10
BLOCKS, REQUESTS = 6, 100
# How long a mail is waited for, in seconds.
PATIENCE = 60.0
RESET = """---
channel: email
from: Example Shop <hello@shop.example.com>
subject: Set a new password
text: "Set a new password here: {{ entry.properties.link }}"
---
<p>Hello {{ profile.traits.first_name | default: "there" }},</p>
<p><a href="{{ entry.properties.link }}">Set a new password</a> within 15 minutes.</p>
"""
_AUTHORIZATION = base64.b64encode(f"{ADMIN_KEY}:".encode()).decode()


@dataclass
class Sink:
    """A mail server that takes everything, and notes when it had each mail, by its recipient."""

    port: int = 0
    taken: dict[str, float] = field(default_factory=dict)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        recipient = ""
        while line := await reader.readline():
            match line[:4].upper():
                case b"QUIT":
                    break
                case b"RCPT":
                    recipient = line.decode().partition("<")[2].partition(">")[0]
                case b"DATA":
                    writer.write(b"354 Go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    self.taken[recipient] = time.monotonic()
                    async with self.arrived:
                        self.arrived.notify_all()
            writer.write(b"250 Ok\r\n")
        writer.close()

    async def wait_for(self, recipients: set[str]) -> None:
        async with asyncio.timeout(PATIENCE), self.arrived:
            await self.arrived.wait_for(lambda: recipients <= self.taken.keys())


async def measure(stack: Stack) -> list[Result]:
    blocks, requests = stack.count(BLOCKS), stack.count(REQUESTS, 5)
    url = await stack.database()
    await _settle_in(url, (blocks + 1) * requests)
    async with _sink() as sink:
        mail = {"smtp_host": "127.0.0.1", "smtp_port": sink.port, "smtp_security": "none"}
        # No worker: what a process of the API does not hand over itself would never come.
        async with stack.api(stack.settings(url).model_copy(update=mail)) as api:
            await _publish(api)
            tracking = await Connection.open(api.url)
            sending = await Connection.open(api.url, _AUTHORIZATION)
            reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
            await reader.readline()
            floors: list[float] = []
            figures: list[float] = []
            for block in range(-1, blocks):
                users = [f"user-{(block + 1) * requests + number}" for number in range(requests)]
                floor = await _paced(users, lambda user: _ready_made(tracking, reader, writer, user), sink)
                figure = await _paced(users, lambda user: _requested(sending, user), sink)
                # The first one only warms up: it compiles the template, and opens connections.
                if block >= 0:
                    floors += floor
                    figures += figure
            writer.close()
            await tracking.close()
            await sending.close()
    note = f"{PACE} a second, {len(figures)} of them, each to the address of another person"
    return [
        single("messages_p50", percentile(figures, 50), percentile(floors, 50), note),
        single("messages_p99", percentile(figures, 99), percentile(floors, 99), note),
    ]


async def _paced(users: list[str], act: Callable[[str], Awaitable[None]], sink: Sink) -> list[float]:
    """The time from each beginning to the mail, in milliseconds."""
    sink.taken.clear()
    loop = asyncio.get_running_loop()
    began, asked = loop.time(), {}
    for number, user in enumerate(users):
        await asyncio.sleep(began + number / PACE - loop.time())
        asked[_address(user)] = time.monotonic()
        await act(user)
    await sink.wait_for(set(asked))
    return [(sink.taken[address] - at) * 1e3 for address, at in asked.items()]


async def _requested(http: Connection, user: str) -> None:
    body = {
        "template": {"channel": "email", "name": "reset"},
        "address": _address(user),
        "data": {"link": f"https://shop.example.com/reset/{uuid4()}"},
        "expires": "15m",
    }
    await http.post("/v1/messages", msgspec.json.encode(body), expected=202)


async def _ready_made(http: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str) -> None:
    await http.post("/v1/track", msgspec.json.encode(abandoned(user)))
    commands = ("MAIL FROM:<hello@shop.example.com>", f"RCPT TO:<{_address(user)}>", "DATA", "Subject: a\r\n\r\na\r\n.")
    for command in commands:
        writer.write(f"{command}\r\n".encode())
        await reader.readline()


async def _settle_in(database_url: str, count: int) -> None:
    await settle_in(database_url, count)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            """
            UPDATE profiles SET traits = traits || jsonb_build_object('email', user_id || '@example.com'),
                                addresses = jsonb_build_object('email', user_id || '@example.com')
            """
        )
        await connection.execute(
            "INSERT INTO addresses (channel, value) SELECT 'email', addresses ->> 'email' FROM profiles"
        )
        await connection.execute("VACUUM ANALYZE profiles, addresses")


async def _publish(api: Process) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=ANSWER_SECONDS) as http:
        body = {"files": {"reset.liquid": RESET}}
        (await http.put("/v1/templates/email/reset", json=body)).raise_for_status()


def _address(user: str) -> str:
    return f"{user}@example.com"


@asynccontextmanager
async def _sink() -> AsyncIterator[Sink]:
    sink = Sink()
    server = await asyncio.start_server(sink.talk, "127.0.0.1", 0, limit=2**20)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
