"""Send windows: the hours of the recipient's days in which messages may go."""

from datetime import date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.local_time.instants import exists, instant, local_day

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
_DAY = timedelta(days=1)


class SendWindow(Struct, frozen=True, omit_defaults=True):
    """Open from `opens` until before `closes`, local times, on `days`: weekdays, Monday 0, never empty.

    Where `closes` is not after `opens` the window closes on the following day, so that two equal times make whole days.
    `days` are those on which it opens.
    """

    opens: time = time(0)
    closes: time = time(0)
    days: tuple[int, ...] = EVERY_DAY


def next_open(window: SendWindow, at: datetime, zone: ZoneInfo) -> datetime:
    """This instant if the window is open then, else the first after it at which it opens."""
    today = local_day(at, zone)
    # What opened on the day before yesterday is closed: clocks are past that time of yesterday.
    for ahead in count(-1):
        day = today + ahead * _DAY
        if day.weekday() not in window.days:
            continue
        closes_at = instant(_closing_day(window, day), window.closes, zone)
        if closes_at <= at:
            continue
        opens_at = instant(day, window.opens, zone)
        # A window within a gap is never open, and a day that does not exist opens none.
        if opens_at < closes_at and exists(day, zone):
            return max(opens_at, at)
    raise AssertionError("a count does not end")


def is_open(window: SendWindow, at: datetime, zone: ZoneInfo) -> bool:
    """Whether the window is open at this instant."""
    return next_open(window, at, zone) == at


def _closing_day(window: SendWindow, day: date) -> date:
    return day + _DAY if window.closes <= window.opens else day
