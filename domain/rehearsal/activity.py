"""The activity of simulated people: sessions with their ends and openings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import json

from domain.journey.listeners import Listeners
from domain.journey.session_listeners import hears_ends
from domain.people import sessions
from domain.people.activity import is_activity
from domain.people.learned import LearnedRow
from domain.people.session_events import NamedPerson, ended_event, opened_event, opened_trigger
from domain.people.sessions import SILENCE, Activity, Session
from domain.rehearsal.rulebook import Rulebook
from domain.tracking.event import Event


@dataclass(slots=True)
class PersonActivity:
    """The activity of a person, and the events of their open session."""

    seen: Activity | None = None
    events: list[Event] = field(default_factory=list)

    def row(self) -> LearnedRow | None:
        """Return the activity as conditions read it."""
        seen = self.seen
        if seen is None:
            return None
        return {
            "first_seen": seen.first_seen.isoformat(),
            "last_seen": seen.last_seen.isoformat(),
            "sessions": seen.sessions,
            "marks": seen.marks,
        }

    def merge(self, other: "PersonActivity") -> None:
        """Take the activity of the same person under another profile."""
        if other.seen is not None:
            self.seen = other.seen if self.seen is None else sessions.merge(self.seen, other.seen)
            self.events = sorted(self.events + other.events, key=lambda event: event.timestamp)


class ActivityRules:
    """The rules that hear of activity, which is followed only for them."""

    def __init__(self, rulebook: Rulebook) -> None:
        listeners: Listeners = rulebook.listeners
        self._hears_ends = hears_ends(listeners, rulebook.traits)
        self._opened = {platform for platform in ("app", "site") if listeners.listens_for(opened_trigger(platform))}
        # Time zone and language are stated by calls, which the intake judges.
        self.affected = rulebook.segments.find_affected(f"profile.{name}" for name in LEARNED_FIELDS)
        texts = (json.encode(one.rules).decode() for one in rulebook.campaigns.values())
        reads = any(f"profile.{name}" in text for text in texts for name in LEARNED_FIELDS)
        self.is_followed = bool(self._hears_ends or self._opened or self.affected or reads)

    def observe(self, known: PersonActivity, person: NamedPerson, event: Event) -> Iterator[Event]:
        """Follow an event; iterate over the reports of what it ends or opens."""
        if not is_activity(event):
            return
        step = sessions.observe(known.seen, event, event.timestamp, awaits_end=self._hears_ends)
        known.seen = step.activity
        if step.ended is not None:
            yield ended_event(person, step.ended, known.events)
        if step.activity.session_started_at == event.timestamp:
            known.events = []
        if self._hears_ends or self._opened:
            known.events.append(event)
        if step.opened is not None and step.opened in self._opened:
            yield opened_event(person, step.opened, event.timestamp, known.events)

    def find_end(self, known: PersonActivity) -> datetime | None:
        """Return when the open session will be over; None if no rule hears it."""
        seen = known.seen
        return None if seen is None or seen.ends_at is None else seen.active_until + SILENCE

    def end(self, known: PersonActivity, person: NamedPerson, at: datetime) -> Event | None:
        """End the open session if its silence is over, and return the report."""
        seen = known.seen
        if seen is None or seen.ends_at is None or seen.active_until + SILENCE > at:
            return None
        session, events = Session(seen.session_started_at, seen.active_until), known.events
        known.seen, known.events = sessions.end(seen, seen.active_until), []
        return ended_event(person, session, events)


# The fields that conditions read of the activity.
LEARNED_FIELDS = (
    "first_seen",
    "last_seen",
    "sessions",
    "app_version",
    "country",
    "region",
    "first_referrer",
    "last_referrer",
    "first_campaign",
    "last_campaign",
)
