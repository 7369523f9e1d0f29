"""The addresses of tracked links and images in messages.

A request makes a note; what it means is judged later. No target is ever taken from the request.
"""

from base64 import b64decode
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.dependencies import TextField, Using
from api.recipient_pages.layout import PAGES, unusable
from api.recipient_pages.texts import choose_texts
from domain.errors import SojournError

router = APIRouter(tags=["Recipients"])

LinkToken = Annotated[
    TextField, Path(description="the signed token of the link", examples=["C5w6UmoOW26dVzovb29vYAc6q0qVxk1Dgw"])
]
UserAgent = Annotated[str | None, Header(include_in_schema=False)]

_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
# A transparent GIF of one pixel.
_PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": "The hidden link, which no person sees"},
    302: {"description": "To the target of the link"},
    **PAGES,
}


_IMAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/gif": {"schema": {"type": "string", "format": "binary"}, "example": "GIF89a"}}},
    **PAGES,
}


@router.get("/c/{token}", status_code=302, response_class=Response, responses=_ANSWERS)
async def follow_link(token: LinkToken, request: Request, services: Using, user_agent: UserAgent = None) -> Response:
    """Lead on to the target of a link in a message."""
    try:
        target = await services.followed_links.follow(token, user_agent, is_head=request.method == "HEAD")
    except SojournError as error:
        return unusable(choose_texts(None, request.headers.get("accept-language")), error)
    return Response(status_code=204, headers=_HEADERS) if target is None else RedirectResponse(target, 302, _HEADERS)


# Scanners ask by HEAD where a link leads.
router.head("/c/{token}", include_in_schema=False)(follow_link)


@router.post("/c/{token}", status_code=204, response_class=Response, responses=_ANSWERS)
async def confirm_click(token: LinkToken, request: Request, services: Using, user_agent: UserAgent = None) -> Response:
    """Confirm that a person sees the page behind a link, by `navigator.sendBeacon`."""
    try:
        await services.followed_links.confirm(token, user_agent)
    except SojournError as error:
        return unusable(choose_texts(None, request.headers.get("accept-language")), error)
    return Response(status_code=204, headers=_HEADERS)


@router.get("/o/{token}.gif", response_class=Response, responses=_IMAGE)
async def open_message(token: LinkToken, request: Request, services: Using, user_agent: UserAgent = None) -> Response:
    """Return a transparent image, whose fetch tells that a message was opened."""
    try:
        await services.followed_links.open(token, user_agent)
    except SojournError as error:
        return unusable(choose_texts(None, request.headers.get("accept-language")), error)
    return Response(_PIXEL, media_type="image/gif", headers=_HEADERS)
