"""The metrics of the Temporal SDK beside our own, at one address a process."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock, Thread
from time import sleep
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BufferedMetric,
    BufferedMetricUpdate,
    MetricBuffer,
    MetricBufferDurationFormat,
)

# A workflow of two activities makes about 80 updates; a drain each second takes those of a thousand workflows.
BUFFER: Final = 200_000
INTERVAL: Final = 1.0
# Seconds.
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 86_400.0)

LabelPairs = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Series:
    """The value of a counter or gauge; for a histogram the sum and the bucket counts."""

    value: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))


class TemporalMetrics(Collector):
    """Adds up the SDK's reports. Its buffer is bounded and must be drained regularly."""

    def __init__(self) -> None:
        self.buffer = MetricBuffer(BUFFER, MetricBufferDurationFormat.SECONDS)
        self._lock = Lock()
        self._metrics: dict[str, BufferedMetric] = {}
        self._series: dict[str, dict[LabelPairs, _Series]] = {}

    def keep_draining(self) -> None:
        """Drain in a daemon thread, so that a busy event loop does not matter."""

        def drain() -> None:
            while True:
                sleep(INTERVAL)
                self._drain()

        Thread(target=drain, name="temporal-metrics", daemon=True).start()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, with Prometheus's names for seconds and totals."""
        self._drain()
        with self._lock:
            return [self._family(metric, self._series[name]) for name, metric in self._metrics.items()]

    def _drain(self) -> None:
        with self._lock:
            for update in self.buffer.retrieve_updates():
                self._add(update)

    def _add(self, update: BufferedMetricUpdate) -> None:
        metric = update.metric
        labels = tuple(sorted((name, str(value)) for name, value in update.attributes.items()))
        self._metrics.setdefault(metric.name, metric)
        series = self._series.setdefault(metric.name, {}).setdefault(labels, _Series())
        if metric.kind == BUFFERED_METRIC_KIND_GAUGE:
            series.value = update.value
            return
        series.value += update.value
        if metric.kind != BUFFERED_METRIC_KIND_COUNTER:
            series.buckets[bisect_left(_BUCKETS, update.value)] += 1

    def _family(self, metric: BufferedMetric, all_series: dict[LabelPairs, _Series]) -> Metric:
        name, description = metric.name, metric.description or metric.name
        if metric.kind == BUFFERED_METRIC_KIND_COUNTER:
            counter = CounterMetricFamily(name, description)
            for labels, series in all_series.items():
                counter.add_sample(f"{name}_total", dict(labels), series.value)
            return counter
        if metric.kind == BUFFERED_METRIC_KIND_GAUGE:
            gauge = GaugeMetricFamily(name, description)
            for labels, series in all_series.items():
                gauge.add_sample(name, dict(labels), series.value)
            return gauge
        histogram = HistogramMetricFamily(f"{name}_seconds" if metric.unit == "s" else name, description)
        for labels, series in all_series.items():
            below = 0
            for bound, number in zip((*map(str, _BUCKETS), "+Inf"), series.buckets, strict=True):
                below += number
                histogram.add_sample(f"{histogram.name}_bucket", {**dict(labels), "le": bound}, below)
            histogram.add_sample(f"{histogram.name}_count", dict(labels), below)
            histogram.add_sample(f"{histogram.name}_sum", dict(labels), series.value)
        return histogram
