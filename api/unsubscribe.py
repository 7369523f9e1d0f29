"""The pages of unsubscribe links.

GET only asks, since mail scanners follow every link. POST unsubscribes: from the button of that page, or in one click
from the mail program (RFC 8058), which sends no cookie and no key, only the signed token.
"""

from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from api.dependencies import TextField, Using
from api.problems import refusals
from domain.errors import InvalidRequestError, SojournError

router = APIRouter(prefix="/unsubscribe", tags=["Recipients"])

Token = Annotated[
    TextField,
    Path(
        description="the signed token of the link",
        examples=["uWyJwcm9maWxlIiwiZW1haWwiXQ.c2lnbmF0dXJl"],
    ),
]

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # The page's address contains the token.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1.5rem; }}
button {{ font: inherit; padding: .6rem 1.4rem; border: 2px solid; border-radius: .4rem; cursor: pointer; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
{form}</main>
</body>
</html>
"""

_FORM = """<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">Unsubscribe</button>
</form>
"""


_PAGES: dict[int | str, dict[str, Any]] = {
    404: {"description": "A page: the link does not work", "content": {"text/html": {"schema": {"type": "string"}}}},
    503: {"description": "A page: come back later", "content": {"text/html": {"schema": {"type": "string"}}}},
    **refusals(InvalidRequestError, SojournError),
}


@router.get("/{token}", response_class=HTMLResponse, responses=_PAGES)
async def confirm_unsubscribe(token: Token, services: Using) -> HTMLResponse:
    """A page with a button. It changes nothing."""
    try:
        view = await services.unsubscribe.describe(token)
    except SojournError as error:
        return _unusable(error)
    return _page("Unsubscribe?", f"You will receive no more {view.channel} messages of this kind.", _FORM)


@router.post("/{token}", response_class=HTMLResponse, responses=_PAGES)
async def unsubscribe(token: Token, services: Using) -> HTMLResponse:
    """Unsubscribe, with any body, such as `List-Unsubscribe=One-Click`. Idempotent."""
    try:
        await services.unsubscribe(token)
    except SojournError as error:
        return _unusable(error)
    return _page("You are unsubscribed", "Nothing more is to be done. You may close this page.")


def _page(title: str, text: str, form: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text), form=form), status, _HEADERS)


def _unusable(error: SojournError) -> HTMLResponse:
    """Return a page for a person, rather than a problem document."""
    if error.status >= 500:
        return _page(
            "Please try again", "This is not possible at the moment. Please come back a little later.", "", 503
        )
    return _page("This link does not work", "It is incomplete or no longer valid.", "", error.status)
