"""Count the events of a batch in the computed traits of their people."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from domain.conditions.cel_costs import UNITS_OF_AN_EVALUATION, Spent
from domain.long_work import LongWork, TooMuchWork
from domain.people.computed.changes import list_changes
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.due import find_next_look
from domain.people.computed.sequences import find_last_completion
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import ValueChange
from domain.people.segments.definition import Memberships
from domain.people.segments.judged_person import SegmentPerson
from domain.people.segments.tracker import SegmentTracker
from domain.people.statements import event_source
from domain.tracking.event import Event

# Work is counted in folded events, in events compared with a sequence and in judged segments; each expensive expression
# and each segment that is joined or left counts as several.
MAX_WORK: Final = 20_000
WORK_OF_A_CHANGE: Final = 10

# One object, so that the state of a person without events stays the same.
_NO_STATE: Final[ComputedState] = {}

P = TypeVar("P", bound=SegmentPerson)
# An event, with the profile that it belongs to.
PersonEvent = tuple[UUID, Event]


class ChangedState(NamedTuple):
    """A state to be written, the next look at it, the memberships, and as of when."""

    state: ComputedState
    next_at: datetime | None
    segments: Memberships
    judged_at: datetime


@dataclass(slots=True)
class EventCounter(Generic[P]):
    """The states of people while their events are counted.

    `known` are the states before the batch and `looks` when time alone may change them, none of them due; `at` is the
    batch's arrival. A person who was judged as of a later instant, in `judged_at`, is counted as of that: the batch may
    have waited, and clocks differ. `tracker` follows the segments. `build` makes a person of a state and memberships at
    an instant. `as_of` are the people as each routed event finds them, itself counted, by the event's id.
    """

    traits: DeployedTraits
    watched: Collection[str]
    known: Mapping[UUID, ComputedState]
    looks: Mapping[UUID, datetime | None]
    judged_at: Mapping[UUID, datetime | None]
    at: datetime
    tracker: SegmentTracker
    build: Callable[[UUID, ComputedState, Memberships, datetime], P]
    as_of: dict[UUID, P] = field(default_factory=dict)
    changes: list[tuple[UUID, ValueChange]] = field(default_factory=list)
    _states: dict[UUID, ComputedState] = field(default_factory=dict)
    _people: dict[UUID, tuple[ComputedState, Memberships, P]] = field(default_factory=dict)
    _steps: dict[tuple[UUID, int], list[Event]] = field(default_factory=dict)
    _due: dict[UUID, set[TraitDefinition]] = field(default_factory=dict)
    _work: int = 0
    _spent: Spent = field(default_factory=Spent)

    def count(
        self, history: Sequence[PersonEvent], arrived: Sequence[PersonEvent], routed: Collection[UUID]
    ) -> LongWork[None]:
        """Count events in their order; `history` are earlier steps of sequences.

        Raises TooMuchWork beyond MAX_WORK, except for a single event.
        """
        for profile_id, event in history:
            self._remember(profile_id, event)
        for place, (profile_id, event) in enumerate(arrived):
            if place > 0 and self._work + self._spent.units / UNITS_OF_AN_EVALUATION > MAX_WORK:
                raise TooMuchWork(event.id)
            before = self._last_values(profile_id, event)
            self._fold(profile_id, event)
            if affected := self.tracker.affected.get(event.id):
                self._complete(profile_id)
                self._work += len(affected)
                at = self._at(profile_id)
                person = self._person(profile_id, at)
                changed = self.tracker.follow(profile_id, person, self._state(profile_id), event, at, self._spent)
                self._work += WORK_OF_A_CHANGE * changed
            if event.id in routed:
                self._complete(profile_id)
                self._compare(profile_id, event, before)
                # An event by a fast clock is later than its arrival.
                self.as_of[event.id] = self._person(profile_id, max(self._at(profile_id), event.timestamp))
            yield
        for profile_id in {profile_id for profile_id, _ in arrived}:
            self._complete(profile_id)
            self._person(profile_id, self._at(profile_id))
            yield

    def people(self) -> dict[UUID, P]:
        """Return the people after the batch."""
        return {id: person for id, (_, _, person) in self._people.items()}

    def changed(self) -> dict[UUID, ChangedState]:
        """Return the states to be written."""
        changed: dict[UUID, ChangedState] = {}
        for id in self._states.keys() | self.tracker.judged:
            state, look_at, at = self._state(id), self.looks.get(id), self._at(id)
            next_at = find_next_look(self.traits, state, look_at, self.watched, at, self.tracker.next_at.get(id))
            is_changed = self.tracker.has_changed(id) or state != self.known.get(id, _NO_STATE)
            if is_changed or next_at != look_at:
                changed[id] = ChangedState(self.traits.drop_retired(state), next_at, self.tracker.members(id), at)
        return changed

    def _at(self, profile_id: UUID) -> datetime:
        judged_at = self.judged_at.get(profile_id)
        return self.at if judged_at is None else max(self.at, judged_at)

    def _state(self, profile_id: UUID) -> ComputedState:
        state = self._states.get(profile_id)
        return self.known.get(profile_id, _NO_STATE) if state is None else state

    def _remember(self, profile_id: UUID, event: Event) -> list[TraitDefinition]:
        """Keep an event for the sequences of which it may be a step."""
        definitions = self.traits.following.sequences(event)
        for definition in definitions:
            self._steps.setdefault((profile_id, definition.id), []).append(event)
        return definitions

    def _fold(self, profile_id: UUID, event: Event) -> None:
        before = self._state(profile_id)
        after = self.traits.following.fold(before, event, self._spent)
        if after is not before:
            self._states[profile_id] = after
        if definitions := self._remember(profile_id, event):
            self._due.setdefault(profile_id, set()).update(definitions)
        self._work += 1

    def _complete(self, profile_id: UUID) -> None:
        """Find the last completion of sequences of which the events so far are steps."""
        for definition in sorted(self._due.pop(profile_id, ()), key=lambda one: one.id):
            steps = self._steps[profile_id, definition.id]
            self._work += len(steps)
            found = find_last_completion(definition.rule, steps)
            state = self._state(profile_id)
            before = self.traits.following.completion(state, definition)
            if found is not None and (before is None or found > before):
                self._states[profile_id] = self.traits.following.put_completion(state, definition, found)

    def _last_values(self, profile_id: UUID, event: Event) -> dict[str, Any]:
        """Return the watched values before an event."""
        if not self.watched:
            return {}
        keys = [key for key in self.traits.ready.keys(event) if key in self.watched]
        return self.traits.read(self._state(profile_id), self._at(profile_id), keys)

    def _compare(self, profile_id: UUID, event: Event, before: Mapping[str, Any]) -> None:
        """Record the watched values that an event has changed."""
        after = self.traits.read(self._state(profile_id), self._at(profile_id), before)
        changes = list_changes(before, after, event_source(event), self.traits)
        self.changes += [(profile_id, change) for change in changes]

    def _person(self, profile_id: UUID, at: datetime) -> P:
        """Return the person as of the events so far; the same object if nothing changed."""
        state, members = self._state(profile_id), self.tracker.members(profile_id)
        known = self._people.get(profile_id)
        is_latest = at == self._at(profile_id)
        if known is not None and known[0] is state and known[1] is members and is_latest:
            return known[2]
        person = self.build(profile_id, state, members, at)
        if is_latest:
            self._people[profile_id] = state, members, person
        return person
