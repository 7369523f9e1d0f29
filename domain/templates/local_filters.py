"""Filters that format dates, numbers and amounts for the recipient.

`date` uses the author's strftime layout in the recipient's zone; `localized_date`, `number` and `money` use CLDR's data
for the recipient's locale, or for English if it is unknown. An empty text stays empty.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime, time, tzinfo
from functools import cache, lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format
from babel.numbers import format_currency, format_decimal, get_currency_precision, list_currencies
from markupsafe import Markup

from domain.local_time.moments import read_moment
from domain.templates.liquid_context import Context
from domain.templates.liquid_values import UnfitValueError, is_nothing, text_of
from domain.templates.number_filters import digits_of, number_of, round_half_up

_Length = Literal["short", "medium", "long", "full"]
_LENGTHS: dict[str, _Length] = {"short": "short", "medium": "medium", "long": "long", "full": "full"}
MAX_LAYOUT_CHARACTERS = 200
# Units of work to format a date, number or amount besides its texts, and for each directive of a layout.
LAYOUT_WORK = 30
DIRECTIVE_WORK = 3

_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_ENGLISH = Locale("en")
# Ruby's directives and flags, as in Shopify's templates.
_DIRECTIVE = re.compile(r"%([-_0^#]*)([0-9]{0,2})(:{0,2})([A-Za-z%])")
_SYSTEM_DIRECTIVES = frozenset("aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ%")


def date(value: object, layout: object, *, context: Context) -> str:
    """Format a moment by strftime in the recipient's zone; a plain day is zoneless."""
    if (text := layout_of(layout)) == "" or value == "":
        return text_of(value)
    context.budget.charge(LAYOUT_WORK + DIRECTIVE_WORK * text.count("%"))
    moment, _ = _local_moment(value, context)
    laid_out = _DIRECTIVE.sub(lambda found: _directive(found, moment), text)
    return Markup(laid_out) if isinstance(layout, Markup) else laid_out  # noqa: S704 - the author's own layout


def localized_date(value: object, length: object = "medium", *, time: object = None, context: Context) -> str:
    """Format a date in one of four lengths, and with `time` the time of day."""
    if value == "":
        return ""
    chosen, chosen_time = length_of(length), None if time is None else length_of(time)
    context.budget.charge(LAYOUT_WORK)
    locale, zone = find_locale(context.localization.locale), context.localization.zone
    moment, is_day = _local_moment(value, context)
    day = format_date(moment.date(), chosen, locale)
    if chosen_time is None or is_day:
        return day
    of_day = format_time(moment, chosen_time, tzinfo=zone, locale=locale)
    return str(get_datetime_format(chosen, locale=locale)).replace("'", "").format(of_day, day)


def number(value: object, digits: object = None, *, context: Context) -> str:
    """Format a number with the locale's separators, and `digits` decimal places."""
    if value == "":
        return ""
    context.budget.charge(LAYOUT_WORK)
    locale = find_locale(context.localization.locale)
    if digits is None:
        return format_decimal(number_of(value), locale=locale, decimal_quantization=False)
    places = digits_of(digits)
    pattern = copy(locale.decimal_formats[None])
    pattern.frac_prec = (places, places)
    return str(pattern.apply(round_half_up(number_of(value), places), locale))


def money(value: object, currency: object, *, context: Context) -> str:
    """Format an amount in a currency of ISO 4217."""
    if value == "":
        return ""
    code = currency_of(currency)
    context.budget.charge(LAYOUT_WORK)
    amount = round_half_up(number_of(value), get_currency_precision(code))
    return format_currency(amount, code, locale=find_locale(context.localization.locale))


def layout_of(value: object) -> str:
    if is_nothing(value) or len(text := text_of(value)) > MAX_LAYOUT_CHARACTERS:
        raise UnfitValueError(f"a layout of at most {MAX_LAYOUT_CHARACTERS} characters")
    return text


def length_of(value: object) -> _Length:
    if is_nothing(value) or (length := _LENGTHS.get(text_of(value))) is None:
        raise UnfitValueError("a length", _LENGTHS)
    return length


def currency_of(value: object) -> str:
    """Return the code in capitals. Raises UnfitValueError for an unknown currency."""
    if is_nothing(value) or (code := text_of(value).strip().upper()) not in _currencies():
        raise UnfitValueError("a currency", _currencies())
    return code


@lru_cache(maxsize=512)
def find_locale(name: str | None) -> Locale:
    """Return the locale of this name, else of its language, else English."""
    if name is None or _LOCALE.fullmatch(name) is None:
        return _ENGLISH
    whole = name.replace("_", "-")
    for part in (whole, whole.partition("-")[0]):
        try:
            return Locale.parse(part, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return _ENGLISH


@cache
def _currencies() -> Mapping[str, None]:
    """Return the codes in alphabetical order."""
    return dict.fromkeys(sorted(list_currencies()))


def _local_moment(value: object, context: Context) -> tuple[datetime, bool]:
    """Return the moment in the recipient's zone, and whether it is a whole day."""
    zone = context.localization.zone
    if value in ("now", "today") and (now := context.now()) is not None:
        return now.astimezone(zone), False
    try:
        return _read(value, zone)
    except (ValueError, OverflowError, OSError) as error:
        raise UnfitValueError("a date") from error


def _read(value: object, zone: tzinfo) -> tuple[datetime, bool]:
    moment = read_moment(value.strip() if isinstance(value, str) else value)
    if moment is None:
        raise ValueError("not a date")
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(0), zone), True
    return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)), False


def _directive(found: re.Match[str], moment: datetime) -> str:
    flags, width, colons, letter = found.groups()
    match letter:
        case "s":
            return str(int(moment.timestamp()))
        case "Q":
            return str(int(moment.timestamp() * 1000))
        case "L":
            return f"{moment.microsecond // 1000:03}"
        case "N":
            return f"{moment.microsecond * 1000:09}"[: int(width or 9)]
        case "z" if colons:
            offset = moment.strftime("%z")
            return f"{offset[:3]}:{offset[3:5]}"
        case _ if letter in _SYSTEM_DIRECTIVES and not colons:
            return moment.strftime(f"%{flags}{width}{letter}")
    return found[0]


LOCAL_FILTERS: dict[str, Callable[..., object]] = {
    "date": date,
    "localized_date": localized_date,
    "money": money,
    "number": number,
}
