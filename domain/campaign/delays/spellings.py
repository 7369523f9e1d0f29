"""Guesses of the delay that an author meant, for the remedies of errors."""

import re
from contextlib import suppress

from domain.campaign.durations import DurationError, parse_duration
from domain.campaign.local_time_fields import WEEKDAYS, guess_clock

_EXPRESSION = r"(?:profile|entry|event|journey)\.|timestamp\("
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


def suggest_form(text: str) -> str | None:
    """Return the delay that a text may mean, as an author would write it."""
    if re.match(_EXPRESSION, text):
        return f"{{date: {text}}}"
    if re.match(DAY, text):
        return f"{{date: \"'{text}'\"}}"
    if re.fullmatch(r"[0-9]+[a-z]+\.\.[0-9]+[a-z]+", text):
        return f"{{for: {text}}}"
    if (day := text[:3].lower()) in WEEKDAYS:
        return f'{{until: "09:00", days: [{day}]}}'
    if not text.isdigit() and (clock := guess_clock(text)) is not None:
        return f'{{until: "{clock}"}}'
    with suppress(DurationError):
        return f"delay: {text}" if parse_duration(text) else None
    return None
