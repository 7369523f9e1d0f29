"""Update the computed traits and the segments of people by the events of a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from application import turns
from application.held_journeys import write_membership_changes
from application.segment_facts import read_segment_facts
from application.settled_people import PeopleDueError
from domain.people.computed.counter import EventCounter
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import EMPTY, StateRow
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import ValueChange
from domain.people.identity import Resolution
from domain.people.profile import Profile
from domain.people.segments.causes import event_cause, list_value_changes
from domain.people.segments.definition import Memberships, RecordedChange
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.tracker import SegmentTracker
from domain.people.statements import event_source
from domain.tracking.event import Event
from domain.tracking.stored_event import StoredEvent
from store import events, profile_states
from store.database import Connection, PendingResult


@dataclass(frozen=True, slots=True)
class TraitUpdate:
    """The people after the batch, and as each routed event finds them, itself counted.

    `changes` are those of the watched traits and of segments. `states` and `memberships` are not written yet.
    """

    people: dict[UUID, Profile]
    as_of: dict[UUID, Profile]
    changes: list[tuple[UUID, ValueChange]]
    states: Mapping[UUID, StateRow]
    memberships: Sequence[RecordedChange]

    async def write(self, connection: Connection) -> None:
        """Write the changed states of locked people."""
        if self.states:
            await profile_states.write(connection, self.states)
        if self.memberships:
            await write_membership_changes(connection, self.memberships)


def no_update(people: Mapping[UUID, Profile]) -> TraitUpdate:
    """Return the update of people whose events nothing counts."""
    return TraitUpdate(dict(people), {}, [], {}, ())


@dataclass(frozen=True, slots=True)
class PendingStates:
    """The requested states of the people of events; `arrived` is in order of arrival.

    `affected` are the segments that each event may change. `resolution` tells which people are new, and merged.
    """

    traits: DeployedTraits
    segments: DeployedSegments
    affected: Mapping[UUID, frozenset[int]]
    resolution: Resolution
    arrived: Sequence[StoredEvent]
    routed: Collection[UUID]
    watched: Collection[str]
    states: PendingResult[dict[UUID, StateRow]]
    history: PendingResult[list[StoredEvent]] | None

    async def count(self, connection: Connection, people: Mapping[UUID, Profile], at: datetime) -> TraitUpdate:
        """Count the events of people, and return what they change.

        Raises TooMuchWork beyond one transaction, and PeopleDueError if time has changed people before.
        """
        rows = await self.states.get()
        history = await self.history.get() if self.history else []
        if due := self._find_due(rows, people, at):
            raise PeopleDueError(due, at)
        facts = await read_segment_facts(connection, self.segments, {one.profile_id for one in self.arrived})

        def build(profile_id: UUID, state: ComputedState, segments: Memberships, at: datetime) -> Profile:
            return replace(
                people[profile_id],
                computed=self.traits.view(state, at),
                counted=state,
                segments=self.segments.keys_of(segments),
                judged_stage=self.segments.stage_of(segments),
            )

        tracker = SegmentTracker(self.segments, {id: row.segments for id, row in rows.items()}, facts, self.affected)
        counter = EventCounter(
            self.traits,
            self.watched,
            {id: row.state for id, row in rows.items()},
            {id: row.next_at for id, row in rows.items()},
            {id: row.judged_at for id, row in rows.items()},
            at,
            tracker,
            build,
        )
        await turns.run(counter.count(_pairs(history), _pairs(self.arrived), self.routed))
        states = {
            id: replace(
                rows.get(id, EMPTY),
                state=one.state,
                next_at=one.next_at,
                segments=one.segments,
                judged=self.segments.revision,
                judged_at=one.judged_at,
            )
            for id, one in counter.changed().items()
        }
        memberships = [RecordedChange(id, one, event_cause(event)) for id, one, event in tracker.changes]
        changes = [
            (id, change)
            for id, one, event in tracker.changes
            for change in list_value_changes([one], event_source(event))
        ]
        return TraitUpdate(
            {**people, **counter.people()}, counter.as_of, counter.changes + changes, states, memberships
        )

    def _find_due(
        self, rows: Mapping[UUID, StateRow], people: Mapping[UUID, Profile], at: datetime
    ) -> Collection[UUID]:
        """Return people that time may have changed, or that newer segments must judge."""
        due = {id for id, row in rows.items() if row.next_at is not None and row.next_at <= at}
        if self.segments.building:
            due |= {
                id
                for id in {one.profile_id for one in self.arrived} - self.resolution.created.keys()
                if not self.segments.has_judged(rows.get(id, EMPTY).judged, people[id].created_at)
            }
        # Those merged in this transaction are due on their own outside of it.
        return due | {source for source, target in self.resolution.merged.items() if target in due}


async def ask_for_states(
    connection: Connection,
    traits: DeployedTraits,
    segments: DeployedSegments,
    fresh: Iterable[StoredEvent],
    routed: Collection[UUID],
    watched: Collection[str],
    affected: Mapping[UUID, frozenset[int]],
    resolution: Resolution,
) -> PendingStates | None:
    """Request the states of people whose events are counted, or judged by conditions.

    Their profiles are locked in an earlier statement. None if there is nothing to do.
    """
    if not (traits.definitions or segments):
        return None
    arrived = [
        one for one in fresh if one.event.id in routed or one.event.id in affected or traits.following.hears(one.event)
    ]
    if not arrived:
        return None
    states = await profile_states.read(connection, {one.profile_id for one in arrived})
    steps = [(one, definition) for one in arrived for definition in traits.following.sequences(one.event)]
    history = await _ask_for_steps(connection, steps) if steps else None
    return PendingStates(traits, segments, affected, resolution, arrived, routed, watched, states, history)


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


def _pairs(stored: Iterable[StoredEvent]) -> list[tuple[UUID, Event]]:
    return [(one.profile_id, one.event) for one in stored]
