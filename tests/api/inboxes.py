"""Messages in the inboxes of people, and the pages that follow them over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.types.json import Jsonb
from starlette.types import ASGIApp

from api.http_protocol import Connections
from api.server import server_options
from runtime.embedded.http import HttpServer
from runtime.embedded.ports import listen
from tests.api.fakes import SETTINGS
from tests.api.shop import SHOP
from tests.harness import PATIENCE

CONTENT: dict[str, Any] = {
    "title": "Your plan ends soon",
    "text": [],
    "where": [],
    "after": None,
    "every": {"kind": "until_dismissed"},
    "between": None,
    "lang": "en",
}
_MESSAGE = """
INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state, at,
                      expires_at, provider, is_counted)
SELECT %(id)s, id, profile_id, campaign_key, 'hello', (SELECT count(*) FROM messages AS m WHERE m.journey_id = j.id),
       %(channel)s, %(category)s, 'note', 'sent', now(), now() + %(lasts)s * interval '1 second', 'in_app', false
FROM journeys AS j WHERE profile_id = (SELECT profile_id FROM identities WHERE kind = %(kind)s AND value = %(user)s)
ORDER BY entered_at DESC LIMIT 1 RETURNING id
"""
_INBOX = """
INSERT INTO inbox (message_id, profile_id, journey_id, kind, placement, priority, content, expires_at)
SELECT id, profile_id, journey_id, %(shape)s, %(placement)s, %(priority)s, %(content)s, expires_at
FROM messages WHERE id = %(id)s
"""


async def put(
    database_url: str,
    user: str,
    *,
    kind: str = "user",
    shape: str = "banner",
    placement: str | None = None,
    priority: int = 50,
    lasts: int = 3_600,
    category: str = "service",
    **content: Any,
) -> str:
    """Put a message into the inbox of a person in a journey, as an attempt to send it does; return its id."""
    parameters = {
        "id": uuid4(),
        "channel": "in_app",
        "category": category,
        "lasts": lasts,
        "kind": kind,
        "user": user,
        "shape": shape,
        "placement": placement,
        "priority": priority,
        "content": Jsonb({**CONTENT, **content}),
    }
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        [[found]] = await (await connection.execute(_MESSAGE, parameters)).fetchall()
        await connection.execute(_INBOX, parameters)
    assert isinstance(found, UUID)
    return str(found)


@dataclass
class Served:
    """An application behind the real server, with its connections."""

    url: str
    connections: Connections


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[Served]:
    """Serve an application that has begun, in this process."""
    options = server_options(SETTINGS)
    server = await HttpServer.start(app, listen(None), **options, lifespan="off")
    try:
        yield Served(server.url, options["http"].table)
    finally:
        await server.stop()


class PageEvents:
    """The events of an open stream, each as (name, data)."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id: str | None = None
        self._lines = response.aiter_lines()

    async def next(self, name: str | None = None) -> Any:
        """Return the data of the next event, which must be of this name; pings are passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self._read()
                if found is None:
                    raise EOFError
                if found[0] != "ping" or name == "ping":
                    assert name in (None, found[0]), found
                    return found[1]

    async def end(self) -> None:
        """Wait until the server ends the stream."""
        async with asyncio.timeout(PATIENCE):
            while await self._read() is not None:
                pass

    async def _read(self) -> tuple[str, Any] | None:
        name, data = "", None
        async for line in self._lines:
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "data":
                    data = json.loads(value)
                case "id":
                    self.last_id = value
                case "" if name:
                    return name, data
        return None


@asynccontextmanager
async def follow(
    url: str,
    key: str,
    *,
    user_token: str | None = None,
    anonymous_id: str | None = None,
    last_event_id: str | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[PageEvents]:
    """Follow a stream as a page does."""
    named = {"Authorization": user_token and f"Bearer {user_token}", "X-Anonymous-Id": anonymous_id}
    named["Last-Event-ID"] = last_event_id
    given = {name: value for name, value in named.items() if value}
    headers = {"Origin": SHOP, "X-Write-Key": key, **given, **(headers or {})}
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client,
        client.stream("GET", "/v1/client/stream", headers=headers) as response,
    ):
        yield PageEvents(response)
