"""Update the computed traits of people by the events of a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from application import turns
from domain.people.computed.counter import EventCounter
from domain.people.computed.definition import TraitDefinition
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import ValueChange
from domain.tracking.event import Event
from store import events, profile_states
from store.database import Connection, PendingResult
from store.events import StoredEvent
from store.profile_states import EMPTY, StateRow
from store.profiles import Profile


@dataclass(frozen=True, slots=True)
class TraitUpdate:
    """The people after the batch, and as each routed event finds them, itself counted.

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

    async def count(self, connection: Connection, people: Mapping[UUID, Profile], at: datetime) -> TraitUpdate:
        """Count the events of locked people, and write the states that they change.

        Raises TooMuchWork beyond one transaction.
        """
        rows = await self.states.get()
        history = await self.history.get() if self.history else []

        def build(profile_id: UUID, state: ComputedState, at: datetime) -> Profile:
            return replace(people[profile_id], computed=self.traits.view(state, at), counted=state)

        counter = EventCounter(
            self.traits,
            self.watched,
            {id: row.state for id, row in rows.items()},
            {id: row.next_at for id, row in rows.items()},
            at,
            build,
        )
        await turns.run(counter.count(_pairs(history), _pairs(self.arrived), self.routed))
        if changed := counter.changed():
            written = {
                id: StateRow(state, next_at, rows.get(id, EMPTY).is_partial) for id, (state, next_at) in changed.items()
            }
            await profile_states.write(connection, written)
        return TraitUpdate({**people, **counter.people()}, counter.as_of, counter.changes)


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


def _pairs(stored: Iterable[StoredEvent]) -> list[tuple[UUID, Event]]:
    return [(one.profile_id, one.event) for one in stored]
