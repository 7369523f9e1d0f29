"""Data of unknown shape made fit for CEL, which has 64-bit integers, strict Unicode and no patience with the rest."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

# `map` and `filter` in CEL-C++ are quadratic: 0.05 s and 17 MB over 1,000 items, 1 s and 1 GB over 8,000, which fit
# into one event of 32 KB sent with a public write key.
MAX_ITEMS = 1_000
MAX_DEPTH = 64

# The binding ends a text at a NUL and cannot take a lone surrogate.
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)


class Unusable(ValueError):
    """A value that no condition can look at."""


def cel_data(value: Any) -> Any:
    """The value as CEL takes it.

    An integer beyond 64 bits becomes a float: clients' own are refused, so it was one before the database made an
    integer of it, and the same number must compare equal before and after. What cannot be had inside a mapping or list
    (too many items, too deep, no JSON) is left out, so that it harms no condition that does not look at it. Raises
    Unusable where nothing is left.
    """
    return _converted(value, 0)


def _converted(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
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
        return [_converted(item, depth + 1) for item in value]
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(key, str):
            try:
                kept[_converted(key, depth)] = _converted(item, depth + 1)
            except Unusable:
                continue
    return kept


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unusable("a number beyond all floats") from None
