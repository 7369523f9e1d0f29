"""The instant at which a zone's clocks show a local time.

Clocks turned forward skip local times, a gap; turned back, they show some twice, an overlap. A local time in a gap is
the first instant after it, one in an overlap is the first of the two. Either way it is the first instant at which the
clocks are at or past it, so that a later local time is never an earlier instant.

Instants are datetimes in UTC. Where no year from 1 to 9999 holds one, OverflowError is raised.
"""

from bisect import bisect_left
from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first instant at which calendar and clocks of the zone are at or past this day and time."""
    local = datetime.combine(day, clock.replace(fold=0), zone)
    at = local.astimezone(UTC)
    if at.astimezone(zone) == local:
        return at
    # In a gap: the offset of before the turn (fold 0) leads past it, that of after it (fold 1) falls short of it.
    return _turn(local.replace(fold=1).astimezone(UTC), at, local.replace(tzinfo=None), zone)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The date on the calendars of the zone."""
    return at.astimezone(zone).date()


def exists(day: date, zone: ZoneInfo) -> bool:
    """Whether the calendar of the zone has this day: islands that change sides of the date line skip one."""
    return local_day(instant(day, time(), zone), zone) == day


def days_from(first: date, weekdays: Container[int], zone: ZoneInfo) -> Iterator[date]:
    """The days that the zone's calendar has from this one on, without end, as far as they are on these weekdays."""
    for number in count():
        day = first + number * DAY
        if day.weekday() in weekdays and exists(day, zone):
            yield day


def _turn(before: datetime, after: datetime, local: datetime, zone: ZoneInfo) -> datetime:
    """The whole second between two instants at which the clocks turn past a local time."""
    start = before.replace(microsecond=0)
    seconds = range((after - start) // _SECOND)

    def shown(second: int) -> datetime:
        return (start + second * _SECOND).astimezone(zone).replace(tzinfo=None)

    return start + bisect_left(seconds, local, key=shown) * _SECOND
