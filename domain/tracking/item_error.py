"""Errors of calls and their parts, in the terms of JSON."""

import json
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 64

_MAX_SHOWN: Final = 80
# The errors of decoding invalid JSON. `msgspec.ValidationError` is a DecodeError, so it must be caught first.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ItemError(ValueError):
    """Why one call was refused, with the remedy. The decoder turns it into a Reject."""


def quote_value(value: Any) -> str:
    """Show a value as short ASCII JSON, without odd characters."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def explain_unreadable(error: Exception) -> str:
    """Explain why a text is not JSON, from one of UNREADABLE."""
    match error:
        case UnicodeDecodeError():
            return f"the text must be UTF-8: {error.reason}"
        case RecursionError():
            return f"objects and arrays may be nested {MAX_DEPTH} deep"
    return str(error).removeprefix("JSON is malformed: ")
