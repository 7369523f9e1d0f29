"""Scenarios of a campaign, in the local times of a person."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.local_time.instants import days_from, instant, local_day
from domain.tracking.event import CallType

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LOCAL_TIME: Final = rf"(([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{'|'.join(_WEEKDAYS)}) )?[0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?"
ReactionName = Literal["opened", "clicked"]
ExpectedKind = Literal["sent", "not_sent", "waits", "ends", "goal", "not_entered"]
# The fate of a message that does not arrive.
MessageFate = Literal["refused", "unknown"]


class LocalTime(Struct, frozen=True):
    """A time by the clocks of a person, on a day, on a weekday (Monday 0), or on any."""

    clock: time
    day: date | int | None
    has_seconds: bool

    def find(self, since: datetime, zone: ZoneInfo) -> datetime:
        """Return the instant at which it is, not before another."""
        if isinstance(self.day, date):
            return instant(self.day, self.clock, zone)
        weekdays = range(7) if self.day is None else (self.day,)
        days = days_from(local_day(since, zone), weekdays, zone)
        return next(at for day in days if (at := instant(day, self.clock, zone)) >= since)

    def shows(self, at: datetime, zone: ZoneInfo) -> bool:
        """Return whether clocks show it at an instant, to the second if it has seconds."""
        local = at.astimezone(zone)
        day = local.date() if isinstance(self.day, date) else local.weekday()
        clock = local.time().replace(microsecond=0)
        return self.day in (None, day) and self.clock == (clock if self.has_seconds else clock.replace(second=0))

    def __str__(self) -> str:
        clock = self.clock.isoformat("seconds" if self.has_seconds else "minutes")
        day = _WEEKDAYS[self.day] if isinstance(self.day, int) else self.day
        return clock if day is None else f"{day} {clock}"


def parse_local_time(text: str) -> LocalTime:
    """Read a local time, with a day, a weekday or neither. Raises ValueError."""
    if re.fullmatch(LOCAL_TIME, text) is None:
        raise ValueError(text)
    day, _, clock = text.rpartition(" ")
    on = None if not day else _WEEKDAYS.index(day) if day in _WEEKDAYS else date.fromisoformat(day)
    return LocalTime(time.fromisoformat(clock), on, clock.count(":") == 2)


class ScenarioPerson(Struct, frozen=True):
    """The person of a scenario. `arms` are those of splits, by step."""

    traits: Mapping[str, Any]
    consent: Mapping[str, bool]
    arms: Mapping[str, str]
    context: Mapping[str, Any] = {}


class ReportedCall(Struct, frozen=True):
    """A call of the tracking API about the person."""

    type: CallType
    name: str | None
    properties: Mapping[str, Any]
    context: Mapping[str, Any] = {}


class Reacts(Struct, frozen=True):
    """A reaction to the last message of a step."""

    kind: ReactionName
    step: str


class DoneLine(Struct, frozen=True):
    """One line of what happens: at a local time, else so long after the line before."""

    line: int
    at: LocalTime | None
    after: timedelta
    what: ReportedCall | Reacts


class ExpectedLine(Struct, frozen=True):
    """One expected effect. `subject` is a step, an outcome, an event or a reason.

    It comes so long `after` the line before, the first one after the beginning.
    """

    line: int
    kind: ExpectedKind
    subject: str
    because: str | None = None
    channel: str | None = None
    at: LocalTime | None = None
    after: timedelta | None = None


class CampaignScenario(Struct, frozen=True, kw_only=True):
    """A person, what happens, and everything that comes of it.

    `refusals` are the messages that do not arrive, by step or channel. It is watched so long after the last line.
    """

    name: str
    line: int
    at: LocalTime
    person: ScenarioPerson
    refusals: Mapping[str, MessageFate]
    when: Sequence[DoneLine]
    then: Sequence[ExpectedLine]
    watched: timedelta


class Scenarios(Struct, frozen=True):
    """The scenarios of a campaign's file, with the other files that are deployed."""

    file: str
    campaign: str | None
    deployed: Sequence[str]
    timezone: str
    scenarios: Sequence[CampaignScenario]
