"""The audit log."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from msgspec import Meta
from pydantic import Field

from api.auth import allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.routes import Route
from domain.access import Scope

router = APIRouter(
    prefix="/v1/audit-log", tags=["Audit log"], dependencies=[Depends(allow(Scope.ADMIN))], route_class=Route
)

_ENTRY: dict[str, Any] = {
    "id": 4711,
    "at": "2026-11-22T08:00:00Z",
    "actor": "9f86d081884c7d65",
    "actor_name": "release pipeline",
    "action": "campaign.start",
    "target": "abandoned-cart",
    "data": {"version": 3},
}
# The bound of PostgreSQL's bigint.
AuditEntryId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class AuditEntry(ResponseModel):
    model_config = example(_ENTRY)

    id: int
    at: datetime
    actor: str = Field(description="the id of a key; `environment` for the keys of the settings, `sojourn` for itself")
    actor_name: str
    action: str
    target: str = Field(description="the key or id of what it was done to")
    data: dict[str, Any]


class AuditPage(ResponseModel):
    model_config = example({"entries": [_ENTRY], "next": None})

    entries: list[AuditEntry]
    next: str | None


@router.get("")
async def read_audit_log(
    services: Using,
    target: Annotated[TextField | None, Query(max_length=255, examples=["abandoned-cart"])] = None,
    actor: Annotated[TextField | None, Query(max_length=255, examples=["environment"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> AuditPage:
    """Actions by the API and by Sojourn itself, the newest first."""
    rows = await services.audit_log.list(
        limit=limit + 1, after=position(after, AuditEntryId), target=target, actor=actor
    )
    entries, next = cut(rows, limit, lambda entry: entry.id)
    return AuditPage(entries=[AuditEntry.model_validate(entry) for entry in entries], next=next)
