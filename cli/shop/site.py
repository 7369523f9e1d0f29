"""The pages of the shop, and its server, which signs the tokens of its users.

It is integrated as any other site: one script tag with a browser key, and a user token by the server that knows who is
logged in. Here visitors choose who they are.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import parse_qs, urlsplit

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cli.shop.key import ShopKey
from cli.shop.script import Script

# Its place in the navigation, and the file of the page.
PAGES: Final[Mapping[str, str]] = {"/": "Home", "/pricing": "Prices", "/cart": "Cart", "/account": "Account"}
PEOPLE: Final = ("ada", "ben", "cleo")
TOKEN_SECONDS: Final = 3_600

_FILES: Final = Path(__file__).with_name("pages")
_COOKIE: Final = "shop_user"
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}

FindKey = Callable[[], Awaitable[ShopKey]]


def create_shop(api_url: str, script: Script, find_key: FindKey) -> Starlette:
    """Create the shop for the API at an address, which serves this script.

    The key is asked for with each page.
    """
    return Starlette(routes=_Site(api_url, script, find_key).routes())


def sign_user_token(user_id: str, secret: str) -> str:
    """Sign that this user is logged in, for an hour."""
    return jwt.encode({"sub": user_id, "aud": "sojourn", "exp": time.time() + TOKEN_SECONDS}, secret, "HS256")


class _Site:
    def __init__(self, api_url: str, script: Script, find_key: FindKey) -> None:
        self._script = script
        self._find_key = find_key
        self._headers = {
            "Content-Security-Policy": describe_policy(api_url),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    def routes(self) -> list[Route]:
        return [
            *(Route(path, self._show) for path in PAGES),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/shop.{suffix}", self._show_file),
        ]

    async def _show(self, request: Request) -> Response:
        user, key, path = _user_of(request), await self._find_key(), request.url.path
        values = {
            "title": PAGES[path],
            "script": self._script.url,
            "integrity": self._script.integrity,
            "key": key.token,
            "token": f' data-user-token="{sign_user_token(user, key.token_secret)}"' if user else "",
            "user": user,
            "navigation": _navigation(path),
            "people": "".join(_person(one, user) for one in ("", *PEOPLE)),
        }
        main = (_FILES / f"{PAGES[path].lower()}.html").read_text()
        layout = Template((_FILES / "layout.html").read_text())
        text = layout.substitute({name: _escape(name, value) for name, value in values.items()}, main=main)
        return Response(text, media_type="text/html", headers=self._headers)

    async def _log_in(self, request: Request) -> Response:
        [user] = parse_qs((await request.body()).decode(errors="replace")).get("user", [""])[:1]
        answer = RedirectResponse("/", status_code=303)
        if user in PEOPLE:
            answer.set_cookie(_COOKIE, user, httponly=True, samesite="lax")
        else:
            answer.delete_cookie(_COOKIE)
        return answer

    async def _show_file(self, request: Request) -> Response:
        suffix = f".{request.path_params['suffix']}"
        if suffix not in _MEDIA_TYPES:
            return Response(status_code=404)
        text = (_FILES / f"shop{suffix}").read_bytes()
        return Response(text, media_type=_MEDIA_TYPES[suffix], headers=self._headers)


def describe_policy(api_url: str) -> str:
    """Return the content security policy: own files and the API, and nothing inline."""
    parts = urlsplit(api_url)
    api = f"{parts.scheme}://{parts.netloc}"
    return (
        f"default-src 'none'; script-src 'self' {api}; connect-src {api}; style-src 'self'; img-src 'self' https:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types sojourn"
    )


def _user_of(request: Request) -> str:
    user = request.cookies.get(_COOKIE, "")
    return user if user in PEOPLE else ""


# Made of parts that are escaped.
_MARKUP: Final = ("navigation", "people", "token")


def _escape(name: str, value: str) -> str:
    return value if name in _MARKUP else escape(value)


def _navigation(path: str) -> str:
    tours = {"/pricing": " data-tour=prices", "/account": " data-tour=account"}
    return "".join(
        f'<a href="{at}"{tours.get(at, "")}{" aria-current=page" if at == path else ""}>{name}</a>'
        for at, name in PAGES.items()
    )


def _person(name: str, user: str) -> str:
    chosen = " aria-pressed=true" if name == user else " aria-pressed=false"
    return f'<button name=user value="{name}"{chosen}>{name.capitalize() or "Visitor"}</button>'
