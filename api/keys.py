"""Make, list and revoke the keys of the API."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from api.auth import Admin, allow
from api.dependencies import InstantField, RequestModel, ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route, keep_instead
from domain.access import Scope
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/keys", tags=["Keys"], dependencies=[Depends(allow(Scope.ADMIN))], route_class=Route)

_KEY: dict[str, Any] = {
    "id": "9f86d081884c7d65",
    "name": "shop backend",
    "scopes": ["ingest"],
    "source": "shop backend",
    "created_by": "environment",
    "created_at": "2026-11-01T10:00:00Z",
    "expires_at": "2027-11-01T00:00:00Z",
    "revoked_at": None,
    "last_used_at": "2026-11-22T08:00:00Z",
}
_TOKEN = "sj_9f86d081884c7d65_" + "0" * 64


class KeyRequest(RequestModel):
    model_config = example({"name": "shop backend", "scopes": ["ingest"], "expires_at": "2027-11-01T00:00:00Z"})

    name: Annotated[TextField, Field(min_length=1, max_length=255, description="whose it is; for people")]
    # In JSON a set of enum members is a list of names, which strict validation would refuse.
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=5)]
    expires_at: InstantField | None = None
    source: Annotated[
        TextField | None,
        Field(
            min_length=1,
            max_length=255,
            description="a `messageId` is unique within it. Keys of one client share it, and a key that replaces "
            "another takes it over. The name of the key, if left out",
        ),
    ] = None


class Key(ResponseModel):
    model_config = example(_KEY)

    id: str
    name: str
    scopes: list[Scope]
    source: str = Field(description="a `messageId` is unique within it")
    created_by: str = Field(description="the id of the key that made it")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class NewKey(Key):
    model_config = example({**_KEY, "last_used_at": None, "token": _TOKEN})

    token: str | None = Field(
        description="the key itself, told this once; null in the repeat of a request under its Idempotency-Key"
    )


class KeyList(ResponseModel):
    model_config = example({"keys": [_KEY], "next": None})

    keys: list[Key]
    next: str | None


@router.post("", status_code=201)
async def create_key(body: KeyRequest, request: Request, response: Response, services: Using, by: Admin) -> NewKey:
    """Make a key. Only this answer has its token: Sojourn stores a hash."""
    made = await services.keys.create(body.name, body.scopes, body.expires_at, body.source, by=by)
    key = NewKey(**Key.model_validate(made.key).model_dump(), token=made.token)
    response.headers["Cache-Control"] = "no-store"
    keep_instead(request, key.model_copy(update={"token": None}).model_dump_json().encode())
    return key


@router.get("")
async def list_keys(services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None) -> KeyList:
    """Every key, the newest first, including expired ones, but not the environment's."""
    rows = await services.keys.list(limit=limit + 1, after=position(after, tuple[datetime, str]))
    keys, next = cut(rows, limit, lambda key: (key.created_at, key.id))
    return KeyList(keys=[Key.model_validate(key) for key in keys], next=next)


@router.delete("/{id}", responses=refusals(NotFoundError))
async def revoke_key(
    id: Annotated[TextField, Path(max_length=64, examples=["9f86d081884c7d65"])], services: Using, by: Admin
) -> Key:
    """Revoke a key within one second in every process. Repeating it changes nothing."""
    return Key.model_validate(await services.keys.revoke(id, by=by))
