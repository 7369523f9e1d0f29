"""The kind of route that takes a key, with its common behaviour and documentation:

- the key is verified, and its scope, before the body is read;
- a body must say that it is JSON;
- a change (POST, PUT, PATCH, DELETE) is made once under an Idempotency-Key, with its answer kept in the transaction of
  its effect;
- without the scope `people`, the personal fields of an answer are null (api/personal_fields.py), and its ETag differs;
- an answer whose ETag the caller has already is 304.
"""

import re
from collections.abc import Callable, Coroutine, Iterator
from copy import deepcopy
from hashlib import sha256
from typing import Any, ClassVar, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth import Allowed, authenticate, require
from api.dependencies import services_of
from api.entity_tags import is_known, mark_masked, open_tag, precondition
from api.personal_fields import holds_people, is_masked_for, masking
from api.problems import refusals
from domain.access import Scope, includes
from domain.errors import (
    ForbiddenError,
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
    InvalidCursorError,
    InvalidRequestError,
    MalformedJsonError,
    OverloadedError,
    PayloadTooLargeError,
    PreconditionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from store.idempotency import StoredResponse

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# The parameters that take a cursor.
CURSORS: Final = frozenset({"after", "before"})
ACTING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Headers of a 200 that its 304 repeats. Source: RFC 9110, 15.4.5.
_CACHING: Final = ("cache-control", "etag", "vary")

_KEY: Final = r"[\x21-\x7e]{1,255}"
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Made by the caller, one for each thing to be done: a repeat under it is given the same answer, "
    "with `Idempotent-Replayed: true`, for 24 hours. 1 to 255 visible ASCII characters.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{_KEY}$"},
    "example": "5f0c6a1e-6a0e-4d39-a9c5-1b6a7c1f0f5d",
}
_IF_NONE_MATCH: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that the caller has: 304 where it is still so.",
    "schema": {"type": "string"},
    "example": '"7"',
}
_MASKED: Final = "Without the scope `people`, personal fields are null, and `masked` is true."
# Headers that belong to an answer rather than to its connection.
_KEPT_HEADERS: Final = ("content-type", "etag", "location", "cache-control")


class Route(APIRoute):
    """A route that takes a key, as `route_class` of a router with `allow(…)`.

    `keeps_answers`: a change is made once under an Idempotency-Key.
    """

    keeps_answers: ClassVar[bool] = True

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        _document(self)

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()
        scope = find_scope(self.dependant)
        shows_people = _shows_people(self)

        async def inner(request: Request) -> Response:
            is_masked = await is_masked_for(request)
            with masking(is_masked):
                response = await answer(request)
            if shows_people:
                response.headers.add_vary_header("Authorization, Cookie")
                if is_masked:
                    mark_masked(response)
            return response

        async def handle(request: Request) -> Response:
            await self.admit(request, scope)
            if self.body_field is not None:
                await _require_json(request)
            key = request.headers.get("idempotency-key")
            if key is not None and request.method in ACTING and self.keeps_answers:
                return await _once(request, key, inner)
            response = await inner(request)
            etag, known = response.headers.get("etag"), request.headers.get("if-none-match")
            if request.method == "GET" and etag and known and is_known(known, etag):
                kept = {name: value for name in _CACHING if (value := response.headers.get(name)) is not None}
                return Response(status_code=304, headers=kept)
            return response

        return handle

    async def admit(self, request: Request, scope: Scope) -> None:
        """Verify the key and its scope, before the body is read."""
        require(await authenticate(request), scope)


def keep_instead(request: Request, body: bytes) -> None:
    """Store this under the Idempotency-Key instead of the answer with its secret."""
    request.state.kept_body = body


async def _once(request: Request, key: str, inner: Handler) -> Response:
    if not re.fullmatch(_KEY, key):
        raise InvalidRequestError("Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID")
    access = await authenticate(request)
    given: Response | None = None

    async def act() -> StoredResponse:
        nonlocal given
        given = await inner(request)
        headers = {name: given.headers[name] for name in _KEPT_HEADERS if name in given.headers}
        return StoredResponse(given.status_code, headers, getattr(request.state, "kept_body", bytes(given.body)))

    answer, is_repeat = await services_of(request).idempotency(access.actor, key, await _hash(request), act)
    if given is not None and not is_repeat:
        return given
    return Response(answer.body, answer.status, {**answer.headers, "Idempotent-Replayed": "true"})


async def _hash(request: Request) -> bytes:
    """Hash everything that identifies a request.

    So a caller who has lost the scope `people` is not given the answer from before.
    """
    target = f"{request.method} {request.url.path}?{request.url.query}\n{request.headers.get('if-match')}\n"
    target += f"{await is_masked_for(request)}\n"
    return sha256(target.encode() + await request.body()).digest()


async def _require_json(request: Request) -> None:
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" and await request.body():
        raise UnsupportedMediaTypeError(
            f"the body is said to be {kind.strip() or 'nothing'}: send JSON with `Content-Type: application/json`"
        )


def _calls(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def find_scope(dependant: Dependant) -> Scope:
    """Return the scope of the route or its router, whichever includes the other."""
    scopes = {call.scope for call in _calls(dependant) if isinstance(call, Allowed)}
    for scope in scopes:
        if all(includes({scope}, other) for other in scopes):
            return scope
    raise TypeError(f"{dependant.path} says no scope that includes {scopes}: give it `Depends(allow(Scope.…))`")


def _shows_people(route: Route) -> bool:
    """Return whether an answer of the route has personal fields."""
    others = (response.get("model") for response in route.responses.values())
    return any(map(holds_people, (route.response_model, *others)))


def _document(route: Route) -> None:
    """Document the common behaviour of this kind of route."""
    calls = list(_calls(route.dependant))
    scope = find_scope(route.dependant)
    errors: set[type[SojournError]] = {
        UnauthorizedError,
        ForbiddenError,
        RateLimitedError,
        InvalidCursorError,
        InvalidRequestError,
        UnavailableError,
        OverloadedError,
        SojournError,
    }
    parameters = []
    # Routes share the given mapping.
    route.responses = deepcopy(route.responses)
    if route.body_field is not None:
        errors |= {MalformedJsonError, RequestTimeoutError, PayloadTooLargeError, UnsupportedMediaTypeError}
    methods = route.methods or set()
    if methods & ACTING and route.keeps_answers:
        errors |= {IdempotencyInProgressError, IdempotencyKeyReusedError}
        parameters.append(_IDEMPOTENCY_KEY)
    if CURSORS & {parameter.name for parameter in route.dependant.query_params}:
        errors.add(InvalidCursorError)
    if precondition in calls:
        errors.add(PreconditionFailedError)
    if open_tag in calls and "GET" in methods:
        parameters.append(_IF_NONE_MATCH)
        route.responses.setdefault(304, {"description": "Nothing has changed since the ETag in If-None-Match."})
    for status, response in refusals(*errors).items():
        _merge(route.responses.setdefault(status, {"description": ""}), response)
    masked = f"\n\n{_MASKED}" if _shows_people(route) else ""
    route.description = f"{route.description}{masked}\n\nScope: `{scope}`.".strip()
    extra = {**(route.openapi_extra or {}), "x-scope": scope.value}
    extra["parameters"] = [*extra.get("parameters", []), *parameters]
    route.openapi_extra = extra


def _merge(into: dict[str, Any], response: dict[str, Any]) -> None:
    into["description"] = " ".join(filter(None, [into["description"], response["description"]]))
    for media_type, content in response["content"].items():
        known = into.setdefault("content", {}).setdefault(media_type, content)
        known["examples"] = {**known["examples"], **content["examples"]}
