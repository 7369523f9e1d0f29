"""The messages of a person: asked for, or followed by a stream."""

from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from msgspec.structs import replace
from pydantic import Field
from starlette.responses import StreamingResponse

from api.auth import allow
from api.client.callers import AnyCaller, ClientRoute
from api.client.open_streams import OpenStreams
from api.client.page_stream import PageStream
from api.dependencies import ResponseModel, TextField, Using, example
from api.entity_tags import Tagged, is_known
from api.event_stream import EventStream
from api.problems import refusals
from api.request_metrics import STREAM
from domain.access import Scope
from domain.errors import OverloadedError

router = APIRouter(
    prefix="/v1/client",
    tags=["Client"],
    dependencies=[Depends(allow(Scope.CLIENT))],
    route_class=ClientRoute,
)

# No stream is older, so that those of many processes spread anew. Seconds.
MAX_STREAM_SECONDS: Final = 3_600.0
# A stream ends so long before its token does. Seconds.
TOKEN_MARGIN: Final = 5.0
MAX_SEQ: Final = 2**63 - 1

MESSAGE: dict[str, Any] = {
    "message_id": "019a9b3e-a000-7000-8000-000000000001",
    "seq": 12,
    "kind": "banner",
    "interrupts": True,
    "placement": None,
    "priority": 50,
    "content": {
        "title": "Your plan ends soon",
        "text": [{"t": "p", "c": [{"t": "text", "v": "Renew it by Friday."}]}],
        "actions": [{"id": "renew", "label": "Renew", "style": "primary", "dismiss": True, "url": "/plan"}],
        "position": "top",
        "dismissible": True,
        "where": ["/account/*"],
        "after": None,
        "every": {"kind": "until_dismissed"},
        "between": None,
        "theme": {"mode": "auto"},
        "dir": "ltr",
        "lang": "en",
        "labels": {"close": "Close"},
    },
    "expires_at": "2026-12-24T00:00:00Z",
    "given_at": "2026-11-22T08:00:00Z",
    "shows": 0,
    "shown_at": None,
    "clicked_at": None,
    "dismissed_at": None,
    "completed_at": None,
}
# Each event, as a client has taken it apart.
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["open", "message", "withdrawn", "ping"]},
        "id": {"type": "string", "description": "`seq` of a message"},
        "data": {"type": "string", "description": "JSON: {open, seq}, a message, {message_id}, or {}"},
    },
}
_Place = Annotated[int, Query(ge=0, le=MAX_SEQ, description="`seq` of the answer before", examples=[0])]
_Placement = Annotated[
    TextField | None, Query(max_length=255, description="only the messages of this feed", examples=["feed"])
]
_LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=20, description="`id` of the last event that the page has had."),
]


class PageMessage(ResponseModel):
    model_config = example(MESSAGE)

    message_id: UUID
    seq: int = Field(description="its place among all messages that were given")
    kind: str = Field(description="another one may come with a release: report it as `failed`, with the reason `kind`")
    interrupts: bool = Field(description="whether it shows itself, one at a time, or in a place of its own")
    placement: str | None = Field(description="the feed of a card, or the name of a slot")
    priority: int = Field(description="0 to 100, the highest first")
    content: dict[str, Any] = Field(description="by its kind, in the language of the person")
    expires_at: datetime
    given_at: datetime | None
    shows: int = Field(description="how often it was shown")
    shown_at: datetime | None
    clicked_at: datetime | None
    dismissed_at: datetime | None
    completed_at: datetime | None


class PageMessages(ResponseModel):
    model_config = example({"seq": 12, "messages": [MESSAGE], "open": [MESSAGE["message_id"]], "next_poll": 30.0})

    seq: int = Field(description="`since` of the next call")
    messages: list[PageMessage] = Field(description="those given after `since`, by priority")
    open: list[UUID] = Field(description="all that the page may keep: it drops the others")
    next_poll: float = Field(description="in how many seconds to ask again, without a stream")


@router.get("/messages", response_model=PageMessages)
async def read_messages(
    request: Request,
    caller: AnyCaller,
    services: Using,
    _tag: Tagged,
    since: _Place = 0,
    placement: _Placement = None,
) -> Response:
    """Return the messages given after a place, and give those that wait.

    Giving a message is its claim: the frequency caps count it from then on. An unknown person has none.
    """
    view = await services.page_inboxes.read(caller.identity, placement=placement, since=since)
    # A content never changes, so it is not read for a caller who has it.
    lasting = msgspec.json.encode((view.seq, view.messages, view.open))
    headers = {
        "ETag": f'"{sha256(lasting).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, X-Anonymous-Id, X-Write-Key",
    }
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    loaded = await services.page_inboxes.load(view.messages)
    return Response(msgspec.json.encode(replace(view, messages=loaded)), headers=headers, media_type="application/json")


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events, read by `fetch`: a token stands in no address.",
            "content": {
                STREAM: {
                    "schema": _EVENT,
                    "example": {"event": "message", "id": "12", "data": msgspec.json.encode(MESSAGE).decode()},
                }
            },
        },
        **refusals(OverloadedError),
    },
)
async def follow_messages(
    request: Request, caller: AnyCaller, services: Using, last_event_id: _LastEventId = None
) -> EventStream:
    """Follow the messages of the person as server-sent events.

    `open` names all that the page may keep; `message` is one of `GET /v1/client/messages`, `withdrawn` names one to
    drop at once, and `ping` comes every 25 s. It ends before the token does, with the key, and after an hour. Beyond
    the number of streams that there may be it is refused with 503: poll meanwhile.
    """
    streams: OpenStreams = request.app.state.client_streams
    since = _read_place(last_event_id)
    seconds = MAX_STREAM_SECONDS
    if caller.token_ends_at is not None:
        seconds = min(seconds, (caller.token_ends_at - datetime.now(UTC)).total_seconds() - TOKEN_MARGIN)
    inboxes = services.page_inboxes
    person = await inboxes.find(caller.identity)
    with ExitStack() as stack:
        opened = stack.enter_context(streams.open(caller, request.state.visit.client, person))
        view = await inboxes.read(caller.identity)
        request.state.visit.end()
        request.state.end_stream = opened.end
        events = PageStream(
            opened, lambda held: inboxes.read(caller.identity, held=held), inboxes.load, since, seconds
        ).events(view)
        return EventStream(events, stack.pop_all())


def _read_place(last_event_id: str | None) -> int:
    """Return the place of an event; any other text is that of no event."""
    return (
        int(last_event_id) if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit() else 0
    )
