"""Long work in pieces, between which the caller can do other work."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

# Each yield ends a piece of bounded size; the result is returned at the end.
LongWork = Generator[None, None, T]


def finish(work: LongWork[T]) -> T:
    """Do all of it at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            value: T = done.value
            return value
