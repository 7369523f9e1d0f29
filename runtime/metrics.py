"""The metrics of a process, as Prometheus reads them. All of them are defined here.

No label holds what a client makes up: no user, no name of an event, no path. Campaigns, outcomes and reasons are named
by code or by the operator.
"""

from collections.abc import Iterable
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
from store.transaction_metrics import Increments, Metric

# When a series began is of no use to anybody here, and would be one more of each.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Seconds. What is answered in a transaction takes milliseconds; what waits for a provider takes up to a minute.
_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600)

BUILD: Final = Gauge("sojourn_build_info", "1, with what runs", ["version", "build_id", "python"])

HTTP_REQUESTS: Final = Counter(
    "sojourn_http_requests", "Requests by route template and status", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "sojourn_http_request_seconds", "Time from a request to the end of its answer", ["method", "route"], buckets=_SHORT
)
INGEST_SECONDS: Final = Histogram(
    "sojourn_ingest_seconds", "Time in which a batch is stored, routed and committed", buckets=_SHORT
)

TRANSACTION_METRICS: Final = {
    Metric.EVENT: Counter("sojourn_events", "Events by type and what became of them", ["type", "outcome"]),
    Metric.DECISION: Counter(
        "sojourn_decisions", "Decisions of the gate, of entries, exits and steps", ["kind", "outcome", "reason"]
    ),
    Metric.ENTERED: Counter("sojourn_journeys_entered", "Journeys that began", ["campaign"]),
    Metric.ENDED: Counter("sojourn_journeys_ended", "Journeys that are over", ["campaign", "state", "outcome"]),
    Metric.SETTLED: Counter(
        "sojourn_messages_settled",
        "Messages of which an attempt has decided the outcome",
        ["campaign", "channel", "state", "reason"],
    ),
}

PROVIDER_SECONDS: Final = Histogram(
    "sojourn_provider_call_seconds",
    "Calls of providers, by what the provider said",
    ["channel", "provider", "outcome"],
    buckets=_LONG,
)

RELAY_DELIVERIES: Final = Counter(
    "sojourn_relay_deliveries", "Rows of the outbox that were taken to Temporal", ["kind", "outcome"]
)
RELAY_SECONDS: Final = Histogram(
    "sojourn_relay_delay_seconds", "Time that an accepted row has waited in the outbox", ["kind"], buckets=_LONG
)


def count(counts: Increments) -> None:
    """Add what a transaction has done."""
    for (metric, labels), number in counts.items():
        TRANSACTION_METRICS[metric].labels(*labels).inc(number)


class Pools(Collector):
    """The connection pools of this process, read when Prometheus asks."""

    def __init__(self) -> None:
        self._databases: WeakSet[Database] = WeakSet()

    def add(self, database: Database) -> None:
        """Have a database's pool shown for as long as it is there."""
        self._databases.add(database)

    def collect(self) -> Iterable[PrometheusMetric]:
        """One sample each, over all pools."""
        states = [database.pool_state() for database in list(self._databases)]
        for name, told, value in (
            ("connections", "Connections to the database", sum(state.size for state in states)),
            ("connections_in_use", "Connections that a transaction holds", sum(state.in_use for state in states)),
            ("waiting", "Tasks that wait for a connection", sum(state.waiting for state in states)),
        ):
            yield GaugeMetricFamily(f"sojourn_database_pool_{name}", told, value=value)


class PolledGauges(Collector):
    """What a worker has found in the database when it last looked. A process that never does shows nothing of it."""

    def __init__(self) -> None:
        self._found: tuple[Gauges, float] | None = None

    def tell(self, survey: Gauges, at: float) -> None:
        """Show this from now on; `at` is the instant in seconds since 1970."""
        self._found = survey, at

    def collect(self) -> Iterable[PrometheusMetric]:
        """The gauges of the whole deployment."""
        if self._found is None:
            return
        survey, at = self._found
        rows = GaugeMetricFamily("sojourn_outbox_rows", "Rows that wait, counted up to 10,000", labels=["priority"])
        ages = GaugeMetricFamily(
            "sojourn_outbox_oldest_seconds", "Age of the oldest row that waits", labels=["priority"]
        )
        for name in survey.waiting:
            rows.add_metric([name], survey.waiting[name])
            ages.add_metric([name], survey.oldest[name])
        yield rows
        yield ages
        yield GaugeMetricFamily(
            "sojourn_journeys_active",
            "Journeys under way: counted up to 10,000, beyond that as PostgreSQL estimates",
            value=survey.active_journeys,
        )
        yield GaugeMetricFamily(
            "sojourn_survey_timestamp_seconds", "When the database was last asked for these gauges", value=at
        )


POOLS: Final = Pools()
POLLED_GAUGES: Final = PolledGauges()
REGISTRY.register(POOLS)
REGISTRY.register(POLLED_GAUGES)


def serve_metrics(address: str, *, build_id: str | None) -> None:
    """Answer Prometheus on an address, host:port, in a thread of its own. Raises ConflictError where it is taken."""
    BUILD.labels(version("sojourn"), build_id or "", python_version()).set(1)
    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        raise ConflictError(f"SOJOURN_METRICS_ADDRESS {address} cannot be had: {error.strerror}") from error
