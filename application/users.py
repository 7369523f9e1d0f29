"""Use cases of people: show one with all that is known, and find them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from application.activity_states import load_server_sources
from application.catalogue import Catalogue
from application.journeys import JourneyView, journey_view
from application.people import unknown_person
from application.person_activity import ActivityView, ask_for_activity
from domain.access import Actor
from domain.channels.kinds import CHANNELS, normalize_address
from domain.errors import InvalidRequestError
from domain.journey.filters import JourneyFilter
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.identity import Identity, PersonRef
from domain.people.profile_state import STAGE
from domain.people.registers import Registers, Stamp, unpack
from store import accounts, audit, journey_lists, people, profile_states, profiles
from store.database import Connection, Database
from store.people import ConsentChange, ListedPerson, PersonFilter, StoredPerson

# Journeys that are shown: active ones, and the latest of all.
MAX_ACTIVE: Final = 100
MAX_LATEST: Final = 20
MAX_ACCOUNTS: Final = 100


@dataclass(frozen=True, slots=True)
class StatedValue:
    """A value with its source: event, import, link, operator, step; None if unknown.

    `by` names the source of the event's key, the operator, or the campaign and its step. A value is not verified if a
    browser stated it without a user token.
    """

    value: Any
    at: datetime | None
    source: str | None
    by: str | None
    is_verified: bool


@dataclass(frozen=True, slots=True)
class ChannelConsent:
    """Whether a channel may be used for marketing, and what was stated.

    `refusal` explains why not. `address_refusals` are those of the present address, by kind.
    """

    is_allowed: bool
    refusal: str | None
    given: StatedValue | None
    suppressed: StatedValue | None
    address: str | None
    address_refusals: dict[str, StatedValue]


@dataclass(frozen=True, slots=True)
class ComputedValues:
    """The values of computed traits at an instant.

    `building` are traits whose earlier events are still being counted, so that they have no value yet.
    """

    as_of: datetime
    values: dict[str, Any]
    building: list[str]


@dataclass(frozen=True, slots=True)
class MembershipView:
    """An account of a person, their role in it, and when that was last stated."""

    id: str
    role: str | None
    stated_at: datetime | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """All that is known of a person. `revision` is that of the profile's values."""

    id: UUID
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    stage: StatedValue | None
    traits: dict[str, StatedValue]
    computed: ComputedValues
    device: dict[str, StatedValue]
    activity: ActivityView
    claims: dict[str, StatedValue]
    identities: list[Identity]
    consent: dict[str, ChannelConsent]
    consent_log: list[ConsentChange]
    accounts: list[MembershipView]
    active_journeys: list[JourneyView]
    latest_journeys: list[JourneyView]

    @property
    def revision(self) -> int:
        return revision_of(self.updated_at)


def revision_of(updated_at: datetime) -> int:
    """Return the revision of a profile: the microseconds of its last change."""
    return int(updated_at.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """People, newest first; `next` continues, if there may be more."""

    people: list[ListedPerson]
    next: UUID | None


class Users:
    """Shows and finds people. `journey_url` contains {workflow_id}."""

    def __init__(self, database: Database, catalogue: Catalogue, journey_url: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._journey_url = journey_url

    async def get(self, person: PersonRef, *, by: Actor) -> PersonView:
        """Return a person; the audit log says who has looked. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            view = await show(connection, self._catalogue, person, self._journey_url)
            await audit.record_once_a_day(connection, by, "user.read", person.id)
            return view

    async def find(
        self,
        *,
        id: str | None = None,
        address: str | None = None,
        trait: str | None = None,
        value: str | None = None,
        stage: str | None = None,
        limit: int,
        after: UUID | None,
        by: Actor,
    ) -> FoundPeople:
        """Find people by all that is given. Raises InvalidRequestError for half a trait."""
        if (trait is None) != (value is None):
            raise InvalidRequestError("a trait is found by `trait`, its name, and `value`: one of them is missing")
        which = PersonFilter(
            id=id,
            addresses=None if address is None else normalize_address(address),
            trait=None if trait is None or value is None else (trait, readings(value)),
            stage=stage,
        )
        async with self._database.transaction() as connection:
            found = await people.page(connection, which, limit=limit, after=after)
            await audit.record_once_a_day(connection, by, "user.find", "users")
        return FoundPeople(found.people, found.next)


def readings(value: str) -> list[Any]:
    """Return the JSON values that a text stands for: `5` is 5 and "5"."""
    found: list[Any] = [value]
    with suppress(msgspec.DecodeError, RecursionError):
        read = msgspec.json.decode(value)
        # A number beyond PostgreSQL's is no trait's value.
        if not isinstance(read, str) and read is not None:
            found.append(read)
    return found


async def show(connection: Connection, catalogue: Catalogue, ref: PersonRef, journey_url: str) -> PersonView:
    """Return all that is known of a person. Raises NotFoundError."""
    deployed = await catalogue.load_computed(connection)
    profile_id = await profiles.find(connection, ref)
    if profile_id is None:
        raise unknown_person(ref)
    sources = await load_server_sources(connection)
    async with connection.pipeline():
        reads = (
            await people.begin_read(connection, profile_id),
            await people.begin_identities(connection, profile_id),
            await people.begin_consent_log(connection, profile_id),
            await profile_states.read(connection, [profile_id]),
            await accounts.begin_of_profile(connection, profile_id, MAX_ACCOUNTS),
        )
        asked = await ask_for_activity(connection, profile_id, sources)
        person, identities, log, states, memberships = (
            await reads[0].get(),
            await reads[1].get(),
            await reads[2].get(),
            await reads[3].get(),
            await reads[4].get(),
        )
        seen = await asked.get()
    if person is None:
        raise unknown_person(ref)
    active = JourneyFilter(profile_id=profile_id, state="active")
    now = connection.clock.now()
    computed = ComputedValues(
        now,
        deployed.ready.values(states.get(profile_id, profile_states.EMPTY).state, now),
        sorted(definition.key for definition in deployed.building),
    )
    return _view(
        person,
        computed,
        seen,
        identities,
        log,
        [MembershipView(one.account_id, one.role, one.stated_at) for one in memberships],
        [
            journey_view(journey, journey_url)
            for journey in await journey_lists.page(connection, active, limit=MAX_ACTIVE, after=None)
        ],
        [
            journey_view(journey, journey_url)
            for journey in await journey_lists.page(
                connection, JourneyFilter(profile_id=profile_id), limit=MAX_LATEST, after=None
            )
        ],
    )


def _view(
    person: StoredPerson,
    computed: ComputedValues,
    seen: ActivityView,
    identities: list[Identity],
    log: list[ConsentChange],
    memberships: list[MembershipView],
    active: list[JourneyView],
    latest: list[JourneyView],
) -> PersonView:
    profile = person.profile
    state = profile.state()
    return PersonView(
        id=profile.id,
        user_id=profile.user_id,
        created_at=profile.created_at,
        updated_at=person.updated_at,
        stage=list_stated(state.stage).get(STAGE),
        traits=list_stated(state.traits),
        computed=computed,
        device=list_stated(state.context),
        activity=seen,
        claims=list_stated(state.claims),
        identities=identities,
        consent=_consent(person, list_stated(state.consent), list_stated(state.suppressed)),
        consent_log=log,
        accounts=memberships,
        active_journeys=active,
        latest_journeys=latest,
    )


def _consent(
    person: StoredPerson, given: Mapping[str, StatedValue], suppressed: Mapping[str, StatedValue]
) -> dict[str, ChannelConsent]:
    """Return the consent of each channel that exists or of which something was said."""
    refused = {each["channel"]: Registers(each["refusals"], unpack(each["said"])) for each in person.refusals}
    facts = ConsentFacts(
        person.profile.consent_given,
        person.profile.suppressed,
        {channel: registers.values for channel, registers in refused.items()},
    )
    found = {}
    for channel in dict.fromkeys((*CHANNELS, *given, *suppressed)):
        refusal = find_refusal(channel, facts, is_transactional=False)
        found[channel] = ChannelConsent(
            is_allowed=refusal is None,
            refusal=None if refusal is None else f"{refusal.reason}: {refusal.detail}",
            given=given.get(channel),
            suppressed=suppressed.get(channel),
            address=person.addresses.get(channel),
            address_refusals=list_stated(refused[channel]) if channel in refused else {},
        )
    return found


def list_stated(registers: Registers) -> dict[str, StatedValue]:
    """Return the values that are set, with their sources."""
    return {
        name: _with_source(value, said)
        for name, value, said in sorted(registers.words(), key=lambda word: word[0])
        if value is not None
    }


def _with_source(value: Any, said: Stamp) -> StatedValue:
    kind, _, name = said.source.partition(":")
    return StatedValue(value, said.instant(), kind or None, name or None, not said.is_unverified())
