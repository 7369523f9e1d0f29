"""Refusals as application/problem+json (RFC 9457), with a `code` for programs."""

from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import (
    InvalidDocumentError,
    InvalidRequestError,
    MalformedJsonError,
    MethodNotAllowedError,
    NoSuchPathError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
)
from store.database import describe_error

_log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

# Errors of a lost connection, an exhausted pool or a restarting database. All are temporary.
DATABASE_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)

# The framework's own refusals; an undecodable body has 400.
_OF_STATUS: Final[dict[int, type[SojournError]]] = {
    error.status: error for error in (MalformedJsonError, NoSuchPathError, MethodNotAllowedError)
}

# Pydantic uses these words only for JSON that it reads itself.
_IN_JSON: Final = {
    "dict_type": "Input should be an object",
    "list_type": "Input should be an array",
    "model_attributes_type": "Input should be an object",
    "none_required": "Input should be null",
}

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A refusal, as RFC 9457 has it. `code` is stable; further members explain the case.",
    "required": ["type", "title", "status", "detail", "code", "message"],
    "properties": {
        "type": {"type": "string", "description": "where the code is explained"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "for people"},
        "code": {"type": "string", "description": "for programs"},
        "message": {"type": "string", "description": "`detail`, by the name that tracking clients read"},
    },
}


def type_of(code: str) -> str:
    """Return the relative URL that explains a code (api/reference.py)."""
    return f"/problems/{code}"


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """Return a problem response. `members` stand beside the standard ones."""
    body = {**members, **_standard(status, code, detail)}
    return Response(msgspec.json.encode(body, enc_hook=str), status, headers, MEDIA_TYPE)


def refusals(*errors: type[SojournError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route's own refusals; common ones are documented."""
    found: dict[int | str, dict[str, Any]] = {}
    for error in sorted(set(errors), key=lambda error: error.code):
        response = found.setdefault(
            error.status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        response["description"] += f"{' ' if response['description'] else ''}`{error.code}`: {error.meaning}"
        example = _standard(error.status, error.code, error.meaning)
        response["content"][MEDIA_TYPE]["examples"][error.code] = {"value": example}
    return found


def _standard(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": type_of(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        # Segment's and RudderStack's Python clients read `code` and `message`, and retry a refusal without them as a
        # network error.
        "message": detail,
    }


def install(app: FastAPI) -> None:
    """Install the handlers that answer every error with a problem.

    They are asynchronous, or the framework would use a thread for each refusal.
    """
    app.add_exception_handler(SojournError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for error in DATABASE_AWAY:
        app.add_exception_handler(error, _database_away)
    app.add_middleware(Incidents)


def answer(error: SojournError) -> Response:
    """Return the problem of a refusal."""
    members = dict(error.data)
    headers: dict[str, str] = {}
    if isinstance(error, InvalidDocumentError):
        members["problems"] = error.problems
    elif isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = 'Bearer realm="Sojourn"'
    elif isinstance(error, UnavailableError) or "retry_after" in error.data:
        headers["Retry-After"] = str(error.data.get("retry_after", 1))
    return problem(error.status, error.code, error.detail, headers=headers, **members)


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, SojournError):
        raise TypeError(type(error).__name__)
    return answer(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    """Answer errors of declared types without values, which may be personal or a key."""
    if not isinstance(error, RequestValidationError):
        raise TypeError(type(error).__name__)
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            detail = f"the body is not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}"
            return problem(MalformedJsonError.status, MalformedJsonError.code, detail)
    faults = [
        {"path": ".".join(map(str, fault["loc"])), "message": _IN_JSON.get(fault["type"], fault["msg"])}
        for fault in error.errors()
    ]
    detail = "; ".join(f"{fault['path']}: {fault['message']}" for fault in faults)
    return problem(InvalidRequestError.status, InvalidRequestError.code, detail, errors=faults)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(type(error).__name__)
    kind = _OF_STATUS.get(error.status_code, SojournError)
    detail = {
        NoSuchPathError: "there is no such path; see /docs for those that there are",
        MethodNotAllowedError: "this path is there for other methods; the header Allow names them",
    }.get(kind, error.detail)
    headers = dict(error.headers or {})
    if kind is MethodNotAllowedError:
        headers["Allow"] = ", ".join(_methods(request))
    return problem(kind.status, kind.code, detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path; the framework would name only its first route's.

    A path that is written out, such as `/v1/segments/plan`, is not one of `/v1/segments/{key}`, as OpenAPI has it.
    """
    routes = request.app.routes
    routes = [route for route in routes if getattr(route, "path", None) == request.scope["path"]] or routes
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _database_away(_request: Request, error: Exception) -> Response:
    return database_away(error)


def database_away(error: Exception) -> Response:
    """Return the problem of an error of DATABASE_AWAY."""
    detail = describe_error(error) if isinstance(error, psycopg.Error) else None
    _log.warning("failed to reach database", error=type(error).__name__, detail=detail)
    return problem(
        UnavailableError.status,
        UnavailableError.code,
        "the database does not answer at the moment; the same request may be sent again",
        headers={"Retry-After": "1"},
    )


class Incidents:
    """Answers an unexpected error with 500 and the id of its log entry."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def noting_send(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return
        except Exception:
            incident = uuid4().hex[:12]
            # The path's template: the path itself may contain a user id or an unsubscribe token.
            path = getattr(scope.get("route"), "path", None)
            _log.exception("failed to answer request", incident=incident, method=scope["method"], path=path)
            if is_started:
                raise
            detail = f"something unexpected went wrong; the log has it as incident {incident}"
            await problem(500, SojournError.code, detail, incident=incident)(scope, receive, send)
