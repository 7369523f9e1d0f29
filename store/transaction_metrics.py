"""What a transaction does, counted while it does it, and told to the keeper of the count once it is committed."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
# What a statement of a pipeline has done, once it has answered.
Answer = Callable[[], Awaitable[Sequence[Case]]]


class Tally:
    """What one transaction has done so far."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Deed, Case]] = Counter()
        self._answers: list[tuple[Deed, Answer]] = []

    def add(self, deed: Deed, *case: str, number: int = 1) -> None:
        """Count something done, by what the deed is told apart by."""
        self._counts[deed, case] += number

    def add_later(self, deed: Deed, answer: Answer) -> None:
        """Count what a statement will have answered by the end of the transaction; no caller has to wait for it."""
        self._answers.append((deed, answer))

    def mark(self) -> tuple[Counts, int]:
        """What has been done until now, to go back to."""
        return self._counts.copy(), len(self._answers)

    def go_back(self, mark: tuple[Counts, int]) -> None:
        """Forget what was done since: it has been rolled back."""
        counts, answers = mark
        self._counts = Counter(counts)
        del self._answers[answers:]

    def forget(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._answers.clear()

    async def take(self) -> Counts:
        """All that was done, which is then forgotten. The transaction is over."""
        for deed, answer in self._answers:
            for case in await answer():
                self.add(deed, *case)
        taken = self._counts.copy()
        self.forget()
        return taken
