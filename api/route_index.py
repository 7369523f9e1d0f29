"""An index of routes by the beginning of their paths.

The framework compares a request with each of almost two hundred routes until it meets its own.
"""

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

# Parts of a path that are indexed: `/v1/segments` has two.
MAX_PARTS: Final = 2


class RouteIndex:
    """Serves requests that meet a route of a router, and leaves the router the rest.

    It compares a request only with routes whose path begins as its own, in their order.
    """

    def __init__(self, router: Router) -> None:
        self._router = router.middleware_stack
        routes = [(_fixed_parts(getattr(route, "path", "")), route) for route in router.routes]
        self._routes = {
            "/".join(parts): [route for own, route in routes if own == parts[: len(own)]] for parts, _ in routes
        }
        # These may begin with anything.
        self._open = [route for own, route in routes if own == [""]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for route in self.select(scope["path"]):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await self._router(scope, receive, send)

    def select(self, path: str) -> Sequence[BaseRoute]:
        """Return the routes that a path may meet, in their order."""
        parts = _parts(path)
        while len(parts) > 1:
            if (routes := self._routes.get("/".join(parts))) is not None:
                return routes
            parts.pop()
        return self._open


def _parts(path: str) -> list[str]:
    """Return the indexed parts of a path, after the empty one before its first slash."""
    return path.split("/", MAX_PARTS + 1)[: MAX_PARTS + 1]


def _fixed_parts(path: str) -> list[str]:
    """Return the indexed parts of a route's path before its first parameter."""
    parts = _parts(path)
    return parts[: next((place for place, part in enumerate(parts) if "{" in part), len(parts))]
