"""Look into plain values of any shape."""

from collections.abc import Iterator
from typing import Any

from domain.document.yaml_source import Path


def mapping_at(holder: Any, key: str) -> dict[str, Any]:
    """Return the mapping under a key; an empty one if there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def list_at(holder: Any, key: str) -> list[Any]:
    """Return the list under a key; an empty one if there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def iter_texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Iterate over the texts of a document, each with its path."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from iter_texts(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from iter_texts(item, (*path, index))
