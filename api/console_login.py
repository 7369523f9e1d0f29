"""Log in to the web console: what is public of its sessions."""

from datetime import UTC, datetime
from math import ceil
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.auth import find_session, wrong_key
from api.console_sessions import CurrentSession, describe_session
from api.dependencies import RequestModel, ResponseModel, TextField, Using, example
from api.problems import refusals
from api.session_cookie import require_own_page, set_cookie
from application.console_sessions import NewSession
from domain.errors import (
    ForbiddenError,
    InvalidRequestError,
    MalformedJsonError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    RequestTimeoutError,
    SojournError,
    UnauthorizedError,
    UnavailableError,
)

router = APIRouter(prefix="/v1/session", tags=["Console"])


class LoginRequest(RequestModel):
    model_config = example({"key": "sj_9f86d081884c7d65_" + "0" * 64})

    key: Annotated[TextField, Field(min_length=1, max_length=1_024, description="the key of a server, of scope `read`")]


class SessionOptions(ResponseModel):
    model_config = example({"single_sign_on": False})

    single_sign_on: bool = Field(description="whether people log in by an identity provider")


@router.post(
    "",
    status_code=201,
    responses=refusals(
        InvalidRequestError,
        MalformedJsonError,
        UnauthorizedError,
        ForbiddenError,
        RequestTimeoutError,
        PayloadTooLargeError,
        RateLimitedError,
        UnavailableError,
        OverloadedError,
        SojournError,
    ),
)
async def log_in(body: LoginRequest, request: Request, response: Response, services: Using) -> CurrentSession:
    """Open a session of the console by a key, for a page of the console alone.

    The answer sets a cookie, which takes the place of the key for 12 hours, and no longer than the key is valid. The
    request must have the `Origin` of the console.
    """
    require_own_page(request)
    request.app.state.rate_limits.begin_address(request.state.visit.client)
    key = body.key.encode()
    access = await services.keys.verify(key)
    if access is None:
        raise wrong_key()
    opened = await services.console_sessions.open_by_key(key, access, find_session(request))
    keep_session(response, opened)
    return await describe_session(request, opened.access)


def keep_session(response: Response, opened: NewSession) -> None:
    """Set the cookie of a new session, for as long as it lasts."""
    set_cookie(response, opened.value, ceil((opened.session.expires_at - datetime.now(UTC)).total_seconds()))


@router.get("/options", responses=refusals(RateLimitedError, UnavailableError, OverloadedError, SojournError))
async def get_session_options(services: Using) -> SessionOptions:
    """The ways to log in."""
    return SessionOptions(single_sign_on=services.single_sign_on is not None)
