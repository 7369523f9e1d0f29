"""The ends of delays: a local time of day, or a date with an offset."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.local_time.instants import DAY, days_from, instant, local_day

_DAY_SECONDS = 86_400


def until_clock(reached_at: datetime, clock: time, days: tuple[int, ...], zone: ZoneInfo) -> datetime:
    """Return the next instant at a local time on these weekdays (Monday 0)."""
    # Yesterday counts too: if a gap has swallowed its last hours, the gap's end is the first instant after them.
    yesterday = local_day(reached_at, zone) - DAY
    instants = (instant(day, clock, zone) for day in days_from(yesterday, days, zone))
    return next(at for at in instants if at >= reached_at)


def until_moment(moment: date | datetime, offset: int, clock: time | None, zone: ZoneInfo) -> datetime | None:
    """Return the instant `offset` seconds from a moment; None beyond years 1 to 9999.

    An aware datetime without `clock` moves by elapsed time. Anything else is local: its day in the zone moves by the
    whole days of the offset and is taken at `clock`, else at its own time, else at 00:00; the rest of the offset is
    elapsed time. Negative offsets mirror positive ones: -3d12h is three days and twelve hours back.
    """
    try:
        at = _add_offset(moment, offset, clock, zone)
        # The instant is shown in local time, so it must exist in the zone as well as in UTC.
        at.astimezone(zone)
    except OverflowError:
        return None
    return at


def _add_offset(moment: date | datetime, offset: int, clock: time | None, zone: ZoneInfo) -> datetime:
    if clock is None and isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC) + timedelta(seconds=offset)
    days, seconds = divmod(abs(offset), _DAY_SECONDS)
    sign = -1 if offset < 0 else 1
    day, shown = _local(moment, zone)
    at = instant(day + sign * days * DAY, shown if clock is None else clock, zone)
    return at + timedelta(seconds=sign * seconds)


def _local(moment: date | datetime, zone: ZoneInfo) -> tuple[date, time]:
    if not isinstance(moment, datetime):
        return moment, time(0)
    local = moment if moment.tzinfo is None else moment.astimezone(zone)
    return local.date(), local.time()
