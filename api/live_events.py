"""Follow what comes in, and what it does."""

from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse

from api.auth import Reader, allow, may_still
from api.dependencies import TextField, Using
from api.event_stream import EventStream
from api.live_viewers import LiveViewers
from api.personal_fields import is_masked_for, require_people
from api.problems import refusals
from api.request_metrics import STREAM
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidCursorError, OverloadedError
from domain.stream import decode_cursor
from store.live_events import LiveFilter

router = APIRouter(
    prefix="/v1/live-events", tags=["Data plan"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_LIVE: dict[str, Any] = {
    "at": "2026-11-22T08:00:01Z",
    "user_id": "u-4711",
    "anonymous_id": None,
    "event": "Cart Abandoned",
    "source": "shop",
    "result": [{"what": "entered", "campaign": "abandoned-cart", "reason": None}],
}
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["event", "looked"]},
        "id": {"type": "string", "description": "`Last-Event-ID` of a stream that is to go on after it"},
        "data": {
            "type": "string",
            "description": "JSON: {at, user_id, anonymous_id, event, source, result: [{what: entered | refused | ended "
            "| goal | rejected, campaign, reason}]}, or {left_out, masked} of `looked`",
        },
    },
}


@router.get(
    "",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events.",
            "content": {
                STREAM: {
                    "schema": _EVENT,
                    "example": {"event": "event", "id": "axvZ9B9xEAAA", "data": msgspec.json.encode(_LIVE).decode()},
                }
            },
        },
        **refusals(OverloadedError),
    },
)
async def follow_live_events(
    request: Request,
    services: Using,
    by: Reader,
    user: Annotated[
        TextField | None, Query(max_length=255, examples=["u-4711"], description="by any id of the person")
    ] = None,
    event: Annotated[
        TextField | None, Query(max_length=255, examples=["Cart Abandoned"], description="a name, or a type of calls")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=1_024, description="of the last event, within a minute")
    ] = None,
) -> EventStream:
    """Follow events, with what they did, as server-sent events.

    Up to 50 of each second are shown, drawn at random; `looked` says how many were left out. It ends with the key or
    the session, and after an hour. `rejected` calls have no name. The audit log says who has looked.

    Without the scope `people`, `event` is null (`masked`), and no filter.
    """
    viewers: LiveViewers = request.app.state.live_viewers
    try:
        after = None if last_event_id is None else decode_cursor(last_event_id)
    except InvalidCursorError:
        # As the standard has it, any text is the id of no event.
        after = None
    if event is not None:
        require_people("a filter by events")
    is_masked = await is_masked_for(request)
    with ExitStack() as stack:
        viewer = stack.enter_context(viewers.open(by.id))
        await services.live_events.record_look(user, by=by)
        tail = services.live_events.follow(LiveFilter(user, event), after)
        request.state.visit.end()
        request.state.end_stream = viewer.end
        return EventStream(
            viewer.watch(tail, partial(may_still, request, Scope.READ), is_masked=is_masked), stack.pop_all()
        )
