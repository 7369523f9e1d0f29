"""Data of unknown shape made fit for CEL, which has 64-bit integers, strict Unicode and no patience with the rest."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

# How much work may be done over what is left, `cel_costs` bounds.
MAX_ITEMS = 1_000
MAX_DEPTH = 64

# The binding ends a text at a NUL and cannot take a lone surrogate.
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


class Unusable(ValueError):
    """A value that no condition can look at."""


def cel_data(value: Any) -> Any:
    """The value as CEL takes it.

    A number is what it says and not how it is written, since JSON has one kind and PostgreSQL keeps 1e2 as 100: a whole
    one within 64 bits is an integer, also if it came as 42.0; any other is a float. What cannot be had inside a mapping
    or list (too many items, too deep, no JSON) is left out, so that it harms no condition that does not look at it.
    Raises Unusable where nothing is left.
    """
    return _convert(value, 0)


def _convert(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and -_TWO_63 <= value < _TWO_63 else value
    if isinstance(value, str):
        return _NOT_TEXT.sub("\ufffd", value)
    if isinstance(value, int):
        return value if value in _INT64 else _float(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Unusable("a time without an offset")
        return value
    if isinstance(value, Mapping | list | tuple):
        return _container(value, depth)
    raise Unusable(f"a {type(value).__name__} is no JSON")


def _container(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> Any:
    if len(value) > MAX_ITEMS:
        raise Unusable(f"more than {MAX_ITEMS:,} items")
    if depth >= MAX_DEPTH:
        raise Unusable(f"nested deeper than {MAX_DEPTH}")
    if not isinstance(value, Mapping):
        # An item left out would shift the others, so that a list is whole or not there.
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
        raise Unusable("a number beyond all floats") from None


def size_of(value: Any) -> Size:
    """The size of a value that `cel_data` has made, or of a literal."""
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
    """Bytes of a text as UTF-8."""
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())
