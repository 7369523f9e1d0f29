"""The instant at which a zone's clocks show a local time.

Clocks turned forward skip local times, a gap; turned back, they show some twice, an overlap. A local time in a gap is
the first instant after it, one in an overlap is the first of the two. Either way it is the first instant at which the
clocks are at or past it, so that a later local time is never an earlier instant.

Instants are datetimes in UTC. Where no year from 1 to 9999 holds one, OverflowError is raised.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first instant at which calendar and clocks of the zone are at or past this day and time."""
    local = datetime.combine(day, clock, zone)
    by_offset_before = local.replace(fold=0).astimezone(UTC)
    by_offset_after = local.replace(fold=1).astimezone(UTC)
    if by_offset_before <= by_offset_after:
        return by_offset_before
    # Only in a gap are they the other way round, and the turn lies between them.
    return _turn(by_offset_after.replace(microsecond=0), by_offset_before, local.replace(tzinfo=None), zone)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The date on the calendars of the zone."""
    return at.astimezone(zone).date()


def exists(day: date, zone: ZoneInfo) -> bool:
    """Whether the calendar of the zone has this day: islands that change sides of the date line skip one."""
    return local_day(instant(day, time(), zone), zone) == day


def _turn(before: datetime, after: datetime, local: datetime, zone: ZoneInfo) -> datetime:
    """The whole second between two at which clocks turn past a local time."""
    seconds = range((after - before) // _SECOND)

    def shown(second: int) -> datetime:
        return (before + second * _SECOND).astimezone(zone).replace(tzinfo=None)

    return before + bisect_left(seconds, local, key=shown) * _SECOND
