"""A person as they are shown, with all that is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET

from application.activity_states import load_server_sources
from application.catalogue import Catalogue
from application.journeys import JourneyView, journey_view
from application.people import unknown_person
from application.person_activity import ActivityView, ask_for_activity
from application.rfm_positions import RfmPosition, find_position
from application.stated_values import StatedValue, list_stated
from domain.channels.kinds import CHANNELS
from domain.epoch import from_microseconds
from domain.journey.filters import JourneyFilter
from domain.people.computed.definition import is_authored
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import EMPTY
from domain.people.computed.traits import ComputedState
from domain.people.consent import ConsentFacts, find_refusal, list_liftable
from domain.people.device_addresses import list_reached
from domain.people.identity import Identity, PersonRef
from domain.people.places.location import LOCATION, describe_location
from domain.people.profile_state import STAGE
from domain.people.registers import Registers, unpack
from domain.people.segments.causes import describe_cause
from domain.people.segments.definition import Memberships
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.stages import LIFECYCLE, stage_segment
from domain.people.topics.deployed import DeployedTopics
from domain.people.topics.subscription import PACE, SubscriptionState, list_subscriptions
from store import accounts, device_addresses, journey_lists, people, profile_states, profiles, segments
from store.database import Connection
from store.device_addresses import KnownAddress
from store.people import ConsentChange, StoredPerson
from store.segments import Membership

# Journeys that are shown: active ones, and the latest of all.
MAX_ACTIVE: Final = 100
MAX_LATEST: Final = 20
MAX_ACCOUNTS: Final = 100


@dataclass(frozen=True, slots=True)
class ChannelConsent:
    """Whether a channel may be used for marketing, and what was stated.

    `refusal` explains why not. `address_refusals` are those of the present address, by kind. `can_lift` if an operator
    may lift one of them, or the suppression.
    """

    is_allowed: bool
    refusal: str | None
    given: StatedValue | None
    suppressed: StatedValue | None
    address: str | None
    address_refusals: dict[str, StatedValue]
    can_lift: bool


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """Whether messages about a topic may go on a channel, and what was stated.

    `state` is subscribed, pending, confirmed or unsubscribed; None if nothing was said. `refusal` explains why none may
    go.
    """

    is_allowed: bool
    refusal: str | None
    state: SubscriptionState | None
    given: StatedValue | None


@dataclass(frozen=True, slots=True)
class ComputedValues:
    """The values of computed traits at an instant.

    Traits that are `building` have no value yet: their earlier events are still being counted.
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
class JoinedSegment:
    """A segment of a person; `cause` and `summary` say why they joined, if known."""

    key: str
    name: str
    since: datetime
    cause: Mapping[str, Any] | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class PushAddressView:
    """The address of a device, and whether a push goes there now."""

    kind: str
    value: str
    app: str
    device_id: str | None
    environment: str | None
    seen_at: datetime
    is_reached: bool
    removed_at: datetime | None
    removed_reason: str | None


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
    rfm: RfmPosition | None
    device: dict[str, StatedValue]
    activity: ActivityView
    push_addresses: list[PushAddressView]
    claims: dict[str, StatedValue]
    identities: list[Identity]
    consent: dict[str, ChannelConsent]
    topics: dict[str, dict[str, SubscriptionView]]
    pace: StatedValue | None
    consent_log: list[ConsentChange]
    accounts: list[MembershipView]
    segments: list[JoinedSegment]
    active_journeys: list[JourneyView]
    latest_journeys: list[JourneyView]

    @property
    def revision(self) -> int:
        return revision_of(self.updated_at)


def revision_of(updated_at: datetime) -> int:
    """Return the revision of a profile: the microseconds of its last change."""
    return int(updated_at.timestamp() * 1_000_000)


async def show_person(connection: Connection, catalogue: Catalogue, ref: PersonRef, journey_url: str) -> PersonView:
    """Return all that is known of a person. Raises NotFoundError."""
    deployed = await catalogue.load_segments(connection)
    profile_id = await profiles.find(connection, ref)
    if profile_id is None:
        raise unknown_person(ref)
    sources = await load_server_sources(connection)
    async with connection.pipeline():
        found = await people.begin_read(connection, profile_id)
        identities = await people.begin_identities(connection, profile_id)
        consent_log = await people.begin_consent_log(connection, profile_id)
        states = await profile_states.read(connection, [profile_id])
        memberships = await accounts.begin_of_profile(connection, profile_id, MAX_ACCOUNTS)
        joined = await segments.begin_of_profile(connection, profile_id)
        activity = await ask_for_activity(connection, profile_id, sources)
        devices = await device_addresses.list_of_profile(connection, profile_id)
        if (person := await found.get()) is None:
            raise unknown_person(ref)
        row = (await states.get()).get(profile_id, EMPTY)
        profile, state = person.profile, person.profile.state()
        active = JourneyFilter(profile_id=profile_id, state="active")
        return PersonView(
            id=profile.id,
            user_id=profile.user_id,
            created_at=profile.created_at,
            updated_at=person.updated_at,
            stage=_show_stage(deployed, row.segments, list_stated(state.stage).get(STAGE)),
            traits=list_stated(state.traits),
            computed=_compute(deployed.traits, row.state, connection.clock.now()),
            rfm=await find_position(connection, deployed.traits, row.state, connection.clock.now()),
            device=_list_context(state.context),
            activity=await activity.get(),
            push_addresses=_list_push_addresses(await devices.get(), connection.clock.now()),
            claims=list_stated(state.claims),
            identities=await identities.get(),
            consent=_list_consents(person, list_stated(state.consent), list_stated(state.suppressed), deployed.topics),
            topics=_list_subscriptions(person, list_stated(state.preferences), deployed.topics),
            pace=list_stated(state.preferences).get(PACE),
            consent_log=await consent_log.get(),
            accounts=[MembershipView(one.account_id, one.role, one.stated_at) for one in await memberships.get()],
            segments=list(map(_describe_joined, await joined.get())),
            active_journeys=await _list_journeys(connection, active, MAX_ACTIVE, journey_url),
            latest_journeys=await _list_journeys(
                connection, JourneyFilter(profile_id=profile_id), MAX_LATEST, journey_url
            ),
        )


def _list_context(context: Registers) -> dict[str, StatedValue]:
    """Return what devices said, the location without what Sojourn keeps with it."""
    found = list_stated(context)
    if (location := found.get(LOCATION)) is not None:
        found[LOCATION] = replace(location, value=describe_location(location.value))
    return found


def _list_push_addresses(known: Sequence[KnownAddress], now: datetime) -> list[PushAddressView]:
    reached = list_reached([one.address for one in known if one.removed_at is None], now)
    return [
        PushAddressView(
            kind=one.address.kind,
            value=one.address.value,
            app=one.address.app,
            device_id=one.address.device_id,
            environment=one.address.environment,
            seen_at=one.address.seen_at,
            is_reached=one.address in reached and one.removed_at is None,
            removed_at=one.removed_at,
            removed_reason=one.removed_reason,
        )
        for one in known
    ]


def _describe_joined(found: Membership) -> JoinedSegment:
    summary = None if found.cause is None else describe_cause(found.cause)
    return JoinedSegment(found.key, found.name, found.since, found.cause, summary)


def _show_stage(segments: DeployedSegments, members: Memberships, stated: StatedValue | None) -> StatedValue | None:
    """Return the judged stage, since when; the stated one without a life cycle."""
    stage = segments.stage_of(members)
    if stage is UNSET:
        return stated
    if stage is None:
        return None
    since = members[str(segments.id_of(stage_segment(stage)))]
    return StatedValue(stage, from_microseconds(since), LIFECYCLE, None, is_verified=True)


def _compute(deployed: DeployedTraits, counted: ComputedState, at: datetime) -> ComputedValues:
    building = sorted(one.key for one in deployed.building if is_authored(one.key))
    values = deployed.ready.values(counted, at)
    return ComputedValues(at, {key: value for key, value in values.items() if is_authored(key)}, building)


async def _list_journeys(
    connection: Connection, which: JourneyFilter, limit: int, journey_url: str
) -> list[JourneyView]:
    found = await journey_lists.page(connection, which, limit=limit, after=None)
    return [journey_view(journey, journey_url) for journey in found]


def _facts_of(person: StoredPerson) -> ConsentFacts:
    return ConsentFacts(
        person.profile.consent_given,
        person.profile.suppressed,
        {each["channel"]: each["refusals"] for each in person.refusals},
        person.profile.preferences,
        person.profile.traits,
    )


def _list_subscriptions(
    person: StoredPerson, given: Mapping[str, StatedValue], topics: DeployedTopics
) -> dict[str, dict[str, SubscriptionView]]:
    """Return the subscriptions to each topic that there is, or that a statement names."""
    facts = _facts_of(person)
    found: dict[str, dict[str, SubscriptionView]] = {}
    for ref in dict.fromkeys((*topics.refs(), *list_subscriptions(person.profile.preferences))):
        refusal = find_refusal(ref.channel, ref.topic, facts, topics)
        found.setdefault(ref.topic, {})[ref.channel] = SubscriptionView(
            is_allowed=refusal is None,
            refusal=None if refusal is None else f"{refusal.reason}: {refusal.detail}",
            state=topics.state_of(person.profile.preferences, ref),
            given=given.get(ref.name),
        )
    return found


def _list_consents(
    person: StoredPerson,
    given: Mapping[str, StatedValue],
    suppressed: Mapping[str, StatedValue],
    topics: DeployedTopics,
) -> dict[str, ChannelConsent]:
    """Return the consent for each channel that exists, or that a statement names."""
    refused = {each["channel"]: Registers(each["refusals"], unpack(each["said"])) for each in person.refusals}
    facts = _facts_of(person)
    liftable = list_liftable(topics)
    found = {}
    for channel in dict.fromkeys((*CHANNELS, *given, *suppressed)):
        refusal = find_refusal(channel, None, facts, topics)
        of_address = list_stated(refused[channel]) if channel in refused else {}
        found[channel] = ChannelConsent(
            is_allowed=refusal is None,
            refusal=None if refusal is None else f"{refusal.reason}: {refusal.detail}",
            given=given.get(channel),
            suppressed=suppressed.get(channel),
            address=person.addresses.get(channel),
            address_refusals=of_address,
            can_lift=channel in CHANNELS and (channel in suppressed or any(kind in liftable for kind in of_address)),
        )
    return found
