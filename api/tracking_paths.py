"""Alternative paths of tracking calls, mapped to the documented routes.

Sources: segmentio/analytics-android 4.11.4, analytics-ruby 2.5.0 and Analytics.NET 3.8.1 send batches to `/v1/import`;
analytics-kotlin 1.24.1, analytics-swift 1.9.4 and Analytics-CSharp 2.6.0 to `/v1/b`; the browser library sends each
call to the first letter of its type. rudder-server (gateway/handle_lifecycle.go, August 2026) has `/v1/import`, and
`/beacon/v1/batch?writeKey=…` for pages that are being left.
"""

from types import MappingProxyType
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

KINDS: Final = ("track", "identify", "page", "screen", "group", "alias", "batch")

_OTHER_NAMES: Final = {f"/v1/{kind[0]}": f"/v1/{kind}" for kind in KINDS} | {
    "/v1/import": "/v1/batch",
    "/beacon/v1/batch": "/v1/batch",
}
# These have a route of their own.
_WITH_A_SLASH: Final = {"/v1/m/": "/v1/m", "/sourceConfig/": "/sourceConfig"}
_ROUTES: Final = MappingProxyType(
    _OTHER_NAMES
    | _WITH_A_SLASH
    | {f"{path}/": route for path, route in _OTHER_NAMES.items()}
    | {f"/v1/{kind}/": f"/v1/{kind}" for kind in KINDS}
)


class TrackingPaths:
    """Map alternative paths to the tracking routes, outside of limits and metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (route := _ROUTES.get(scope["path"])) is not None:
            scope = {**scope, "path": route, "raw_path": route.encode()}
        await self._app(scope, receive, send)
