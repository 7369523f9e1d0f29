"""Durations as authors write them, largest unit first: `30m`, `7d`, `1h30m`."""

import re

MAX_SECONDS = 366 * 86_400

_UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = r"(?:([0-9]{{1,9}}){unit})?"
_PATTERN = re.compile("".join(_PART.format(unit=unit) for unit in _UNITS))

# Other spellings, for suggestions. The first that begins with the given word counts.
_WORDS = {
    **{"seconds": 1, "minutes": 60, "mins": 60, "hours": 3_600, "hrs": 3_600, "days": 86_400, "weeks": 7 * 86_400},
    **{"months": 30 * 86_400, "years": 365 * 86_400},
}
_SPOKEN_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)[\s,]*(?:and\b\s*)?")
_ISO_8601 = re.compile("p{}{}(?:t{}{}{})?".format(*(_PART.format(unit=unit) for unit in _UNITS)))

EXPECTED = "Write a whole number with s, m, h, d or w, largest unit first: `30m`, `7d`, `1h30m`"


class DurationError(ValueError):
    """A text that is not a duration. `suggestion` is the remedy."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def parse_duration(text: str) -> int:
    """Return the seconds of digits with units. Raises DurationError for other text."""
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        raise DurationError(f"`{text[:40]}` is not a duration", _suggestion(text))
    return _sum(match.groups())


def parse_offset(text: str) -> int:
    """Return the seconds of a signed duration, as in `-3d` or `+2h`."""
    sign = -1 if text.startswith("-") else 1
    return sign * parse_duration(text[1:] if text[:1] in ("-", "+") else text)


def format_duration(seconds: int) -> str:
    """Format seconds briefly. Days are the largest unit: a week reads `7d`."""
    parts: list[str] = []
    rest = seconds
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _sum(counts: tuple[str | None, ...]) -> int:
    """Add up the seconds of the counts of each unit."""
    return sum(int(count) * size for count, size in zip(counts, _UNITS.values(), strict=True) if count)


def _suggestion(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,9}", text):
        return f"Add a unit: `{text}s`, `{text}m`, `{text}h` or `{text}d`"
    lower = text.strip().lower()
    seconds = _parse_iso_8601(lower) or _parse_words(lower)
    return f"Did you mean `{format_duration(seconds)}`? {EXPECTED}" if 0 < seconds <= MAX_SECONDS else EXPECTED


def _parse_iso_8601(text: str) -> int:
    """Return the seconds of `pt30m`; 0 for any other form."""
    match = _ISO_8601.fullmatch(text)
    return _sum(match.groups()) if match else 0


def _parse_words(text: str) -> int:
    """Return the seconds of `1.5 hours and 3 min`; 0 for any other form."""
    seconds, place = 0.0, 0
    while place < len(text):
        part = _SPOKEN_PART.match(text, place)
        size = next((size for name, size in _WORDS.items() if part and name.startswith(part[2])), None)
        if part is None or size is None:
            return 0
        seconds += float(part[1]) * size
        place = part.end()
    return round(seconds)
