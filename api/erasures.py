"""The erasure of a user, and the export of all that there is of one."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.auth import Admin, PeopleReader
from api.dependencies import ChangedPersonPath, PersonPath, Using
from api.operations import Operation
from api.problems import refusals
from api.routes import Route
from api.user_paths import WHOLE_PERSON
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/users", tags=["Users"], route_class=Route)
NDJSON = "application/x-ndjson"
_LINE = '{"table": "identities", "row": {"kind": "user", "value": "u-4711"}}\n'


@router.get(
    "/{user_id:path}/export",
    responses={
        200: {
            "description": "one JSON object a line: the table, and the row",
            "content": {NDJSON: {"schema": {"type": "string"}, "example": _LINE}},
        },
        **refusals(NotFoundError),
    },
    response_class=Response,
)
async def export(person: PersonPath, services: Using, by: PeopleReader) -> StreamingResponse:
    """All that is stored of a user, as it is at one instant, in lines of JSON.

    The audit log records each export.
    """
    exported = await services.exports.export(person, by=by)

    async def lines() -> AsyncIterator[bytes]:
        try:
            while piece := exported.read(65_536):
                yield piece
        finally:
            exported.close()

    return StreamingResponse(lines(), media_type=NDJSON)


@router.delete(WHOLE_PERSON, status_code=202, responses=refusals(NotFoundError))
async def erase(person: ChangedPersonPath, services: Using, by: Admin) -> Operation:
    """Erase a user: journeys end at once, and the rest is an operation.

    Its counts say what was deleted. Later events of the same ids make a new user; those that happened before are
    rejected. It cannot be undone or cancelled.
    """
    return Operation.model_validate(await services.erasures.request(person, by=by))
