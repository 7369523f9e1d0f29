"""Settings of the deployment for pages: nothing about a person."""

from typing import Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.auth import allow
from api.client.callers import ClientRoute
from api.dependencies import ResponseModel, Using, example
from api.entity_tags import Tagged
from domain.access import Scope
from domain.tracking.page_triggers import OncePer, PageTriggerKind

router = APIRouter(
    prefix="/v1/client/settings",
    tags=["Client"],
    dependencies=[Depends(allow(Scope.CLIENT))],
    route_class=ClientRoute,
)

# How long after a campaign starts a page may not yet know what to report.
MAX_AGE_SECONDS: Final = 30
# Between two messages that interrupt, where their templates name no other time.
SECONDS_BETWEEN: Final = 30

_TRIGGER: dict[str, Any] = {
    "event": "Pricing Studied",
    "kind": "dwell",
    "where": ["/pricing"],
    "element": "#plans",
    "seconds": 5,
    "percent": None,
    "once_per": "session",
    "properties": {},
}


class PageTrigger(ResponseModel):
    model_config = example(_TRIGGER)

    event: str = Field(description="the event to track")
    kind: PageTriggerKind = Field(description="the occasion")
    where: list[str] = Field(description="patterns of addresses; all pages if empty")
    element: str | None = Field(description="a selector of CSS")
    seconds: int | None
    percent: int | None = Field(description="of the page scrolled")
    once_per: OncePer = Field(description="how often at most")
    properties: dict[str, Any] = Field(description="of the event")


class ClientSettings(ResponseModel):
    model_config = example({"triggers": [_TRIGGER], "between": SECONDS_BETWEEN})

    triggers: list[PageTrigger] = Field(description="the page triggers whose event a rule in force names")
    between: int = Field(description="seconds between two messages that interrupt, if a message names no other time")


@router.get("")
async def get_client_settings(response: Response, services: Using, tag: Tagged) -> ClientSettings:
    """Return the events that a page is to report by itself.

    They are the same for all visitors.
    """
    found = ClientSettings(
        triggers=[PageTrigger.model_validate(one) for one in await services.page_triggers.list_heard()],
        between=SECONDS_BETWEEN,
    )
    response.headers["Cache-Control"] = f"private, max-age={MAX_AGE_SECONDS}"
    tag.set(1, found.model_dump())
    return found
