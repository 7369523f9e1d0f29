"""Publish campaigns, look at them, and start, pause, resume, stop and archive them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field

from api.auth import Operator, allow
from api.dependencies import CampaignKey, FileName, RequestModel, ResponseModel, Text, Using
from domain.access import Scope

router = APIRouter(prefix="/v1/campaigns", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))])


class PublishRequest(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "file": "abandoned-cart.yaml",
                "source": "key: abandoned-cart\nname: Abandoned cart\nentry: {event: Cart Abandoned}\nsteps: []\n",
                "templates": {"cart-nudge.liquid": "---\nsubject: Your cart\n---\nStill interested?"},
            }
        }
    )

    file: FileName
    source: Annotated[Text, Field(description="the campaign document, YAML")]
    templates: Annotated[dict[Text, Text], Field(description="file name to text of the templates that its steps name")]


class PublishWarning(ResponseModel):
    """What a document may not have meant, and what would be right if so."""

    file: str
    line: int
    path: str = Field(examples=["steps[1].send.expires"])
    message: str
    suggestion: str


class PublishedVersion(ResponseModel):
    key: str
    version: int
    created: bool = Field(description="false where the latest version is the same already")
    warnings: list[PublishWarning] = Field(description="what is worth a second look; it is published all the same")


class StartRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"version": 2, "in_flight": "migrate"}})

    version: Annotated[int, Field(ge=1, description="the latest one, if left out")] | None = None
    in_flight: Annotated[
        Literal["keep", "migrate", "exit"],
        Field(
            description="what becomes of the journeys on other versions: they finish there, go on at the step of the "
            "same id, or are over"
        ),
    ] = "keep"


class StopRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"mode": "exit"}})

    mode: Annotated[
        Literal["drain", "exit"], Field(description="the journeys under way finish, or are over from now on")
    ] = "drain"


class Campaign(ResponseModel):
    key: str
    name: str
    stage: str | None = Field(description="the lifecycle stage that it serves")
    state: str = Field(
        examples=["running"], description="draft, scheduled, running, paused, stopping, ended or archived"
    )
    running_version: int | None
    latest_version: int
    revision: int = Field(description="changes with whatever is changed of the campaign")
    active_journeys: int
    total_journeys: int
    operations: list[UUID] = Field(description="those that are not finished")
    updated_at: datetime


class CampaignList(ResponseModel):
    campaigns: list[Campaign]


@router.post("", status_code=201, responses={200: {"model": PublishedVersion, "description": "Nothing has changed"}})
async def publish(request: PublishRequest, response: Response, services: Using, by: Operator) -> PublishedVersion:
    """Check a document and make it an immutable version. A bad one is refused with all of its problems at once."""
    published = PublishedVersion.model_validate(
        await services.campaigns.publish(request.source, request.file, request.templates, by=by)
    )
    if not published.created:
        response.status_code = 200
    return published


@router.get("")
async def list_campaigns(services: Using) -> CampaignList:
    """All campaigns."""
    return CampaignList(campaigns=[Campaign.model_validate(each) for each in await services.campaigns.list()])


@router.get("/{key}")
async def get_campaign(key: CampaignKey, services: Using) -> Campaign:
    """One campaign."""
    return Campaign.model_validate(await services.campaigns.get(key))


@router.post("/{key}/start")
async def start(key: CampaignKey, services: Using, by: Operator, request: StartRequest | None = None) -> Campaign:
    """Let events start journeys of this campaign, once its schedule begins."""
    wanted = request or StartRequest()
    return Campaign.model_validate(
        await services.campaigns.start(key, wanted.version, in_flight=wanted.in_flight, by=by)
    )


@router.post("/{key}/pause")
async def pause(key: CampaignKey, services: Using, by: Operator) -> Campaign:
    """Hold every message of this campaign, at once and for all of its journeys."""
    return Campaign.model_validate(await services.campaigns.pause(key, by=by))


@router.post("/{key}/resume")
async def resume(key: CampaignKey, services: Using, by: Operator) -> Campaign:
    """Let a paused campaign go on; the journeys that were held do so at a rate."""
    return Campaign.model_validate(await services.campaigns.resume(key, by=by))


@router.post("/{key}/stop")
async def stop(key: CampaignKey, services: Using, by: Operator, request: StopRequest | None = None) -> Campaign:
    """Start no more journeys. With `exit` nothing of the campaign is sent from now on."""
    wanted = request or StopRequest()
    return Campaign.model_validate(await services.campaigns.stop(key, wanted.mode, by=by))


@router.post("/{key}/archive")
async def archive(key: CampaignKey, services: Using, by: Operator) -> Campaign:
    """Put a campaign away for good that has ended, or was never begun."""
    return Campaign.model_validate(await services.campaigns.archive(key, by=by))
