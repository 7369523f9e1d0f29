"""Why a call, or a part of it, was not taken."""

from typing import Any


class ItemError(ValueError):
    """Why one call was refused, and what would be right. Never leaves the decoder: it becomes a Reject."""


def shown(value: Any) -> str:
    """A value as it may stand in an error: shortened, and in ASCII so that no odd character goes on with it."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
