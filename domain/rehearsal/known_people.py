"""People who are known before a simulation of the past begins."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from domain.people.computed.history import HistoryCount
from domain.people.computed.state_row import EMPTY
from domain.people.identity import is_external
from domain.rehearsal.activity import ActivityRules
from domain.rehearsal.history import PersonHistory
from domain.rehearsal.past_people import PastPerson, find_people_at
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.rulebook import Rulebook
from domain.tracking.event import Event, Trust

# By its own clock, an event may arrive so long before it happened, and then it overtakes an entry.
OVERTAKES_WITHIN: Final = timedelta(days=1)


class KnownPeople:
    """Makes the people of histories as they were when a simulation begins."""

    def __init__(self, rulebook: Rulebook, at: datetime) -> None:
        self._rulebook = rulebook
        self._activity = ActivityRules(rulebook)
        self._at = at

    def make(self, history: PersonHistory) -> Iterator[tuple[SimulatedPerson, PastPerson]]:
        """Iterate over the people of a history who had come by then."""
        for past in find_people_at(history, self._at):
            person = SimulatedPerson(past.profile, past.bucket, values=past.state)
            anonymous = [one.value for one in past.identities if one.kind == "anonymous"]
            person.anonymous_id = min(anonymous, default=None)
            person.external_ids = sum(map(is_external, past.identities))
            self._count(person, [one.event for one in history.before if past.owns(one.event)])
            self._place(person, past, history)
            yield person, past

    def _count(self, person: SimulatedPerson, events: Iterable[Event]) -> None:
        """Count earlier events, and follow the activity that they tell."""
        rulebook, traits = self._rulebook, self._rulebook.traits
        counted = HistoryCount(traits.following)
        for event in events:
            if event.trust is Trust.UNVERIFIED:
                continue
            counted.add(event)
            if traits.following.sequences(event):
                person.steps.append(event)
            if rulebook.remembers(event) and event.timestamp > self._at - OVERTAKES_WITHIN:
                person.remember(event)
            if self._activity.is_followed:
                for _ in self._activity.observe(person.activity, person.named, event):
                    pass
        if traits.definitions:
            person.row = replace(EMPTY, state=counted.finish())
        self._activity.end(person.activity, person.named, self._at)
        person.profile = replace(person.profile, learned=person.activity.row())

    def _place(self, person: SimulatedPerson, past: PastPerson, history: PersonHistory) -> None:
        """Give a person their messages, journeys and devices of before."""
        at = self._at
        for one in history.journeys:
            journey = one.journey
            if journey.entered_at >= at or not past.owns(journey.entry):
                continue
            place = (journey.campaign_key, journey.entry_key)
            person.last_entries[place] = max(journey.entered_at, person.last_entries.get(place, journey.entered_at))
            if one.ended_at is None or one.ended_at > at:
                person.under_way[journey.id] = replace(journey, profile_id=person.id)
        if person.id == history.profile.id:
            person.messages = [one for one in history.messages if one.granted.at < at]
            person.devices = {
                one.address.value: one.address
                for one in history.devices
                if one.registered_at < at and (one.removed_at is None or one.removed_at > at)
            }
