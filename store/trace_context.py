"""The trace of a row, stored as W3C's `traceparent`.

Nothing else of a context is stored: `tracestate` and `baggage` may hold any data of a client.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

KEY: Final = "traceparent"

_propagator: Final = TraceContextTextMapPropagator()


def traceparent() -> str | None:
    """Return the `traceparent` of the current span; None if there is no trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(KEY)


def context_of(traceparent: str) -> Context:
    """Return a parent context for spans; without a trace if the text is invalid."""
    return _propagator.extract({KEY: traceparent}, Context())
