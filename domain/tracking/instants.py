"""Read the instants that clients report."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.local_time.spellings import GO_ZONE, carry

# ISO 8601 as people write it: without leading zeros, with a space, in lower case, with a zone's short name; and Go's
# format.
_LOOSE: Final = re.compile(
    r"(?P<year>[0-9]{4})[-/](?P<month>[0-9]{1,2})[-/](?P<day>[0-9]{1,2})"
    r"(?:(?:[Tt]|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})"
    r"(?::(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]{1,12}))?)?"
    r"\s*(?:(?P<utc>[Zz]|UTC|GMT)|(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?"
    rf"{GO_ZONE})?)?"
)
_EPOCH_TEXT: Final = re.compile(r"[0-9]{9,14}(?:\.[0-9]{1,9})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds up to the year 5138; a larger number is milliseconds, from March 1973 on.
_MAX_SECONDS: Final = 1e11

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


def instant(value: Any) -> datetime | None:
    """Read a UTC instant, in UTC if no zone is named; None if it is invalid.

    Texts are ISO 8601, also loosely written (`2015-2-02T3:04:05Z`, `2026-11-01 10:00:00 +0000 UTC`); 24:00 is the next
    midnight, and a leap second the second after it. Numbers, and texts of digits, are seconds or milliseconds since
    1970, distinguished by size. An instant beyond the years 1 to 9999 in UTC becomes the first or last of them.
    """
    match value:
        case str():
            text = value.strip()
            # Most texts contain a dash, and finding it is faster than a match.
            is_number = "-" not in text and _EPOCH_TEXT.fullmatch(text)
            return _read_number(float(text)) if is_number else _read_text(text)
        case int() | float() if not isinstance(value, bool):
            return _read_number(value)
        case _:
            return None


def _read_number(number: float) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=number if abs(number) < _MAX_SECONDS else number / 1_000)
    except OverflowError:
        return EARLIEST if number < 0 else LATEST


def _read_text(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        match = _LOOSE.fullmatch(text)
        if match is None:
            return None
        try:
            parsed = _read_loose(match)
        except ValueError:
            return None
        except OverflowError:
            return LATEST
    if parsed.tzinfo is UTC:
        return parsed
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC)
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        return EARLIEST if parsed.year == 1 else LATEST


def _read_loose(match: re.Match[str]) -> datetime:
    date = f"{match['year']}-{match['month']:0>2}-{match['day']:0>2}"
    if match["hour"] is None:
        return datetime.fromisoformat(date)
    shown = f"{match['hour']:0>2}:{match['minute']:0>2}:{match['second'] or '0':0>2}.{match['fraction'] or '0'}"
    clock, later = carry(shown)
    offset = f"{match['sign']}{match['hours']:0>2}:{match['minutes'] or '00'}" if match["sign"] else "+00:00"
    return datetime.fromisoformat(f"{date}T{clock}{offset}") + later
