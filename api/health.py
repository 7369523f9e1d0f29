"""Whether the process lives, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from api.dependencies import ResponseModel, Using

router = APIRouter(tags=["Health"])


class Alive(ResponseModel):
    status: Literal["ok"] = "ok"


class Readiness(ResponseModel):
    status: Literal["ok", "unavailable"]
    parts: dict[str, str] = Field(
        description="each part with `ok` or what is wrong", examples=[{"database": "ok", "migrations": "ok"}]
    )


@router.get("/healthz")
async def alive() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part is not ready"}})
async def ready(response: Response, services: Using) -> Readiness:
    """The database is there and its migrations are current."""
    parts = await services.ready()
    if all(state == "ok" for state in parts.values()):
        return Readiness(status="ok", parts=parts)
    response.status_code = 503
    return Readiness(status="unavailable", parts=parts)
