"""Update the computed traits and the segments of people by the events of a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from domain.long_work import LongWork
from domain.people.computed.counter import EventCounter
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import EMPTY, StateRow
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import ChangeOfProfile
from domain.people.identity import Resolution
from domain.people.profile import Profile
from domain.people.segments.causes import event_cause, list_value_changes
from domain.people.segments.definition import Memberships, RecordedChange
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.judged_person import SegmentFacts
from domain.people.segments.tracker import SegmentTracker
from domain.people.statements import event_source
from domain.tracking.event import Event
from domain.tracking.stored_event import StoredEvent


@dataclass(frozen=True, slots=True)
class TraitUpdate:
    """The people after the batch, and as each routed event finds them, itself counted.

    `changes` are those of the watched traits and of segments. `states` and `memberships` are not written yet.
    """

    people: dict[UUID, Profile]
    as_of: dict[UUID, Profile]
    changes: list[ChangeOfProfile]
    states: Mapping[UUID, StateRow]
    memberships: Sequence[RecordedChange]


def no_update(people: Mapping[UUID, Profile]) -> TraitUpdate:
    """Return the update of people whose events nothing counts."""
    return TraitUpdate(dict(people), {}, [], {}, ())


@dataclass(frozen=True, slots=True)
class ArrivedEvents:
    """The events of a batch that are counted or judged, in the order of their arrival.

    `routed` are the ids of those that rules hear, `affected` the segments that each may change. `resolution` tells
    which people are new, and merged.
    """

    events: Sequence[StoredEvent]
    routed: Collection[UUID]
    affected: Mapping[UUID, frozenset[int]]
    resolution: Resolution


def select_arrived(
    traits: DeployedTraits,
    segments: DeployedSegments,
    fresh: Iterable[StoredEvent],
    routed: Collection[UUID],
    affected: Mapping[UUID, frozenset[int]],
    resolution: Resolution,
) -> ArrivedEvents | None:
    """Return the events that are counted, or judged by conditions; None without any."""
    if not (traits.definitions or segments):
        return None
    arrived = [
        one for one in fresh if one.event.id in routed or one.event.id in affected or traits.following.hears(one.event)
    ]
    return ArrivedEvents(arrived, routed, affected, resolution) if arrived else None


def find_due(
    segments: DeployedSegments,
    arrived: ArrivedEvents,
    rows: Mapping[UUID, StateRow],
    people: Mapping[UUID, Profile],
    at: datetime,
) -> Collection[UUID]:
    """Return people that time may have changed, or that newer segments must judge."""
    due = {id for id, row in rows.items() if row.next_at is not None and row.next_at <= at}
    if segments.building:
        due |= {
            id
            for id in {one.profile_id for one in arrived.events} - arrived.resolution.created.keys()
            if not segments.has_judged(rows.get(id, EMPTY).judged, people[id].created_at)
        }
    # Those merged in this transaction are due on their own outside of it.
    return due | {source for source, target in arrived.resolution.merged.items() if target in due}


def count_arrived(
    traits: DeployedTraits,
    segments: DeployedSegments,
    watched: Collection[str],
    arrived: ArrivedEvents,
    history: Sequence[StoredEvent],
    rows: Mapping[UUID, StateRow],
    people: Mapping[UUID, Profile],
    facts: Mapping[UUID, SegmentFacts],
    at: datetime,
) -> LongWork[TraitUpdate]:
    """Count the events of people who are not due, and return what they change.

    `history` are earlier steps of sequences. Raises TooMuchWork beyond one transaction.
    """

    def build(profile_id: UUID, state: ComputedState, memberships: Memberships, at: datetime) -> Profile:
        return replace(
            people[profile_id],
            computed=traits.view(state, at),
            counted=state,
            segments=segments.keys_of(memberships),
            judged_stage=segments.stage_of(memberships),
        )

    tracker = SegmentTracker(segments, {id: row.segments for id, row in rows.items()}, facts, arrived.affected)
    counter = EventCounter(
        traits,
        watched,
        {id: row.state for id, row in rows.items()},
        {id: row.next_at for id, row in rows.items()},
        {id: row.judged_at for id, row in rows.items()},
        at,
        tracker,
        build,
    )
    yield from counter.count(_pairs(history), _pairs(arrived.events), arrived.routed)
    states = {
        id: replace(
            rows.get(id, EMPTY),
            state=one.state,
            next_at=one.next_at,
            segments=one.segments,
            judged=segments.revision,
            judged_at=one.judged_at,
        )
        for id, one in counter.changed().items()
    }
    memberships = [RecordedChange(id, one, event_cause(event)) for id, one, event in tracker.changes]
    changes = [
        (id, change) for id, one, event in tracker.changes for change in list_value_changes([one], event_source(event))
    ]
    return TraitUpdate({**people, **counter.people()}, counter.as_of, counter.changes + changes, states, memberships)


def _pairs(stored: Iterable[StoredEvent]) -> list[tuple[UUID, Event]]:
    return [(one.profile_id, one.event) for one in stored]
