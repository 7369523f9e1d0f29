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
from domain.access import BROWSER_SCOPES, KeyKind, KeyTrust, Scope
from domain.errors import ConflictError, InvalidRequestError, NotFoundError
from domain.origins import MAX_ORIGINS

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
    "kind": "server",
    "origins": [],
    "trust": "full",
}
_TOKEN = "sj_9f86d081884c7d65_" + "0" * 64


class KeyRequest(RequestModel):
    model_config = example({"name": "shop backend", "scopes": ["ingest"], "expires_at": "2027-11-01T00:00:00Z"})

    name: Annotated[TextField, Field(min_length=1, max_length=255, description="whose it is; for people")]
    kind: Annotated[KeyKind, Field(strict=False, description="a browser key is public, within docs/browser.md")] = (
        KeyKind.SERVER
    )
    # In JSON a set of enum members is a list of names, which strict validation would refuse.
    scopes: Annotated[
        list[Annotated[Scope, Field(strict=False)]] | None,
        Field(
            min_length=1,
            max_length=len(Scope),
            description="required for a server; a browser key has `ingest` and `client`",
        ),
    ] = None
    origins: Annotated[
        list[TextField] | None,
        Field(max_length=MAX_ORIGINS, description="the pages of a browser key, such as `https://shop.example`"),
    ] = None
    trust: Annotated[
        KeyTrust,
        Field(
            strict=False,
            description="whether a browser key's calls about users need a user token. With `full`, anyone who reads "
            "the key may report as any user",
        ),
    ] = KeyTrust.TOKEN
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
    kind: KeyKind
    origins: list[str] = Field(description="the pages that may use a browser key")
    trust: KeyTrust


class NewKey(Key):
    model_config = example({**_KEY, "last_used_at": None, "token": _TOKEN, "token_secret": None})

    token: str | None = Field(
        description="the key itself, told this once; null in the repeat of a request under its Idempotency-Key"
    )
    token_secret: str | None = Field(
        description="the secret by which the server signs user tokens for this browser key, told this once"
    )


class NewTokenSecret(Key):
    model_config = example(
        {
            **_KEY,
            "scopes": ["ingest", "client"],
            "source": "browser:shop",
            "kind": "browser",
            "origins": ["https://shop.example"],
            "trust": "token",
            "token_secret": "0" * 64,
        }
    )

    token_secret: str | None = Field(
        description="the new secret, told this once; null in the repeat of a request under its Idempotency-Key"
    )


class KeyList(ResponseModel):
    model_config = example({"keys": [_KEY], "next": None})

    keys: list[Key]
    next: str | None


@router.post("", status_code=201)
async def create_key(body: KeyRequest, request: Request, response: Response, services: Using, by: Admin) -> NewKey:
    """Make a key. Only this answer has its token: Sojourn stores a hash."""
    if body.kind is KeyKind.BROWSER:
        if not set(body.scopes or ()) <= set(BROWSER_SCOPES):
            named = " and ".join(f"`{scope}`" for scope in BROWSER_SCOPES)
            raise InvalidRequestError(f"a browser key has the scopes {named} and no other: leave `scopes` out")
        made = await services.keys.create_browser(
            body.name, body.origins or [], body.trust, body.expires_at, body.source, by=by
        )
    else:
        if body.origins or "trust" in body.model_fields_set:
            raise InvalidRequestError("`origins` and `trust` are those of a browser key: add `kind: browser`")
        if body.scopes is None:
            raise InvalidRequestError("the key of a server needs `scopes`, such as `ingest`")
        made = await services.keys.create(body.name, body.scopes, body.expires_at, body.source, by=by)
    key = NewKey(**Key.model_validate(made.key).model_dump(), token=made.token, token_secret=made.token_secret)
    response.headers["Cache-Control"] = "no-store"
    keep_instead(request, key.model_copy(update={"token": None, "token_secret": None}).model_dump_json().encode())
    return key


@router.post("/{id}/token-secret", responses=refusals(NotFoundError, ConflictError))
async def rotate_token_secret(
    id: Annotated[TextField, Path(max_length=64, examples=["9f86d081884c7d65"])],
    request: Request,
    response: Response,
    services: Using,
    by: Admin,
) -> NewTokenSecret:
    """Make a new secret of user tokens for a browser key.

    Tokens of the secret before stay valid until the next rotation: two in a row end a secret that leaked.
    """
    made = await services.keys.rotate_token_secret(id, by=by)
    secret = NewTokenSecret(**Key.model_validate(made.key).model_dump(), token_secret=made.token_secret)
    response.headers["Cache-Control"] = "no-store"
    keep_instead(request, secret.model_copy(update={"token_secret": None}).model_dump_json().encode())
    return secret


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
