"""Arguments of filters that are right or wrong whatever the input is, such as a currency.

Written as literals they are checked when a template is published; in a message that fails they tell whether the input
or one of them is to blame.
"""

from collections.abc import Callable, Mapping
from typing import Final

from liquid.limits import to_int

from domain.templates.liquid_values import UnfitValueError
from domain.templates.list_filters import list_of
from domain.templates.local_filters import currency_of, layout_of, length_of
from domain.templates.number_filters import digits_of, divisor_of, number_of


def whole_number_of(value: object) -> int:
    """The whole number, as the library's own filters read one. Raises UnfitValueError."""
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return to_int(value)
    except ValueError:
        pass
    raise UnfitValueError("a whole number")


def _unless_nothing(read: Callable[[object], object]) -> Callable[[object], object]:
    """For an argument that is as good as not given where it is null."""
    return lambda value: None if value is None else read(value)


# By the names that the filters give to their arguments. Each reader raises UnfitValueError.
READERS: Final[Mapping[str, Mapping[str, Callable[[object], object]]]] = {
    "concat": {"others": list_of},
    "date": {"layout": layout_of},
    "localized_date": {"length": length_of, "time": _unless_nothing(length_of)},
    "money": {"currency": currency_of},
    "number": {"digits": _unless_nothing(digits_of)},
    "round": {"digits": digits_of},
    "slice": {"start": whole_number_of, "length": whole_number_of},
    "truncate": {"num": whole_number_of},
    "truncatewords": {"num": whole_number_of},
    **{name: {"right": number_of} for name in ("at_least", "at_most", "minus", "plus", "times")},
    **{name: {"right": divisor_of} for name in ("divided_by", "modulo")},
}


def unfit_argument(name: str, arguments: Mapping[str, object]) -> tuple[str, UnfitValueError] | None:
    """The first argument that the filter cannot take, and why."""
    for argument, read in READERS.get(name, {}).items():
        if argument in arguments:
            try:
                read(arguments[argument])
            except UnfitValueError as error:
                return argument, error
    return None
