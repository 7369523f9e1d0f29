"""The values of an event, each with its path and type."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal

PropertyType = Literal["null", "boolean", "integer", "number", "string", "object", "array"]

MAX_DEPTH: Final = 4
# Items of an array that are looked at.
MAX_ITEMS: Final = 20
MAX_NAME_LENGTH: Final = 100
# An address, a link, or the digits of a phone or an account.
_PERSONAL: Final = re.compile(r"@|://|\d(?:[ ./()-]?\d){6}")


def type_of(value: object) -> PropertyType:
    """Return the JSON type of a value. 1.0 is a number, 1 an integer."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def may_be_personal(text: str) -> bool:
    """Return whether a text looks like an address, a link or a number of a person."""
    return _PERSONAL.search(text) is not None


def is_plain_name(name: str) -> bool:
    """Return whether a name can be kept: it is short, and no data."""
    return 0 < len(name) <= MAX_NAME_LENGTH and _is_plain(name)


@lru_cache(maxsize=10_000)
def _is_plain(name: str) -> bool:
    """Return whether a name is not data; cached, since names repeat."""
    return name.isprintable() and not may_be_personal(name)


def iter_values(properties: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str | None, Any]]:
    """Iterate over values with their paths.

    A path is `plan`, `address.city` or `products[].price`. It is None for a property whose name cannot be kept; nothing
    below it is given.
    """
    for name, value in properties.items():
        if not is_plain_name(name):
            yield None, value
            continue
        path = f"{prefix}{name}"
        yield path, value
        if depth < MAX_DEPTH:
            yield from _iter_below(path, value, depth)


def _iter_below(path: str, value: Any, depth: int) -> Iterator[tuple[str | None, Any]]:
    match value:
        case dict():
            yield from iter_values(value, f"{path}.", depth + 1)
        case list():
            for item in value[:MAX_ITEMS]:
                yield f"{path}[]", item
                if isinstance(item, dict):
                    yield from iter_values(item, f"{path}[].", depth + 1)
