"""Imports of people, a batch of rows at a time."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from uuid_utils.compat import uuid7

from api.auth import Operator, allow
from api.dependencies import ResponseModel, Using, example
from api.limits import RateLimits, body_too_large, read_body
from api.problems import refusals
from api.routes import Route
from api.tracking import LeftOutPart, RejectedItem
from api.tracking_schema import call_schema
from application import turns
from domain.access import Scope
from domain.errors import MalformedJsonError, PayloadTooLargeError, RequestTimeoutError
from domain.tracking.decode import decode_in_pieces
from domain.tracking.decompress import plain_body
from domain.tracking.event import SOJOURN_SOURCE

router = APIRouter(prefix="/v1/imports", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_ROW: dict[str, Any] = {
    "type": "identify",
    "messageId": "0000000002",
    "userId": "u-4711",
    "traits": {"email": "ada@example.com", "plan": "pro", "consent": {"email": True}},
    "timestamp": "2026-11-01T10:00:00Z",
}
ImportId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="Made by the caller, one for each import: a `messageId` is unique within it.",
        examples=["crm-2026-11"],
    ),
]


class ImportedBatch(ResponseModel):
    """The rows are stored."""

    model_config = example(
        {
            "accepted": 499,
            "duplicates": 0,
            "rejected": [],
            "left_out": [],
            "unnamed": 0,
            "received_at": "2026-11-01T10:00:00Z",
        }
    )

    accepted: int
    duplicates: int = Field(description="rows that an earlier batch of this import had")
    rejected: list[RejectedItem]
    left_out: list[LeftOutPart] = Field(description="parts of accepted rows")
    unnamed: int = Field(description="how many more were refused or left out; at most 100 are named")
    received_at: datetime = Field(description="the arrival, by the deployment's clock")


@router.post(
    "/{import_id}",
    responses=refusals(MalformedJsonError, RequestTimeoutError, PayloadTooLargeError),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": call_schema("batch"), "example": {"batch": [_ROW]}}},
        }
    },
)
async def import_rows(import_id: ImportId, request: Request, services: Using, by: Operator) -> ImportedBatch:
    """Store a batch of people: identify calls, as `/v1/batch` takes them.

    They are history: they reach no campaign, and do not count as activity of the person. The later statement holds, by
    `timestamp`, else by the arrival; of two rows at one time, that with the greater `messageId`.
    """
    limits: RateLimits = request.app.state.rate_limits
    max_batch_bytes: int = request.app.state.max_batch_bytes
    body = await read_body(request, max_batch_bytes)
    received_at = await services.now()
    try:
        encoding = request.headers.get("content-encoding", "")
        body = await turns.call(partial(plain_body, body, max_batch_bytes, encoding))
    except PayloadTooLargeError as error:
        raise body_too_large(max_batch_bytes) from error
    limits.use_bytes(by, len(body))
    batch = await turns.run(
        decode_in_pieces(
            body,
            kind="batch",
            source=SOJOURN_SOURCE,
            received_at=received_at,
            new_id=uuid7,
            max_batch_bytes=max_batch_bytes,
            placeholders=request.app.state.placeholders,
        )
    )
    limits.use_events(by, len(batch.events))
    result = await services.import_users(import_id, batch, received_at=received_at, by=by)
    losses = [
        (reject.part, {"index": reject.index, "messageId": reject.message_id, "error": reject.error})
        for reject in (*batch.rejects, *result.left_out)
    ]
    return ImportedBatch(
        accepted=result.accepted,
        duplicates=len(batch.repeated) + len(result.duplicates),
        rejected=[RejectedItem(**named) for part, named in losses if part is None],
        left_out=[LeftOutPart(**named, part=part) for part, named in losses if part is not None],
        unnamed=batch.unrecorded.number + result.unnamed,
        received_at=received_at,
    )
