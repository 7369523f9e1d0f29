"""Publish, show, start, pause, resume, stop and archive campaigns."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.approvals import Approval
from api.auth import Author, Operator, allow
from api.dependencies import WHOLE, CampaignKey, FileName, RequestModel, ResponseModel, TextField, Using, example
from api.entity_tags import IfMatch, Tag, Tagged
from api.estimates import NumberEstimate
from api.pages import After, LimitOrAll, cut_or_all, one_more, position
from api.problems import refusals
from api.routes import Route
from application.campaigns import CampaignView
from domain.access import Scope
from domain.campaign.life import CampaignState
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError

router = APIRouter(
    prefix="/v1/campaigns", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)


class PublishRequest(RequestModel):
    model_config = example(
        {
            "file": "abandoned-cart.yaml",
            "source": "key: abandoned-cart\nname: Abandoned cart\nentry: {event: Cart Abandoned}\n"
            "steps:\n  - {id: cool-off, delay: 30m}\n  - {id: nudge, send: {channel: email, template: cart-nudge}}\n",
            "templates": {
                "cart-nudge.liquid": "---\nchannel: email\nfrom: Example Shop <hello@example.com>\nsubject: Your cart\n"
                "text: Still interested?\n---\n<p>Still interested?</p>\n"
            },
        }
    )

    file: FileName
    source: Annotated[TextField, Field(description="the campaign document, YAML")]
    templates: Annotated[
        dict[TextField, TextField], Field(description="file name to text of the templates that its steps name")
    ]


class PublishWarning(ResponseModel):
    """A doubtful place of a document, with a remedy."""

    file: str
    line: int
    path: str = Field(examples=["steps[1].send.expires"])
    message: str
    suggestion: str


class FallbackLanguage(ResponseModel):
    """The people of a language that a template is not written in."""

    template: str = Field(examples=["cart-nudge"])
    language: str = Field(examples=["pt"])
    gets: str | None = Field(examples=["en"], description="the `language` of the default; null if it says none")
    people: NumberEstimate
    summary: str = Field(examples=["1,204 of 20,000 people speak `pt`: of cart-nudge they would get `en`"])


class PublishedVersion(ResponseModel):
    model_config = example(
        {"key": "abandoned-cart", "version": 3, "created": True, "warnings": [], "fallback_languages": []}
    )

    key: str
    version: int
    created: bool = Field(description="false where the latest version is the same already")
    warnings: list[PublishWarning] = Field(description="what is worth a second look; it is published all the same")
    fallback_languages: list[FallbackLanguage] = Field(
        description="how many people get another language than their own, of those who were looked at"
    )


class StartRequest(RequestModel):
    model_config = example({"version": 2, "in_flight": "migrate"})

    version: Annotated[int, Field(ge=1, description="the latest one, if left out"), WHOLE] | None = None
    in_flight: Annotated[
        Literal["keep", "migrate", "exit"],
        Field(
            description="what becomes of the journeys on other versions: they finish there, go on at the step of the "
            "same id, or are over"
        ),
    ] = "keep"


class StopRequest(RequestModel):
    model_config = example({"mode": "exit"})

    mode: Annotated[
        Literal["drain", "exit"], Field(description="the journeys under way finish, or are over from now on")
    ] = "drain"


_MOVED: dict[str, Any] = {
    "key": "abandoned-cart",
    "name": "Abandoned cart",
    "stage": "conversion",
    "state": "running",
    "running_version": 3,
    "latest_version": 3,
    "revision": 7,
    "operations": [],
    "approval": None,
    "updated_at": "2026-11-01T10:00:00Z",
}
_CAMPAIGN: dict[str, Any] = {**_MOVED, "active_journeys": 120, "total_journeys": 4711}


class MovedCampaign(ResponseModel):
    model_config = example(_MOVED)

    key: str
    name: str
    stage: str | None = Field(description="the lifecycle stage that it serves")
    state: CampaignState = Field(
        examples=["running"], description="draft, scheduled, running, paused, stopping, ended or archived"
    )
    running_version: int | None
    latest_version: int
    revision: int = Field(description="changes with whatever is changed of the campaign")
    operations: list[UUID] = Field(description="those that are not finished")
    approval: Approval | None = Field(description="the latest change of it that waits for another person")
    updated_at: datetime


class Campaign(MovedCampaign):
    model_config = example(_CAMPAIGN)

    active_journeys: int
    total_journeys: int


class CampaignList(ResponseModel):
    model_config = example({"campaigns": [_CAMPAIGN], "next": None})

    campaigns: list[Campaign] = Field(description="by key")
    next: str | None = Field(description="pass it as `after` for the following ones; null at the end")


_REFUSALS = refusals(NotFoundError, ConflictError)
_MAY_WAIT: dict[int | str, dict[str, Any]] = {
    202: {
        "model": MovedCampaign,
        "description": "It waits for another person, as `approval` says: nothing has changed yet.",
    },
    **_REFUSALS,
}


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": PublishedVersion, "description": "Nothing has changed"},
        **refusals(ConflictError, InvalidDocumentError),
    },
)
async def publish(
    request: PublishRequest, response: Response, services: Using, by: Author, if_match: IfMatch
) -> PublishedVersion:
    """Publish a document as an immutable version, or refuse it with all problems."""
    published = PublishedVersion.model_validate(
        await services.campaigns.publish(request.source, request.file, request.templates, if_match=if_match, by=by)
    )
    if not published.created:
        response.status_code = 200
    return published


@router.get("")
async def list_campaigns(services: Using, limit: LimitOrAll = None, after: After = None) -> CampaignList:
    """All campaigns by key."""
    rows = await services.campaigns.list(after=position(after, str), limit=one_more(limit))
    found, next = cut_or_all(rows, limit, lambda campaign: campaign.key)
    return CampaignList(campaigns=[Campaign.model_validate(each) for each in found], next=next)


@router.get("/{key}", responses=refusals(NotFoundError))
async def get_campaign(key: CampaignKey, services: Using, tag: Tagged) -> Campaign:
    """One campaign."""
    campaign = Campaign.model_validate(await services.campaigns.get(key))
    # Numbers of journeys and operations change without a change of the campaign.
    approval = None if campaign.approval is None else campaign.approval.id
    tag.set(campaign.revision, campaign.active_journeys, campaign.total_journeys, campaign.operations, approval)
    return campaign


@router.post("/{key}/start", responses=_MAY_WAIT)
async def start(
    key: CampaignKey,
    response: Response,
    services: Using,
    by: Operator,
    if_match: IfMatch,
    tag: Tagged,
    request: StartRequest | None = None,
) -> MovedCampaign:
    """Let events start journeys of this campaign, within its schedule."""
    wanted = request or StartRequest()
    view = await services.campaigns.start(key, wanted.version, in_flight=wanted.in_flight, if_match=if_match, by=by)
    return _moved_or_waiting(view, tag, response)


@router.post("/{key}/request-start", responses=_MAY_WAIT)
async def request_start(
    key: CampaignKey,
    response: Response,
    services: Using,
    by: Author,
    if_match: IfMatch,
    tag: Tagged,
    request: StartRequest | None = None,
) -> MovedCampaign:
    """Request a start that waits for another person, however few people it may reach.

    It changes nothing of a version that users enter already.
    """
    wanted = request or StartRequest()
    view = await services.campaigns.start(
        key, wanted.version, in_flight=wanted.in_flight, wait_for_approval=True, if_match=if_match, by=by
    )
    return _moved_or_waiting(view, tag, response)


@router.post("/{key}/pause", responses=_REFUSALS)
async def pause(key: CampaignKey, services: Using, by: Operator, if_match: IfMatch, tag: Tagged) -> MovedCampaign:
    """Hold every message of this campaign, at once and for all of its journeys."""
    return _moved_response(await services.campaigns.pause(key, if_match=if_match, by=by), tag)


@router.post("/{key}/resume", responses=_MAY_WAIT)
async def resume(
    key: CampaignKey, response: Response, services: Using, by: Operator, if_match: IfMatch, tag: Tagged
) -> MovedCampaign:
    """Resume a paused campaign; its held journeys continue at a rate."""
    return _moved_or_waiting(await services.campaigns.resume(key, if_match=if_match, by=by), tag, response)


@router.post("/{key}/stop", responses=_REFUSALS)
async def stop(
    key: CampaignKey, services: Using, by: Operator, if_match: IfMatch, tag: Tagged, request: StopRequest | None = None
) -> MovedCampaign:
    """Start no more journeys. With `exit`, nothing more of the campaign is sent."""
    wanted = request or StopRequest()
    return _moved_response(await services.campaigns.stop(key, wanted.mode, if_match=if_match, by=by), tag)


@router.post("/{key}/archive", responses=_REFUSALS)
async def archive(key: CampaignKey, services: Using, by: Operator, if_match: IfMatch, tag: Tagged) -> MovedCampaign:
    """Archive an ended campaign, or one that never started, for good."""
    return _moved_response(await services.campaigns.archive(key, if_match=if_match, by=by), tag)


def _moved_or_waiting(view: CampaignView, tag: Tag, response: Response) -> MovedCampaign:
    if view.approval is not None:
        response.status_code = 202
    return _moved_response(view, tag)


def _moved_response(view: CampaignView, tag: Tag) -> MovedCampaign:
    campaign = MovedCampaign.model_validate(view)
    tag.set(campaign.revision, campaign.operations)
    return campaign
