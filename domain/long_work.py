"""Long work in pieces, between which the caller can do other work."""

from collections.abc import Generator
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

# Each yield ends a piece of bounded size; the result is returned at the end.
LongWork = Generator[None, None, T]


class TooMuchWork(Exception):
    """The events of a batch from `event_id` on exceed the work of one transaction."""

    def __init__(self, event_id: UUID) -> None:
        super().__init__(event_id)
        self.event_id = event_id


def finish(work: LongWork[T]) -> T:
    """Do all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            value: T = done.value
            return value
