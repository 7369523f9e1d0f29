"""A collector of traces, as OpenTelemetry's protocol has it, on loopback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Taken:
    """A span. The ids are hexadecimal; of a span without a parent, `parent` is empty."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, str]


class Collector:
    """What has been exported: the spans, and all of it as it came."""

    def __init__(self) -> None:
        self.spans: list[Taken] = []
        self.raw = b""
        self.url = ""

    def take(self, body: bytes) -> None:
        """One export."""
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            [service] = [item.value.string_value for item in resource.resource.attributes if item.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {
                        item.key: item.value.string_value or str(item.value.int_value) for item in span.attributes
                    }
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.spans.append(Taken(service, span.name, *ids, attributes))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that answers at `url`."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
