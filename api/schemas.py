"""The JSON Schemas of documents, for editors. They are public."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Response

from api.problems import refusals
from domain.document_schemas import NAMES, document_schema
from domain.errors import NotFoundError, SojournError

router = APIRouter(prefix="/v1/schemas", tags=["Schemas"])

MEDIA_TYPE = "application/schema+json"
SchemaName = Annotated[str, Path(description=" or ".join(NAMES), examples=[NAMES[0]])]


@router.get(
    "/{name}.json",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}, "example": {"type": "object"}}},
            "description": "A JSON Schema, draft 2020-12",
        },
        **refusals(NotFoundError, SojournError),
    },
)
async def get_schema(name: SchemaName) -> Response:
    """The schema of a campaign document or of the frequency caps."""
    return Response(msgspec.json.encode(document_schema(name)), media_type=MEDIA_TYPE)
