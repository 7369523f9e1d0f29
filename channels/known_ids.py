"""Ids that a provider was asked for, kept for a while."""

from collections import OrderedDict
from time import monotonic
from typing import Final

_MAX_KNOWN: Final = 10_000


class KnownIds:
    """The ids of a provider by address, each for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Each with the time until which it is known; the latest last.
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def find(self, address: str) -> str | None:
        """Return the id of an address, if it is known."""
        known = self._known.get(address)
        return known[0] if known is not None and monotonic() < known[1] else None

    def keep(self, address: str, id: str) -> None:
        """Keep the id of an address; the oldest makes room."""
        self._known[address] = id, monotonic() + self._seconds
        self._known.move_to_end(address)
        while len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
