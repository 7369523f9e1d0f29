"""The Prometheus metrics of a process; all of them are defined here.

No label holds client data: no user, no name of an event, no path. Code or the operator names campaigns, outcomes and
reasons.
"""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from platform import python_version
from typing import Final
from weakref import WeakSet

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector

from domain.errors import ConflictError
from store.database import Database
from store.gauges import Gauges
from store.transaction_metrics import Increments, Labels, Metric

# The creation time of a series is of no use here, and would double the series.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Seconds. A request within a transaction takes milliseconds; one that waits for a provider, up to a minute.
_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600)

BUILD: Final = Gauge("sojourn_build_info", "1, labelled with the running build", ["version", "build_id", "python"])

HTTP_REQUESTS: Final = Counter(
    "sojourn_http_requests", "Requests by route template and status", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "sojourn_http_request_seconds",
    "Time from a request to the end of its answer, or to the beginning of a stream",
    ["method", "route"],
    buckets=_SHORT,
)
CLIENT_STREAMS: Final = Gauge("sojourn_client_streams", "Streams of pages and apps that are open")
INGEST_SECONDS: Final = Histogram(
    "sojourn_ingest_seconds", "Time in which a batch is stored, routed and committed", buckets=_SHORT
)

TRANSACTION_METRICS: Final = {
    Metric.EVENT: Counter("sojourn_events", "Events by type and outcome", ["type", "outcome"]),
    Metric.DECISION: Counter(
        "sojourn_decisions", "Decisions of the gate, of entries, exits and steps", ["kind", "outcome", "reason"]
    ),
    Metric.ENTERED: Counter("sojourn_journeys_entered", "Journeys that began", ["campaign"]),
    Metric.ENDED: Counter("sojourn_journeys_ended", "Journeys that are over", ["campaign", "state", "outcome"]),
    Metric.SETTLED: Counter(
        "sojourn_messages_settled",
        "Messages settled by an attempt, by outcome",
        ["campaign", "channel", "state", "reason"],
    ),
    Metric.VIOLATION: Counter(
        "sojourn_data_plan_violations", "Departures of events from what is declared", ["kind", "source"]
    ),
    Metric.CALLBACK: Counter("sojourn_callbacks", "Callbacks of providers", ["provider", "outcome"]),
    Metric.MAIL: Counter("sojourn_mails_received", "Mails that came back, by outcome", ["outcome"]),
    Metric.FORWARDED: Counter("sojourn_replies_forwarded", "Replies handed on, by outcome", ["outcome"]),
    Metric.REPORT: Counter("sojourn_reports", "Reports of providers about messages", ["provider", "kind", "outcome"]),
    Metric.AD_FLUSH: Counter("sojourn_audience_flushes", "Flushes of audiences, by outcome", ["provider", "outcome"]),
    Metric.DELIVERABILITY: Counter(
        "sojourn_deliverability",
        "Messages by provider, recipient domain and outcome, each once",
        ["provider", "domain", "outcome"],
    ),
}

PROVIDER_SECONDS: Final = Histogram(
    "sojourn_provider_call_seconds",
    "Calls of providers by outcome",
    ["channel", "provider", "outcome"],
    buckets=_LONG,
)

RELAY_DELIVERIES: Final = Counter("sojourn_relay_deliveries", "Outbox rows delivered to Temporal", ["kind", "outcome"])
RELAY_SECONDS: Final = Histogram(
    "sojourn_relay_delay_seconds", "Time that an accepted row waited in the outbox", ["kind"], buckets=_LONG
)

SWEEPER_LATE: Final = Gauge(
    "sojourn_sweeper_late_seconds",
    "Seconds by which a sweeper's last sweep was late for the first person who was due",
    ["sweeper"],
)
CONSUMER_BEHIND: Final = Gauge(
    "sojourn_consumer_behind_seconds", "Age of the last row that a consumer of the stream has processed", ["consumer"]
)


def count(counts: Increments) -> None:
    """Add the increments of a transaction."""
    for (metric, labels), number in counts.items():
        _find_series(metric, labels).inc(number)


@cache
def _find_series(metric: Metric, labels: Labels) -> Counter:
    """Return a series; the library would look it up under a lock each time."""
    return TRANSACTION_METRICS[metric].labels(*labels)


class Pools(Collector):
    """The connection pools of this process, read when Prometheus asks."""

    def __init__(self) -> None:
        self._databases: WeakSet[Database] = WeakSet()

    def add(self, database: Database) -> None:
        """Show a database's pool as long as it exists."""
        self._databases.add(database)

    def collect(self) -> Iterable[PrometheusMetric]:
        """Return one sample each, over all pools."""
        states = [database.pool_state() for database in list(self._databases)]
        for name, description, value in (
            ("connections", "Connections to the database", sum(state.size for state in states)),
            ("connections_in_use", "Connections that a transaction holds", sum(state.in_use for state in states)),
            ("waiting", "Tasks that wait for a connection", sum(state.waiting for state in states)),
        ):
            yield GaugeMetricFamily(f"sojourn_database_pool_{name}", description, value=value)


class PolledGauges(Collector):
    """The gauges that a worker last polled; absent in other processes."""

    def __init__(self) -> None:
        self._found: tuple[Gauges, float] | None = None

    def show(self, gauges: Gauges, at: float) -> None:
        """Show these gauges from now on; `at` is in seconds since 1970."""
        self._found = gauges, at

    def collect(self) -> Iterable[PrometheusMetric]:
        """Return the gauges of the whole deployment."""
        if self._found is None:
            return
        gauges, at = self._found
        rows = GaugeMetricFamily("sojourn_outbox_rows", "Outbox rows, counted up to 10,000", labels=["priority"])
        ages = GaugeMetricFamily("sojourn_outbox_oldest_seconds", "Age of the oldest outbox row", labels=["priority"])
        for name in gauges.waiting:
            rows.add_metric([name], gauges.waiting[name])
            ages.add_metric([name], gauges.oldest[name])
        yield rows
        yield ages
        yield GaugeMetricFamily(
            "sojourn_journeys_active",
            "Open journeys: counted up to 10,000, beyond that estimated by PostgreSQL",
            value=gauges.active_journeys,
        )
        yield GaugeMetricFamily(
            "sojourn_operations_failing",
            "Operations whose next page has failed, and is tried again",
            value=gauges.failing_operations,
        )
        yield GaugeMetricFamily(
            "sojourn_provider_circuits_open",
            "Providers that get no messages, since they have failed",
            value=gauges.open_circuits,
        )
        yield GaugeMetricFamily(
            "sojourn_providers_paused",
            "Providers whose marketing is paused, for complaints or hard bounces",
            value=gauges.paused_providers,
        )
        yield GaugeMetricFamily(
            "sojourn_approvals_waiting",
            "Changes of campaigns that wait for the approval of another person",
            value=gauges.waiting_approvals,
        )
        yield GaugeMetricFamily(
            "sojourn_survey_timestamp_seconds", "When these gauges were last read from the database", value=at
        )


POOLS: Final = Pools()
POLLED_GAUGES: Final = PolledGauges()
REGISTRY.register(POOLS)
REGISTRY.register(POLLED_GAUGES)


def serve_metrics(address: str, *, build_id: str | None) -> None:
    """Serve Prometheus at an address, host:port, in a thread.

    Raises ConflictError if the address is taken.
    """
    BUILD.labels(version("sojourn"), build_id or "", python_version()).set(1)
    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        raise ConflictError(f"SOJOURN_METRICS_ADDRESS {address} cannot be used: {error.strerror}") from error
