"""How a timeline writes an instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def clock_text(at: datetime, zone: str) -> str:
    """Return the instant in UTC, and by the recipient's clock where that shows another time."""
    there, here = at.astimezone(ZoneInfo(zone)), at.astimezone(UTC)
    shown = f"{here:%Y-%m-%d %H:%M} UTC"
    if there.utcoffset() == here.utcoffset():
        return shown
    date = "" if there.date() == here.date() else f"{there:%Y-%m-%d} "
    return f"{shown} ({date}{there:%H:%M} {zone})"
