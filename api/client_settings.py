"""Settings of the deployment for pages: nothing about a person."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from pydantic import Field

from api.auth import Documented, admit_page, require, verify_write_key, write_key
from api.dependencies import ResponseModel, Using, example
from api.entity_tags import Tag, is_known
from api.problems import refusals
from domain.access import Scope
from domain.errors import (
    ForbiddenError,
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
)
from domain.tracking.page_triggers import OncePer, PageTriggerKind

router = APIRouter(tags=["Client"])

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


@router.get(
    "/v1/client/settings",
    responses=refusals(
        UnauthorizedError,
        ForbiddenError,
        InvalidRequestError,
        RateLimitedError,
        UnavailableError,
        OverloadedError,
        SojournError,
    ),
    openapi_extra={"x-scope": Scope.INGEST.value},
    response_model=ClientSettings,
)
async def get_client_settings(
    request: Request,
    response: Response,
    services: Using,
    _documented: Documented,
    if_none_match: Annotated[str | None, Header(max_length=1024, examples=['"1"'])] = None,
) -> ClientSettings | Response:
    """Return the events that a page is to report by itself.

    The key is that of a browser, in `X-Write-Key`. The answer is the same for all visitors.

    Scope: `ingest`.
    """
    access = await verify_write_key(request, write_key(request))
    require(access, Scope.INGEST)
    admit_page(request, access, for_pages_only=True)
    found = ClientSettings(
        triggers=[PageTrigger.model_validate(one) for one in await services.page_triggers.list_heard()],
        between=SECONDS_BETWEEN,
    )
    response.headers["Cache-Control"] = f"private, max-age={MAX_AGE_SECONDS}"
    Tag(response).set(1, found.model_dump())
    if if_none_match is not None and is_known(if_none_match, response.headers["ETag"]):
        return Response(status_code=304, headers=response.headers)
    return found
