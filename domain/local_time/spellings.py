"""Spellings of a time of day that clients use and Python refuses."""

import re
from datetime import timedelta
from typing import Final

# After the offset, Go's `Time.String` writes the zone's name, or its offset again, and the process's clock: `2026-11-29
# 07:00:00 -0300 -03 m=+0.000012`.
GO_ZONE: Final = r"(?: (?:[A-Z]{1,5}|[+-][0-9]{2,4}))?(?: m=[+-][0-9]+\.[0-9]+)?"

_NEXT_MIDNIGHT: Final = re.compile(r"24(:00(?::00(?:[.,]0+)?)?)")


def carry(clock: str) -> tuple[str, timedelta]:
    """Return a valid time for one like `23:59:60.5`, and the lead of the real one.

    ISO 8601 calls the end of a day 24:00, and a leap second 60, which Unix counts as the second after it.
    """
    if midnight := _NEXT_MIDNIGHT.fullmatch(clock):
        return f"00{midnight[1]}", timedelta(days=1)
    if clock[5:8] == ":60":
        return f"{clock[:5]}:59{clock[8:]}", timedelta(seconds=1)
    return clock, timedelta(0)
