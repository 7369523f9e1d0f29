"""Values of Liquid: what is nothing, what is equal, and how each prints.

A text prints as it is, a number as in JSON and without an exponent, true and false in small letters, a list as its
items in a row, an object as JSON. Nothing has no text: printing it is an error that names the variable.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, TypeVar

from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.exceptions import FilterArgumentError, UndefinedError
from liquid.undefined import Undefined
from markupsafe import Markup, escape

Number = TypeVar("Number", bound=int | float | Decimal)

# Enough for any price; a loop of squares would grow without end.
MAX_NUMBER_BITS = 1_024
# Beyond this, a number without an exponent is longer than one with it.
_MAX_EXPONENT = 30
# Characters of text per unit of work; see Budget.
CHARACTERS_PER_UNIT = 8


class UnfitValueError(FilterArgumentError):
    """A value that a filter refuses. Names the kind it `wanted`, never the value.

    `known` are the valid names, if it wanted one.
    """

    def __init__(self, wanted: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"not {wanted}", token=None)
        self.wanted = wanted
        self.known = known


class FilterRefusedError(FilterArgumentError):
    """A filter refused its input, or the `argument` if named.

    `found` and `wanted` are kinds, never the value.
    """

    def __init__(self, argument: str | None, found: str, wanted: str | None) -> None:
        super().__init__("this cannot be filtered", token=None)
        self.argument = argument
        self.found = found
        self.wanted = wanted


class Missing(Undefined):
    """A missing or null value: false, an empty loop, replaced by `default`."""

    __slots__ = ()
    force_liquid_default = True

    def __str__(self) -> str:
        return text_of(self)


def is_nothing(value: object) -> bool:
    return value is None or isinstance(value, Undefined)


def is_blank(value: object) -> bool:
    """Return whether a value is nothing, false, or only white space or emptiness."""
    if isinstance(value, str):
        return not value.strip()
    return is_nothing(value) or value is False or (isinstance(value, list | tuple | Mapping) and not value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """Describe the kind of a value in an author's words."""
    match value:
        case str():
            return "a text"
        case bool():
            return "true or false"
        case int() | float() | Decimal():
            return "a number"
        case list() | tuple() | range():
            return "a list"
        case dict():
            return "an object"
    return "nothing"


def is_empty(value: object) -> bool:
    return isinstance(value, str | list | tuple | dict) and not value


def are_equal(left: object, right: object) -> bool:
    """Compare like Liquid: 42 is 42.0, not '42'; 1 is not true; nothing is blank."""
    for special, other in ((left, right), (right, left)):
        if isinstance(special, Blank):
            return is_blank(other) or isinstance(other, Blank | Empty)
        if isinstance(special, Empty):
            return is_empty(other) or isinstance(other, Empty)
    if is_nothing(left) or is_nothing(right):
        return is_nothing(left) and is_nothing(right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def plain(value: object) -> Any:
    """Convert a value to JSON; nothing is null."""
    match value:
        case Markup():
            return str(value)
        case bool() | str() | int():
            return value
        case float() | Decimal():
            return checked_number(value) if isinstance(value, float) else float(checked_number(value))
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | range():
            return [plain(item) for item in value]
    if is_nothing(value) or isinstance(value, Blank | Empty):
        return None
    raise FilterArgumentError("this is not JSON", token=None)


def json_text(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def text_of(value: object) -> str:
    """Return a value's text; within a list, nothing is empty.

    Raises UndefinedError for nothing itself.
    """
    if isinstance(value, str):
        return value
    if is_nothing(value):
        hint, token = (value.hint, value.token) if isinstance(value, Undefined) else (None, None)
        raise UndefinedError(hint or "", token=token)
    if isinstance(value, Blank | Empty):
        return ""
    return _print(value)


def _print(value: object) -> str:
    match value:
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return number_text(value)
        case list() | tuple():
            return "".join(_print(item) for item in value)
        case range():
            return f"{value.start}..{value.stop - 1}"
        case dict():
            return json_text(value)
    if is_nothing(value):
        return ""
    raise FilterArgumentError("this cannot be printed", token=None)


def html_of(value: object) -> Markup:
    """Return a value's HTML: text that is not marked as HTML is escaped."""
    if isinstance(value, list | tuple):
        return Markup("").join(html_of("" if is_nothing(item) else item) for item in value)
    return escape(text_of(value))


def checked_number(number: Number) -> Number:
    """Return the number. Raises FilterArgumentError if it cannot be written out."""
    is_sound = number.bit_length() <= MAX_NUMBER_BITS if isinstance(number, int) else isfinite(number)
    if not is_sound:
        raise FilterArgumentError("the number is out of bounds", token=None)
    return number


def number_text(number: float | Decimal) -> str:
    """Format a number as JSON does, with an exponent only if it is extreme."""
    if isinstance(number, int):
        return str(checked_number(number))
    exact = checked_number(number if isinstance(number, Decimal) else Decimal(repr(number)))
    return format(exact, "f") if abs(exact.adjusted()) <= _MAX_EXPONENT else format(exact, "e")


def weigh(value: object, limit: int) -> int:
    """Return the units of work of reading a value and its parts, up to `limit`."""
    weight = 0
    waiting = [value]
    while waiting and weight <= limit:
        match waiting.pop():
            case str() as text:
                weight += 1 + len(text) // CHARACTERS_PER_UNIT
            case list() | tuple() as items:
                weight += 1 + len(items)
                waiting.extend(items)
            case dict() as members:
                weight += 1 + len(members)
                waiting.extend(members)
                waiting.extend(members.values())
            case range() as numbers:
                weight += 1 + len(numbers)
            case _:
                weight += 1
    return weight
