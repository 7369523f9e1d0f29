"""Metrics, traces and logs of requests.

They name the template of a route, never its path, which may contain a user id or an unsubscribe token.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.tracking_paths import KINDS
from runtime import metrics
from runtime.tracing import is_tracing
from store.trace_context import KEY, context_of

_log = structlog.get_logger(__name__)
_tracer: Final = trace.get_tracer("sojourn")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Requested very often: successes are counted but not logged.
_SILENT: Final = frozenset(
    {"/healthz", "/readyz", "/v1/callbacks/{provider}", "/v1/client/messages", "/v1/client/slots"}
    | {f"/v1/{kind}" for kind in KINDS}
)
STREAM: Final = "text/event-stream"
_STREAM: Final = STREAM.encode()
# The client left before the answer; nginx counts it in the same way.
GONE: Final = 499
# An overloaded API answers thousands of these, and clients leave; a log line for each would add load.
_COUNTED_ONLY: Final = frozenset({429, GONE, 503})


class RequestMetrics:
    """The outermost middleware. The request's id is in `X-Request-Id` and in its log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # The process begins to take traces before it serves.
        self._is_tracing = is_tracing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, request_id, status = perf_counter(), token_hex(16), GONE
        stream_began: float | None = None
        method = scope["method"] if scope["method"] in METHODS else "other"

        async def noting_send(message: Message) -> None:
            nonlocal status, stream_began
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if any(name == b"content-type" and value.startswith(_STREAM) for name, value in headers):
                    stream_began = perf_counter()
            await send(message)

        # The task is this request's own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with _open_span(scope, method) if self._is_tracing else nullcontext(trace.INVALID_SPAN) as span:
            try:
                await self._app(scope, receive, noting_send)
            except Exception:
                status = 500
                raise
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                if span.is_recording():
                    _describe(span, method, route, status, request_id)
                seconds = (stream_began or perf_counter()) - began
                requests, durations = _find_series(method, route, status)
                requests.inc()
                durations.observe(seconds)
                _log_request(method, route, status, seconds)


def _open_span(scope: Scope, method: str) -> AbstractContextManager[trace.Span]:
    given = Headers(scope=scope).get(KEY)
    return _tracer.start_as_current_span(
        method,
        Context() if given is None else context_of(given),
        SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    )


@cache
def _find_series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return the series of some requests.

    The library would look them up under a lock for each request.
    """
    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_SECONDS.labels(method, route)


def _describe(span: trace.Span, method: str, route: str, status: int, request_id: str) -> None:
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "sojourn.request": request_id,
        }
    )
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _log_request(method: str, route: str, status: int, seconds: float) -> None:
    """Log a request that changed something or failed."""
    if status in _COUNTED_ONLY or (status < 400 and route in _SILENT):
        return
    log = _log.warning if status >= 500 else _log.info
    log("request answered", method=method, route=route, status=status, seconds=round(seconds, 4))
