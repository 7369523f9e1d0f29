"""Fields of callbacks, whose senders may leave out or mistype anything."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

# Columns of counts have 32 bits.
MAX_COUNT: Final = 1_000_000_000


def read_json(body: bytes | str) -> Any:
    """Return the JSON of a body; None if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def read_object(body: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object of a body; None if it is none."""
    read = read_json(body)
    return read if isinstance(read, dict) else None


def find(data: Any, *path: str | int) -> Any:
    """Return the value at a path; None if there is none."""
    for key in path:
        if isinstance(data, Mapping):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int):
            data = data[key] if key < len(data) else None
        else:
            return None
    return data


def find_text(data: Any, *path: str | int) -> str | None:
    """Return the text at a path; numbers as text, None if there is neither."""
    found = find(data, *path)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else None


def find_count(data: Any, *path: str | int) -> int:
    """Return the count at a path, up to a billion; 0 if there is none.

    It is a number, or its digits.
    """
    digits = find_text(data, *path) or ""
    return min(int(digits[:12]), MAX_COUNT) if digits.isascii() and digits.isdigit() else 0


def find_id(data: Any, *path: str | int) -> UUID | None:
    """Return the message id at a path; None if there is none."""
    try:
        return UUID(find_text(data, *path) or "")
    except ValueError:
        return None


def find_instant(data: Any, *path: str | int) -> datetime | None:
    """Return the instant at a path: ISO 8601 with an offset, or seconds since 1970."""
    found = find(data, *path)
    try:
        if isinstance(found, int | float) and not isinstance(found, bool):
            return datetime.fromtimestamp(found, UTC)
        # Fractions may have more digits than Python reads.
        at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", found)) if isinstance(found, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return at if at is not None and at.tzinfo is not None else None


def read_epoch_milliseconds(value: Any) -> datetime | None:
    """Read milliseconds since 1970; None if it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return find_instant([value / 1000], 0)
    except OverflowError:
        # An integer beyond any float.
        return None


def find_items(data: Any) -> list[Any]:
    """Return a list as it is, and anything else as its only item."""
    return data if isinstance(data, list) else [data]
