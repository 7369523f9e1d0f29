"""What a transaction does, counted while it does it, and told to whoever keeps the count once it is committed."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum


class Deed(StrEnum):
    """What is counted. The comments name what tells its cases apart: by code and campaigns, never by clients."""

    EVENT = "event"  # type, outcome: accepted, duplicate, or rejected, whose type is not known
    DECISION = "decision"  # kind, outcome, reason
    ENTERED = "entered"  # campaign
    ENDED = "ended"  # campaign, state, outcome
    SETTLED = "settled"  # campaign, channel, state, reason


Case = tuple[str, ...]
# How often each was done.
Counts = Mapping[tuple[Deed, Case], int]


class Tally:
    """What one transaction has done so far."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Deed, Case]] = Counter()

    def add(self, deed: Deed, *case: str, number: int = 1) -> None:
        """Count something done, by what the deed is told apart by."""
        self._counts[deed, case] += number

    def mark(self) -> Counts:
        """What has been done until now, to go back to."""
        return self._counts.copy()

    def go_back(self, mark: Counts) -> None:
        """Forget what was done since: it has been rolled back."""
        self._counts = Counter(mark)

    def take(self) -> Counts:
        """All that was done, which is then forgotten."""
        taken, self._counts = self._counts, Counter()
        return taken
