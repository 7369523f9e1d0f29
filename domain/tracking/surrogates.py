"""Lone surrogates in JSON text: clients that cut by UTF-16 units may cut an emoji."""

import re
from typing import Final

# Matches each escape, so that the backslash of `\\ud83d` is skipped. Pairs come first.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_REPLACEMENT: Final = rb"\ufffd"


def may_have_halves(text: bytes) -> bool:
    """Return whether there is an escape of a surrogate, alone or in a pair."""
    return _HALF.search(text) is not None


def replace_halves(text: bytes) -> bytes:
    """Replace each escape of a lone surrogate by U+FFFD; keep pairs."""
    return _ESCAPE.sub(lambda match: match[0] if match["half"] is None else _REPLACEMENT, text)
