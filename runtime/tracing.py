"""One trace from the acknowledged event to the message handed over.

The context crosses the outbox in the payload of its rows, and Temporal in a header. A workflow passes on the context of
its start, or of the last signal since, to its activities. Spans are created outside workflows only, so that no replay
repeats them. They carry ids of journeys, events and messages, but no user id, though it is part of a workflow's id, and
no text of an error.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from domain.journey.records import anonymous_place
from store.trace_context import KEY, context_of, traceparent

Headers = Mapping[str, Payload]

_tracer: Final = trace.get_tracer("sojourn")


def is_tracing() -> bool:
    """Return whether this process takes traces."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def child_span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], parent: Context | None = None
) -> Iterator[trace.Span]:
    """Open a span in the trace of `parent`, or of the current span, if there is one."""
    if not trace.get_current_span(parent).get_span_context().is_valid:
        yield trace.INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            # The text may quote a row or an address. An expected failure is not an error.
            if not (isinstance(error, ApplicationError) and error.category == ApplicationErrorCategory.BENIGN):
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def headers_here() -> dict[str, Payload]:
    """Return the header with the current trace; empty without one."""
    if (here := traceparent()) is None:
        return {}
    return {KEY: Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(here).encode())}


def _context(headers: Headers) -> Context:
    payload = headers.get(KEY)
    return Context() if payload is None else context_of(json.loads(payload.data))


class TraceInterceptor(ClientInterceptor, Interceptor):
    """Passes the trace on, for a client and its workers; commands are unaffected."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Starts(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Activities(next)

    def workflow_interceptor_class(self, _: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _Propagator


def trace_interceptors() -> list[TraceInterceptor]:
    """Return the interceptors; none if no traces are taken."""
    return [TraceInterceptor()] if is_tracing() else []


class _Starts(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = {**input.headers, **headers_here()}
        return await super().start_workflow(input)


class _Activities(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        attributes: dict[str, str | int] = {"sojourn.attempt": info.attempt}
        if info.workflow_id is not None and (place := anonymous_place(info.workflow_id)) is not None:
            attributes |= {"sojourn.campaign": place[0], "sojourn.journey": place[1]}
        with child_span(info.activity_type, SpanKind.CONSUMER, attributes, _context(input.headers)):
            return await super().execute_activity(input)


class _Propagator(WorkflowInboundInterceptor):
    """Runs in the sandbox and in each replay: it copies a header and creates no span."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.carried: Payload | None = None
        super().init(_Outbound(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        # A signal that came with the start has been handled before.
        self.carried = self.carried or input.headers.get(KEY)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        self.carried = input.headers.get(KEY) or self.carried
        await super().handle_signal(input)

    def with_carried(self, headers: Headers) -> Headers:
        return headers if self.carried is None else {**headers, KEY: self.carried}


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, inbound: _Propagator) -> None:
        super().__init__(next)
        self._inbound = inbound

    def start_activity(self, input: StartActivityInput) -> Any:
        input.headers = self._inbound.with_carried(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> Any:
        input.headers = self._inbound.with_carried(input.headers)
        return super().start_local_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        input.headers = self._inbound.with_carried(input.headers)
        super().continue_as_new(input)
