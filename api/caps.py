"""The frequency caps of the deployment: one document of rules that hold across all campaigns."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from api.auth import Operator, allow
from api.dependencies import FileName, RequestModel, ResponseModel, Text, Using
from domain.access import Scope

router = APIRouter(prefix="/v1/frequency-caps", tags=["Frequency caps"], dependencies=[Depends(allow(Scope.READ))])


class CapsRequest(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "file": "caps.yaml",
                "source": "rules:\n  - {name: weekly, limit: 3, per: calendar_week, min_gap: 4h}\n",
            },
        }
    )

    file: FileName
    source: Annotated[Text, Field(description="the document, YAML")]


class Caps(ResponseModel):
    version: int
    source: str
    rules: list[dict[str, Any]] = Field(
        description="as the document has them",
        examples=[[{"name": "weekly", "limit": 3, "per": "calendar_week", "min_gap": "4h"}]],
    )


@router.get("")
async def get_caps(services: Using) -> Caps:
    """The rules in force."""
    return Caps.model_validate(await services.caps.get())


@router.put("")
async def put_caps(request: CapsRequest, services: Using, by: Operator) -> Caps:
    """Replace the rules. They hold for every message from now on."""
    return Caps.model_validate(await services.caps.put(request.source, request.file, by=by))
