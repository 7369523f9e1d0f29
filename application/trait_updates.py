"""Read, count and write the computed traits and the segments of people of a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application import turns
from application.held_journeys import write_membership_changes
from application.segment_facts import read_segment_facts
from application.segment_judge import open_judge
from application.settled_people import PeopleDueError
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import StateRow
from domain.people.derived_events import CausedChange
from domain.people.identity import Resolution
from domain.people.profile import Profile
from domain.people.segments.deployed import DeployedSegments
from domain.people.trait_updates import ArrivedEvents, TraitUpdate, count_arrived, find_due, select_arrived
from domain.tracking.stored_event import StoredEvent
from store import events, profile_states
from store.database import Connection, PendingResult


async def write_update(connection: Connection, update: TraitUpdate) -> None:
    """Write the changed states of locked people."""
    if update.states:
        await profile_states.write(connection, update.states)
    if update.memberships:
        await write_membership_changes(connection, update.memberships)


@dataclass(frozen=True, slots=True)
class PendingStates:
    """The requested states of the people of events."""

    traits: DeployedTraits
    segments: DeployedSegments
    watched: Collection[str]
    arrived: ArrivedEvents
    states: PendingResult[dict[UUID, StateRow]]
    history: PendingResult[list[StoredEvent]] | None

    async def count(self, connection: Connection, people: Mapping[UUID, Profile], at: datetime) -> TraitUpdate:
        """Count the events of people, and return what they change.

        Raises TooMuchWork beyond one transaction, and PeopleDueError if time has changed people before.
        """
        rows = await self.states.get()
        if due := find_due(self.segments, self.arrived, rows, people, at):
            raise PeopleDueError(due, at)
        return await self._count(connection, people, rows, at)

    async def foresee(
        self, connection: Connection, people: Mapping[UUID, Profile], at: datetime
    ) -> tuple[TraitUpdate, Sequence[CausedChange]]:
        """Count the events of people as `count` does, and write nothing.

        The changes by time that are due are judged in memory, and returned: they are reported before the events.
        """
        rows, changes = await self.states.get(), list[CausedChange]()
        if due := find_due(self.segments, self.arrived, rows, people, at):
            changed = {id: people[id] for id in due}
            judge = await open_judge(connection, self.traits, self.segments, self.watched, changed, at)
            await turns.run(judge.catch_up(judge.people))
            rows, changes = {**rows, **judge.changed_rows()}, judge.changes
        return await self._count(connection, people, rows, at), changes

    async def _count(
        self, connection: Connection, people: Mapping[UUID, Profile], rows: Mapping[UUID, StateRow], at: datetime
    ) -> TraitUpdate:
        history = await self.history.get() if self.history else []
        happened = {one.profile_id for one in self.arrived.events}
        facts = await read_segment_facts(connection, self.segments, happened)
        return await turns.run(
            count_arrived(self.traits, self.segments, self.watched, self.arrived, history, rows, people, facts, at)
        )


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
    arrived = select_arrived(traits, segments, fresh, routed, affected, resolution)
    if arrived is None:
        return None
    states = await profile_states.read(connection, {one.profile_id for one in arrived.events})
    steps = [(one, definition) for one in arrived.events for definition in traits.following.sequences(one.event)]
    history = await _ask_for_steps(connection, steps) if steps else None
    return PendingStates(traits, segments, watched, arrived, states, history)


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
