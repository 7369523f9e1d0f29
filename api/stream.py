"""The stream of everything that is recorded."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from msgspec.structs import asdict
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, Limit
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import OutdatedCursorError
from domain.sending.claim import MessageState
from domain.stream import STREAM_KINDS, ProfileOutcome, StreamKind, decode_cursor
from store.stream import (
    StreamedConversion,
    StreamedDecision,
    StreamedEvent,
    StreamedMessage,
    StreamedProfile,
    StreamRow,
)

router = APIRouter(prefix="/v1/stream", tags=["Stream"], dependencies=[Depends(allow(Scope.STREAM))], route_class=Route)

# Less than a stopping process gives to its open requests (api/server.py).
MAX_WAIT = 8
LATEST = "latest"

_CURSOR = "axvZ9B9xEAAAAAAAAAAC0gABmiDmXmR_ZY3v0bGAGWcgxgAGRPqu4xYA"
_EVENT: dict[str, Any] = {
    "source": "shop",
    "message_id": "5f0c6a1e-6a0e-4d39-a9c5-1b6a7c1f0f5d",
    "type": "track",
    "name": "Order Completed",
    "user_id": "u-4711",
    "anonymous_id": None,
    "previous_id": None,
    "group_id": None,
    "profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "properties": {"value": 120.5},
    "context": {"library": {"name": "analytics-python", "version": "2.3.2"}},
    "timestamp": "2026-11-22T08:00:00Z",
    "received_at": "2026-11-22T08:00:01Z",
    "is_history": False,
}
_DECISION: dict[str, Any] = {
    "kind": "send",
    "outcome": "refused",
    "reason": "capped",
    "campaign_key": "abandoned-cart",
    "step": "nudge",
    "journey_id": "019a9b3e-9000-7000-8000-000000000001",
    "event_id": None,
    "profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "user_id": "u-4711",
    "at": "2026-11-22T08:00:00Z",
    "data": {"rule": "weekly"},
}
_MESSAGE: dict[str, Any] = {
    "message_id": "019a9b3e-a000-7000-8000-000000000001",
    "state": "sent",
    "reason": None,
    "campaign_key": "abandoned-cart",
    "journey_id": "019a9b3e-9000-7000-8000-000000000001",
    "step": "nudge",
    "visit": 0,
    "channel": "email",
    "category": "marketing",
    "template": "cart-nudge",
    "provider": "smtp",
    "provider_id": "<5f0c6a1e@shop.test>",
    "profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "user_id": "u-4711",
}
_CONVERSION: dict[str, Any] = {
    "campaign_key": "abandoned-cart",
    "campaign_version": 3,
    "journey_id": "019a9b3e-9000-7000-8000-000000000001",
    "event_id": "019a9b3e-8000-7000-8000-000000000001",
    "message_id": "019a9b3e-a000-7000-8000-000000000001",
    "arms": {"offer": "discount"},
    "profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "user_id": "u-4711",
    "at": "2026-11-22T09:00:00Z",
}
_PROFILE: dict[str, Any] = {
    "profile_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90",
    "outcome": "merged",
    "target_id": "019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e91",
}


def _example_item(kind: StreamKind, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "cursor": _CURSOR,
        "type": kind,
        "id": "019a9b3e-8000-7000-8000-000000000001",
        "recorded_at": "2026-11-22T08:00:01Z",
        "data": data,
    }


class StreamEventData(ResponseModel):
    model_config = example(_EVENT)

    source: str = Field(description="that of the key")
    message_id: str
    type: str
    name: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    profile_id: UUID = Field(description="the person, who may have been merged into another since")
    properties: dict[str, Any]
    context: dict[str, Any]
    timestamp: datetime = Field(description="when it happened, by the client's clock, corrected")
    received_at: datetime
    is_history: bool


class StreamDecisionData(ResponseModel):
    model_config = example(_DECISION)

    kind: str
    outcome: str
    reason: str | None
    campaign_key: str
    step: str | None
    journey_id: UUID | None
    event_id: str | None
    profile_id: UUID
    user_id: str | None
    at: datetime
    data: dict[str, Any]


class StreamMessageData(ResponseModel):
    model_config = example(_MESSAGE)

    message_id: UUID
    state: MessageState = Field(description="the state that it came into; the other members are as they are now")
    reason: str | None
    campaign_key: str
    journey_id: UUID
    step: str
    visit: int
    channel: str
    category: str
    template: str
    provider: str | None
    provider_id: str | None
    profile_id: UUID
    user_id: str | None


class StreamConversionData(ResponseModel):
    model_config = example(_CONVERSION)

    campaign_key: str
    campaign_version: int
    journey_id: UUID
    event_id: str
    message_id: UUID | None
    arms: dict[str, str]
    profile_id: UUID
    user_id: str | None
    at: datetime


class _StreamItem(ResponseModel):
    cursor: str = Field(description="its place: `after` of a call that is to begin behind it")
    id: UUID = Field(description="the same whenever it is read, so a repetition can be dropped")
    recorded_at: datetime


class StreamEvent(_StreamItem):
    model_config = example(_example_item("event", _EVENT))

    type: Literal["event"]
    data: StreamEventData


class StreamDecision(_StreamItem):
    model_config = example(_example_item("decision", _DECISION))

    type: Literal["decision"]
    data: StreamDecisionData


class StreamMessage(_StreamItem):
    model_config = example(_example_item("message", _MESSAGE))

    type: Literal["message"]
    data: StreamMessageData


class StreamConversion(_StreamItem):
    model_config = example(_example_item("conversion", _CONVERSION))

    type: Literal["conversion"]
    data: StreamConversionData


class StreamProfileData(ResponseModel):
    model_config = example(_PROFILE)

    profile_id: UUID
    outcome: ProfileOutcome = Field(
        description="`merged`: its rows are of `target_id` now; `separated`: that was undone; `erased`: delete its rows"
    )
    target_id: UUID | None


class StreamProfile(_StreamItem):
    model_config = example(_example_item("profile", _PROFILE))

    type: Literal["profile"]
    data: StreamProfileData


StreamItem = Annotated[
    StreamEvent | StreamDecision | StreamMessage | StreamConversion | StreamProfile, Field(discriminator="type")
]


class StreamView(ResponseModel):
    model_config = example({"items": [_example_item("event", _EVENT)], "next": _CURSOR, "has_more": False})

    items: list[StreamItem]
    next: str = Field(description="`after` of the next call, also if there was nothing")
    has_more: bool = Field(description="whether there are more now")


@router.get("", responses=refusals(OutdatedCursorError))
async def read_stream(
    services: Using,
    types: Annotated[
        list[StreamKind] | None, Query(examples=[["event", "message"]], description="all, if none is named")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    wait: Annotated[
        int, Query(ge=0, le=MAX_WAIT, description="how many seconds to wait if there is nothing yet", examples=[0])
    ] = 0,
    after: Annotated[
        TextField | None,
        Query(
            max_length=1024,
            description="`next` of the call before, or the `cursor` of an item; `latest` for what comes from now on; "
            "all there is without it",
        ),
    ] = None,
) -> StreamView:
    """Events, decisions, messages, conversions and merges, in order.

    The order is that of their transactions. Each is given at least once, and again for an earlier cursor. A cursor of a
    database that was restored since is refused as `outdated_cursor`.
    """
    is_latest = after == LATEST
    found = await services.stream.read(
        None if after is None or is_latest else decode_cursor(after),
        types or STREAM_KINDS,
        limit,
        is_from_end=is_latest,
        wait=wait,
    )
    return StreamView(
        items=[_item(cursor, row) for cursor, row in found.rows], next=found.next, has_more=found.has_more
    )


def _item(
    cursor: str, row: StreamRow
) -> StreamEvent | StreamDecision | StreamMessage | StreamConversion | StreamProfile:
    id, recorded_at = row.position.id, row.recorded_at
    match row:
        case StreamedEvent():
            event = StreamEventData.model_validate(
                {**asdict(row.event), "profile_id": row.profile_id, "received_at": row.received_at}
            )
            return StreamEvent(cursor=cursor, type="event", id=id, recorded_at=recorded_at, data=event)
        case StreamedDecision():
            decision = StreamDecisionData.model_validate(row)
            return StreamDecision(cursor=cursor, type="decision", id=id, recorded_at=recorded_at, data=decision)
        case StreamedMessage():
            message = StreamMessageData.model_validate(row)
            return StreamMessage(cursor=cursor, type="message", id=id, recorded_at=recorded_at, data=message)
        case StreamedConversion():
            conversion = StreamConversionData.model_validate(row)
            return StreamConversion(cursor=cursor, type="conversion", id=id, recorded_at=recorded_at, data=conversion)
        case StreamedProfile():
            profile = StreamProfileData.model_validate(row)
            return StreamProfile(cursor=cursor, type="profile", id=id, recorded_at=recorded_at, data=profile)
