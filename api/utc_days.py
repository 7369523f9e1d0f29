"""The days of counts, as queries name them."""

from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query
from msgspec import Struct
from pydantic import Field

from api.dependencies import FIRST_YEAR, LAST_YEAR, DayField, ResponseModel, Using
from domain.errors import InvalidRequestError

DEFAULT_DAYS: Final = 7


class DayPeriod(Struct, frozen=True):
    """The UTC days between two, both included."""

    first: date
    last: date


class DayNumbers(ResponseModel):
    """Numbers of the days that a query named, or of the last week."""

    first_day: date = Field(examples=["2026-11-16"], description="a UTC day")
    last_day: date = Field(examples=["2026-11-22"])


async def read_period(
    services: Using,
    first: Annotated[
        DayField | None,
        Query(alias="from", examples=["2026-11-16"], description="a UTC day; else 7 days with `to`, or with today"),
    ] = None,
    last: Annotated[
        DayField | None,
        Query(
            alias="to",
            examples=["2026-11-22"],
            description="else today, or the last day counted where the clock of journeys runs ahead",
        ),
    ] = None,
) -> DayPeriod:
    """Read the days of a query. Raises InvalidRequestError."""
    for day in (first, last):
        if day is not None and not FIRST_YEAR <= day.year < LAST_YEAR:
            raise InvalidRequestError(f"{day} must be a day of the years {FIRST_YEAR} to {LAST_YEAR - 1}")
    today, counted = (last, last) if last else await services.last_days()
    return DayPeriod(first or today - timedelta(days=DEFAULT_DAYS - 1), counted)


CountedDays = Annotated[DayPeriod, Depends(read_period)]
