"""The audience of a campaign: people who enter without an event."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from domain.campaign.expression_fields import condition
from domain.campaign.local_time_fields import Clock, Weekdays
from domain.campaign.schema import WHOLE, DocumentModel, Given, quote_value, refuse
from domain.conditions.expressions import ExpressionScope
from domain.suggestions import did_you_mean

MAX_RATE = 10_000

_EXPECTED = (
    'Write `{every: day, at: "09:00"}`, `{every: week, days: [mon], at: "09:00"}` '
    'or `{every: month, day: 1, at: "09:00"}`'
)


_EVERY: Any = Field(description="how often: `day`, `week` or `month`")


class AgainForm(DocumentModel):
    """One of the forms of `again`; the value of `every` selects it."""

    every: str = _EVERY
    at: Clock = Field(description="the time of day, by the campaign's `timezone`")

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if not any(key in form.named_fields() for form in _FORMS.values()):
            return super().about_unknown_key(key)
        (every,) = (name for name, form in _FORMS.items() if form is cls)
        return f"`{key}` cannot stand beside `every: {every}`", _EXPECTED


class Daily(AgainForm):
    """Each day: `{every: day, at: "09:00"}`."""

    every: Literal["day"] = _EVERY


class Weekly(AgainForm):
    """On some days of each week: `{every: week, days: [mon], at: "09:00"}`."""

    every: Literal["week"] = _EVERY
    days: Weekdays = Field(description="the weekdays: `[mon, thu]`")


def _day_of_month(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 31:
        refuse(
            f"{quote_value(value)} is not a day of a month", "Write 1 to 31; `day: 31` is the last day of every month"
        )
    return value


class Monthly(AgainForm):
    """On one day of each month: `{every: month, day: 1, at: "09:00"}`."""

    every: Literal["month"] = _EVERY
    day: Annotated[int, BeforeValidator(_day_of_month), Field(ge=1, le=31)] = Field(
        description="the day of the month; in a shorter one its last, so that 31 is always the last"
    )


_FORMS: dict[str, type[AgainForm]] = {"day": Daily, "week": Weekly, "month": Monthly}


def _form(given: Any) -> str:
    return str(given.get("every")) if isinstance(given, Mapping) else given.every


def _known_form(given: Any) -> Any:
    if isinstance(given, AgainForm):
        return given
    if not isinstance(given, Mapping):
        refuse(f"{quote_value(given)} is not a valid `again`", _EXPECTED)
    if "every" not in given:
        refuse("`every` is missing", _EXPECTED)
    if str(given["every"]) not in _FORMS:
        refuse(
            f"{quote_value(given['every'])} is not a valid `every`",
            f"{did_you_mean(str(given['every']), _FORMS)}. {_EXPECTED}",
        )
    return given


Again = Annotated[
    Annotated[Daily, Tag("day")] | Annotated[Weekly, Tag("week")] | Annotated[Monthly, Tag("month")],
    Discriminator(_form),
    BeforeValidator(_known_form),
    Field(description=_EXPECTED),
]


class Audience(DocumentModel):
    """People who enter without an event: at the campaign's start, or at each `again`."""

    where: Annotated[str, condition(ExpressionScope.AUDIENCE_WHERE)] = Field(
        description='a condition in CEL: which of the known people enter; `"true"` for all of them'
    )
    rate: Annotated[int, Field(ge=1, le=MAX_RATE), WHOLE] = Field(100, description="how many enter a second, at most")
    again: Annotated[Again | None, Given] = Field(
        None, description="when the audience enters; left out, once, when the campaign starts"
    )
