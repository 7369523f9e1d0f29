"""Why a call, or a part of it, was not taken: in the words of JSON, which the client wrote."""

import json
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 64

_MAX_SHOWN: Final = 80
# What decoding raises for a text that is no JSON; `msgspec.ValidationError` is one of the first, and must go before.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ItemError(ValueError):
    """Why one call was refused, and what would be right. Never leaves the decoder: it becomes a Reject."""


def quote_value(value: Any) -> str:
    """A value as JSON writes it: shortened, and in ASCII so that no odd character goes on with it."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def why_unreadable(error: Exception) -> str:
    """Why a text is no JSON, from one of UNREADABLE."""
    match error:
        case UnicodeDecodeError():
            return f"the text must be UTF-8: {error.reason}"
        case RecursionError():
            return f"objects and arrays may be nested {MAX_DEPTH} deep"
    return str(error).removeprefix("JSON is malformed: ")
