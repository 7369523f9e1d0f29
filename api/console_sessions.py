"""The sessions of the web console: that of the request, and all of them."""

from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from api.auth import Admin, allow, authenticate
from api.dependencies import ResponseModel, TextField, Using, example, services_of
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.problems import refusals
from api.routes import Route
from api.session_cookie import set_cookie
from domain.access import Access, ConsoleEdit, Role, Scope, SessionAccess, find_role, list_open_scopes
from domain.errors import NotFoundError, UnauthorizedError
from store.console_sessions import ConsoleSession, LoginMethod

router = APIRouter(prefix="/v1", tags=["Console"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

RELEASE: Final = version("sojourn")

_ACTOR: dict[str, Any] = {"id": "9f86d081884c7d65", "name": "Ada"}
_SESSION: dict[str, Any] = {
    "id": "5feceb66ffc86f38",
    "actor": _ACTOR,
    "scopes": ["read"],
    "role": "viewer",
    "expires_at": "2026-11-22T20:00:00Z",
    "at": "2026-11-22T08:00:00Z",
    "console_edit": "plan",
    "single_sign_on": False,
    "temporal_ui_url": "http://localhost:8233",
    "release": "0.1.0",
}
_LISTED: dict[str, Any] = {
    "id": "5feceb66ffc86f38",
    "actor": _ACTOR,
    "scopes": ["read"],
    "how": "key",
    "key_id": "9f86d081884c7d65",
    "created_at": "2026-11-22T08:00:00Z",
    "expires_at": "2026-11-22T20:00:00Z",
    "revoked_at": None,
}


class SessionActor(ResponseModel):
    model_config = example(_ACTOR)

    id: str = Field(
        description="the actor of what is done in the session: the key that has opened it, or a person of an "
        "identity provider"
    )
    name: str


class CurrentSession(ResponseModel):
    model_config = example(_SESSION)

    id: str
    actor: SessionActor
    scopes: list[Scope] = Field(description="all that are open to it, also those that others include")
    role: Role | None = Field(description="the role that has these scopes, if one has")
    expires_at: datetime
    at: datetime = Field(description="the deployment's time, by which a page tells how long ago something was")
    console_edit: ConsoleEdit = Field(description="what the console offers for documents, by `SOJOURN_CONSOLE_EDIT`")
    single_sign_on: bool = Field(description="whether people log in by an identity provider")
    temporal_ui_url: str
    release: str


class ListedSession(ResponseModel):
    model_config = example(_LISTED)

    id: str
    actor: SessionActor
    scopes: list[Scope]
    how: LoginMethod = Field(description="by a key, or by an identity provider")
    key_id: str | None = Field(description="the key that has opened it, with which it ends; null with a provider")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class SessionList(ResponseModel):
    model_config = example({"sessions": [_LISTED], "next": None})

    sessions: list[ListedSession]
    next: str | None


@router.get("/session")
async def get_session(request: Request, response: Response) -> CurrentSession:
    """The session of the request's cookie."""
    access = await authenticate(request)
    response.headers["Cache-Control"] = "no-store"
    return await describe_session(request, access)


@router.delete("/session", status_code=204)
async def log_out(request: Request, response: Response, services: Using) -> None:
    """End the session of the request's cookie, within one second in every process."""
    access = await authenticate(request)
    _require_session(access)
    await services.console_sessions.end(access)
    set_cookie(response, "", 0)


@router.get("/sessions", dependencies=[Depends(allow(Scope.ADMIN))])
async def list_sessions(services: Using, limit: Limit = DEFAULT_LIMIT, after: After = None) -> SessionList:
    """Every session, the newest first, including ended ones for 30 days."""
    rows = await services.console_sessions.list(limit=limit + 1, after=position(after, tuple[datetime, str]))
    sessions, next = cut(rows, limit, lambda session: (session.created_at, session.id))
    return SessionList(sessions=[_show(session) for session in sessions], next=next)


@router.delete("/sessions/{id}", responses=refusals(NotFoundError))
async def revoke_session(
    id: Annotated[TextField, Path(max_length=64, examples=["5feceb66ffc86f38"])], services: Using, by: Admin
) -> ListedSession:
    """Revoke a session within one second in every process, even repeatedly."""
    return _show(await services.console_sessions.revoke(id, by=by))


async def describe_session(request: Request, access: Access) -> CurrentSession:
    """Describe the session of an access. Raises UnauthorizedError for a key."""
    session = _require_session(access)
    services = services_of(request)
    return CurrentSession(
        id=session.id,
        actor=SessionActor.model_validate(access.actor),
        scopes=list_open_scopes(access),
        role=find_role(access.scopes),
        expires_at=session.expires_at,
        at=await services.now(),
        console_edit=session.edit,
        single_sign_on=services.single_sign_on is not None,
        temporal_ui_url=request.app.state.temporal_ui_url,
        release=RELEASE,
    )


def _require_session(access: Access) -> SessionAccess:
    if access.session is None:
        raise UnauthorizedError("this request has a key and no session: log in with `POST /v1/session`")
    return access.session


def _show(session: ConsoleSession) -> ListedSession:
    named = {name: getattr(session, name) for name in ListedSession.model_fields if name != "actor"}
    return ListedSession(actor=SessionActor(id=session.actor_id, name=session.actor_name), **named)
