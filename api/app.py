"""The HTTP application: routes, refusals and limits over the services."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import wiring
from api import (
    campaigns,
    caps,
    funnel,
    health,
    journeys,
    operations,
    problems,
    reconciliations,
    schemas,
    tracking,
    unsubscribe,
    users,
)
from api.limits import BodyLimit
from settings import Settings

OpenServices = Callable[[Settings], AbstractAsyncContextManager[wiring.Services]]

_DESCRIPTION = """
Durable customer journeys. Report what users do with the **tracking** routes, which any client of the Segment spec
speaks; publish and start **campaigns**; ask a **user**'s timeline why something was sent or was not.
"""


def create_app(settings: Settings, open_services: OpenServices = wiring.services) -> FastAPI:
    """The application for one deployment. Its services open with its lifespan, and close with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    # Its page of the API comes with all that it shows: no foreign host learns who reads it, and it works offline.
    app = FastAPIOffline(
        redoc_url=None,
        title="Sojourn",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses=problems.RESPONSES,
        # Its spans and logs would carry paths, and so user ids and unsubscribe tokens, to wherever they are exported.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(BodyLimit)
    problems.install(app)
    for module in (
        tracking,
        campaigns,
        funnel,
        journeys,
        reconciliations,
        operations,
        users,
        caps,
        unsubscribe,
        schemas,
        health,
    ):
        app.include_router(module.router)
    return app
