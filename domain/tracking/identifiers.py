"""Read the ids by which clients name people and groups.

A client without an id often sends the text of nothing: `undefined`, `null`, `[object Object]`. As an id, it would merge
all signed-out people into one, with one address and one cart.
"""

import re
from collections.abc import Iterable
from typing import Final

from domain.blanks import BLANKS
from domain.tracking.item_error import ItemError, quote_value

MAX_ID_CHARACTERS: Final = 255

# In any letter case and between blanks. Sources: the texts that JavaScript, Python, PHP, Java, Go, Ruby,
# Objective-C and SQL print for nothing, and the ids by which PostHog and Segment refuse to merge people.
DEFAULT_PLACEHOLDERS: Final = (
    "undefined",
    "null",
    "NaN",
    "None",
    "[object Object]",
    "true",
    "false",
    "0",
    "anonymous",
    "guest",
    "unknown",
    "test",
    "not_authenticated",
    "nil",
    "<nil>",
    "(null)",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "00000000000000000000000000000000",
)

# Unfit for a path: a line feed ends the match of a route, and clients resolve dots before they send. Half a
# surrogate pair cannot be stored.
_CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_DOTS: Final = frozenset({".", ".."})

Identifier = str | int | float | bool | None


class Placeholders:
    """Texts that stand for a missing id. A blank text is always one."""

    def __init__(self, texts: Iterable[str] = DEFAULT_PLACEHOLDERS) -> None:
        self._texts = frozenset(text.strip(BLANKS).casefold() for text in texts) | {""}

    def __contains__(self, text: str) -> bool:
        return text.strip(BLANKS).casefold() in self._texts


STANDARD_PLACEHOLDERS: Final = Placeholders()


def read_identifier(field: str, value: Identifier, placeholders: Placeholders) -> str | None:
    """Return the id as text; None if it is absent or a placeholder. Raises ItemError."""
    if value is None:
        return None
    text = value if isinstance(value, str) else _text(field, value)
    if text in placeholders:
        return None
    if len(text) > MAX_ID_CHARACTERS:
        raise ItemError(f"{field} may have {MAX_ID_CHARACTERS} characters; it has {len(text):,}")
    # A printable text has no control character; this check takes a tenth of the time.
    if (not text.isprintable() and _CONTROL.search(text)) or text in _DOTS:
        raise ItemError(
            f"{field} must not be `.` or `..`, nor hold control characters such as U+0000 or a line feed, since no "
            f"call could name it; it is {quote_value(text)}"
        )
    return text


def missing_error(field: str, value: Identifier) -> str:
    """Name a field without an id in an error, with the value it has instead."""
    return field if value is None or value == "" else f"{field} ({quote_value(value)} stands for no id)"


def _text(field: str, value: float | bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            if not value.is_integer():
                raise ItemError(f"{field} must be a string or a whole number; it is {quote_value(value)}")
            return str(int(value))
        case _:
            return str(value)
