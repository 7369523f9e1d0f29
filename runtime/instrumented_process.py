"""The log, the metrics and the traces of a process."""

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

# OpenTelemetry's variables for the destination of traces.
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
    """Instrument the process; enter it before the first Temporal client is created.

    `is_quiet` logs warnings alone.

    Raises ConflictError if the address of the metrics is taken.
    """
    configure_logs(is_quiet=is_quiet)
    provider = None
    if any(os.environ.get(name) for name in ENDPOINTS):
        # Few processes need it, and its import is slow.
        from runtime.trace_export import begin_tracing

        provider = begin_tracing(service)
    try:
        if has_temporal:
            _instrument_temporal(with_metrics=metrics_address is not None)
        if metrics_address is not None:
            serve_metrics(metrics_address, build_id=build_id)
        yield
    finally:
        if provider is not None:
            provider.shutdown()


@contextmanager
def log_fatal() -> Iterator[None]:
    """Log an error that ends the process, and exit with status 1."""
    try:
        yield
    except SojournError as error:
        log.critical("process failed", reason=error.detail)
        raise SystemExit(1) from error
    except Exception as error:
        log.critical("process failed", exc_info=True)
        raise SystemExit(1) from error


def _instrument_temporal(*, with_metrics: bool) -> None:
    """Send the SDK's core log to ours, and report its metrics."""
    metrics = TemporalMetrics() if with_metrics else None
    forwarding = LogForwardingConfig(
        logging.getLogger("temporalio.core"), append_target_to_name=False, append_log_fields_to_message=False
    )
    telemetry = TelemetryConfig(
        logging=LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding),
        metrics=None if metrics is None else metrics.buffer,
        attach_service_name=False,
    )
    Runtime.set_default(Runtime(telemetry=telemetry))
    if metrics is not None:
        REGISTRY.register(metrics)
        metrics.keep_draining()
