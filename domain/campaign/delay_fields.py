"""How long a `delay` rests: a time, a random one, until a local time of day, or until a date."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from domain.campaign.durations import DurationError, parse_duration
from domain.campaign.expression_fields import value
from domain.campaign.local_time_fields import WEEKDAYS, Clock, Weekdays, clock_meant
from domain.campaign.schema import DocumentModel, Given, quote_value, refuse
from domain.campaign.time_fields import Duration, DurationRange, Offset
from domain.conditions.expressions import ExpressionScope

_EXPECTED = 'Write `30m`, `{for: 1h..3h}`, `{until: "09:00", days: [mon]}` or `{date: profile.traits.…, offset: -3d}`'
_EXPRESSION = r"(?:profile|entry|event|journey)\.|timestamp\("
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _other_form(text: str) -> str | None:
    """The form of delay that a text fits into, as it would be written; None where it is none of them."""
    if re.match(_EXPRESSION, text):
        return f"{{date: {text}}}"
    if re.match(_DAY, text):
        return f"{{date: \"'{text}'\"}}"
    if re.fullmatch(r"[0-9]+[a-z]+\.\.[0-9]+[a-z]+", text):
        return f"{{for: {text}}}"
    if (day := text[:3].lower()) in WEEKDAYS:
        return f'{{until: "09:00", days: [{day}]}}'
    if not text.isdigit() and (clock := clock_meant(text)) is not None:
        return f'{{until: "{clock}"}}'
    with suppress(DurationError):
        return f"delay: {text}" if parse_duration(text) else None
    return None


class DelayForm(DocumentModel):
    """One of the forms that a mapping may have as a delay; its key says which."""

    key: ClassVar[str]

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if not any(key in form.named_fields() for form in _FORMS.values()):
            return super().about_unknown_key(key)
        of_day = '. The time of day is `at: "09:00"`' if (cls.key, key) == ("date", "until") else ""
        return f"`{key}` cannot stand beside `{cls.key}`", f"{_EXPECTED}{of_day}"


class RandomDelay(DelayForm):
    """A time between two, spread evenly over people and the same for a person each time: `{for: 1h..3h}`."""

    key = "for"

    # `for` is a word of Python's own.
    ends: Annotated[DurationRange, Given] = Field(alias="for", description="the least and the most: `1h..3h`")


def _no_other_form(text: Any) -> Any:
    if isinstance(text, str) and not clock_meant(text) and (other := _other_form(text)) is not None:
        refuse(f"{quote_value(text)} is not a time of day", f"Write `{other}`")
    return text


class ClockDelay(DelayForm):
    """Until the recipient's clocks show a time of day, on one of some weekdays: `{until: "09:00", days: [mon]}`."""

    key = "until"

    until: Annotated[Clock, BeforeValidator(_no_other_form)] = Field(description="the time of day")
    days: Annotated[Weekdays | None, Given] = Field(None, description="the weekdays; left out, all of them")


def _no_date(text: Any) -> Any:
    if isinstance(text, str) and re.match(_DAY, text):
        refuse(f"`{text}` is no expression", f"Put the date itself into quotes as well: `date: \"'{text}'\"`")
    return text


class DateDelay(DelayForm):
    """Until a date of the profile or the entry event, so much earlier or later, at a local time of day."""

    key = "date"

    date: Annotated[str, value(ExpressionScope.DELAY_DATE), BeforeValidator(_no_date)] = Field(
        description="an expression in CEL that gives a date or time: `profile.traits.trial_ends_at`"
    )
    offset: Annotated[Offset | None, Given] = Field(None, description="so much later, or earlier with `-`: `-3d`")
    at: Annotated[Clock | None, Given] = Field(None, description="at this local time of that day")
    if_past: Literal["skip_next", "go_on"] = Field(
        "skip_next",
        description="where the date is past already, or missing: go on without the step that follows, or at once",
    )
    if_unreadable: Literal["skip_next", "go_on"] = Field(
        "skip_next",
        description="where there is a value that names no date: go on without the step that follows, or at once",
    )


_FORMS: dict[str, type[DelayForm]] = {form.key: form for form in (DateDelay, RandomDelay, ClockDelay)}


def _form(given: Any) -> str:
    if isinstance(given, Mapping):
        return next((key for key in _FORMS if key in given), "duration")
    return given.key if isinstance(given, DelayForm) else "duration"


def _known_form(given: Any) -> Any:
    if isinstance(given, Mapping | list) and _form(given) == "duration":
        refuse(f"{quote_value(given)} is not a delay", _EXPECTED)
    if isinstance(given, str) and (other := _other_form(given)) is not None and not other.startswith("delay"):
        refuse(f"{quote_value(given)} is not a duration", f"Write `{other}`, or a duration: `1h30m`")
    return given


DelayField = Annotated[
    Annotated[Duration, Tag("duration")]
    | Annotated[RandomDelay, Tag("for")]
    | Annotated[ClockDelay, Tag("until")]
    | Annotated[DateDelay, Tag("date")],
    Discriminator(_form),
    BeforeValidator(_known_form),
    Field(description=_EXPECTED),
]
