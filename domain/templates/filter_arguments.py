"""Filter arguments that are valid or not for every input, such as a currency.

Literals are checked at publication. When a message fails, this tells whether the input or an argument is the cause.
"""

from collections.abc import Callable, Mapping
from typing import Final

from liquid.limits import to_int

from domain.templates.liquid_values import UnfitValueError
from domain.templates.list_filters import list_of
from domain.templates.local_filters import currency_of, layout_of, length_of
from domain.templates.number_filters import digits_of, divisor_of, number_of


def read_whole_number(value: object) -> int:
    """Return a whole number, as the library's filters read it. Raises UnfitValueError."""
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return to_int(value)
    except ValueError:
        pass
    raise UnfitValueError("a whole number")


def _make_optional(read: Callable[[object], object]) -> Callable[[object], object]:
    """Wrap a reader for an argument that may be null."""
    return lambda value: None if value is None else read(value)


# By the filters' argument names. Each reader raises UnfitValueError.
READERS: Final[Mapping[str, Mapping[str, Callable[[object], object]]]] = {
    "concat": {"others": list_of},
    "date": {"layout": layout_of},
    "localized_date": {"length": length_of, "time": _make_optional(length_of)},
    "money": {"currency": currency_of},
    "number": {"digits": _make_optional(digits_of)},
    "round": {"digits": digits_of},
    "slice": {"start": read_whole_number, "length": read_whole_number},
    "truncate": {"num": read_whole_number},
    "truncatewords": {"num": read_whole_number},
    **{name: {"right": number_of} for name in ("at_least", "at_most", "minus", "plus", "times")},
    **{name: {"right": divisor_of} for name in ("divided_by", "modulo")},
}


def find_unfit_argument(name: str, arguments: Mapping[str, object]) -> tuple[str, UnfitValueError] | None:
    """Return the first argument that the filter refuses, and why."""
    for argument, read in READERS.get(name, {}).items():
        if argument in arguments:
            try:
                read(arguments[argument])
            except UnfitValueError as error:
                return argument, error
    return None
