"""The HTTP application: routes, refusals and limits over the services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from typing import Any, Final

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

import wiring
from api import (
    accounts,
    ad_audiences,
    apply,
    approvals,
    attachments,
    audit,
    backtests,
    browser_clients,
    callbacks,
    campaign_graphs,
    campaigns,
    console,
    console_frame,
    console_login,
    console_oidc,
    console_sessions,
    data_plan,
    deliverability,
    deployment_documents,
    devices,
    document_graphs,
    erasures,
    funnel,
    health,
    holds,
    imports,
    incoming_mails,
    journeys,
    keys,
    lifecycle,
    live_events,
    mcp_endpoint,
    message_counts,
    message_lists,
    message_retries,
    message_templates,
    messages,
    non_sends,
    operations,
    page_scripts,
    plans,
    previews,
    problems,
    push_reports,
    reach,
    recipient_links,
    reconciliations,
    reference,
    rejects,
    rfm,
    schemas,
    segment_insights,
    segment_members,
    segments,
    sources,
    stream,
    surveys,
    tracking,
    user_merges,
    user_profiles,
    user_segments,
    users,
    versions,
    what_if,
)
from api.admission import REQUESTS_A_CONNECTION, Admission
from api.client import devices as client_devices
from api.client import messages as client_messages
from api.client import preferences as client_preferences
from api.client import reactions as client_reactions
from api.client import settings as client_settings
from api.client import slots as client_slots
from api.client.callers import CLIENT_PATHS
from api.client.open_streams import OpenStreams
from api.client.slots import LookUpPlaces
from api.console import ConsoleFiles
from api.cors import Cors
from api.countries import Countries
from api.dependencies import EXAMPLE
from api.limits import RateLimits
from api.live_viewers import LiveViewers
from api.recipient_pages import confirm, preferences, survey, unsubscribe
from api.request_metrics import RequestMetrics
from api.route_index import RouteIndex
from api.script_builds import ScriptBuilds
from api.tracking_paths import TrackingPaths
from domain.origins import list_own_origins
from domain.tracking.identifiers import Placeholders
from settings import Settings

# The share of connections that may be streams.
SHARE_OF_STREAMS: Final = 2

OpenServices = Callable[[Settings], AbstractAsyncContextManager[wiring.Services]]

_log = structlog.get_logger(__name__)

# Those that are called most come first: a request is compared with each route until it meets its own.
_MODULES = (
    callbacks,
    tracking,
    client_messages,
    client_reactions,
    client_slots,
    client_devices,
    client_preferences,
    client_settings,
    messages,
    browser_clients,
    incoming_mails,
    rejects,
    campaigns,
    versions,
    message_templates,
    plans,
    apply,
    approvals,
    reach,
    operations,
    journeys,
    message_retries,
    campaign_graphs,
    document_graphs,
    non_sends,
    message_counts,
    message_lists,
    funnel,
    surveys,
    lifecycle,
    rfm,
    users,
    what_if,
    user_segments,
    user_merges,
    erasures,
    devices,
    user_profiles,
    holds,
    accounts,
    attachments,
    segment_insights,
    imports,
    deployment_documents,
    ad_audiences,
    previews,
    deliverability,
    segments,
    segment_members,
    keys,
    console_login,
    console_oidc,
    console_sessions,
    audit,
    reconciliations,
    backtests,
    stream,
    live_events,
    sources,
    data_plan,
    unsubscribe,
    preferences,
    confirm,
    survey,
    recipient_links,
    push_reports,
    page_scripts,
    schemas,
    # Before the console, which answers at each address below its own.
    console_frame,
    console,
    mcp_endpoint,
    reference,
    health,
)

_DESCRIPTION = """
Durable customer journeys. Report what users do with the **tracking** routes, which any client of the Segment spec
speaks; publish and start **campaigns**; ask a **user**'s timeline why something was sent or was not.
"""


def create_app(settings: Settings, open_services: OpenServices = wiring.services) -> FastAPI:
    """Create the application for one deployment; its lifespan opens the services."""

    database_url = settings.database_url.get_secret_value()
    # Calls need the other connections.
    most_streams = min(settings.client_streams, settings.max_connections // SHARE_OF_STREAMS)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            await _warn_without_keys(services)
            app.state.client_streams = streams = OpenStreams(services, database_url, most_streams)
            yield
            await streams.close()

    # Its API page includes all assets: no foreign host learns who reads it, and it works offline.
    app = FastAPIOffline(
        redoc_url=None,
        # It would use the Host header, which the client sets.
        redirect_slashes=False,
        title="Sojourn",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # Its spans and logs would export paths with user ids and unsubscribe tokens. Ours are in
        # api/request_metrics.py.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.max_batch_bytes = settings.max_batch_bytes
    app.state.placeholders = Placeholders(settings.placeholder_ids)
    app.state.rate_limits = RateLimits(
        requests=settings.rate_limit,
        events=settings.rate_limit_events,
        bytes=settings.rate_limit_bytes,
        of_address=settings.rate_limit_address,
    )
    app.state.live_viewers = LiveViewers()
    app.state.slot_places = LookUpPlaces()
    app.state.public_url = settings.public_url
    app.state.console_origins = list_own_origins(settings.console_url or settings.public_url)
    app.state.temporal_ui_url = settings.temporal_ui_url
    app.state.script_builds = ScriptBuilds(page_scripts.FOLDER)
    app.state.console_files = ConsoleFiles()
    app.state.mcp_edit = settings.mcp_edit
    app.state.countries = Countries(settings.country_database)
    app.add_middleware(
        Admission,
        most_requests=REQUESTS_A_CONNECTION * settings.database_pool_size,
        trusted_proxies=settings.trusted_proxies,
    )
    problems.install(app)
    app.add_middleware(RequestMetrics)
    app.add_middleware(Cors, paths=[*tracking.PATHS, *CLIENT_PATHS, *browser_clients.PATHS])
    app.add_middleware(TrackingPaths)
    app.build_middleware_stack = partial(_build_own_layers, app.build_middleware_stack)  # type: ignore[method-assign]
    for module in _MODULES:
        # As they are: including a router would create its routes again, and resolve them for each request.
        app.router.routes.extend(module.router.routes)
    app.openapi = cache(partial(_openapi, app.openapi))  # type: ignore[method-assign]
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != app.openapi_url]
    app.add_route("/openapi.json", _document_route(app.openapi), include_in_schema=False)
    app.router.middleware_stack = RouteIndex(app.router)
    return app


def _build_own_layers(build: Callable[[], ASGIApp]) -> ASGIApp:
    """Build the layers without the outermost ones, which have nothing to do.

    The framework answers errors there, takes traces and limits bodies, as api/problems.py, api/request_metrics.py and
    api/admission.py do.
    """
    layer: Any = build()
    while not isinstance(layer, TrackingPaths):
        layer = layer.app
    return layer


def _document_route(document: Callable[[], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Serve the OpenAPI document, built once: anyone may request it at any rate."""

    @cache
    def text() -> bytes:
        return msgspec.json.encode(document())

    async def answer(_request: Request) -> Response:
        return Response(text(), media_type="application/json")

    return answer


def _openapi(generate: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Build the document with our problems in place of the framework's errors."""
    document = generate()
    schemas = document["components"]["schemas"]
    schemas["Problem"] = problems.SCHEMA
    for operations_of_path in document["paths"].values():
        for operation in operations_of_path.values():
            refusal = operation["responses"].get("422", {})
            if "application/json" in refusal.get("content", {}):
                del operation["responses"]["422"]
    answers = [
        content
        for operations_of_path in document["paths"].values()
        for operation in operations_of_path.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
    ]
    for each in [*schemas.values(), *answers]:
        if EXAMPLE in each:
            each["example"] = msgspec.json.decode(each.pop(EXAMPLE))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _close_mappings(schemas)
    return document


def _close_mappings(schema: Any) -> None:
    """Say in a schema that mappings have no other names than those of their pattern."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for each in schema.values():
            _close_mappings(each)
    elif isinstance(schema, list):
        for each in schema:
            _close_mappings(each)


async def _warn_without_keys(services: wiring.Services) -> None:
    """Log a remedy if no key has admin rights."""
    try:
        if await services.keys.has_admin():
            return
    except psycopg.Error:
        # The database is away or not migrated, which readiness reports.
        return
    _log.warning(
        "failed to find admin key",
        remedy="set SOJOURN_ADMIN_KEY to a secret of your own, make keys with `POST /v1/keys`, then unset it",
    )
