"""The members of segments."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.auth import Reader, allow
from api.dependencies import ResponseModel, SegmentKey, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidCursorError, NotFoundError
from store.segments import Member

router = APIRouter(
    prefix="/v1/segments/{key}", tags=["Segments"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_MEMBER: dict[str, Any] = {
    "id": "019a4d6c-1111-7c31-9b0e-5f1f6f0c9a11",
    "user_id": "u-4711",
    "anonymous_id": None,
    "since": "2026-11-22T08:00:00Z",
}
_COLUMNS: Final = tuple(_MEMBER)
# A spreadsheet takes a cell that begins so for a formula, which may send others away (OWASP, "CSV Injection").
_FORMULA: Final = ("=", "+", "-", "@")
_LINES: Final = "".join(",".join(row) + "\r\n" for row in (_COLUMNS, [str(each or "") for each in _MEMBER.values()]))


class SegmentMember(ResponseModel):
    id: UUID = Field(description="Sojourn's own id of the profile: `?kind=profile` in the paths of a user")
    user_id: str | None
    anonymous_id: str | None = Field(description="of a person without a user id: the first of them")
    since: datetime


class SegmentMemberList(ResponseModel):
    model_config = example({"members": [_MEMBER], "next": None})

    members: list[SegmentMember] = Field(description="by the ids of their profiles")
    next: str | None = Field(description="pass it as `after`; null at the end")


@router.get("/members", responses=refusals(NotFoundError, InvalidCursorError))
async def list_members(
    key: SegmentKey, services: Using, by: Reader, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> SegmentMemberList:
    """The members of a segment, by the ids of their profiles.

    The audit log records each reader of a segment, once a day.
    """
    rows = await services.segment_members.page(key, limit=limit + 1, after=position(after, UUID), by=by)
    members, next = cut(rows, limit, lambda row: row.id)
    return SegmentMemberList.model_validate({"members": members, "next": next})


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": _LINES},
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": msgspec.json.encode(_MEMBER).decode() + "\n",
                },
            }
        },
        **refusals(NotFoundError),
    },
)
async def export_members(
    key: SegmentKey,
    services: Using,
    by: Reader,
    format: Annotated[Literal["csv", "ndjson"], Query(description="of the answer", examples=["csv"])] = "csv",
) -> StreamingResponse:
    """All members of a segment, as CSV with a head or as lines of JSON.

    In CSV, an id that begins like a formula, with one of `= + - @`, has an apostrophe before it. The audit log records
    each export. People who join or leave meanwhile may be in it or not.
    """
    pages = await services.segment_members.export(key, by=by)
    write, media_type = _WRITERS[format]
    head = _write_csv([_COLUMNS]) if format == "csv" else b""

    async def lines() -> AsyncIterator[bytes]:
        yield head
        async for page in pages:
            yield write(page)

    return StreamingResponse(lines(), media_type=media_type)


def _write_csv_members(members: Sequence[Member]) -> bytes:
    return _write_csv([[one.id, one.user_id, one.anonymous_id, one.since.isoformat()] for one in members])


def _write_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_guard(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _guard(cell: Any) -> Any:
    """Return a cell with an apostrophe before it if a spreadsheet would calculate it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _write_ndjson(members: Sequence[Member]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in members)


_WRITERS: Final[Mapping[str, tuple[Callable[[Sequence[Member]], bytes], str]]] = {
    "csv": (_write_csv_members, "text/csv; charset=utf-8"),
    "ndjson": (_write_ndjson, "application/x-ndjson"),
}
