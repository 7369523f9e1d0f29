"""Dates and times in people's data, in the spellings that clients use."""

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

from domain.local_time.spellings import GO_ZONE, carry

# Numbers are Unix epochs, in seconds or milliseconds, both from 1973 to the year 5138. A number nearer to zero means
# something else (days, a version, "none"), and a larger one is not an epoch.
MIN_SECONDS = 100_000_000
MIN_MILLISECONDS = 100_000_000_000
MAX_MILLISECONDS = 100_000_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{9,14}(?:\.[0-9]{1,9})?")
# RFC 3339 and common variants: a space for the T, a space before the offset, UTC or GMT for the Z. Ruby writes
# `2027-01-08 06:22:05 UTC`, Go `2027-01-08 06:22:05 +0000 UTC`.
_DATETIME = re.compile(
    rf"(?P<day>{_DATE.pattern})[Tt ](?P<clock>[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]+)?)?)"
    r"(?: ?(?:(?P<utc>[Zz]|UTC|GMT)|(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?)"
    rf"{GO_ZONE}))?"
)
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK = r"(?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
# RFC 2822 3.3, and the variants of HTTP and mail clients.
_MAIL = re.compile(
    rf"(?:{_WEEKDAY}, ?)?[0-9]{{1,2}} {_MONTH} [0-9]{{4}} {_CLOCK} "
    r"(?:[+-][0-9]{4}|UTC?|GMT|Z|[ECMP][SD]T)(?: \([^()]*\))?"
)
# JavaScript's `Date.toString`: `Fri Jan 08 2027 07:22:05 GMT+0100 (CET)`.
_SCRIPT = re.compile(
    rf"{_WEEKDAY} {_MONTH} (?P<day>[0-9]{{2}}) (?P<year>[0-9]{{4}}) {_CLOCK} "
    r"(?:GMT|UTC)(?P<offset>[+-][0-9]{4})?(?: \([^()]*\))?"
)


def read_moment(value: object) -> date | datetime | None:
    """Read the moment of a trait, a property or a result; None if it is not one.

    A date is a day of a calendar; a datetime in UTC an instant; a datetime without a zone a local time. Texts are ISO
    8601 in the form of RFC 3339 (`2026-12-24`, `2026-12-24T18:00:00Z`, `2026-12-24 18:00`, also with `UTC`), or RFC
    2822; numbers, and texts of them, are seconds or milliseconds since 1970, distinguished by size.
    """
    try:
        match value:
            case datetime() if value.tzinfo is not None:
                return value.astimezone(UTC)
            case bool():
                return None
            case int() | float():
                return _from_epoch(value)
            case str():
                return _read_text(value)
            case _:
                return None
    except (ValueError, OverflowError):
        return None


def _from_epoch(number: float) -> datetime | None:
    size = abs(number)
    if MIN_SECONDS <= size < MIN_MILLISECONDS:
        return _EPOCH + timedelta(seconds=number)
    if MIN_MILLISECONDS <= size < MAX_MILLISECONDS:
        return _EPOCH + timedelta(milliseconds=number)
    return None


def _read_text(text: str) -> date | datetime | None:
    if _DATE.fullmatch(text):
        return date.fromisoformat(text)
    if _NUMBER.fullmatch(text):
        return _from_epoch(float(text) if "." in text else int(text))
    if found := _DATETIME.fullmatch(text):
        zone = "Z" if found["utc"] else found["offset"] or ""
        clock, later = carry(found["clock"])
        moment = datetime.fromisoformat(f"{found['day']}T{clock}{zone}") + later
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    if _MAIL.fullmatch(text):
        sent = parsedate_to_datetime(text)
        # `-0000` means a time in UTC and an unknown zone.
        return sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)
    if found := _SCRIPT.fullmatch(text):
        month = _MONTHS.index(found["month"]) + 1
        zone = found["offset"] or "Z"
        shown = datetime.fromisoformat(f"{found['year']}-{month:02}-{found['day']}T{found['clock']}{zone}")
        return shown.astimezone(UTC)
    return None
