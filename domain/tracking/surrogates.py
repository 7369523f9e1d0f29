"""Halves of characters in JSON text: a client that cuts a text by UTF-16 units may cut an emoji in two."""

import re
from typing import Final

# Escapes one by one, so that the backslash of `\\ud83d` is passed over. Pairs come first.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_REPLACEMENT: Final = rb"\ufffd"


def may_have_halves(text: bytes) -> bool:
    """Whether there is an escape from `\\ud800` to `\\udfff`, alone or in a pair."""
    return _HALF.search(text) is not None


def replace_halves(text: bytes) -> bytes:
    """JSON text with U+FFFD for each escape that is half a character; pairs are kept."""
    return _ESCAPE.sub(lambda match: match[0] if match["half"] is None else _REPLACEMENT, text)
