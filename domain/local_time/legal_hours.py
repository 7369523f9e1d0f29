"""The hours by law in which people may be written to on their phones, by region.

They are a floor below every campaign. The table is a careful reading and no legal advice: a region without an entry has
the common rule.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.local_time.instants import DAY, instant, local_day
from domain.local_time.windows import LocalWindow, next_open

_COMMON: Final = LocalWindow(time(8), time(21))
_BY_REGION: Final[Mapping[str, LocalWindow]] = {
    # 47 CFR 64.1200(c)(1).
    "US": _COMMON,
    # TRAI, Telecom Commercial Communications Customer Preference Regulations.
    "IN": LocalWindow(time(10), time(21)),
    # Rules of the Association française du multimédia mobile: no Sunday, no holiday.
    "FR": LocalWindow(time(8), time(22), (0, 1, 2, 3, 4, 5)),
}
_WITHOUT_HOLIDAYS: Final = frozenset({"FR"})
# Zones that never share an open hour would push a message on for ever.
_MAX_ROUNDS: Final = 100


class LegalHours(Struct, frozen=True):
    """The rule of a region, in every zone in which its person may be."""

    region: str | None
    zones: tuple[str, ...]


def next_allowed(hours: LegalHours | None, window: LocalWindow | None, zone: ZoneInfo, at: datetime) -> datetime:
    """Return the first instant from `at` on in legal hours and a campaign's window.

    `zone` is that of the window.
    """
    zones = () if hours is None else tuple(map(ZoneInfo, hours.zones))
    for _ in range(_MAX_ROUNDS):
        before = at
        for each in zones:
            at = _next_by_law(hours.region if hours else None, at, each)
        if window is not None:
            at = next_open(window, at, zone)
        if at == before:
            break
    return at


def _next_by_law(region: str | None, at: datetime, zone: ZoneInfo) -> datetime:
    window = _BY_REGION.get(region or "", _COMMON)
    while True:
        at = next_open(window, at, zone)
        day = local_day(at, zone)
        if region not in _WITHOUT_HOLIDAYS or day not in french_holidays(day.year):
            return at
        at = instant(day + DAY, time(0), zone)


@cache
def french_holidays(year: int) -> frozenset[date]:
    """Return the holidays of a year by the Code du travail, L3133-1."""
    easter = _easter(year)
    moving = {easter + timedelta(days=days) for days in (1, 39, 50)}
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    return frozenset(moving | {date(year, month, day) for month, day in fixed})


def _easter(year: int) -> date:
    """Return Easter Sunday, by the algorithm of Meeus, Jones and Butcher."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    leap, rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    weekday = (32 + 2 * rest + 2 * (of_century // 4) - epact - of_century % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)
