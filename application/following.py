"""Follow the events of a batch with the computed traits of their people."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from application import turns
from domain.conditions.cel_costs import Spent
from domain.journey.matching import UNITS_OF_AN_EVALUATION
from domain.long_work import LongWork, TooMuchWork
from domain.people.computed.changes import JUST_BEFORE, list_changes
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.due import find_next_look
from domain.people.computed.sequences import find_last_completion
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import ValueChange
from domain.people.statements import event_source
from domain.tracking.event import Event
from store import events, profile_states
from store.database import Connection, PendingResult
from store.events import StoredEvent
from store.profile_states import EMPTY, StateRow
from store.profiles import Profile

# Work is counted in folded events and in events compared with a sequence; each expensive expression counts as several.
MAX_WORK = 20_000


@dataclass(frozen=True, slots=True)
class Followed:
    """The people after the batch, and as each routed event found them, itself counted.

    `changes` are those of the watched traits.
    """

    people: dict[UUID, Profile]
    as_of: dict[UUID, Profile]
    changes: list[tuple[UUID, ValueChange]]


@dataclass(frozen=True, slots=True)
class PendingStates:
    """The requested states of the people of events; `arrived` is in order of arrival."""

    traits: DeployedTraits
    arrived: Sequence[StoredEvent]
    routed: Collection[UUID]
    watched: Collection[str]
    states: PendingResult[dict[UUID, StateRow]]
    history: PendingResult[list[StoredEvent]] | None

    async def follow(self, connection: Connection, people: Mapping[UUID, Profile], at: datetime) -> Followed:
        """Count the events of locked people, and write the states that they change.

        Raises TooMuchWork beyond MAX_WORK, except for a single event.
        """
        states = await self.states.get()
        history = await self.history.get() if self.history else []
        batch = _Batch(self.traits, self.watched, people, states, at)
        for stored in history:
            batch.remember(stored)
        await turns.run(_follow(batch, self.arrived, self.routed))
        if changed := batch.changed():
            await profile_states.write(connection, changed)
        return Followed({**people, **batch.people}, batch.as_of, batch.changes)


async def ask_for_states(
    connection: Connection,
    traits: DeployedTraits,
    fresh: Iterable[StoredEvent],
    routed: Collection[UUID],
    watched: Collection[str],
) -> PendingStates | None:
    """Request the states of people whose events are counted, or judged by conditions.

    Their profiles are locked in an earlier statement. None if there is nothing to do.
    """
    if not traits.definitions:
        return None
    arrived = [one for one in fresh if one.event.id in routed or traits.following.hears(one.event)]
    if not arrived:
        return None
    states = await profile_states.read(connection, {one.profile_id for one in arrived})
    steps = [(one, definition) for one in arrived for definition in traits.following.sequences(one.event)]
    return PendingStates(
        traits, arrived, routed, watched, states, await _ask_for_steps(connection, steps) if steps else None
    )


async def _ask_for_steps(
    connection: Connection, steps: Sequence[tuple[StoredEvent, TraitDefinition]]
) -> PendingResult[list[StoredEvent]]:
    """Request the earlier events with which these may complete a sequence."""
    names = {selector.name for _, definition in steps for selector in definition.rule.events}
    since: datetime | None = None
    if all(definition.rule.within is not None for _, definition in steps):
        since = min(
            stored.event.timestamp - timedelta(seconds=definition.rule.within or 0) for stored, definition in steps
        )
    return await events.latest_by_name(
        connection,
        {stored.profile_id for stored, _ in steps},
        None if None in names else [name for name in names if name is not None],
        since,
        but=[stored.event.id for stored, _ in steps],
    )


@dataclass(slots=True)
class _Batch:
    """The states of people while their events are counted."""

    traits: DeployedTraits
    watched: Collection[str]
    known: Mapping[UUID, Profile]
    rows: Mapping[UUID, StateRow]
    at: datetime
    states: dict[UUID, ComputedState] = field(default_factory=dict)
    people: dict[UUID, Profile] = field(default_factory=dict)
    as_of: dict[UUID, Profile] = field(default_factory=dict)
    steps: dict[tuple[UUID, int], list[Event]] = field(default_factory=dict)
    due: dict[UUID, set[TraitDefinition]] = field(default_factory=dict)
    changes: list[tuple[UUID, ValueChange]] = field(default_factory=list)
    work: int = 0
    spent: Spent = field(default_factory=Spent)

    def state(self, profile_id: UUID) -> ComputedState:
        known = self.states.get(profile_id)
        return self.rows.get(profile_id, EMPTY).state if known is None else known

    def remember(self, stored: StoredEvent) -> list[TraitDefinition]:
        """Keep an event for the sequences of which it may be a step."""
        definitions = self.traits.following.sequences(stored.event)
        for definition in definitions:
            self.steps.setdefault((stored.profile_id, definition.id), []).append(stored.event)
        return definitions

    def count(self, stored: StoredEvent) -> None:
        """Count one event."""
        id, before = stored.profile_id, self.state(stored.profile_id)
        after = self.traits.following.fold(before, stored.event, self.spent)
        if after is not before:
            self.states[id] = after
        if definitions := self.remember(stored):
            self.due.setdefault(id, set()).update(definitions)
        self.work += 1

    def complete(self, profile_id: UUID) -> None:
        """Find the last completion of sequences of which the events so far are steps."""
        for definition in sorted(self.due.pop(profile_id, ()), key=lambda one: one.id):
            steps = self.steps[profile_id, definition.id]
            self.work += len(steps)
            found = find_last_completion(definition.rule, steps)
            before = self.traits.following.completion(self.state(profile_id), definition)
            if found is not None and (before is None or found > before):
                self.states[profile_id] = self.traits.following.put_completion(
                    self.state(profile_id), definition, found
                )

    def last_values(self, stored: StoredEvent) -> dict[str, Any]:
        """Return the watched values before an event, as they were last reported.

        Time alone may have changed them since: what is due for the sweeper is reported with the event.
        """
        if not self.watched:
            return {}
        id, next_at = stored.profile_id, self.rows.get(stored.profile_id, EMPTY).next_at
        keys = self.traits.ready.keys(stored.event)
        at = self.at
        if id not in self.states and next_at is not None and next_at <= at:
            keys, at = list(self.traits.ready.types), next_at - JUST_BEFORE
            self.states[id] = self.state(id)
        return self.traits.read(self.state(id), at, [key for key in keys if key in self.watched])

    def compare(self, stored: StoredEvent, before: Mapping[str, Any]) -> None:
        """Record the watched values that an event has changed."""
        after = self.traits.read(self.state(stored.profile_id), self.at, before)
        changes = list_changes(before, after, event_source(stored.event), self.traits)
        self.changes += [(stored.profile_id, change) for change in changes]

    def person(self, profile_id: UUID, at: datetime) -> Profile:
        """Return the person as of the events so far; the same object if nothing changed."""
        state = self.state(profile_id)
        known = self.people.get(profile_id)
        if known is not None and known.counted is state and at == self.at:
            return known
        person = replace(self.known[profile_id], computed=self.traits.view(state, at), counted=state)
        if at == self.at:
            self.people[profile_id] = person
        return person

    def changed(self) -> dict[UUID, StateRow]:
        """Return the rows to be written."""
        changed: dict[UUID, StateRow] = {}
        for id, state in self.states.items():
            before = self.rows.get(id, EMPTY)
            is_due = before.next_at is not None and before.next_at <= self.at
            if state != before.state or is_due:
                next_at = find_next_look(self.traits, state, before.next_at, self.watched, self.at)
                changed[id] = StateRow(self.traits.drop_retired(state), next_at, before.is_partial)
        return changed


def _follow(batch: _Batch, arrived: Sequence[StoredEvent], routed: Collection[UUID]) -> LongWork[None]:
    for place, stored in enumerate(arrived):
        if place > 0 and batch.work + batch.spent.units / UNITS_OF_AN_EVALUATION > MAX_WORK:
            raise TooMuchWork(stored.event.id)
        before = batch.last_values(stored)
        batch.count(stored)
        if stored.event.id in routed:
            batch.complete(stored.profile_id)
            batch.compare(stored, before)
            # An event by a fast clock is later than its arrival.
            batch.as_of[stored.event.id] = batch.person(stored.profile_id, max(batch.at, stored.event.timestamp))
        yield
    for id in {stored.profile_id for stored in arrived}:
        batch.complete(id)
        batch.person(id, batch.at)
        yield
