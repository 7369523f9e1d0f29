"""The registry of the kinds of delay. A new kind is a module beside this one and a line here."""

from collections.abc import Mapping
from typing import Any

from domain.campaign.delays.date import DateDelay
from domain.campaign.delays.kind import DelayForm
from domain.campaign.delays.local_clock import ClockDelay
from domain.campaign.delays.random_time import RandomDelay

# In the order in which a mapping with the keys of several forms is read.
DELAYS: tuple[type[DelayForm], ...] = (
    DateDelay,
    RandomDelay,
    ClockDelay,
)
_SHOWN = [f"`{form.example}`" for form in sorted(DELAYS, key=lambda form: form is DateDelay)]
EXAMPLES = f"Write `30m`, {', '.join(_SHOWN[:-1])} or {_SHOWN[-1]}"


def form_of(delay: Any) -> type[DelayForm] | None:
    """The form that a raw or a checked delay has; None for a duration and for what is no delay."""
    if isinstance(delay, DelayForm):
        return type(delay)
    if not isinstance(delay, Mapping):
        return None
    return next((form for form in DELAYS if form.key in delay), None)
