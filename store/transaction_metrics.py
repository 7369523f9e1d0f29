"""Metrics of one transaction, reported once it is committed."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum


class Metric(StrEnum):
    """The counters. Comments name their labels, which never come from clients."""

    EVENT = "event"  # type, outcome: accepted, duplicate, or rejected, whose type is not known
    DECISION = "decision"  # kind, outcome, reason
    ENTERED = "entered"  # campaign
    ENDED = "ended"  # campaign, state, outcome
    SETTLED = "settled"  # campaign, channel, state, reason
    VIOLATION = "violation"  # kind, source
    CALLBACK = "callback"  # provider, outcome: taken or unverified
    MAIL = "mail"  # outcome
    FORWARDED = "forwarded"  # outcome: accepted, refused, away or limited
    REPORT = "report"  # provider, kind, outcome: applied, repeated, held or unknown
    AD_FLUSH = "ad_flush"  # provider, outcome: done or failed
    DELIVERABILITY = "deliverability"  # provider, recipient domain, outcome


Labels = tuple[str, ...]
# Increments by metric and labels.
Increments = Mapping[tuple[Metric, Labels], int]
# The labels of what a pipelined statement has done, once its result is there.
PendingLabels = Callable[[], Awaitable[Sequence[Labels]]]


class TransactionMetrics:
    """Increments of one transaction so far."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Metric, Labels]] = Counter()
        self._pending: list[tuple[Metric, PendingLabels]] = []

    def add(self, metric: Metric, *labels: str, number: int = 1) -> None:
        """Increment a metric under these labels."""
        self._counts[metric, labels] += number

    def add_later(self, metric: Metric, pending: PendingLabels) -> None:
        """Increment a metric for each row of a result that is read at the end."""
        self._pending.append((metric, pending))

    def mark(self) -> tuple[Increments, int]:
        """Return a mark to go back to."""
        return self._counts.copy(), len(self._pending)

    def go_back(self, mark: tuple[Increments, int]) -> None:
        """Drop the increments since a mark: their savepoint was rolled back."""
        counts, pending = mark
        self._counts = Counter(counts)
        del self._pending[pending:]

    def forget(self) -> None:
        """Drop all increments."""
        self._counts.clear()
        self._pending.clear()

    async def take(self) -> Increments:
        """Return all increments and drop them, once the transaction is over."""
        for metric, labels_of in self._pending:
            for labels in await labels_of():
                self.add(metric, *labels)
        taken = self._counts.copy()
        self.forget()
        return taken
