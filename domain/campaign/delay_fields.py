"""The value of a `delay`: a duration, or one of the forms of `delays.kinds`."""

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag

from domain.campaign.delays.kind import DelayForm, DelayRule
from domain.campaign.delays.kinds import DELAYS, examples, form_of
from domain.campaign.delays.spellings import suggest_form
from domain.campaign.schema import quote_value, refuse
from domain.campaign.time_fields import Duration

_DURATION = "duration"


def _tag(given: Any) -> str:
    form = form_of(given)
    return _DURATION if form is None else form.key


def _known_form(given: Any) -> Any:
    if isinstance(given, dict | list) and form_of(given) is None:
        refuse(f"{quote_value(given)} is not a delay", examples())
    if isinstance(given, str) and (other := suggest_form(given)) is not None and not other.startswith("delay"):
        refuse(f"{quote_value(given)} is not a duration", f"Write `{other}`, or a duration: `1h30m`")
    return given


# Type checkers cannot read a union made from a tuple, so they see the base class.
if TYPE_CHECKING:
    AnyForm = DelayForm
    AnyDelayRule = DelayRule
else:
    AnyForm = Union[tuple(Annotated[form, Tag(form.key)] for form in reversed(DELAYS))]  # noqa: UP007
    AnyDelayRule = Union[tuple(form.rule_type for form in DELAYS if form.rule_type is not None)]  # noqa: UP007

DelayField = Annotated[
    Annotated[Duration, Tag(_DURATION)] | AnyForm,
    Discriminator(_tag),
    BeforeValidator(_known_form),
    Field(description=examples()),
]
