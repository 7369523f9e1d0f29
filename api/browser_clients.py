"""The paths that the scripts of web pages ask besides the tracking routes.

Sources: @segment/analytics-next 1.84.3 (browser/index.js, core/stats/remote-metrics.js) and @rudderstack/analytics-js
3.34.1 (`getSourceConfigURL`, `isValidSourceConfig`).
"""

from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request, Response

from api.auth import Documented, admit_page, require, verify_write_key, write_key
from api.dependencies import ResponseModel, TextField, example
from api.problems import refusals
from domain.access import Scope
from domain.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
)

router = APIRouter(tags=["Browsers"])

PATHS: Final = ("/v1/projects/{key}/settings", "/sourceConfig", "/v1/m")

_REFUSALS = (InvalidRequestError, ForbiddenError, RateLimitedError, UnavailableError, OverloadedError, SojournError)
_KEY = "sj_9f86d081884c7d65_" + "0" * 64
_SEGMENT: dict[str, Any] = {
    "integrations": {"Segment.io": {"apiKey": _KEY, "apiHost": "journeys.example/v1", "protocol": "https"}},
    "plan": {},
    "metrics": {"sampleRate": 0},
}
_RUDDER: dict[str, Any] = {
    "source": {
        "id": "9f86d081884c7d65",
        "name": "shop",
        "writeKey": _KEY,
        "enabled": True,
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "destinations": [],
        "dataplanes": {},
        "workspaceId": "sojourn",
    },
}


class SegmentSettings(ResponseModel):
    model_config = example(_SEGMENT)

    integrations: dict[str, Any]
    plan: dict[str, Any]
    metrics: dict[str, Any]


class SourceConfig(ResponseModel):
    model_config = example(_RUDDER)

    source: dict[str, Any]


@router.get("/v1/projects/{key}/settings", responses=refusals(NotFoundError, *_REFUSALS))
async def get_settings(
    key: Annotated[TextField, Path(max_length=255, examples=[_KEY])], request: Request, response: Response
) -> SegmentSettings:
    """Return the settings that analytics.js loads for a browser key.

    They name this API as the place to report to, and no other service.
    """
    try:
        access = await verify_write_key(request, key.encode())
    except UnauthorizedError as error:
        raise NotFoundError("there is no such browser key") from error
    admit_page(request, access, for_pages_only=True)
    response.headers["Cache-Control"] = "public, max-age=300"
    public_url = urlsplit(request.app.state.public_url)
    host = f"{public_url.netloc}{public_url.path.rstrip('/')}/v1"
    return SegmentSettings(
        integrations={"Segment.io": {"apiKey": key, "apiHost": host, "protocol": public_url.scheme}},
        plan={},
        # Its measurements of itself.
        metrics={"sampleRate": 0},
    )


@router.get(
    "/sourceConfig",
    responses=refusals(UnauthorizedError, *_REFUSALS),
    openapi_extra={"x-scope": Scope.INGEST.value},
)
async def get_source_config(
    request: Request,
    response: Response,
    _documented: Documented,
    _key: Annotated[TextField | None, Query(alias="writeKey", max_length=255, examples=[_KEY])] = None,
) -> SourceConfig:
    """Return the configuration of a browser key, as RudderStack's script asks for it.

    The key is in the query, or the user name of Basic authorization.

    Scope: `ingest`.
    """
    key = write_key(request) or b""
    access = await verify_write_key(request, key)
    require(access, Scope.INGEST)
    admit_page(request, access, for_pages_only=True)
    response.headers["Cache-Control"] = "private, max-age=300"
    about = {"id": access.actor.id, "name": access.actor.name, "writeKey": key.decode("latin-1")}
    source = {**_RUDDER["source"], **about}
    return SourceConfig(source=source)


@router.post("/v1/m", status_code=204, responses=refusals(OverloadedError, SojournError))
async def drop_metrics() -> None:
    """Take the measurements that analytics.js makes of itself, and drop them."""
