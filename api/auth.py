"""Authentication: a request has a key or a session, each route a scope."""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.cors import refuse_page
from api.dependencies import services_of
from api.limits import RateLimits
from api.session_cookie import read_cookie, require_own_page
from domain.access import Access, Actor, Scope, includes, is_edit_refused
from domain.errors import ForbiddenError, UnauthorizedError
from domain.origins import is_origin_allowed

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="Key",
    description="A key, `Authorization: Bearer KEY`, or the user name of Basic authorization. "
    "The tracking routes also take it as the header `X-Write-Key`, or as `writeKey` in the query or the body. "
    "Routes but these, and those for pages and apps, take the cookie of a session in its place.",
)
Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
# A JWT: its first part begins with `{"` in base64. No key looks so.
_USER_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*")


def key_in_header(request: Request) -> bytes | None:
    """Return the key of `Basic` (as user name) or `Bearer`; None without the header.

    Raises UnauthorizedError for any other Authorization header.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip().encode("latin-1")
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).partition(b":")[0]
            except (binascii.Error, ValueError) as error:
                raise UnauthorizedError("the Basic authorization is not base64 of `key:`") from error
    raise UnauthorizedError("send the key as `Authorization: Bearer KEY`, or as the user name of Basic authorization")


def write_key(request: Request) -> bytes | None:
    """Return the key of a tracking call outside its body; None if it has none there.

    The first counts: the Authorization header, `X-Write-Key`, `?writeKey=`. The last two may be empty. A user token in
    the Authorization header is not a key.
    """
    if user_token(request) is None and (key := key_in_header(request)) is not None:
        return key
    given = request.headers.get("x-write-key", "").strip().encode("latin-1")
    return given or request.query_params.get("writeKey", "").encode() or None


def user_token(request: Request) -> str | None:
    """Return the unverified user token of `Authorization: Bearer`; None for a key."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and _USER_TOKEN.fullmatch(value.strip()) else None


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key outside the body, and its rights. `key` is None without one.

    `session` are the rights of a console's cookie, where there is no key.
    """

    key: bytes | None = None
    access: Access | None = None
    session: Access | None = None
    # A missing or malformed key, without rights.
    is_wrong: bool = False

    @property
    def is_of_server(self) -> bool:
        """Whether it is known, and not a key that anyone has, which proves nothing."""
        return self.session is not None or (self.access is not None and self.access.browser is None)


async def recognise(request: Request) -> GivenKey:
    """Verify the key outside the body, once a request, before any work.

    A wrong key is not refused yet: some pages are public. Raises RateLimitedError for a busy one, and psycopg.Error if
    the database does not answer.
    """
    try:
        key = write_key(request)
    except UnauthorizedError:
        return GivenKey(is_wrong=True)
    if key:
        given = GivenKey(key, access := await _verify(request, key), is_wrong=access is None)
    else:
        given = GivenKey(session=await _verify_cookie(request))
    request.state.given = given
    return given


def find_session(request: Request) -> Access | None:
    """Return the rights of the request's session; None if it has a key, or neither."""
    given: GivenKey = getattr(request.state, "given", GivenKey())
    return given.session


async def verify_write_key(request: Request, key: bytes | None) -> Access:
    """Return a key's rights; raise UnauthorizedError or RateLimitedError."""
    if not key:
        raise UnauthorizedError(
            "the key is missing: send it as `Authorization: Bearer KEY`; tracking also takes it as the user name of "
            "Basic authorization, in the header `X-Write-Key`, or as `writeKey` in the query or the body"
        )
    given: GivenKey = getattr(request.state, "given", GivenKey())
    access = given.access if given.key == key else await _verify(request, key)
    if access is None:
        raise wrong_key()
    if access.browser is None:
        request.state.visit.is_known()
    return access


def admit_page(request: Request, access: Access, *, for_pages_only: bool = False) -> None:
    """Raise ForbiddenError for a page of another origin than those of the browser key.

    A caller without `Origin` is a program, which could claim any. A page cannot use the key of a server.
    """
    origin = request.headers.get("origin")
    if access.browser is None:
        if for_pages_only:
            raise ForbiddenError("this is the key of a server: pages need a browser key, since anyone can read it")
        refuse_page(request)
    elif origin is not None and not is_origin_allowed(origin, access.browser.origins):
        raise ForbiddenError("this browser key is for pages of other origins: make one with `origins` of this page")


async def _verify_cookie(request: Request) -> Access | None:
    value = read_cookie(request)
    access = None if value is None else await services_of(request).console_sessions.verify(value)
    if access is not None:
        request.app.state.rate_limits.begin(access.actor)
    return access


async def _verify(request: Request, key: bytes) -> Access | None:
    access = await services_of(request).keys.verify(key)
    if access is not None:
        limits: RateLimits = request.app.state.rate_limits
        if access.browser is not None:
            limits.begin_address(request.state.visit.client)
        limits.begin(access.actor)
    return access


def wrong_key() -> UnauthorizedError:
    """Return the refusal of an unknown key."""
    return UnauthorizedError("this key is unknown, expired or revoked")


def require(access: Access, scope: Scope) -> None:
    """Raise ForbiddenError without the scope, and for a session that may not edit."""
    if is_edit_refused(access, scope):
        raise ForbiddenError(
            "this deployment lets no session change documents: set SOJOURN_CONSOLE_EDIT to apply, or use a key",
            scope=scope,
            scopes=sorted(access.scopes),
        )
    if not includes(access.scopes, scope):
        raise ForbiddenError(
            f"this call takes a key of scope {scope}; this one has {', '.join(sorted(access.scopes))}",
            scope=scope,
            scopes=sorted(access.scopes),
        )


async def authenticate(request: Request) -> Access:
    """Return the rights of the key in the header, or of the session, once a request.

    Raises as `verify_write_key` does, and ForbiddenError for a session that another page uses.
    """
    access = getattr(request.state, "access", None)
    if isinstance(access, Access):
        return access
    access = find_session(request)
    if access is not None:
        require_own_page(request)
    elif read_cookie(request) is not None and "authorization" not in request.headers:
        raise UnauthorizedError("this session has ended: log in again")
    else:
        access = await verify_write_key(request, key_in_header(request))
    request.state.access = access
    return access


async def may_still(request: Request, scope: Scope) -> bool:
    """Whether the key or session of a long request still has a scope."""
    given: GivenKey = request.state.given
    services = services_of(request)
    if given.key is not None:
        access = await services.keys.verify(given.key)
    else:
        value = read_cookie(request)
        access = None if value is None else await services.console_sessions.verify(value)
    return access is not None and includes(access.scopes, scope)


class Allowed:
    """The dependency of a route with a scope; it returns the Actor of the key."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, _documented: Documented) -> Actor:
        access = await authenticate(request)
        require(access, self.scope)
        return access.actor


class AllowedServer(Allowed):
    """As Allowed, without the keys of pages, which anyone can read."""

    async def __call__(self, request: Request, _documented: Documented) -> Actor:
        access = await authenticate(request)
        require(access, self.scope)
        if access.browser is not None:
            raise ForbiddenError("this is the key of a page, which anyone can read: use the key of a server")
        return access.actor


@cache
def allow_server(scope: Scope) -> Allowed:
    """Admit only keys of this scope that servers have."""
    return AllowedServer(scope)


@cache
def allow(scope: Scope) -> Allowed:
    """Admit only keys of this scope: `Depends(allow(Scope.READ))`."""
    return Allowed(scope)


async def _may_start(request: Request, _author: Annotated[Actor, Depends(allow(Scope.AUTHOR))]) -> bool:
    return includes((await authenticate(request)).scopes, Scope.OPERATE)


# The looking key, where it matters who looks, and the acting key, as the parameter of a route: `by: Operator`.
Reader = Annotated[Actor, Depends(allow(Scope.READ))]
Author = Annotated[Actor, Depends(allow(Scope.AUTHOR))]
Operator = Annotated[Actor, Depends(allow(Scope.OPERATE))]
# Whether an author may also let users in: a document of one who may not waits for another person.
MayStart = Annotated[bool, Depends(_may_start)]
Approver = Annotated[Actor, Depends(allow(Scope.APPROVE))]
Admin = Annotated[Actor, Depends(allow(Scope.ADMIN))]
PeopleReader = Annotated[Actor, Depends(allow(Scope.PEOPLE))]
