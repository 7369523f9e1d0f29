"""Time zones around the earth."""

from datetime import datetime
from zoneinfo import ZoneInfo

# In order around the earth, at most two hours apart in summer and winter.
CITIES = (
    "Pacific/Auckland",
    "Pacific/Noumea",
    "Australia/Sydney",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Asia/Dhaka",
    "Asia/Dubai",
    "Europe/Helsinki",
    "Europe/Berlin",
    "Atlantic/Azores",
    "Atlantic/South_Georgia",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
)
_DAY_MINUTES = 24 * 60


def zone_where_it_is(hour: int, at: datetime) -> str:
    """Return a city's zone where it is `hour` o'clock, or an hour before or after."""

    def distance(name: str) -> int:
        local = at.astimezone(ZoneInfo(name))
        behind = (local.hour * 60 + local.minute - hour * 60) % _DAY_MINUTES
        return min(behind, _DAY_MINUTES - behind)

    return min(CITIES, key=distance)
