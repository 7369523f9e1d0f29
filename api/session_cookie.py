"""The cookie of a console session, and the pages that may use it.

The prefix `__Host-` makes browsers refuse one that another host, a path or plain HTTP has set. Source: RFC 6265bis,
4.1.3.2. `SameSite=Strict` keeps it from requests that pages of other sites cause; pages of this site but another origin
are refused by `Origin` and `Sec-Fetch-Site`.
"""

from typing import Final, Literal

from fastapi import Request, Response

from domain.errors import ForbiddenError

COOKIE: Final = "__Host-sojourn"
_SAFE: Final = frozenset({"GET", "HEAD"})
# A page of this origin, or a person who has typed the address.
_OWN_PAGES: Final = frozenset({"same-origin", "none"})


def read_cookie(request: Request) -> str | None:
    """Return the unverified value of the cookie."""
    return request.cookies.get(COOKIE) or None


def set_cookie(
    response: Response, value: str, seconds: int, *, name: str = COOKIE, same_site: Literal["strict", "lax"] = "strict"
) -> None:
    """Set a cookie for so many seconds; an empty one for 0 deletes it."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite=same_site)
    response.headers["Cache-Control"] = "no-store"


def require_own_page(request: Request) -> None:
    """Raise ForbiddenError unless a page of this API asks.

    Reading needs no `Origin`, which browsers leave out there.
    """
    origin = request.headers.get("origin")
    fetch_site = request.headers.get("sec-fetch-site")
    is_own = origin in request.app.state.console_origins if origin is not None else request.method in _SAFE
    if not is_own or (fetch_site is not None and fetch_site not in _OWN_PAGES):
        allowed = ", ".join(sorted(request.app.state.console_origins))
        raise ForbiddenError(
            f"a session is for pages of {allowed}, and this request is of "
            f"{origin or fetch_site or 'no page'}: set SOJOURN_CONSOLE_URL to the address of the console, "
            "or use a key in a program",
        )
