"""Arithmetic filters. A text that is not a number is refused, never taken as 0.

Decimal fractions are exact: `0.1
plus: 0.2` is 0.3. Halves are rounded up, as shops do.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from liquid.exceptions import FilterArgumentError

from domain.templates.liquid_values import UnfitValueError, checked_number

_NUMBER = re.compile(r"\s*[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,2})?\s*")
_EXACT = Context(prec=400)

Exact = int | Decimal


def number_of(value: object) -> Exact:
    """Return the number that a value is or spells. Raises UnfitValueError."""
    match value:
        case bool():
            pass
        case int() | Decimal():
            return checked_number(value)
        case float():
            return Decimal(repr(checked_number(value)))
        case str() if _NUMBER.fullmatch(value):
            number = Decimal(value.strip())
            return number if re.search(r"[.eE]", value) else int(number)
    raise UnfitValueError("a number")


def digits_of(value: object) -> int:
    """Return a number of decimal places. Raises UnfitValueError beyond 0 to 20."""
    digits = number_of(value)
    if digits != int(digits) or not 0 <= digits <= 20:
        raise UnfitValueError("a number of decimal places, 0 to 20")
    return int(digits)


def divisor_of(value: object) -> Exact:
    """Return a divisor. Raises UnfitValueError for 0 as well."""
    if not (number := number_of(value)):
        raise UnfitValueError("a number other than 0")
    return number


def round_half_up(number: Exact, digits: int) -> Decimal:
    return Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _EXACT)


def _result(number: Exact) -> int | float:
    return number if isinstance(number, int) else checked_number(float(number))


def _arithmetic_filter(
    compute: Callable[[Exact, Exact], Exact], read_right: Callable[[object], Exact] = number_of
) -> Callable[[object, object], int | float]:
    def filtered(left: object, right: object) -> int | float:
        try:
            return checked_number(_result(compute(number_of(left), read_right(right))))
        except InvalidOperation as error:
            raise FilterArgumentError("this cannot be computed", token=None) from error

    return filtered


def _exact(left: Exact, right: Exact, compute: Callable[[Decimal, Decimal], Decimal]) -> Decimal:
    return compute(Decimal(left), Decimal(right))


def _plus(left: Exact, right: Exact) -> Exact:
    return left + right if isinstance(left, int) and isinstance(right, int) else _exact(left, right, _EXACT.add)


def _minus(left: Exact, right: Exact) -> Exact:
    return left - right if isinstance(left, int) and isinstance(right, int) else _exact(left, right, _EXACT.subtract)


def _times(left: Exact, right: Exact) -> Exact:
    return left * right if isinstance(left, int) and isinstance(right, int) else _exact(left, right, _EXACT.multiply)


def _divided_by(left: Exact, right: Exact) -> Exact:
    """Divide; whole numbers give a whole one, rounded down, as in Shopify."""
    return left // right if isinstance(left, int) and isinstance(right, int) else _exact(left, right, _EXACT.divide)


def _modulo(left: Exact, right: Exact) -> Exact:
    """Return the remainder with the sign of the divisor, as in Ruby."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    remainder = _EXACT.remainder(Decimal(left), Decimal(right))
    return _EXACT.add(remainder, Decimal(right)) if remainder and (remainder < 0) != (right < 0) else remainder


def absolute(number: object) -> int | float:
    exact = number_of(number)
    return _result(-exact if exact < 0 else exact)


def ceil(number: object) -> int:
    return math.ceil(number_of(number))


def floor(number: object) -> int:
    return math.floor(number_of(number))


def round_(number: object, digits: object = 0) -> int | float:
    places = digits_of(digits)
    exact = number_of(number)
    if isinstance(exact, int):
        return exact
    return _result(round_half_up(exact, places)) if places else int(round_half_up(exact, 0))


NUMBER_FILTERS: dict[str, Callable[..., object]] = {
    "abs": absolute,
    "at_least": _arithmetic_filter(lambda left, right: max(left, right)),
    "at_most": _arithmetic_filter(lambda left, right: min(left, right)),
    "ceil": ceil,
    "divided_by": _arithmetic_filter(_divided_by, divisor_of),
    "floor": floor,
    "minus": _arithmetic_filter(_minus),
    "modulo": _arithmetic_filter(_modulo, divisor_of),
    "plus": _arithmetic_filter(_plus),
    "round": round_,
    "times": _arithmetic_filter(_times),
}
