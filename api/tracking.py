"""The tracking API of the Segment spec."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from api.auth import Documented, admit_page, require, user_token, verify_write_key, write_key
from api.dependencies import Using, example
from api.limits import MAX_UNKNOWN_BYTES, RateLimits, body_too_large, read_body
from api.problems import refusals
from api.tracking_paths import KINDS
from api.tracking_schema import call_schema
from application import turns
from domain.access import Access, KeyTrust, Scope
from domain.errors import (
    ForbiddenError,
    InvalidRequestError,
    MalformedJsonError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RequestTimeoutError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
)
from domain.tracking.browser_calls import BrowserCalls
from domain.tracking.decode import Decoded, decode_in_pieces, write_key_of
from domain.tracking.decompress import plain_body
from domain.tracking.event import CallType, Reject
from domain.tracking.item import MAX_ITEM_BYTES
from runtime.metrics import INGEST_SECONDS

router = APIRouter(tags=["Tracking"])

PATHS: Final = [f"/v1/{kind}" for kind in KINDS]

_EXAMPLES: dict[CallType | Literal["batch"], dict[str, Any]] = {
    "track": {"userId": "u-1", "event": "Cart Abandoned", "properties": {"cart_id": "c-9", "value": 129.5}},
    "identify": {"userId": "u-1", "traits": {"email": "ada@example.com", "timezone": "Europe/Berlin"}},
    "page": {"anonymousId": "a-1", "name": "Pricing"},
    "screen": {"userId": "u-1", "name": "Basket"},
    "group": {"userId": "u-1", "groupId": "g-1", "traits": {"plan": "team"}},
    "alias": {"previousId": "a-1", "userId": "u-1"},
    "batch": {
        "batch": [{"type": "track", "messageId": "m-1", "userId": "u-1", "event": "Order Completed"}],
        "sentAt": "2026-11-01T10:00:00.000Z",
    },
}


class RejectedItem(BaseModel):
    """A refused item of a batch. The others were accepted."""

    index: int = Field(description="place in the batch, from 0; -1 for what the batch says for all of its calls")
    messageId: str | None
    error: str


class LeftOutPart(BaseModel):
    """A part left out of an accepted call. The rest was accepted."""

    index: int = Field(description="place of the call in the batch, from 0; -1 for what a batch says for all of them")
    messageId: str | None
    part: str = Field(description="its path in the call", examples=["traits.timezone"])
    error: str


class AcceptedBatch(BaseModel):
    """The events are stored. Members other than `success` are absent if empty."""

    model_config = example({"success": True})

    success: bool = True
    rejected: list[RejectedItem] = []
    duplicates: list[str] = Field(
        [], description="each `messageId` that the source of this key had reported before, which has changed nothing"
    )
    unverified: list[str] = Field(
        [],
        description="each `messageId` whose call said of a user more than a browser key may without a user token: it "
        "counts for an anonymous person",
    )
    leftOut: list[LeftOutPart] = []
    unnamed: int = Field(0, description="how many more were refused or left out; at most 100 are named")


def _endpoint(kind: CallType | Literal["batch"]) -> Callable[..., Awaitable[Response]]:
    async def take(
        request: Request,
        services: Using,
        _documented: Documented,
    ) -> Response:
        limits: RateLimits = request.app.state.rate_limits
        max_batch_bytes: int = request.app.state.max_batch_bytes
        limit = max_batch_bytes if kind == "batch" else MAX_ITEM_BYTES
        # A wrong key outside the body is refused before the body is read, a wrong one inside before it is decoded.
        key = write_key(request)
        if key is not None:
            access = await _admit(request, key)
            if access.browser is not None:
                limit = min(limit, MAX_UNKNOWN_BYTES)
        else:
            limit = min(limit, MAX_UNKNOWN_BYTES)
        body = await read_body(request, limit)
        received_at = await services.now()
        sent = len(body)
        try:
            body = await turns.call(partial(plain_body, body, limit, request.headers.get("content-encoding", "")))
        except PayloadTooLargeError as error:
            raise body_too_large(limit, is_known=key is not None) from error
        # Held until the answer, in both forms: a few kilobytes may become four megabytes. This precedes the look-up of
        # a key inside, so that strangers use their own share.
        request.state.visit.hold(max(0, len(body) - sent))
        if key is None:
            access = await _admit(request, (write_key_of(body) or "").encode())
        limits.use_bytes(access.actor, len(body))
        decoded = await turns.run(
            decode_in_pieces(
                body,
                kind=kind,
                source=access.source,
                received_at=received_at,
                # Ordered by time, so that indexes grow at their end.
                new_id=uuid7,
                max_batch_bytes=max_batch_bytes,
                placeholders=request.app.state.placeholders,
                browser=_judge(request, access),
            )
        )
        if access.browser is not None:
            limits.use_events_of_address(request.state.visit.client, _calls(decoded))
        limits.use_events(access.actor, _calls(decoded))
        with INGEST_SECONDS.time():
            result = await services.ingest(
                decoded.events,
                decoded.rejects,
                received_at=received_at,
                unrecorded=decoded.unrecorded,
                places=decoded.places,
            )
        if not decoded.events and kind != "batch":
            raise InvalidRequestError(decoded.rejects[0].error)
        rejects = [*decoded.rejects, *result.left_out]
        unnamed = decoded.unrecorded.number + result.unnamed
        claiming = [event.message_id for event in decoded.events if event.claims]
        return _accepted_response(rejects, unnamed, [*decoded.repeated, *result.duplicates], claiming)

    return take


async def _admit(request: Request, key: bytes) -> Access:
    """Return the rights of a key that may report from this page. Raises SojournError."""
    access = await verify_write_key(request, key)
    require(access, Scope.INGEST)
    admit_page(request, access)
    return access


def _judge(request: Request, access: Access) -> BrowserCalls | None:
    if access.browser is None:
        return None
    return BrowserCalls(
        access.browser.token_secrets,
        is_trusted=access.browser.trust is KeyTrust.FULL,
        header_token=user_token(request),
        country=request.app.state.countries.find(request.state.visit.client),
        at=datetime.now(UTC),
    )


def _calls(decoded: Decoded) -> int:
    """Count the calls of a body, accepted or not."""
    refused = sum(reject.part is None for reject in decoded.rejects)
    return len(decoded.events) + len(decoded.repeated) + refused + decoded.unrecorded.number


def _accepted_response(rejects: list[Reject], unnamed: int, duplicates: list[str], unverified: list[str]) -> Response:
    answer: dict[str, Any] = {"success": True}
    for reject in rejects:
        named = {"index": reject.index, "messageId": reject.message_id, "error": reject.error}
        if reject.part is None:
            answer.setdefault("rejected", []).append(named)
        else:
            answer.setdefault("leftOut", []).append({**named, "part": reject.part})
    if unnamed:
        answer["unnamed"] = unnamed
    if duplicates:
        answer["duplicates"] = duplicates
    if unverified:
        answer["unverified"] = unverified
    return Response(msgspec.json.encode(answer), media_type="application/json")


for _kind, _example in _EXAMPLES.items():
    router.add_api_route(
        f"/v1/{_kind}",
        _endpoint(_kind),
        methods=["POST"],
        name=_kind,
        operation_id=_kind,
        summary="Report many calls at once" if _kind == "batch" else f"Report one {_kind} call",
        description=(
            "JSON, plain, gzip or deflate, whatever the content type says; at most 4 MB, and 32 KB a call. "
            "A `messageId` that the source of the key has reported before changes nothing.\n\nScope: `ingest`."
        ),
        response_model=AcceptedBatch,
        responses=refusals(
            InvalidRequestError,
            MalformedJsonError,
            UnauthorizedError,
            ForbiddenError,
            RequestTimeoutError,
            PayloadTooLargeError,
            RateLimitedError,
            UnavailableError,
            OverloadedError,
            SojournError,
        ),
        openapi_extra={
            "x-scope": Scope.INGEST.value,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": call_schema(_kind), "example": _example}},
            },
        },
    )
