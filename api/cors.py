"""Cross-origin requests of pages with a browser key (CORS), without cookies.

A preflight has no key, so it says only which methods and headers these paths take from pages. The request itself is
judged: a key for other pages refuses it. The page may read this refusal, so that it does not ask again, and no answer
to the key of a server.
Source: the Fetch standard, 3.2.
"""

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# How long a browser keeps a preflight; Chromium keeps none for longer. Seconds.
PREFLIGHT_SECONDS: Final = 7_200
MAX_HEADERS_CHARACTERS: Final = 1_000

# Names of headers that a page wants to send, such as AnonymousId of RudderStack's script. The others are not read.
_HEADERS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]+")


class Cors:
    """Answer preflights of some paths, and let pages read the answers of the others."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        """`paths` are those of the routes, with their parameters."""
        self._app = app
        self._paths = re.compile("|".join(compile_path(path)[0].pattern for path in paths))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._paths.match(scope["path"]) is None:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            await _answer_preflight(headers, origin)(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def allowing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.add_vary_header("Origin")
                if origin and not state.get("is_page_refused"):
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Expose-Headers"] = "Date, ETag, Retry-After"
            await send(message)

        await self._app(scope, receive, allowing_send)


def refuse_page(request: Request) -> None:
    """Keep the answer to a request from its page."""
    request.state.is_page_refused = True


def _answer_preflight(headers: Headers, origin: str) -> Response:
    wanted = headers.get("access-control-request-headers", "")
    answer = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    if len(wanted) <= MAX_HEADERS_CHARACTERS and _HEADERS.fullmatch(wanted):
        answer["Access-Control-Allow-Headers"] = wanted
    return Response(status_code=204, headers=answer)
