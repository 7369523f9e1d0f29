"""A bulkhead: the most calls that may wait for one receiver."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

# Among the 100 slots of a channel's worker. Any response resets the receiver's count, so only silent receivers reach
# the limit.
MAX_WAITING: Final = 50
# For a receiver that did not answer last time: enough to notice its recovery.
MAX_WAITING_IF_SILENT: Final = 5
# Addresses may come from templates, so their number is unlimited.
MAX_KNOWN: Final = 10_000


@dataclass(slots=True)
class _Receiver:
    """A receiver. `waiting` counts calls begun since the last of its `answers`."""

    waiting: int = 0
    answers: int = 0
    is_silent: bool = False


@dataclass(slots=True)
class Call:
    """A pending call."""

    is_answered: bool = False


class Bulkhead:
    """Counts the calls of one process."""

    def __init__(self) -> None:
        self._receivers: dict[str, _Receiver] = {}

    @contextmanager
    def call(self, receiver: str) -> Iterator[Call | None]:
        """Enclose a call; None if too many wait. The caller sets `is_answered`."""
        found = self._receivers.setdefault(receiver, _Receiver())
        if len(self._receivers) > MAX_KNOWN:
            del self._receivers[next(iter(self._receivers))]
        if found.waiting >= (MAX_WAITING_IF_SILENT if found.is_silent else MAX_WAITING):
            yield None
            return
        found.waiting += 1
        before = found.answers
        call = Call()
        try:
            yield call
        finally:
            if call.is_answered:
                found.answers += 1
                found.waiting = 0
                found.is_silent = False
            elif found.answers == before:
                found.waiting -= 1
                found.is_silent = True
            if not found.waiting and not found.is_silent and self._receivers.get(receiver) is found:
                del self._receivers[receiver]
