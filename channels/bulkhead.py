"""How many messages may wait for one receiver: if it does not answer, it must not hold every place that there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

# Of the 100 places that a worker has for a channel. Who answers is never in the way of this: what has begun before an
# answer is not counted after it.
MAX_WAITING: Final = 50
# For one that did not answer the last time: enough to find out that it does again.
MAX_WAITING_IF_SILENT: Final = 5
# Addresses may come from templates, and so from anybody.
MAX_KNOWN: Final = 10_000


@dataclass(slots=True)
class _Receiver:
    """`answers` counts them; `waiting`, the calls that have begun since the last one and still wait."""

    waiting: int = 0
    answers: int = 0
    is_silent: bool = False


@dataclass(slots=True)
class Call:
    """A call under way."""

    is_answered: bool = False


class Bulkhead:
    """Counts the calls of one process."""

    def __init__(self) -> None:
        self._receivers: dict[str, _Receiver] = {}

    @contextmanager
    def call(self, receiver: str) -> Iterator[Call | None]:
        """Around a call to a receiver; None if too many wait for it. Who was called says whether it `is_answered`."""
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
