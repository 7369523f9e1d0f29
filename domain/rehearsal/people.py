"""Simulated people: their profiles, identities, journeys and messages."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from domain.journey.records import Journey
from domain.people import profile_state
from domain.people.computed.state_merges import merge_rows
from domain.people.computed.state_row import EMPTY, StateRow
from domain.people.derived_events import ChangeOfProfile, value_changes
from domain.people.device_addresses import DeviceAddress, read_registration, read_removal
from domain.people.identity import Identity, Known, Resolution, identities_of, is_external
from domain.people.identity_sources import identity_sources, merge_sources
from domain.people.profile import Profile
from domain.people.profile_state import ProfileState
from domain.people.segments.deployed import DeployedSegments
from domain.people.session_events import NamedPerson
from domain.rehearsal.activity import PersonActivity
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.messages import SimulatedMessage
from domain.tracking.event import Event, Trigger

# For one person and trigger, the events that may have overtaken an entry; as the store reads.
MAX_REMEMBERED = 100


@dataclass(slots=True, eq=False)
class SimulatedPerson:
    """A person in memory. `profile` has the `values`, whose stamps it lacks.

    `bucket` is that by which arms are drawn, `past` the journeys that may still reach their goal, `steps` the events
    that may be parts of sequences. `watched_at` is when they are looked at next. `under_way` are journeys that began
    before the simulation: they take their place, and nothing else comes of them.
    """

    profile: Profile
    bucket: UUID
    values: ProfileState = field(default_factory=ProfileState)
    row: StateRow = EMPTY
    anonymous_id: str | None = None
    external_ids: int = 0
    active: dict[UUID, SimulatedJourney] = field(default_factory=dict)
    past: list[SimulatedJourney] = field(default_factory=list)
    under_way: dict[UUID, Journey] = field(default_factory=dict)
    messages: list[SimulatedMessage] = field(default_factory=list)
    last_entries: dict[tuple[str, str], datetime] = field(default_factory=dict)
    remembered: dict[Trigger, list[Event]] = field(default_factory=dict)
    steps: list[Event] = field(default_factory=list)
    watched_at: datetime | None = None
    devices: dict[str, DeviceAddress] = field(default_factory=dict)
    activity: PersonActivity = field(default_factory=PersonActivity)

    @property
    def id(self) -> UUID:
        """The id of the profile."""
        return self.profile.id

    def remember(self, event: Event) -> None:
        """Keep an event that may overtake an entry; the latest of each trigger."""
        kept = self.remembered.setdefault(event.trigger, [])
        kept.append(event)
        if len(kept) > MAX_REMEMBERED:
            del kept[0]

    @property
    def named(self) -> NamedPerson:
        """The person as reports of sessions name them."""
        return NamedPerson(self.id, self.profile.user_id, self.anonymous_id)

    def state(self) -> ProfileState:
        """Return the values with their stamps."""
        return self.values

    def update(self, state: ProfileState) -> None:
        """Take other values."""
        self.values = state
        self.profile = self.profile.with_state(state)

    def find_message(self, id: UUID) -> SimulatedMessage | None:
        """Return a message of the person."""
        return next((one for one in self.messages if one.id == id), None)

    def messages_of(self, journey_id: UUID) -> list[SimulatedMessage]:
        """Return the messages of a journey, in the order of their grants."""
        return [one for one in self.messages if one.granted.journey_id == journey_id]


class People:
    """The people of a simulation, by profile and by identity."""

    def __init__(self, new_id: Callable[[], UUID]) -> None:
        self.new_id = new_id
        self._by_id: dict[UUID, SimulatedPerson] = {}
        # The ids that people get who come during the simulation, by their first names.
        self._expected: dict[Identity, UUID] = {}
        self._identities: dict[Identity, UUID] = {}
        # The people of the addresses of devices: a token leaves its former person.
        self._of_devices: dict[str, SimulatedPerson] = {}

    def __getitem__(self, id: UUID) -> SimulatedPerson:
        return self._by_id[id]

    def __iter__(self) -> Iterator[SimulatedPerson]:
        return iter(self._by_id.values())

    def find(self, identity: Identity) -> SimulatedPerson | None:
        """Return the person of an identity; None if nothing was reported of them."""
        id = self._identities.get(identity)
        return None if id is None else self._by_id[id]

    def add(self, person: SimulatedPerson, identities: Iterable[Identity]) -> None:
        """Add a person who is known before the first event."""
        self._by_id[person.id] = person
        for identity in identities:
            self._identities[identity] = person.id

    def expect(self, id: UUID, identities: Iterable[Identity]) -> None:
        """Give an id to the person of these names, who comes during the simulation.

        Arms are drawn by the id.
        """
        if id not in self._by_id:
            self._expected.update(dict.fromkeys(identities, id))

    def take_id(self, event: Event) -> UUID:
        """Return the id of a person that an event creates."""
        for identity in sorted(identities_of([event]), reverse=True):
            if (id := self._expected.pop(identity, None)) is not None and id not in self._by_id:
                return id
        return self.new_id()

    def learn_device(self, person: SimulatedPerson, event: Event) -> None:
        """Register or remove the device that an event names."""
        if (gone := read_removal(event)) is not None:
            for value, one in list(person.devices.items()):
                if value == gone.value or (gone.device_id is not None and one.device_id == gone.device_id):
                    del person.devices[value]
        elif (found := read_registration(event)) is not None:
            former = self._of_devices.get(found.value, person)
            former.devices.pop(found.value, None)
            for value, one in list(person.devices.items()):
                # A device has one address for each of its apps.
                if found.device_id is not None and (one.device_id, one.app) == (found.device_id, found.app):
                    del person.devices[value]
            person.devices[found.value] = found
            self._of_devices[found.value] = person

    def find_of(self, event: Event) -> SimulatedPerson | None:
        """Return the person of an event that was taken."""
        kind, value = ("user", event.user_id) if event.user_id is not None else ("anonymous", event.anonymous_id)
        return None if value is None else self.find(Identity(kind, value))

    def get(self, id: UUID) -> SimulatedPerson | None:
        """Return a person; None once they are merged into another."""
        return self._by_id.get(id)

    def know(self, identities: Collection[Identity]) -> dict[Identity, Known]:
        """Return the people behind identities, as far as they are known."""
        known: dict[Identity, Known] = {}
        for identity in identities:
            if (person := self.find(identity)) is not None:
                known[identity] = Known(person.id, person.profile.user_id is None, person.external_ids)
        return known

    def apply(self, resolution: Resolution, at: datetime) -> None:
        """Create people, and link and claim their identities."""
        for id, user_id in resolution.created.items():
            profile = Profile(
                id=id,
                user_id=user_id,
                traits={},
                consent_given={},
                suppressed={},
                stated_stage=None,
                created_at=at,
            )
            self._by_id[id] = SimulatedPerson(profile, id)
        for identity, id in resolution.linked.items():
            self._identities[identity] = id
            person = self._by_id[id]
            if is_external(identity):
                person.external_ids += 1
            elif identity.kind == "anonymous":
                person.anonymous_id = min(filter(None, (person.anonymous_id, identity.value)))
        for id, user_id in resolution.claimed.items():
            person = self._by_id[id]
            person.profile = replace(person.profile, user_id=user_id)

    def merge(
        self,
        resolution: Resolution,
        known: Mapping[Identity, Known],
        event: Event,
        segments: DeployedSegments,
        journeys_ended: Callable[[SimulatedJourney], None],
    ) -> list[ChangeOfProfile]:
        """Merge people as an event says; return the changes of those who stay."""
        sources = merge_sources(resolution, known, identity_sources([event]))
        changes: list[ChangeOfProfile] = []
        for id, target_id in sorted(resolution.merged.items()):
            other, target = self._by_id.pop(id), self._by_id[target_id]
            update = profile_state.merge(target.values, other.values, sources[id])
            changes += [(target_id, one) for one in value_changes(target.profile, update.changes, segments.topics)]
            target.update(update.state)
            target.row = merge_rows(target.row, other.row, segments.traits)
            target.profile = replace(
                target.profile, created_at=min(target.profile.created_at, other.profile.created_at)
            )
            _pour(other, target, journeys_ended)
            self._of_devices |= dict.fromkeys(other.devices, target)
            for identity, of in self._identities.items():
                if of == id:
                    self._identities[identity] = target_id
        return changes


def _pour(other: SimulatedPerson, target: SimulatedPerson, journeys_ended: Callable[[SimulatedJourney], None]) -> None:
    """Hand over the rows of a merged person, and end doubled journeys."""
    if any(one.arms for one in (*other.active.values(), *other.past)) and not any(
        one.arms for one in (*target.active.values(), *target.past)
    ):
        target.bucket = other.bucket
    places = {(one.record.campaign_key, one.record.entry_key) for one in target.active.values()}
    for journey in sorted(other.active.values(), key=lambda one: (one.record.entered_at, one.record.id)):
        journey.belong_to(target.id)
        place = (journey.record.campaign_key, journey.record.entry_key)
        if place in places:
            journeys_ended(journey)
            continue
        places.add(place)
        target.active[journey.record.id] = journey
    for journey in other.past:
        journey.belong_to(target.id)
    target.past += other.past
    target.under_way |= {id: replace(one, profile_id=target.id) for id, one in other.under_way.items()}
    target.messages = sorted(target.messages + other.messages, key=lambda one: one.granted.at)
    target.anonymous_id = min(filter(None, (target.anonymous_id, other.anonymous_id)), default=None)
    target.external_ids += other.external_ids
    target.devices |= other.devices
    target.activity.merge(other.activity)
    target.steps = sorted(target.steps + other.steps, key=lambda one: one.timestamp)
    for key, at in other.last_entries.items():
        target.last_entries[key] = max(at, target.last_entries.get(key, at))
    for trigger, events in other.remembered.items():
        target.remembered.setdefault(trigger, []).extend(events)
