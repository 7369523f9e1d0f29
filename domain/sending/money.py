"""Money: amounts in millionths of a currency's unit, so that sums are exact."""

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Struct
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from domain.campaign.schema import DocumentModel, quote_value, refuse

PLACES: Final = 6
MAX_UNITS: Final = 1_000_000_000


class Money(Struct, frozen=True):
    """An amount in millionths of a currency's unit."""

    micros: int
    currency: str

    def __str__(self) -> str:
        return f"{format_units(self.micros)} {self.currency}"

    def times(self, number: int) -> "Money":
        """Return so many times the amount."""
        return Money(self.micros * number, self.currency)


class PartsCount(Struct, frozen=True):
    """The parts of a message that are charged one by one, and the most of them."""

    number: int
    most: int


def to_micros(units: float) -> int:
    """Return millionths of an amount as authors write it."""
    return int(Decimal(str(units)).scaleb(PLACES))


def format_units(micros: int) -> str:
    """Return an amount with at least two places: `0.0075`, `12.50`."""
    units, _, part = f"{Decimal(micros).scaleb(-PLACES):f}".partition(".")
    return f"{units}.{part.rstrip('0').ljust(2, '0')}"


def _amount(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"{quote_value(value)} is not an amount", "Write a number: `0.0075`")
    exact = Decimal(str(value)).normalize()
    exponent = exact.as_tuple().exponent
    if not 0 < exact <= MAX_UNITS or not isinstance(exponent, int) or exponent < -PLACES:
        refuse(f"{quote_value(value)} is out of bounds", f"More than 0, with at most {PLACES} places: `0.0075`")
    return to_micros(value)


def to_units(micros: int) -> int | float:
    """Return an amount as authors write it."""
    units = micros / 10**PLACES
    return int(units) if units.is_integer() else units


Amount = Annotated[
    int,
    BeforeValidator(_amount),
    PlainSerializer(to_units),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_UNITS, "examples": [0.0075, 50]}),
]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="its code of three letters: EUR", examples=["EUR"])]


class CostModel(DocumentModel):
    """The price of one message, or of one segment of a text."""

    amount: Amount = Field(description="in units of the currency: `0.0075`")
    currency: Currency
