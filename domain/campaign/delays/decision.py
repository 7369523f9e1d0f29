"""The answer to a journey that asks until when it rests, with the data that explain it."""

from datetime import datetime
from types import NoneType
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.delays.kind import DelayFacts, DelayRule
from domain.journey.protocol import Unreadable

Outcome = Literal["past", "unreadable", "waiting", "over"]

_REASONS: Final = {NoneType: "no_date", Unreadable: "unreadable_date"}


class DelayDecision(Struct, frozen=True):
    """Until when a delay rests, perhaps past, and why.

    `past`: there is no date, or the step was reached after it. `unreadable`: a value names no date.
    """

    until: datetime | Unreadable | None
    outcome: Outcome
    reason: str | None
    data: dict[str, Any]


def decide_delay(rule: DelayRule, facts: DelayFacts, *, attempt: int, at: datetime, zone: ZoneInfo) -> DelayDecision:
    """Decide until when a delay rests. `attempt` counts the look-ups of this visit, from 1."""
    end = rule.until(facts, zone)
    return DelayDecision(
        until=end.until,
        outcome=_outcome(end.until, facts.reached_at, attempt, at),
        reason=_REASONS.get(type(end.until)),
        data=_data(end.until, end.error, zone),
    )


def _outcome(until: datetime | Unreadable | None, reached_at: datetime, attempt: int, at: datetime) -> Outcome:
    if isinstance(until, Unreadable):
        return "unreadable"
    if until is None or (attempt == 1 and until < reached_at):
        return "past"
    return "over" if until <= at else "waiting"


def _data(until: datetime | Unreadable | None, error: str | None, zone: ZoneInfo) -> dict[str, Any]:
    if not isinstance(until, datetime):
        return {"error": error}
    return {"until": until.astimezone(zone), "timezone": zone.key}
