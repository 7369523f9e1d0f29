"""Route an event that never comes: as ingest does, without a write."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from uuid_utils.compat import uuid7

from application import routing, turns
from application.accounts import find_concerned, read_account
from application.catalogue import Catalogue, LoadedVersion
from application.first_messages import FirstMessage, decide_first_message
from application.ingest_claims import PartClaim
from application.ingest_effects import ask_for_computed
from application.ingest_people import ResolvedEvents
from application.people import read_people, unknown_person
from domain.access import Actor
from domain.campaign.delays.kind import DelayFacts
from domain.campaign.life import PAUSED, RUNNING, SCHEDULED, STOPPING
from domain.campaign.plan import Until
from domain.errors import InvalidRequestError
from domain.journey.campaign_effects import CampaignEffect, EffectKind, list_effects
from domain.journey.matching import ProfileEvent
from domain.journey.part_statements import read_statements
from domain.journey.planned_events import plan_part, select_of_accounts
from domain.journey.position import position_at_entry
from domain.journey.records import Journey
from domain.journey.routing_result import RoutingResult
from domain.journey.state import JourneyStatus
from domain.local_time.zones import recipient_zone
from domain.people.derived_events import CausedChange
from domain.people.identity import PersonRef, Resolution
from domain.people.profile import Profile
from domain.people.profile_updates import with_deployed
from domain.people.trait_updates import no_update
from domain.tracking.event import DEFAULT_SOURCE, Event
from domain.tracking.identifiers import Placeholders
from domain.tracking.item import event_of_item
from domain.tracking.item_error import ItemError
from domain.tracking.stored_event import StoredEvent
from store import audit, campaigns, journeys, profiles
from store.database import Connection, Database

# Entries of one event whose next steps and first messages are told; each takes some look-ups.
MAX_TOLD: Final = 20
_LISTENING: Final = frozenset({SCHEDULED, RUNNING, PAUSED, STOPPING})
_ANY_ID: Final = Placeholders(())


class FirstStep(Struct, frozen=True):
    """Where a new journey would be first. `until` is the end of its rest, if known."""

    step: str
    status: JourneyStatus
    until: datetime | None


class ForeseenEffect(Struct, frozen=True):
    """One effect that the event would have on a campaign.

    `event` is the label of the event, or of one that it would cause, such as a segment joined. `journey_id` is that of
    an existing journey, and `step` its wait that would hear the event. `next` and `message` are of a new journey.
    """

    kind: EffectKind
    campaign: str
    version: int
    event: str
    reason: str | None
    journey_id: UUID | None
    step: str | None
    next: FirstStep | None
    message: FirstMessage | None
    data: Mapping[str, Any]


class Foresight(Struct, frozen=True):
    """The effects of an event on a person; `not_concerned` are the other campaigns.

    `due` are changes of the person by time that no worker has reported yet. They come before the event, and what they
    do to campaigns is not told.
    """

    user_id: str
    at: datetime
    due: Sequence[str]
    effects: Sequence[ForeseenEffect]
    not_concerned: Sequence[str]


class _World(Struct, frozen=True):
    """The rules and the person at one instant, with the routing of the event."""

    claim: PartClaim
    person: Profile
    profile_events: Sequence[ProfileEvent]
    result: RoutingResult
    due: Sequence[CausedChange]


class WhatIf:
    """Routes events that never come. `timezone` is the deployment's."""

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def foresee(self, person: PersonRef, name: str, properties: Mapping[str, Any], *, by: Actor) -> Foresight:
        """Return what an event of a server would do now; the audit log says who looked.

        Statements of the event about accounts are left out. Raises NotFoundError, and InvalidRequestError for an event
        that ingest would refuse.
        """
        async with self._database.transaction() as connection:
            await audit.record_look(connection, by, "user.what_if", person.id)
        async with self._database.snapshot() as connection:
            at = connection.clock.now()
            profile_id = await profiles.find(connection, person)
            known = {} if profile_id is None else await read_people(connection, [profile_id])
            if profile_id is None or (profile := known.get(profile_id)) is None or profile.is_erased:
                raise unknown_person(person)
            event = _make_event(profile, person, name, properties, at)
            world = await self._route(connection, profile, event, at)
            found = list_effects(world.profile_events, world.claim.listeners, world.result)
            begun = [one.journey.id for one in found if one.kind == "entered" and one.journey is not None]
            effects = [await self._describe(connection, world, one, begun) for one in found]
            concerned = {one.campaign for one in found}
            listed = await campaigns.all_campaigns(connection)
            others = [one.key for one in listed if one.state in _LISTENING and one.key not in concerned]
        due = list(dict.fromkeys(change.trigger.label for _, change, _ in world.due))
        return Foresight(person.id, at, due, effects, others)

    async def _route(self, connection: Connection, profile: Profile, event: Event, at: datetime) -> _World:
        """Route the event as ingest does, by the same rules over unlocked rows."""
        state = await (await campaigns.begin_read_registry(connection)).get()
        listeners = await self._catalogue.listeners_at(connection, state.revision)
        traits = await self._catalogue.computed_at(connection, state.revision)
        segments = await self._catalogue.segments_at(connection, state.revision)
        claim = PartClaim(listeners, traits, segments, {event.id}, {}, {}, state.remembers_erased, may_end_holds=False)
        stored = [StoredEvent(profile.id, event)]
        people = ResolvedEvents(Resolution({event.id: profile.id}), stored, stored)
        statements = read_statements(stored, people.resolution, listeners, traits, segments, at, None, {})
        planned = plan_part(stored, statements, (), listeners, traits, segments)
        update = no_update({profile.id: with_deployed(profile, segments.places, segments.topics)})
        due: Sequence[CausedChange] = ()
        if (states := await ask_for_computed(connection, people, statements, planned, claim)) is not None:
            update, due = await states.foresee(connection, update.people, at)
        planned = planned.settle(update.changes)
        result = RoutingResult()
        if planned.profile_events:
            account_ids = await find_concerned(connection, (), select_of_accounts(planned, listeners))
            pending = await routing.load_context(
                connection, listeners, planned.profile_events, at, account_ids, find_active=journeys.find_active
            )
            context = await pending.get(update.people, update.as_of)
            result = await turns.run(routing.route(planned.profile_events, listeners, context, at))
        return _World(claim, update.people[profile.id], planned.profile_events, result, due)

    async def _describe(
        self, connection: Connection, world: _World, effect: CampaignEffect, begun: Sequence[UUID]
    ) -> ForeseenEffect:
        journey, first, message = effect.journey, None, None
        if journey is not None and effect.kind == "entered" and journey.id in begun[:MAX_TOLD]:
            version = await self._catalogue.version(connection, journey.campaign_key, journey.campaign_version)
            first = await self._find_first_step(connection, world.person, journey, version)
            message = await decide_first_message(
                connection, self._catalogue, world.claim.segments, journey, version, self._timezone
            )
        return ForeseenEffect(
            kind=effect.kind,
            campaign=effect.campaign,
            version=effect.version,
            event=effect.event,
            reason=effect.reason,
            journey_id=None if journey is None or journey.id in begun else journey.id,
            step=effect.step,
            next=first,
            message=message,
            data=effect.data,
        )

    async def _find_first_step(
        self, connection: Connection, person: Profile, journey: Journey, version: LoadedVersion
    ) -> FirstStep | None:
        plan, rules, at = version.plan, version.rules, journey.entered_at
        position = position_at_entry(plan, journey)
        if position is None:
            return None
        until = None if position.rest is None else at + timedelta(seconds=position.rest)
        if isinstance(plan.node(position.step), Until):
            account = await read_account(connection, person.id, journey.entry, journey.account_id)
            zone = recipient_zone(person.traits, person.context.get("timezone"), rules.timezone, self._timezone)
            end = rules.delays[position.step].until(DelayFacts(at, at, person, account, journey.entry), zone).until
            until = end if isinstance(end, datetime) else None
        return FirstStep(position.step, position.status, until)


def _make_event(profile: Profile, person: PersonRef, name: str, properties: Mapping[str, Any], at: datetime) -> Event:
    """Make the event of the person, as the tracking API reads it."""
    id = {"userId": profile.user_id} if profile.user_id is not None else {"anonymousId": person.id}
    call = msgspec.json.encode({"type": "track", "event": name, "properties": properties, **id})
    try:
        item = event_of_item(
            call,
            kind="track",
            source=DEFAULT_SOURCE,
            sent_at=None,
            received_at=at,
            new_id=uuid7,
            placeholders=_ANY_ID,
        )
    except ItemError as error:
        raise InvalidRequestError(f"this event would be refused: {error}") from error
    return item.event
