"""The JSON Schemas of documents, for editors. They hold nothing of a deployment, so that nobody needs a key."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Response

from domain.document_schemas import NAMES, document_schema

router = APIRouter(prefix="/v1/schemas", tags=["Schemas"])

MEDIA_TYPE = "application/schema+json"
SchemaName = Annotated[str, Path(description=" or ".join(NAMES), examples=[NAMES[0]])]


@router.get(
    "/{name}.json",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "A JSON Schema, draft 2020-12"}},
)
async def get_schema(name: SchemaName) -> Response:
    """What a campaign document or the frequency caps may hold."""
    return Response(msgspec.json.encode(document_schema(name)), media_type=MEDIA_TYPE)
