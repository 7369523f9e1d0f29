"""Plan a document's changes to its campaign, and apply exactly those."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.approvals import Approval
from api.auth import Author, MayStart, allow
from api.campaigns import FallbackLanguage, PublishRequest, PublishWarning
from api.dependencies import CampaignKey, ResponseModel, TextField, Using, example
from api.problems import refusals
from api.routes import Route
from application.plans import Document
from domain.access import Scope
from domain.campaign.life import CampaignState
from domain.errors import ConflictError, InvalidDocumentError, PlanOutdatedError

router = APIRouter(
    prefix="/v1/campaigns/{key}", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

HASH = f"running-1-1-{'0' * 32}"
EXAMPLE: dict[str, Any] = {
    "file": "abandoned-cart.yaml",
    "source": "key: abandoned-cart\nname: Abandoned cart\nentry: {event: Cart Abandoned}\nsteps: [{exit: done}]\n",
    "templates": {},
    "in_flight": "migrate",
}


class PlanRequest(PublishRequest):
    model_config = example(EXAMPLE)

    in_flight: Annotated[
        Literal["keep", "migrate", "exit"],
        Field(
            description="what becomes of the journeys on other versions: they finish there, go on at the step of the "
            "same id, or are over"
        ),
    ] = "keep"

    def document(self) -> Document:
        """Return the document as use cases take it."""
        return Document(self.source, self.file, self.templates, self.in_flight)


class ApplyRequest(PlanRequest):
    model_config = example({**EXAMPLE, "plan": HASH})

    plan: Annotated[
        TextField | None,
        Field(max_length=200, description="the `hash` of the plan; where that is outdated, nothing is done"),
    ] = None
    wait_for_approval: Annotated[
        bool, Field(description="users enter by it once another person has approved it, however few it may reach")
    ] = False

    def document_of(self, *, may_start: bool) -> Document:
        """Return the document of an author who may start campaigns, or may not."""
        return replace(self.document(), wait_for_approval=self.wait_for_approval or not may_start)


class Change(ResponseModel):
    """One change between two versions."""

    kind: Literal["added", "removed", "moved", "changed"]
    what: Literal["step", "template", "document"]
    name: str | None = Field(examples=["nudge"], description="the step's id or the template's file")
    field: str | None = Field(examples=["send.expires"], description="null where it is the whole")
    before: Any = Field(examples=["6h"])
    after: Any = Field(examples=["2h"])
    text: str = Field(examples=["step nudge: send.expires was 6h and is 2h"])


class InFlight(ResponseModel):
    """Open journeys of a version at a step, and how they continue."""

    version: int
    step: str | None = Field(description="null where they have yet to begin, or to say where they are")
    journeys: int
    fate: Literal["stays", "migrates", "exits", "undecided"]
    reason: str | None = Field(
        examples=["step_removed"],
        description="why they stay: step_removed, kind_changed, repetition_changed, entry_account_changed or "
        "entry_key_changed; of those undecided: acting or not_known",
    )


class Totals(ResponseModel):
    stays: int
    migrates: int
    exits: int
    undecided: int = Field(
        description="they are in the middle of something: they migrate where they rest next, or stay"
    )


PLAN: dict[str, Any] = {
    "campaign": "abandoned-cart",
    "state": "running",
    "running_version": 1,
    "next_version": 2,
    "is_new": True,
    "takes_effect": True,
    "compared_with": 1,
    "changes": [
        {
            "kind": "changed",
            "what": "step",
            "name": "nudge",
            "field": "send.expires",
            "before": "6h",
            "after": "2h",
            "text": "step nudge: send.expires was 6h and is 2h",
        },
        {
            "kind": "removed",
            "what": "step",
            "name": "offer",
            "field": None,
            "before": "after nudge",
            "after": None,
            "text": "step offer is gone",
        },
    ],
    "in_flight": [
        {"version": 1, "step": "nudge", "journeys": 108, "fate": "migrates", "reason": None},
        {"version": 1, "step": "offer", "journeys": 12, "fate": "stays", "reason": "step_removed"},
    ],
    "totals": {"stays": 12, "migrates": 108, "exits": 0, "undecided": 0},
    "audience": None,
    "fallback_languages": [],
    "approval": {"people": 12000, "above": 10000},
    "warnings": [],
    "hash": HASH,
}


class AudienceSample(ResponseModel):
    """A sample of the document's audience over the first known profiles."""

    profiles: int = Field(description="how many were looked at: at most 500, fewer where the condition takes long")
    in_audience: int
    not_in_audience: int
    not_evaluated: int = Field(description="people for which the condition cannot be evaluated: they do not enter")
    missing: dict[str, int] = Field(
        examples=[{"profile.traits.plan": 127}], description="of those not evaluated, by what their data lacks"
    )


class ForeseenApproval(ResponseModel):
    """The approval of another person that users would wait for."""

    people: int = Field(description="how many it may reach at most")
    above: int = Field(description="an approval is needed beyond so many (`SOJOURN_APPROVAL_ABOVE`)")


class CampaignPlan(ResponseModel):
    model_config = example(PLAN)

    campaign: str
    state: CampaignState | None = Field(description="null of a campaign that is not there yet")
    running_version: int | None
    next_version: int = Field(description="the version that holds the document")
    is_new: bool = Field(description="false where the latest version is the same already")
    takes_effect: bool = Field(description="false where the campaign lets no users in: it is only published")
    compared_with: int | None = Field(description="the version that runs, else the latest")
    changes: list[Change]
    in_flight: list[InFlight] = Field(description="the journeys on other versions than the next")
    totals: Totals
    audience: AudienceSample | None = Field(description="null where the document has none")
    fallback_languages: list[FallbackLanguage] = Field(
        description="how many people get another language than their own, of those who were looked at"
    )
    approval: ForeseenApproval | None = Field(description="null if users would enter by it at once")
    warnings: list[PublishWarning]
    hash: str = Field(examples=[HASH], description="pass it to `apply` as `plan`")


APPLIED: dict[str, Any] = {
    "version": 2,
    "created": True,
    "campaign": "abandoned-cart",
    "state": "running",
    "operation": "01a2018a-1b1c-7d3e-8f4a-5b6c7d8e9f0a",
    "approval": None,
    "plan": PLAN,
}


class Applied(ResponseModel):
    model_config = example(APPLIED)

    version: int
    created: bool
    campaign: str
    state: CampaignState
    operation: UUID | None = Field(
        description="what moves or ends the journeys on other versions; null if nothing does"
    )
    approval: Approval | None = Field(
        description="what another person has to approve before users enter by the version; null if nothing waits"
    )
    plan: CampaignPlan


MAY_WAIT = "Published; users enter by it once another person has approved it, as `approval` says."


@router.post("/plan", responses=refusals(ConflictError, InvalidDocumentError))
async def plan(key: CampaignKey, request: PlanRequest, services: Using) -> CampaignPlan:
    """The changes of a document, step by step, and the users that stay, migrate, exit."""
    return CampaignPlan.model_validate(await services.plans.plan(key, request.document()))


@router.post(
    "/apply",
    responses={
        202: {"model": Applied, "description": MAY_WAIT},
        **refusals(ConflictError, PlanOutdatedError, InvalidDocumentError),
    },
)
async def apply(
    key: CampaignKey, request: ApplyRequest, response: Response, services: Using, by: Author, may_start: MayStart
) -> Applied:
    """Publish a document and start it, if the plan holds; else 409 `plan_outdated`.

    With a key of scope `author` alone, the start waits for another person.
    """
    document = request.document_of(may_start=may_start)
    applied = await services.plans.apply(key, document, planned=request.plan, by=by)
    if applied.approval is not None:
        response.status_code = 202
    return Applied.model_validate(applied)
