"""Work that takes long as a whole, done in pieces, so that its caller can let others have a turn in between."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

# Each yield ends a piece of bounded size; what the work comes to is returned at its end.
LongWork = Generator[None, None, T]


def finish(work: LongWork[T]) -> T:
    """Do all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            value: T = done.value
            return value
