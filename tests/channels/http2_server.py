"""A push service that speaks HTTP/2, on loopback, and closes its connections as often as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from tests.channels.servers import listening, server_tls


@dataclass(frozen=True)
class PushRequest:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


Reply = tuple[int, dict[str, Any] | None]


@dataclass
class PushService:
    """Keeps each request, and answers by `reply`.

    After every so many requests it says GOAWAY and closes the connection, with those of the last moment unanswered.
    """

    reply: Callable[[PushRequest], Reply] = lambda _: (200, None)
    goes_away_after: int | None = None
    requests: list[PushRequest] = field(default_factory=list)
    connections: int = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        tls = server_tls()
        tls.set_alpn_protocols(["h2"])
        async with listening(self._talk, tls) as port:
            yield port

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        open_streams: dict[int, tuple[dict[str, str], bytes]] = {}
        served = 0
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                match event:
                    case RequestReceived():
                        open_streams[event.stream_id] = {str(name): str(value) for name, value in event.headers}, b""
                    case DataReceived():
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        headers, body = open_streams[event.stream_id]
                        open_streams[event.stream_id] = headers, body + event.data
                    case StreamEnded():
                        headers, body = open_streams.pop(event.stream_id)
                        request = PushRequest(headers[":path"], headers, body)
                        self.requests.append(request)
                        served += 1
                        if self.goes_away_after is not None and served >= self.goes_away_after:
                            # Taken, and never answered.
                            connection.close_connection()
                            writer.write(connection.data_to_send())
                            await writer.drain()
                            return
                        self._answer(connection, event.stream_id, request)
            writer.write(connection.data_to_send())
            await writer.drain()

    def _answer(self, connection: H2Connection, stream: int, request: PushRequest) -> None:
        status, body = self.reply(request)
        fields = [(":status", str(status)), ("apns-id", request.headers.get("apns-id", ""))]
        connection.send_headers(stream, fields, end_stream=body is None)
        if body is not None:
            connection.send_data(stream, json.dumps(body).encode(), end_stream=True)
