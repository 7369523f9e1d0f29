"""Where traces go: by OTLP over HTTP, as OpenTelemetry's own variables say. Imported only where they do."""

from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def begin_tracing(service: str) -> TracerProvider:
    """Take traces in this process, until the provider is shut down: that hands over what is left.

    The service is called `service`, unless OTEL_SERVICE_NAME says otherwise.
    """
    named = Resource({SERVICE_NAME: service, SERVICE_VERSION: version("sojourn")})
    provider = TracerProvider(
        resource=Resource.create().merge(named).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
