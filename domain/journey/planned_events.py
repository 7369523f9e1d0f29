"""The events of a batch that rules hear, with those derived from them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from msgspec.structs import replace

from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.part_statements import PartStatements
from domain.people.accounts import possible_changes
from domain.people.computed.deployed import DeployedTraits
from domain.people.derived_events import (
    STAGE,
    ChangeOfProfile,
    ValueChange,
    cause_of,
    computed_trigger,
    derived_event,
    properties_of,
    trigger_of_part,
    trust_of_change,
)
from domain.people.places.deployed import DeployedPlaces
from domain.people.profile_state import Statement
from domain.people.segments.causes import membership_trigger
from domain.people.segments.deployed import DeployedSegments
from domain.people.statements import event_source
from domain.tracking.event import Event
from domain.tracking.stored_event import StoredEvent


@dataclass(frozen=True, slots=True)
class PlannedEvents:
    """The events of a batch that rules hear, each followed by those derived from it.

    `derived` are those to be stored. `undecided` are the ids of events that a statement may cause, or a computed trait:
    whether anything changes is known after they are written.
    """

    profile_events: list[ProfileEvent]
    derived: list[StoredEvent]
    undecided: Set[UUID] = frozenset()

    def settle(self, made: Iterable[ChangeOfProfile]) -> "PlannedEvents":
        """Keep the derived events of the changes that the statements have made."""
        if not self.undecided:
            return self
        changes = {(profile_id, change.trigger, change.source.id): change for profile_id, change in made}
        settled, derived = list[ProfileEvent](), list(self.derived)
        for one in self.profile_events:
            if one.event.id not in self.undecided:
                settled.append(one)
                continue
            change = changes.get((one.profile_id, one.event.trigger, str(one.cause_id)))
            if change is not None:
                event = replace(
                    one.event,
                    properties=properties_of(change),
                    trust=trust_of_change(change, one.event.trust),
                )
                settled.append(replace(one, event=event))
                derived.append(StoredEvent(one.profile_id, event))
        return PlannedEvents(settled, derived)


def plan_part(
    effective: Sequence[StoredEvent],
    statements: PartStatements,
    merged: Iterable[ChangeOfProfile],
    listeners: Listeners,
    traits: DeployedTraits,
    segments: DeployedSegments,
) -> PlannedEvents:
    """Plan the events of a part for routing, with those that its statements may cause.

    Merges have made the changes `merged`.
    """
    possible = chain(
        _possible_profile_changes(statements.said),
        possible_changes(statements.of_accounts),
        _possible_arrivals(statements.said, segments.places),
        _possible_memberships(effective, statements.affected, listeners, segments),
    )
    reported = [one for one in merged if segments.reports(one[1])]
    return _plan_events(effective, statements.heard, possible, reported, listeners, traits)


def select_of_accounts(planned: PlannedEvents, listeners: Listeners) -> list[ProfileEvent]:
    """Return the events whose accounts have journeys that they may start, move or end."""
    concerned = [one for one in planned.profile_events if one.may_concern_account]
    return concerned if listeners.concern_accounts(one.event for one in concerned) else []


def _possible_traits(event: Event, listeners: Listeners, traits: DeployedTraits) -> Iterable[ValueChange]:
    # An event that is counted also reports the changes that are due by time alone.
    if listeners.watched_traits and traits.following.hears(event):
        source = event_source(event)
        for key in sorted(listeners.watched_traits):
            yield ValueChange(computed_trigger(key), None, None, source, traits.is_unverified(key))


def _group_by_source(changes: Iterable[ChangeOfProfile], listeners: Listeners) -> dict[str, list[ValueChange]]:
    """Group the changes that rules hear by the event that makes them."""
    grouped: dict[str, list[ValueChange]] = {}
    if listeners.hears_changes:
        for _, change in changes:
            if listeners.listens_for(change.trigger):
                grouped.setdefault(change.source.id, []).append(change)
    return grouped


def _plan_events(
    fresh: Iterable[StoredEvent],
    heard: Collection[UUID],
    possible: Iterable[ChangeOfProfile],
    merged: Iterable[ChangeOfProfile],
    listeners: Listeners,
    traits: DeployedTraits,
) -> PlannedEvents:
    """Plan the events of a batch for routing; rules listen for those `heard`.

    Statements may make the `possible` changes, and a merge has made those `merged`.
    """
    planned = PlannedEvents([], [])
    undecided: set[UUID] = set()
    made = _group_by_source(merged, listeners)
    may_be_made = _group_by_source(possible, listeners)
    if not (heard or made or may_be_made or listeners.watched_traits):
        return planned
    for stored in fresh:
        event, id = stored.event, str(stored.event.id)
        if event.id in heard:
            planned.profile_events.append(ProfileEvent(stored.profile_id, event))
        for change in made.get(id, ()):
            derived = derived_event(change, cause_of(event))
            planned.profile_events.append(ProfileEvent(stored.profile_id, derived, event.id))
            planned.derived.append(StoredEvent(stored.profile_id, derived))
        for change in (*may_be_made.get(id, ()), *_possible_traits(event, listeners, traits)):
            derived = derived_event(change, cause_of(event))
            planned.profile_events.append(ProfileEvent(stored.profile_id, derived, event.id))
            undecided.add(derived.id)
    return PlannedEvents(planned.profile_events, planned.derived, undecided)


def _possible_profile_changes(said: Mapping[UUID, Sequence[Statement]]) -> Iterator[ChangeOfProfile]:
    """Iterate over the changes that statements about people may make."""
    for profile_id, statements in said.items():
        for one in statements:
            if (trigger := trigger_of_part(one.part, one.name)) is not None:
                yield profile_id, ValueChange(trigger, None, None, one.source)


def _possible_arrivals(said: Mapping[UUID, Sequence[Statement]], places: DeployedPlaces) -> Iterator[ChangeOfProfile]:
    """Iterate over the places at which the locations of events may arrive."""
    if places.places:
        for profile_id, statements in said.items():
            for change in places.find_possible(statements):
                yield profile_id, change


def _possible_memberships(
    effective: Iterable[StoredEvent],
    affected: Mapping[UUID, Collection[int]],
    listeners: Listeners,
    segments: DeployedSegments,
) -> Iterator[ChangeOfProfile]:
    """Iterate over the segments that events may make people join or leave."""
    if not (affected and listeners.hears_changes):
        return
    for one in effective:
        if listeners.listens_for(STAGE) and not segments.stages.keys().isdisjoint(affected.get(one.event.id, ())):
            # First, so that it does not end what the move begins.
            yield one.profile_id, ValueChange(STAGE, None, None, event_source(one.event))
        keys = [segments.definitions[id].key for id in sorted(affected.get(one.event.id, ()))]
        # Segments that are left end their journeys before joined ones begin others.
        for has_joined in (False, True):
            for key in keys:
                trigger = membership_trigger(key, has_joined=has_joined)
                if listeners.listens_for(trigger):
                    yield one.profile_id, ValueChange(trigger, not has_joined, has_joined, event_source(one.event))
