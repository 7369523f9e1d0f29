"""Look into plain values of any shape."""

from typing import Any


def mapping_at(holder: Any, key: str) -> dict[str, Any]:
    """Return the mapping under a key; an empty one if there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def list_at(holder: Any, key: str) -> list[Any]:
    """Return the list under a key; an empty one if there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []
