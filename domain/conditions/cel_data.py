"""Conversion of JSON-like data for CEL: 64-bit integers and strict Unicode."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

# `cel_costs` bounds the work on the data that remains.
MAX_ITEMS = 1_000
MAX_DEPTH = 64

# The binding ends a text at a NUL and refuses a lone surrogate.
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)
_TWO_63 = float(2**63)


class Size(NamedTuple):
    """How large a value is.

    `nodes` are the values in it, itself included; `bytes` those of its texts and keys as UTF-8; `items` those of its
    longest list or map.
    """

    nodes: int
    bytes: int
    items: int


_SCALAR = Size(1, 0, 0)
# The common kinds first: to ask for a Mapping takes longer.
_LISTS = (list, tuple)
_CONTAINERS = (dict, *_LISTS, Mapping)


class Unusable(ValueError):
    """A value that no condition can read."""


def cel_data(value: Any) -> Any:
    """Convert a value for CEL.

    JSON has one kind of number, and PostgreSQL stores 1e2 as 100. So a whole number within 64 bits becomes an integer,
    even 42.0; any other becomes a float. Unusable values inside a mapping (too many items, too deep, not JSON) are left
    out, so that other conditions still work. Raises Unusable if nothing is left.
    """
    return _convert(value, 0)


def _convert(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _NOT_TEXT.sub("\ufffd", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and -_TWO_63 <= value < _TWO_63 else value
    if isinstance(value, int):
        return value if value in _INT64 else _float(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Unusable("a time without an offset")
        return value
    if isinstance(value, _CONTAINERS):
        return _container(value, depth)
    raise Unusable(f"a {type(value).__name__} is not JSON")


def _container(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> Any:
    if len(value) > MAX_ITEMS:
        raise Unusable(f"more than {MAX_ITEMS:,} items")
    if depth >= MAX_DEPTH:
        raise Unusable(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, _LISTS):
        # Leaving out an item would shift the others, so a list is kept whole or not at all.
        return [_convert(item, depth + 1) for item in value]
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(key, str):
            try:
                kept[_convert(key, depth)] = _convert(item, depth + 1)
            except Unusable:
                continue
    return kept


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unusable("a number too large for a float") from None


def size_of(value: Any) -> Size:
    """Return the size of a converted value, or of a literal."""
    if isinstance(value, str | bytes):
        return Size(1, _length(value), 0)
    if not isinstance(value, list | dict):
        return _SCALAR
    nodes = length = items = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        nodes += 1
        if isinstance(one, str | bytes):
            length += _length(one)
        elif isinstance(one, list):
            items = max(items, len(one))
            waiting += one
        elif isinstance(one, dict):
            items = max(items, len(one))
            length += sum(map(_length, one))
            waiting += one.values()
    return Size(nodes, length, items)


def _length(text: str | bytes) -> int:
    """Count the bytes of a text as UTF-8."""
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())
