"""Published versions of a campaign."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from msgspec import Meta

from api.auth import allow
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.entity_tags import Tagged
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(
    prefix="/v1/campaigns/{key}/versions",
    tags=["Campaigns"],
    dependencies=[Depends(allow(Scope.READ))],
    route_class=Route,
)

_HEAD: dict[str, Any] = {
    "version": 3,
    "name": "Abandoned cart",
    "stage": "conversion",
    "file": "abandoned-cart.yaml",
    "published_at": "2026-11-01T10:00:00Z",
}
_TEXTS: dict[str, Any] = {
    "source": "key: abandoned-cart\nname: Abandoned cart\nentry: {event: Cart Abandoned}\nsteps: []\n",
    "templates": {},
}
MAX_VERSION = 2**31 - 1
VersionNumber = Annotated[int, Meta(ge=0, le=MAX_VERSION)]


class VersionHead(ResponseModel):
    model_config = example(_HEAD)

    version: int
    name: str
    stage: str | None
    file: str
    published_at: datetime


class Version(VersionHead):
    model_config = example({**_HEAD, **_TEXTS})

    source: str
    templates: dict[str, str]


class VersionList(ResponseModel):
    model_config = example({"versions": [_HEAD], "next": None})

    versions: list[VersionHead]
    next: str | None


@router.get("", responses=refusals(NotFoundError))
async def list_versions(
    key: CampaignKey, services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> VersionList:
    """The versions of a campaign, the newest first, without their texts."""
    rows = await services.versions.list(key, limit=limit + 1, after=position(after, VersionNumber))
    versions, next = cut(rows, limit, lambda version: version.version)
    return VersionList(versions=[VersionHead.model_validate(version) for version in versions], next=next)


@router.get("/{number}", responses=refusals(NotFoundError))
async def get_version(
    key: CampaignKey,
    number: Annotated[int, Path(ge=1, le=MAX_VERSION, examples=[3])],
    services: Using,
    tag: Tagged,
) -> Version:
    """One version with its document and templates. It never changes."""
    version = Version.model_validate(await services.versions.get(key, number))
    tag.set(version.version)
    return version
