"""Export of traces by OTLP over HTTP, configured by OpenTelemetry's variables.

Imported only if traces are exported.
"""

from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def begin_tracing(service: str) -> TracerProvider:
    """Export traces until the provider is shut down, which sends the rest.

    The service is named `service`, unless OTEL_SERVICE_NAME is set.
    """
    named = Resource({SERVICE_NAME: service, SERVICE_VERSION: version("sojourn")})
    provider = TracerProvider(
        resource=Resource.create().merge(named).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
