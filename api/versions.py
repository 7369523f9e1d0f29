"""Published versions of a campaign."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from msgspec import Meta
from pydantic import Field

from api.auth import allow
from api.dependencies import CampaignKey, ResponseModel, Using, example
from api.entity_tags import Tagged
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.plans import Change
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


class VersionChanges(ResponseModel):
    model_config = example(
        {
            "before": 2,
            "after": 3,
            "changes": [
                {
                    "kind": "changed",
                    "what": "step",
                    "name": "nudge",
                    "field": "send.expires",
                    "before": "6h",
                    "after": "2h",
                    "text": "step nudge: send.expires was 6h and is 2h",
                }
            ],
        }
    )

    before: int
    after: int
    changes: list[Change] = Field(description="as a plan tells them: of the document, its steps and templates")


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


@router.get("/{number}/changes", responses=refusals(NotFoundError))
async def compare_versions(
    key: CampaignKey,
    number: Annotated[int, Path(ge=1, le=MAX_VERSION, examples=[3])],
    services: Using,
    tag: Tagged,
    before: Annotated[int, Query(alias="from", ge=1, le=MAX_VERSION, examples=[2], description="the version before")],
) -> VersionChanges:
    """The changes from one version to another. They never change."""
    changes = await services.versions.compare(key, before, number)
    tag.set(number, before)
    return VersionChanges(before=before, after=number, changes=[Change.model_validate(change) for change in changes])
