"""Reports of what people did with the messages on their pages."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import allow
from api.client.callers import AnyCaller, ClientRoute
from api.dependencies import ResponseModel, Using, example
from api.limits import RateLimits, read_body
from api.problems import refusals
from domain.access import Scope
from domain.errors import (
    InvalidRequestError,
    MalformedJsonError,
    OverloadedError,
    PayloadTooLargeError,
    RequestTimeoutError,
)
from domain.sending.page_reactions import MAX_REACTIONS, count_reports

router = APIRouter(
    prefix="/v1/client/reactions",
    tags=["Client"],
    dependencies=[Depends(allow(Scope.CLIENT))],
    route_class=ClientRoute,
)

# As much as browsers send of a page that is being left.
MAX_BYTES: Final = 64 * 1024

_REACTION: dict[str, Any] = {
    "message_id": "019a9b3e-a000-7000-8000-000000000001",
    "kind": "clicked",
    "at": "2026-11-22T08:00:05Z",
    "action": "renew",
}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["reactions"],
    "properties": {
        "reactions": {
            "type": "array",
            "maxItems": MAX_REACTIONS,
            "description": "each with its `message_id` and `kind` (shown, clicked, dismissed, answered, completed or "
            "failed), and as it has them `at`, the `step` of a tour, the `action` or the `link` that was clicked, the "
            "`reason` of a failure, and `answers` by question: a grade, a value, values or a text",
        },
        "sent_at": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "the instant of the call by the client's clock, which it corrects",
        },
    },
}


class LeftOutReaction(ResponseModel):
    index: int = Field(description="place in the body, from 0")
    error: str


class AcceptedReactions(ResponseModel):
    """Those that are not left out are in force, also if they were reported before."""

    model_config = example({"accepted": 1, "left_out": []})

    accepted: int
    left_out: list[LeftOutReaction]


class _Body(msgspec.Struct):
    # Each is read by itself, so that one that is wrong hinders no other.
    reactions: Annotated[list[Any], msgspec.Meta(max_length=MAX_REACTIONS)]
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


@router.post(
    "",
    responses=refusals(
        InvalidRequestError, MalformedJsonError, RequestTimeoutError, PayloadTooLargeError, OverloadedError
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _SCHEMA,
                    "example": {"reactions": [_REACTION]},
                }
            },
        },
    },
)
async def report_reactions(request: Request, caller: AnyCaller, services: Using) -> AcceptedReactions:
    """Report what the person did with messages.

    They were shown, clicked, dismissed, answered, completed, or failed to show.

    JSON, whatever the content type says, so that a page may report while it is left. Reactions are events of the
    person, of which journeys hear: `Message Shown` and its like. A repetition changes nothing.
    """
    limits: RateLimits = request.app.state.rate_limits
    body = await read_body(request, MAX_BYTES)
    limits.use_bytes(caller.access.actor, len(body))
    try:
        read = msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f'the body is like {{"reactions": [{{…}}]}}: {error}') from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJsonError("the body is not JSON") from error
    number = sum(map(count_reports, read.reactions))
    limits.use_events_of_address(request.state.visit.client, number)
    limits.use_events(caller.access.actor, number)
    result = await services.page_reactions.report(caller.identity, read.reactions, read.sent_at)
    return AcceptedReactions.model_validate(result)
