"""How long a `delay` rests: a time, a random one, until a local time of day, or until a date."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from domain.campaign.expression_fields import value
from domain.campaign.local_time_fields import Clock, Weekdays
from domain.campaign.schema import Document, Duration, DurationRange, Given, Offset, refuse, shown
from domain.conditions.expressions import Place


class RandomDelay(Document):
    """A time between two, spread evenly over people and the same for a person each time: `{for: 1h..3h}`."""

    # `for` is a word of Python's own.
    ends: Annotated[DurationRange, Given] = Field(alias="for")


class ClockDelay(Document):
    """Until the recipient's clocks show this time, on one of these weekdays: `{until: "09:00", days: [mon]}`."""

    until: Clock
    days: Annotated[Weekdays | None, Given] = None


class DateDelay(Document):
    """Until a date of the profile or the entry event, so much earlier or later, at a local time of day.

    Past already, or missing, it lets the journey go on at once, or without the step that follows.
    """

    date: Annotated[str, value(Place.DELAY_DATE)]
    offset: Annotated[Offset | None, Given] = None
    at: Annotated[Clock | None, Given] = None
    if_past: Literal["go_on", "skip_next"] = "go_on"


_FORMS = {"for": RandomDelay, "until": ClockDelay, "date": DateDelay}
_EXPECTED = 'Write `30m`, `{for: 1h..3h}`, `{until: "09:00", days: [mon]}` or `{date: profile.traits.…, offset: -3d}`'


def _form(given: Any) -> str:
    if isinstance(given, Mapping):
        return next((key for key in _FORMS if key in given), "duration")
    return next((key for key, model in _FORMS.items() if isinstance(given, model)), "duration")


def _known_form(given: Any) -> Any:
    if isinstance(given, Mapping | list) and _form(given) == "duration":
        refuse(f"{shown(given)} is not a delay", _EXPECTED)
    return given


Delay = Annotated[
    Annotated[Duration, Tag("duration")]
    | Annotated[RandomDelay, Tag("for")]
    | Annotated[ClockDelay, Tag("until")]
    | Annotated[DateDelay, Tag("date")],
    Discriminator(_form),
    BeforeValidator(_known_form),
]
