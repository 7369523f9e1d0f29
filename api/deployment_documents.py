"""The documents of the deployment: each kind has the same three routes."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from msgspec.structs import asdict
from pydantic import Field

from api.auth import Author, allow
from api.campaigns import PublishWarning
from api.dependencies import FileName, RequestModel, ResponseModel, TextField, Using, example, example_content
from api.entity_tags import IfMatch, Tagged
from api.estimates import MOVEMENT, SegmentMovement
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS, FREQUENCY_CAPS, LIFECYCLE, DocumentKind, compare_rules
from domain.errors import ConflictError, InvalidDocumentError


def _body_example(kind: DocumentKind[Any]) -> dict[str, Any]:
    return {"file": f"{kind.name}.yaml", "source": kind.example}


def _document_example(kind: DocumentKind[Any]) -> dict[str, Any]:
    rules = kind.parse(kind.example, f"{kind.name}.yaml")
    return {"version": 2, "source": kind.example, "rules": [kind.to_document(rule) for rule in rules]}


def _plan_example(kind: DocumentKind[Any]) -> dict[str, Any]:
    changes = compare_rules(kind, [], kind.parse(kind.example, f"{kind.name}.yaml"))
    return {
        "version": 1,
        "next_version": 2,
        "changes": [asdict(change) for change in changes],
        "warnings": [],
        "people": {changes[0].name: MOVEMENT} if kind == LIFECYCLE else {},
    }


class DocumentRequest(RequestModel):
    model_config = example(_body_example(FREQUENCY_CAPS))

    file: FileName
    source: Annotated[TextField, Field(description="the document, YAML")]


class Document(ResponseModel):
    model_config = example(_document_example(FREQUENCY_CAPS))

    version: int
    source: str
    rules: list[dict[str, Any]] = Field(description="as the document has them")


class RuleReader(ResponseModel):
    model_config = example({"kind": "campaign", "key": "win-back", "version": 2})

    kind: Literal["campaign", "segment", "hold"]
    key: str = Field(description="of a hold, its id")
    version: int | None = Field(description="null for a hold")


class DocumentRuleChange(ResponseModel):
    model_config = example(_plan_example(FREQUENCY_CAPS)["changes"][0])

    kind: Literal["added", "removed", "changed"]
    name: str
    before: dict[str, Any] | None = Field(description="as the document in force has it")
    after: dict[str, Any] | None = Field(description="as the given document has it")
    read_by: list[RuleReader] = Field(
        description="what names it, so that it cannot be removed: versions of campaigns that users enter, or that "
        "journeys are on, segments, and open holds"
    )


class PlannedDocument(ResponseModel):
    model_config = example(_plan_example(FREQUENCY_CAPS))

    version: int = Field(description="the version in force, for If-Match; 0 is the initial one")
    next_version: int = Field(description="the version after it is applied; the same for the same text")
    changes: list[DocumentRuleChange]
    warnings: list[PublishWarning]
    people: dict[str, SegmentMovement] = Field(
        description="of a life cycle: who would be in each stage. A stage whose computed traits are being counted is "
        "left out"
    )


def _create_router(kind: DocumentKind[Any]) -> APIRouter:
    """Create the routes of one kind."""
    body, document = _request(_body_example(kind)), _answer(_document_example(kind))
    planned = _answer(_plan_example(kind))
    router = APIRouter(
        prefix=f"/v1/{kind.name}",
        tags=[kind.title.capitalize()],
        dependencies=[Depends(allow(Scope.READ))],
        route_class=Route,
    )

    @router.get("", responses=document, summary=f"Get the {kind.title}")
    async def get_document(services: Using, tag: Tagged) -> Document:
        """The document in force, and its rules."""
        found = Document.model_validate(await services.documents.get(kind))
        tag.set(found.version)
        return found

    @router.put(
        "",
        responses={**document, **refusals(InvalidDocumentError, ConflictError)},
        openapi_extra=body,
        summary=f"Replace the {kind.title}",
    )
    async def put_document(
        request: DocumentRequest, services: Using, by: Author, if_match: IfMatch, tag: Tagged
    ) -> Document:
        """Replace the document. Its rules hold for every decision from now on."""
        put = services.documents.put(kind, request.source, request.file, if_match=if_match, by=by)
        stored = Document.model_validate(await put)
        tag.set(stored.version)
        return stored

    @router.post(
        "/plan",
        responses={**planned, **refusals(InvalidDocumentError)},
        openapi_extra=body,
        summary=f"Plan the {kind.title}",
    )
    async def plan_document(request: DocumentRequest, services: Using) -> PlannedDocument:
        """Compare a document with the one in force, without effects."""
        return PlannedDocument.model_validate(await services.documents.plan(kind, request.source, request.file))

    return router


def _answer(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": example_content(content)}}}


def _request(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"example": content}}}}


router = APIRouter()
for _kind in DEPLOYMENT_DOCUMENTS.values():
    router.routes.extend(_create_router(_kind).routes)
