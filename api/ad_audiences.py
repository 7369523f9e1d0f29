"""An audience at an ad platform: its people, and the last requests."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(
    prefix="/v1/audiences", tags=["Audiences"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_NUMBERS: dict[str, Any] = {"wanted": 1200, "sent": 1180, "pending": 21, "failed": 3, "without_address": 14}
_UPLOAD: dict[str, Any] = {
    "action": "add",
    "people": 40,
    "invalid": 3,
    "state": "done",
    "request_id": None,
    "detail": "",
    "at": "2026-11-22T08:00:00Z",
}


class AdAudienceNumbers(ResponseModel):
    model_config = example(_NUMBERS)

    wanted: int = Field(description="are to be in it")
    sent: int = Field(description="wanted, and the platform has taken them")
    pending: int = Field(description="wait to be added or removed")
    failed: int = Field(description="wanted, and the platform has refused them")
    without_address: int = Field(description="would be wanted, and have nothing that the platform knows people by")


class AdUpload(ResponseModel):
    """A request to the platform."""

    model_config = example(_UPLOAD)

    action: Literal["add", "remove"]
    people: int
    invalid: int = Field(description="those that the platform could not read")
    state: Literal["processing", "done", "failed"]
    request_id: str | None = Field(description="the platform's own, where it works on the request later")
    detail: str = Field(description="what failed")
    at: datetime


class AdAudience(ResponseModel):
    model_config = example(
        {
            "name": "trial-unused",
            "provider": "meta",
            "id": "120210000000000000",
            "mirror": None,
            "identifiers": ["email"],
            "numbers": _NUMBERS,
            "flushed_at": "2026-11-22T08:00:00Z",
            "next_flush_at": "2026-11-22T08:01:00Z",
            "failure": None,
            "failed_at": None,
            "uploads": [_UPLOAD],
        }
    )

    name: str
    provider: str
    id: str = Field(description="at the platform")
    mirror: str | None = Field(description="the segment that fills it; null if steps do")
    identifiers: list[str]
    numbers: AdAudienceNumbers
    flushed_at: datetime | None = Field(description="when the platform last took what was due")
    next_flush_at: datetime = Field(description="the next flush, if anything is due then")
    failure: str | None = Field(description="why the last flush failed; null if it did not")
    failed_at: datetime | None
    uploads: list[AdUpload] = Field(description="the last requests, the newest first")


@router.get("/{name}", responses=refusals(NotFoundError))
async def get_audience(
    name: Annotated[TextField, Path(max_length=255, examples=["trial-unused"])], services: Using
) -> AdAudience:
    """An audience: how many people are wanted in it, and what the platform has."""
    return AdAudience.model_validate(await services.ad_audiences.get(name))
