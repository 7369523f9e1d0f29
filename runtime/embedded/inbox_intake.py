"""The inbox's entrance: messages of any channel from `console`, and its own forms."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from runtime.embedded.inbox_store import InboxStore
from runtime.embedded.mail import ReceivedMessage

MAX_BYTES = 1 << 20
MAX_FIELDS = 10


class IncomingMessage(msgspec.Struct, frozen=True):
    """A rendered message, which replaces the one of the same id and address."""

    message_id: str
    content: dict[str, Any]
    address: str = ""
    report_url: str = ""


async def receive(store: InboxStore, request: Request) -> Response:
    """Keep one message; 2xx once it is kept."""
    # A page elsewhere could post other types without asking the browser's user.
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return PlainTextResponse("a message is application/json", 415)
    if (body := await _read_body(request)) is None:
        return PlainTextResponse(f"a message has at most {MAX_BYTES:,} bytes", 413)
    try:
        incoming = msgspec.json.decode(body, type=IncomingMessage)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return PlainTextResponse(str(error), 422)
    store.replace(
        ReceivedMessage(
            0, incoming.message_id, incoming.address, incoming.content, datetime.now(UTC), incoming.report_url
        )
    )
    return PlainTextResponse("kept", 201)


async def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None for another body."""
    if (body := await _read_body(request)) is None:
        return None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return None


async def _read_body(request: Request) -> bytes | None:
    """Return the body; None if it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)
