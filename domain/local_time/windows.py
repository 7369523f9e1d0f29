"""Send windows: the local hours in which messages may go."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.local_time.instants import DAY, days_from, instant, local_day

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
_MONDAY = date(2026, 11, 2)


class LocalWindow(Struct, frozen=True, omit_defaults=True):
    """Open from `opens` until before `closes`, local times, on `days` (Monday 0).

    If `closes` is not after `opens`, the window closes on the next day, so two equal times make whole days. `days` is
    never empty, and lists the days on which the window opens.
    """

    opens: time = time(0)
    closes: time = time(0)
    days: tuple[int, ...] = EVERY_DAY


def next_open(window: LocalWindow, at: datetime, zone: ZoneInfo) -> datetime:
    """Return this instant if the window is open, else the next one at which it opens."""
    # Yesterday's window may still be open if it closes today. Any earlier one has closed.
    lasting = DAY if window.closes <= window.opens else timedelta()
    spans = (
        (instant(day, window.opens, zone), instant(day + lasting, window.closes, zone))
        for day in days_from(local_day(at, zone) - lasting, window.days, zone)
    )
    # A gap may leave nothing of a window.
    return next(max(opens, at) for opens, closes in spans if max(opens, at) < closes)


def longest_closed(window: LocalWindow) -> timedelta:
    """Return the longest time from closing to opening, without clock changes."""
    lasting = DAY if window.closes <= window.opens else timedelta()
    closings = (datetime.combine(_MONDAY + day * DAY + lasting, window.closes, UTC) for day in window.days)
    return max(next_open(window, at, ZoneInfo("UTC")) - at for at in closings)


def is_open(window: LocalWindow, at: datetime, zone: ZoneInfo) -> bool:
    """Return whether the window is open at this instant."""
    return next_open(window, at, zone) == at
