"""Filters of lists in one pass. One value counts as a list; nested ones are flat.

The library's own filters treat a missing property as an error or as 0, print items in Python's notation, and compare
each item with each other.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from liquid.exceptions import FilterArgumentError, OutputStreamLimitError
from liquid.filter import flatten
from markupsafe import Markup, escape

from domain.templates.liquid_context import MAX_OUTPUT_BYTES
from domain.templates.liquid_values import UnfitValueError, are_equal, is_nothing, number_text, plain, text_of
from domain.templates.number_filters import number_of

Items = list[Any]


def items_of(value: object) -> Items:
    match value:
        case list() | tuple():
            return flatten(value)
        case range():
            return list(value)
    return [value]


def list_of(value: object) -> list[Any] | tuple[Any, ...] | range:
    if not isinstance(value, list | tuple | range):
        raise UnfitValueError("a list")
    return value


def join(items: Items, separator: object = " ") -> str:
    """Join the items' texts; nothing has an empty text."""
    between = separator if isinstance(separator, str) else text_of(separator)
    texts = ["" if is_nothing(item) else text_of(item) for item in items]
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_OUTPUT_BYTES:
        raise OutputStreamLimitError("too much output", token=None)
    # Beside HTML items, a separator from data is escaped, but not the items.
    is_html = any(isinstance(text, Markup) for text in texts)
    return (escape(between) if is_html else between).join(texts)


def concat(items: Items, others: object) -> Items:
    return [*items, *list_of(others)]


def map_(items: Items, key: object) -> Items:
    return [_property(item, key) for item in items]


def reverse(items: Items) -> Items:
    return items[::-1]


def sort(items: Items, key: object = None) -> Items:
    """Sort by size or alphabet, items without a value last."""
    try:
        return _sort(items, key, lambda value: value)
    except TypeError as error:
        raise FilterArgumentError("these do not compare", token=None) from error


def sort_natural(items: Items, key: object = None) -> Items:
    """Sort by alphabet, ignoring case."""
    return _sort(items, key, lambda value: text_of(value).casefold())


def _sort(items: Items, key: object, order: Callable[[Any], Any]) -> Items:
    keyed = [(item if key is None else _property(item, key), item) for item in items]
    found = sorted(((order(value), item) for value, item in keyed if not is_nothing(value)), key=lambda pair: pair[0])
    return [item for _, item in found] + [item for value, item in keyed if is_nothing(value)]


def where(items: Items, key: object, value: object = None) -> Items:
    return [item for item in items if _has(item, key, value)]


def reject(items: Items, key: object, value: object = None) -> Items:
    return [item for item in items if not _has(item, key, value)]


def find(items: Items, key: object, value: object = None) -> object:
    return next((item for item in items if _has(item, key, value)), None)


def find_index(items: Items, key: object, value: object = None) -> int | None:
    return next((index for index, item in enumerate(items) if _has(item, key, value)), None)


def has(items: Items, key: object, value: object = None) -> bool:
    return any(_has(item, key, value) for item in items)


def uniq(items: Items, key: object = None) -> Items:
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(_identity(item if key is None else _property(item, key)), item)
    return list(found.values())


def compact(items: Items, key: object = None) -> Items:
    return [item for item in items if not is_nothing(item if key is None else _property(item, key))]


def sum_(items: Items, key: object = None) -> int | float | None:
    """Add the items; the sum is nothing if an item has no value."""
    values = [item if key is None else _property(item, key) for item in items]
    if any(is_nothing(value) for value in values):
        return None
    total = sum(map(number_of, values), start=0)
    return float(total) if isinstance(total, Decimal) else total


def _property(item: object, key: object) -> Any:
    match item, key:
        case dict(), str():
            return item.get(key)
        case dict(), _:
            return item.get(text_of(key))
        case list() | tuple(), int() if -len(item) <= key < len(item):
            return item[key]
    return None


def _has(item: object, key: object, value: object) -> bool:
    found = _property(item, key)
    return not is_nothing(found) and found is not False if is_nothing(value) else are_equal(found, value)


def _identity(value: object) -> str:
    """Return a text that is equal for equal values."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(int(value) if value == int(value) else value)
    return json.dumps(plain(value), sort_keys=True)


LIST_FILTERS: dict[str, Callable[..., object]] = {
    "compact": compact,
    "concat": concat,
    "find": find,
    "find_index": find_index,
    "has": has,
    "join": join,
    "map": map_,
    "reject": reject,
    "reverse": reverse,
    "sort": sort,
    "sort_natural": sort_natural,
    "sum": sum_,
    "uniq": uniq,
    "where": where,
}
