"""The form of calendar files (RFC 5545): values escaped, lines folded."""

import re
from typing import Final

# RFC 5545, 3.1: a line has at most 75 octets; a further one begins with a blank.
MAX_LINE_BYTES: Final = 75
# RFC 5545, 3.3.11.
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_METHOD = re.compile(r"^METHOD:([A-Z]+)\r?$", re.MULTILINE)


def escape_calendar(value: str) -> str:
    """Return a value as the text of a property, which it cannot leave."""
    return _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).translate(_ESCAPES)


def fold_calendar(text: str) -> str:
    """Return a calendar with its lines folded; empty ones are left out."""
    return "".join(f"{_fold(line)}\r\n" for line in text.replace("\r\n", "\n").split("\n") if line.strip())


def method_of(text: str) -> str | None:
    """Return the method of a calendar: REQUEST for an invitation."""
    found = _METHOD.search(text)
    return found[1] if found else None


def _fold(line: str) -> str:
    parts = [""]
    size = 0
    for character in line.rstrip():
        length = len(character.encode())
        if size + length > MAX_LINE_BYTES:
            parts.append(" ")
            size = 1
        parts[-1] += character
        size += length
    return "\r\n".join(parts)
