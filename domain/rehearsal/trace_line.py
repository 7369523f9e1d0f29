"""A line of the trace of one person through a simulation."""

from datetime import datetime

from msgspec import Struct


class TraceLine(Struct, frozen=True):
    """One thing that came of a person's simulation."""

    at: datetime
    campaign: str
    kind: str
    outcome: str | None
    step: str | None
    reason: str | None
    summary: str
