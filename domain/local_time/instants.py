"""The instant at which a zone's clocks show a local time.

Clocks turned forward skip local times, a gap; turned back, they show some twice, an overlap. A local time in a gap
becomes the first instant after it, one in an overlap the first of the two. Either way it is the first instant at which
the clocks are at or past it, so that a later local time is never an earlier instant.

Instants are datetimes in UTC. An instant beyond the years 1 to 9999 raises OverflowError.
"""

from bisect import bisect_left
from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the zone is at or past this day and time."""
    local = datetime.combine(day, clock.replace(fold=0), zone)
    at = local.astimezone(UTC)
    if at.astimezone(zone) == local:
        return at
    # In a gap, the offset before the turn (fold 0) leads past it, and the offset after it (fold 1) short of it.
    return _turn(local.replace(fold=1).astimezone(UTC), at, local.replace(tzinfo=None), zone)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the date in the zone."""
    return at.astimezone(zone).date()


def exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether the zone has this day: a change of the date line skips one."""
    return local_day(instant(day, time(), zone), zone) == day


def days_from(first: date, weekdays: Container[int], zone: ZoneInfo) -> Iterator[date]:
    """Iterate without end over the zone's days from this one on, on these weekdays."""
    for number in count():
        day = first + number * DAY
        if day.weekday() in weekdays and exists(day, zone):
            yield day


def _turn(before: datetime, after: datetime, local: datetime, zone: ZoneInfo) -> datetime:
    """Return the whole second at which the clocks turn past a local time."""
    start = before.replace(microsecond=0)
    seconds = range((after - start) // _SECOND)

    def show_local(second: int) -> datetime:
        return (start + second * _SECOND).astimezone(zone).replace(tzinfo=None)

    return start + bisect_left(seconds, local, key=show_local) * _SECOND
