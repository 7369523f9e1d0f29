"""A process of a deployment as its operator sees it: its log, its metrics and its traces."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import REGISTRY
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from domain.errors import SojournError
from runtime.logs import configure_logs
from runtime.metrics import serve_metrics
from runtime.temporal_metrics import TemporalMetrics

# As the specification of OpenTelemetry has it, where traces are wanted and where to.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = structlog.get_logger()


@contextmanager
def instrumented_process(
    service: str,
    *,
    metrics_address: str | None,
    build_id: str | None = None,
    has_temporal: bool = True,
    is_quiet: bool = False,
) -> Iterator[None]:
    """While the process does its work. To be entered before the first client of Temporal is made.

    `is_quiet` logs warnings alone.

    Raises ConflictError where the address of the metrics is taken.
    """
    configure_logs(is_quiet=is_quiet)
    provider = None
    if any(os.environ.get(name) for name in ENDPOINTS):
        # Few processes need it, and it takes as long to import as much of the rest.
        from runtime.trace_export import begin_tracing

        provider = begin_tracing(service)
    try:
        if has_temporal:
            _watch_temporal(with_metrics=metrics_address is not None)
        if metrics_address is not None:
            serve_metrics(metrics_address, build_id=build_id)
        yield
    finally:
        if provider is not None:
            provider.shutdown()


@contextmanager
def log_fatal() -> Iterator[None]:
    """What a process fails of is a line of its log, and ends it with status 1."""
    try:
        yield
    except SojournError as error:
        log.critical("the process has failed", reason=error.detail)
        raise SystemExit(1) from error
    except Exception as error:
        log.critical("the process has failed", exc_info=True)
        raise SystemExit(1) from error


def _watch_temporal(*, with_metrics: bool) -> None:
    """Have the SDK's core log where all else does, and report its metrics."""
    metrics = TemporalMetrics() if with_metrics else None
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"), append_target_to_name=False)
    telemetry = TelemetryConfig(
        logging=LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding),
        metrics=None if metrics is None else metrics.buffer,
        attach_service_name=False,
    )
    Runtime.set_default(Runtime(telemetry=telemetry))
    if metrics is not None:
        REGISTRY.register(metrics)
        metrics.keep_draining()
