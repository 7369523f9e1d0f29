"""The trace that something belongs to, as W3C's `traceparent` writes it: how it is kept in a row.

Nothing else of a context travels: `tracestate` and `baggage` may hold whatever a client has put there.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

KEY: Final = "traceparent"

_propagator: Final = TraceContextTextMapPropagator()


def traceparent() -> str | None:
    """Of the span that is under way; None where no trace is taken."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(KEY)


def context_of(traceparent: str) -> Context:
    """What spans of that trace begin in; no trace at all where the text is not one."""
    return _propagator.extract({KEY: traceparent}, Context())
