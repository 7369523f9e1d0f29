"""The registry of delays. A new kind is a module beside this one and a line here."""

from collections.abc import Mapping
from typing import Any

from domain.campaign.delays.date import DateDelay
from domain.campaign.delays.kind import DelayForm
from domain.campaign.delays.local_clock import ClockDelay
from domain.campaign.delays.local_hours import HoursDelay
from domain.campaign.delays.random_time import RandomDelay

# In this order of preference when a mapping has the keys of several forms.
DELAYS: tuple[type[DelayForm], ...] = (
    DateDelay,
    HoursDelay,
    ClockDelay,
    RandomDelay,
)


def examples() -> str:
    """Show an author how a delay may look."""
    *others, last = [f"`{form.example}`" for form in reversed(DELAYS)]
    return f"Write {', '.join(['`30m`', *others])} or {last}"


def form_of(delay: Any) -> type[DelayForm] | None:
    """Return the form of a raw or a checked delay; None if it has none."""
    if isinstance(delay, DelayForm):
        return type(delay)
    if not isinstance(delay, Mapping):
        return None
    return next((form for form in DELAYS if form.key in delay), None)
