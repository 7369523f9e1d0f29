"""The frequency caps of the deployment: one document of rules for all campaigns."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import FileName, RequestModel, ResponseModel, TextField, Using, example
from api.entity_tags import IfMatch, Tagged
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidDocumentError

router = APIRouter(
    prefix="/v1/frequency-caps", tags=["Frequency caps"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)


class CapsRequest(RequestModel):
    model_config = example(
        {
            "file": "caps.yaml",
            "source": "rules:\n  - {name: weekly, limit: 3, per: calendar_week, min_gap: 4h}\n",
        }
    )

    file: FileName
    source: Annotated[TextField, Field(description="the document, YAML")]


_RULE: dict[str, Any] = {"name": "weekly", "limit": 3, "per": "calendar_week", "min_gap": "4h"}
_SOURCE = "rules:\n  - {name: weekly, limit: 3, per: calendar_week, min_gap: 4h}\n"


class Caps(ResponseModel):
    model_config = example({"version": 2, "source": _SOURCE, "rules": [_RULE]})

    version: int
    source: str
    rules: list[dict[str, Any]] = Field(description="as the document has them")


@router.get("")
async def get_caps(services: Using, tag: Tagged) -> Caps:
    """The rules in force."""
    caps = Caps.model_validate(await services.caps.get())
    tag.set(caps.version)
    return caps


@router.put("", responses=refusals(InvalidDocumentError))
async def put_caps(request: CapsRequest, services: Using, by: Operator, if_match: IfMatch, tag: Tagged) -> Caps:
    """Replace the rules. They apply to every message from now on."""
    caps = Caps.model_validate(await services.caps.put(request.source, request.file, if_match=if_match, by=by))
    tag.set(caps.version)
    return caps
