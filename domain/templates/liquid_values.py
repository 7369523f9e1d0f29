"""Values as Liquid sees and prints them: what is nothing, what is equal, and no notation of Python's ever.

A text prints as it is, a number as JSON writes it and without an exponent, true and false in small letters, a list as
its items one after the other, an object as JSON. Nothing has no text: to print it is an error that names the variable.
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

# No price has more bits; a loop that squares one would never end.
MAX_NUMBER_BITS = 1_024
# From here on a number without an exponent is longer than one with it.
_MAX_EXPONENT = 30
# Characters of text that count as one unit of work; see Budget.
CHARACTERS_A_UNIT = 8


class UnfitValueError(FilterArgumentError):
    """A value that a filter cannot take. Names what it wants (`a date`, one of the `known` names), never the value."""

    def __init__(self, wanted: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"not {wanted}", token=None)
        self.wanted = wanted
        self.known = known


class FilterRefusedError(FilterArgumentError):
    """A filter cannot take its input or, if named, an `argument`. `found` and `wanted` are kinds, never the value."""

    def __init__(self, argument: str | None, found: str, wanted: str | None) -> None:
        super().__init__("this cannot be filtered", token=None)
        self.argument = argument
        self.found = found
        self.wanted = wanted


class Missing(Undefined):
    """A value that is missing or null. False in tests, without items in loops, replaced by `default`."""

    __slots__ = ()
    force_liquid_default = True

    def __str__(self) -> str:
        return text_of(self)


def is_nothing(value: object) -> bool:
    return value is None or isinstance(value, Undefined)


def is_blank(value: object) -> bool:
    """Nothing, false, and texts, lists and objects with nothing but white space in them."""
    if isinstance(value, str):
        return not value.strip()
    return is_nothing(value) or value is False or (isinstance(value, list | tuple | Mapping) and not value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """The kind of a value in an author's words."""
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
    """Equality of Liquid: 42 is 42.0 and not '42', 1 is not true, nothing is nothing and blank."""
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
    """The value as JSON has it; nothing is null."""
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
    raise FilterArgumentError("this has no JSON", token=None)


def json_text(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def text_of(value: object) -> str:
    """What the value prints as; nothing within a list prints as no text. Raises UndefinedError for nothing itself."""
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
    """What the value prints as in HTML: what is not marked as HTML is escaped."""
    if isinstance(value, list | tuple):
        return Markup("").join(html_of("" if is_nothing(item) else item) for item in value)
    return escape(text_of(value))


def checked_number(number: Number) -> Number:
    """The number itself. Raises FilterArgumentError where it is none that can be written out."""
    is_sound = number.bit_length() <= MAX_NUMBER_BITS if isinstance(number, int) else isfinite(number)
    if not is_sound:
        raise FilterArgumentError("the number is out of bounds", token=None)
    return number


def number_text(number: float | Decimal) -> str:
    """A number as JSON writes it, without an exponent unless it is absurdly large or small."""
    if isinstance(number, int):
        return str(checked_number(number))
    exact = checked_number(number if isinstance(number, Decimal) else Decimal(repr(number)))
    return format(exact, "f") if abs(exact.adjusted()) <= _MAX_EXPONENT else format(exact, "e")


def weigh(value: object, limit: int) -> int:
    """The units of work that going through the value and all that is in it costs; no more than `limit` and some."""
    weight = 0
    waiting = [value]
    while waiting and weight <= limit:
        match waiting.pop():
            case str() as text:
                weight += 1 + len(text) // CHARACTERS_A_UNIT
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
