"""Report the changes of profiles as events, in the transaction that makes them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application import routing, turns
from application.accounts import ask_for_accounts
from application.catalogue import Catalogue
from application.computed_states import read_computed
from application.people import read_people
from application.segment_judge import open_judge
from application.settled_people import SettledPeople
from domain.journey.listeners import Listeners
from domain.journey.matching import ProfileEvent
from domain.people.computed.deployed import DeployedTraits
from domain.people.derived_events import (
    STAGE,
    Cause,
    CausedChange,
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
from domain.people.profile_state import Source, Statement
from domain.people.segments.causes import membership_trigger
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.inputs import inputs_of_changes
from domain.people.statements import event_source
from domain.tracking.event import Event
from domain.tracking.stored_event import StoredEvent
from store import events, profiles
from store.database import Connection


class JudgeRequest(Struct, frozen=True):
    """The segments that a change of a person may affect, with its source.

    Without a cause, rules hear of nothing.
    """

    segments: Collection[int]
    cause: Cause | None
    source: Source


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


def plan_events(
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


def possible_profile_changes(said: Mapping[UUID, Sequence[Statement]]) -> Iterator[ChangeOfProfile]:
    """Iterate over the changes that statements about people may make."""
    for profile_id, statements in said.items():
        for one in statements:
            if (trigger := trigger_of_part(one.part, one.name)) is not None:
                yield profile_id, ValueChange(trigger, None, None, one.source)


def possible_arrivals(said: Mapping[UUID, Sequence[Statement]], places: DeployedPlaces) -> Iterator[ChangeOfProfile]:
    """Iterate over the places at which the locations of events may arrive."""
    if places.places:
        for profile_id, statements in said.items():
            for change in places.find_possible(statements):
                yield profile_id, change


def possible_memberships(
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


async def report_caused(
    connection: Connection,
    catalogue: Catalogue,
    changes: Iterable[CausedChange],
    echoes: Iterable[CausedChange] = (),
) -> None:
    """Store and route the events of changes that no event has made; echoes first.

    Echoes concern the journeys of people alone. The caller has locked the registry, then the people, and has written
    and recorded the changes. Raises TooMuchWork beyond one transaction, except for a single person.
    """
    listeners = await catalogue.listeners(connection)
    profile_events = [
        ProfileEvent(profile_id, derived_event(change, cause), cause.id, is_echo)
        for caused, is_echo in ((echoes, True), (changes, False))
        for profile_id, change, cause in caused
        if listeners.listens_for(change.trigger)
    ]
    if not profile_events:
        return
    now = connection.clock.now()
    changed = {one.profile_id for one in profile_events}
    segments = await catalogue.load_segments(connection)
    people = await read_computed(connection, segments, await read_people(connection, changed), now)
    await events.insert(connection, [StoredEvent(one.profile_id, one.event) for one in profile_events], now)
    account_ids: Collection[str] = ()
    concerned = [one for one in profile_events if not one.is_echo]
    if concerned and listeners.concern_accounts(one.event for one in concerned):
        account_ids = (await ask_for_accounts(connection, (), concerned)).ids
    pending = await routing.load_context(
        connection, listeners, profile_events, now, account_ids, unit=routing.by_person
    )
    context = await pending.get(people)
    result = await turns.run(routing.route(profile_events, listeners, context, now, routing.by_person))
    await routing.record(connection, catalogue, result, profile_events, now)


async def report_changes(
    connection: Connection,
    catalogue: Catalogue,
    cause: Cause,
    source: Source,
    changes: Iterable[ChangeOfProfile],
    settled: SettledPeople,
    judged: Iterable[UUID] = (),
) -> None:
    """Store and route the events of changes that have one cause, as `report_caused`.

    The people were `settled` before. They are judged by the segments that their changes affect, and those `judged` by
    all.
    """
    caused = [(profile_id, change, cause) for profile_id, change in changes]
    segments = await catalogue.load_segments(connection)
    if segments:
        inputs: dict[UUID, list[ValueChange]] = {}
        for profile_id, change, _ in caused:
            inputs.setdefault(profile_id, []).append(change)
        affected = {id: segments.find_affected(inputs_of_changes(of_person)) for id, of_person in inputs.items()}
        affected |= dict.fromkeys(judged, segments.all)
        caused = [one for one in caused if segments.reports(one[1])]
        requests = {id: JudgeRequest(ids, cause, source) for id, ids in affected.items()}
        caused += await judge_people(connection, catalogue, requests, settled)
    await report_caused(connection, catalogue, [*settled.changes, *caused])


async def judge_people(
    connection: Connection, catalogue: Catalogue, requests: Mapping[UUID, JudgeRequest], settled: SettledPeople
) -> list[CausedChange]:
    """Judge locked people by some segments, as they are now; return what rules hear.

    The caller has locked the registry before the people, has `settled` these before it changed them, and reports the
    changes of that first. Raises TooMuchWork beyond one transaction, except for two people.
    """
    wanted = {id: request for id, request in sorted(requests.items()) if request.segments}
    if not wanted:
        return []
    people = await profiles.read(connection, wanted)
    traits, segments = await catalogue.load_computed(connection), await catalogue.load_segments(connection)
    watched = (await catalogue.listeners(connection)).watched_traits
    judge = await open_judge(connection, traits, segments, watched, people, settled.at)
    for id in people:
        await turns.run(judge.follow(id, wanted[id].segments, wanted[id].cause, wanted[id].source))
    await judge.write(connection)
    return judge.changes
