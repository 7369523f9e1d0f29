"""Intake of simulated events: their statements, and the journeys that they move.

The order is that of `application.ingest`: statements, merges, values, computed traits and segments, then journeys.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID, uuid5

from msgspec.structs import replace

from domain.journey.listeners import CampaignVersion
from domain.journey.matching import ProfileEvent
from domain.journey.part_statements import PartStatements, read_statements
from domain.journey.planned_events import plan_part
from domain.journey.routing import Router, enrol
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.long_work import finish
from domain.people.derived_events import Cause, CausedChange, ChangeOfProfile, derived_event
from domain.people.identity import Resolution, identities_of, resolve
from domain.people.profile import Profile
from domain.people.profile_state import Source, Statement
from domain.people.profile_updates import fold_statements, list_changes, with_computed, with_deployed
from domain.people.segments.inputs import CONSENT, inputs_of_statement
from domain.people.segments.judge import SegmentJudge
from domain.people.trait_updates import TraitUpdate, count_arrived, no_update, select_arrived
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.people import People, SimulatedPerson
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.tracking.event import AUDIENCE, Event
from domain.tracking.reactions import marks_of_reactions
from domain.tracking.stored_event import StoredEvent

# The refusals of a person's addresses, by channel and kind.
Refusals = Mapping[str, dict[str, str | None]]


@dataclass(slots=True)
class Routed:
    """The result of routing some events of one person."""

    person: SimulatedPerson
    result: RoutingResult
    profile_events: Sequence[ProfileEvent]


class EventIntake:
    """Applies events to people, one at a time, and routes them."""

    def __init__(self, rulebook: Rulebook, people: People) -> None:
        self._rulebook = rulebook
        self._people = people
        # The journeys that a merge has doubled, until they are ended.
        self.doubled: list[SimulatedJourney] = []

    def take(self, event: Event, received_at: datetime) -> Routed | None:
        """Apply and route an event; None if no rule hears of it."""
        rulebook = self._rulebook
        listeners, traits, segments = rulebook.listeners, rulebook.traits, rulebook.segments
        known = self._people.know(identities_of([event]))
        resolution = resolve([event], known, partial(self._people.take_id, event))
        if event.id in resolution.unverified:
            return None
        stored = [StoredEvent(resolution.profile_of[event.id], event)]
        statements = read_statements(stored, resolution, listeners, traits, segments, received_at, None, {})
        merged: Sequence[ChangeOfProfile] = ()
        if resolution.linked or resolution.claimed or resolution.merged:
            self._people.apply(resolution, received_at)
        if resolution.merged:
            merged = self._people.merge(resolution, known, event, segments, self.doubled.append)
        person = self._people[stored[0].profile_id]
        self._react(person, event)
        self._people.learn_device(person, event)
        if rulebook.remembers(event):
            person.remember(event)
        planned = plan_part(stored, statements, merged, listeners, traits, segments)
        is_heard = planned.profile_events or statements.counted or statements.affected
        if not (statements.said or is_heard):
            return None
        profile, changes = self._write(person, statements.said)
        routed = {one.reported_id for one in planned.profile_events}
        update = self._count(person, profile, stored, routed, statements, resolution, received_at)
        planned = planned.settle([*changes, *update.changes])
        if not planned.profile_events:
            return None
        return self.route(person, planned.profile_events, update.people, update.as_of, received_at)

    def report(self, person: SimulatedPerson, caused: Iterable[CausedChange], at: datetime) -> Routed | None:
        """Route the events of changes that no event has made."""
        listeners = self._rulebook.listeners
        profile_events = [
            ProfileEvent(profile_id, derived_event(change, cause), cause.id)
            for profile_id, change, cause in caused
            if listeners.listens_for(change.trigger)
        ]
        if not profile_events:
            return None
        return self.route(person, profile_events, {person.id: self.view(person, at)}, {}, at)

    def change(
        self, person: SimulatedPerson, statements: Sequence[Statement], refused: Refusals, source: Source, at: datetime
    ) -> Routed | None:
        """Change a person as an operator or a report does, and route what comes of it.

        `refused` are the refusals of their addresses by channel.
        """
        _, changes = self._write(person, {person.id: statements})
        person.profile = replace(person.profile, refused_addresses={**person.profile.refused_addresses, **refused})
        said = [change for _, change in changes]
        inputs = {name for one in statements for name in inputs_of_statement(one)}
        affected = self._rulebook.segments.find_affected({*inputs, *(CONSENT if refused else ())})
        cause = Cause(
            uuid5(person.id, f"{source.kind} {source.id} {at.isoformat()}"),
            person.profile.user_id,
            person.anonymous_id,
            at,
        )
        judge = self.judge(person, at)
        finish(judge.follow(person.id, affected, cause, source))
        person.row = judge.changed_rows().get(person.id, person.row)
        return self.report(person, [*((person.id, one, cause) for one in said), *judge.changes], at)

    def judge_silently(self, person: SimulatedPerson, at: datetime) -> None:
        """Judge a person who is known before the simulation; no rule hears of it."""
        judge = self.judge(person, at)
        finish(judge.follow(person.id, self._rulebook.segments.all, None, Source("event", "", at)))
        person.row = judge.changed_rows().get(person.id, person.row)

    def judge(self, person: SimulatedPerson, now: datetime) -> SegmentJudge:
        """Return the judge of a person, as of now."""
        rulebook = self._rulebook
        names = {} if person.anonymous_id is None else {person.id: person.anonymous_id}
        return SegmentJudge(
            rulebook.traits,
            rulebook.segments,
            rulebook.listeners.watched_traits,
            now,
            {person.id: person.profile},
            {person.id: person.row},
            {},
            names,
        )

    def view(self, person: SimulatedPerson, at: datetime) -> Profile:
        """Return the person as conditions see them at an instant."""
        row = person.row
        return with_computed(
            replace(person.profile, counted=row.state, memberships=row.segments), self._rulebook.segments, at
        )

    def enrol(self, person: SimulatedPerson, entry: ProfileEvent, campaign: RunningCampaign, at: datetime) -> Routed:
        """Enter a member of an audience, who may have left it by now."""
        version = CampaignVersion(campaign.key, campaign.version, campaign.rules)
        context = self._load_context(person, [entry], {person.id: self.view(person, at)}, {})
        result = enrol(
            [entry],
            version,
            self._rulebook.listeners,
            context,
            received_at=at,
            new_ids=iter(self._people.new_id, None),
        )
        return Routed(person, result, [entry])

    def route(
        self,
        person: SimulatedPerson,
        profile_events: Sequence[ProfileEvent],
        people: Mapping[UUID, Profile],
        as_of: Mapping[UUID, Profile],
        received_at: datetime,
    ) -> Routed:
        """Route events of a person whose values are up to date."""
        context = self._load_context(person, profile_events, people, as_of)
        new_ids = iter(self._people.new_id, None)
        router = Router(self._rulebook.listeners, context, profile_events, received_at, new_ids)
        for one in profile_events:
            for _ in router.take(one):
                pass
        for one in profile_events:
            if one.cause_id is not None and self._rulebook.remembers(one.event):
                person.remember(one.event)
        return Routed(person, router.result, profile_events)

    def _load_context(
        self,
        person: SimulatedPerson,
        profile_events: Sequence[ProfileEvent],
        people: Mapping[UUID, Profile],
        as_of: Mapping[UUID, Profile],
    ) -> RoutingContext:
        events = [one.event for one in profile_events]
        campaigns = self._rulebook.listeners.campaigns_concerned(events)
        is_entry = any(event.type == AUDIENCE for event in events)
        known = (*(one.record for one in person.active.values()), *person.under_way.values())
        active = [one for one in known if is_entry or one.campaign_key in campaigns]
        return RoutingContext(
            people,
            active,
            [one.record for one in self._find_past(person, events)],
            {(key, person.id, entry_key): at for (key, entry_key), at in person.last_entries.items()},
            self._find_overtaking(person, events),
            as_of,
        )

    def _write(
        self, person: SimulatedPerson, said: Mapping[UUID, Sequence[Statement]]
    ) -> tuple[Profile, list[ChangeOfProfile]]:
        """Fold the statements; return the person with what is deployed, and the changes."""
        segments, before = self._rulebook.segments, person.profile
        updates = finish(fold_statements({person.id: person}, said, segments.places))
        if updates:
            person.update(updates[person.id].state)
        changes = list(list_changes({person.id: before}, updates, segments.places, segments.topics))
        return with_deployed(person.profile, segments.places, segments.topics), changes

    def _count(
        self,
        person: SimulatedPerson,
        profile: Profile,
        stored: Sequence[StoredEvent],
        routed: set[UUID],
        statements: PartStatements,
        resolution: Resolution,
        at: datetime,
    ) -> TraitUpdate:
        """Count the event; the row of the person follows."""
        traits, segments = self._rulebook.traits, self._rulebook.segments
        people = {person.id: profile}
        arrived = select_arrived(traits, segments, stored, routed, statements.affected, resolution)
        if arrived is None:
            return no_update(people)
        history: list[StoredEvent] = []
        if traits.following.sequences(stored[0].event):
            history = [StoredEvent(person.id, one) for one in person.steps]
            person.steps.append(stored[0].event)
        watched, rows = self._rulebook.listeners.watched_traits, {person.id: person.row}
        update = finish(count_arrived(traits, segments, watched, arrived, history, rows, people, {}, at))
        person.row = update.states.get(person.id, person.row)
        return update

    def _react(self, person: SimulatedPerson, event: Event) -> None:
        for marks in marks_of_reactions([event]):
            if (message := person.find_message(marks.id)) is not None:
                message.mark(marks)

    def _find_past(self, person: SimulatedPerson, events: Sequence[Event]) -> list[SimulatedJourney]:
        """Return the ended journeys whose goal these events may reach; forget the others."""
        earliest = min(one.timestamp for one in events)
        person.past = [one for one in person.past if one.may_reach_goal(earliest)]
        wanted = {place for event in events for place in self._rulebook.listeners.goals(event)}
        return [one for one in person.past if (one.record.campaign_key, one.record.campaign_version) in wanted]

    def _find_overtaking(self, person: SimulatedPerson, events: Sequence[Event]) -> list[ProfileEvent]:
        entering = [one for one in events if one.type == AUDIENCE or self._rulebook.listeners.entries(one)]
        if not entering:
            return []
        since, own = min(one.timestamp for one in entering), {one.id for one in events}
        return [
            ProfileEvent(person.id, one)
            for kept in person.remembered.values()
            for one in kept
            if one.timestamp > since and one.id not in own
        ]
