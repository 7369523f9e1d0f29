"""Liveness and readiness."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from api.dependencies import ResponseModel, Using, example
from api.problems import refusals
from domain.errors import SojournError

router = APIRouter(tags=["Health"])

_PARTS: dict[str, Any] = {
    "database": "ok",
    "migrations": "ok",
    "partitions": "ok",
    "clock": "ok",
    "temporal": "ok",
    "namespace": "ok",
    "search_attributes": "ok",
    "campaigns": "ok",
    "smtp": "the mail server cannot be used: it refuses the login: correct SOJOURN_SMTP_PASSWORD",
    "secrets": "ok",
    "worker": "ok",
    "outbox": "ok",
}


class Alive(ResponseModel):
    model_config = example({"status": "ok"})

    status: Literal["ok"] = "ok"


class Readiness(ResponseModel):
    model_config = example({"status": "ok", "parts": _PARTS})

    status: Literal["ok", "unavailable"]
    parts: dict[str, str] = Field(
        description="each part that was looked at, with `ok` or what is missing and how to mend it"
    )


@router.get("/healthz", responses=refusals(SojournError))
async def alive() -> Alive:
    """The process answers."""
    return Alive()


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "A part is not ready"}, **refusals(SojournError)},
)
async def ready(response: Response, services: Using) -> Readiness:
    """Readiness, which requires the database and its migrations, and known problems.

    Problems of Temporal, its namespace and search attributes, the mail server and the secrets are those that workers
    report; requests are served in spite of them.
    """
    found = await services.ready()
    if not found.is_ready:
        response.status_code = 503
    return Readiness(status="ok" if found.is_ready else "unavailable", parts=found.parts)
