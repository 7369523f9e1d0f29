"""Log in to the web console by an identity provider, in a browser."""

import base64
import binascii
from html import escape
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import find_session
from api.console_login import keep_session
from api.dependencies import TextField, Using
from api.problems import refusals
from api.recipient_pages.layout import page, paragraph
from api.recipient_pages.texts import choose_texts
from api.session_cookie import read_cookie, set_cookie
from application.single_sign_on import LoginAnswer, LoginAttempt, SingleSignOn
from domain.errors import (
    InvalidRequestError,
    NoSuchPathError,
    OverloadedError,
    RateLimitedError,
    SojournError,
    UnavailableError,
)
from domain.single_sign_on import CONSOLE
from wiring import Services

router = APIRouter(prefix="/v1/session/oidc", tags=["Console"])

# The answer comes by a link of another site, which `SameSite=Strict` would leave without it.
ATTEMPT_COOKIE: Final = "__Host-sojourn-login"
# As long as a person may take at the provider.
ATTEMPT_SECONDS: Final = 600
PATH: Final = router.prefix

_PAGE: Final = {"content": {"text/html": {"schema": {"type": "string"}}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    303: {"description": "On to the next page"},
    403: {"description": "A page: the log-in is refused, and why", **_PAGE},
    404: {"description": "A page: this deployment has no identity provider", **_PAGE},
    **refusals(InvalidRequestError, RateLimitedError, UnavailableError, OverloadedError, SojournError),
}

AnswerParameter = Annotated[TextField | None, Query(max_length=4_096)]


@router.get("", status_code=303, response_class=RedirectResponse, responses=_ANSWERS)
async def begin_login(
    request: Request,
    services: Using,
    return_to: Annotated[TextField, Query(description="the page of the console to show afterwards")] = CONSOLE,
) -> Response:
    """Lead a browser to the identity provider of `SOJOURN_OIDC_ISSUER`."""
    request.app.state.rate_limits.begin_address(request.state.visit.client)
    former = read_cookie(request) if find_session(request) is not None else None
    try:
        url, attempt = await _require(services).begin(return_to, former)
    except SojournError as error:
        return _refuse(error)
    answer = RedirectResponse(url, 303)
    _keep(answer, _encode(attempt), ATTEMPT_SECONDS)
    return answer


@router.get("/callback", status_code=303, response_class=RedirectResponse, responses=_ANSWERS)
async def finish_login(
    request: Request,
    services: Using,
    state: AnswerParameter = None,
    code: AnswerParameter = None,
    iss: AnswerParameter = None,
    error: AnswerParameter = None,
) -> Response:
    """Open a session by the answer of the identity provider.

    The browser must have begun the log-in at most 10 minutes ago.
    """
    request.app.state.rate_limits.begin_address(request.state.visit.client)
    attempt = _decode(request.cookies.get(ATTEMPT_COOKIE))
    answer: Response
    try:
        opened, return_to = await _require(services).finish(
            attempt, LoginAnswer(state, code, iss, error), find_session(request)
        )
    except SojournError as refusal:
        answer = _refuse(refusal)
    else:
        answer = RedirectResponse(return_to, 303)
        keep_session(answer, opened)
    # One answer for one attempt.
    _keep(answer, "", 0)
    return answer


def _require(services: Services) -> SingleSignOn:
    if services.single_sign_on is None:
        raise NoSuchPathError("this deployment has no identity provider: log in by a key, or set SOJOURN_OIDC_ISSUER")
    return services.single_sign_on


def _refuse(error: SojournError) -> HTMLResponse:
    """Return a page for a person, rather than a problem document."""
    links = f'<p><a href="{escape(PATH)}">Log in again</a> or <a href="{escape(CONSOLE)}">go to the console</a></p>'
    detail = f"{error.detail[:1].upper()}{error.detail[1:]}."
    return page(choose_texts(None, "en"), "You are not logged in", [paragraph(detail), links], error.status)


def _keep(response: Response, value: str, seconds: int) -> None:
    set_cookie(response, value, seconds, name=ATTEMPT_COOKIE, same_site="lax")


def _encode(attempt: LoginAttempt) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(attempt)).decode().rstrip("=")


def _decode(cookie: str | None) -> LoginAttempt | None:
    """Return the attempt of a cookie; None if it is none."""
    try:
        padded = (cookie or "").encode() + b"=="
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=LoginAttempt)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        return None
