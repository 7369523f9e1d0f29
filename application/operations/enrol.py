"""Bulk entry: letting in those who are known already and belong to the audience of a campaign."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert
from uuid_utils.compat import uuid7

from application import routing
from application.catalogue import Catalogue
from application.people import ask_for_people, write_people
from domain.campaign.life import PAUSED, RUNNING
from domain.campaign.rules import AudienceRule
from domain.journey.listeners import CampaignVersion, Listeners
from domain.journey.matching import Matcher, ProfileEvent
from domain.journey.routing import enrol
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.tracking.event import AUDIENCE, SOJOURN_SOURCE, Event
from store import audience, campaigns, events, journeys, outbox
from store.database import Connection
from store.operations import Operation, Page
from store.profiles import Profile

# Profiles looked at in one transaction, and how many of them may enter in it: until its end, events about those wait.
PAGE, MAX_ENTERING = 500, 200
# Backpressure: stop while this many bulk outbox rows are pending; look again after so many seconds.
MAX_WAITING = 2_000
REST = 0.5

ENTERED, NOT_IN_AUDIENCE, NOT_EVALUATED = "entered", "not_in_audience", "not_evaluated"
# Of those not evaluated, before what their data lacks: `missing:profile.traits.plan`.
MISSING = "missing:"
CAMPAIGN_NOT_OPEN = "campaign_not_open"


class EnrolParameters(Struct, frozen=True):
    """The parameters. `at` is the instant of the run: what has happened since then is newer than the entries."""

    at: datetime


class EnrolHandler:
    """Lets the audience of the version that runs in. `done` counts the profiles looked at.

    So do all counts together, but those of what is missing, which tell more of the ones not evaluated.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def total(self, connection: Connection, operation: Operation) -> int:
        """All who are known by now. Who becomes known later is not of this run."""
        return await audience.count(connection, operation.created_at)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Look at the next profiles, and let in those of them who may enter.

        What takes time is done before the campaigns are held as they are and events about these people wait.
        """
        version = await self._running(connection, operation.campaign_key)
        if version is None or version.rules.entry.audience is None:
            return Page(operation.cursor, counts={CAMPAIGN_NOT_OPEN: 1}, is_last=True)
        rule = version.rules.entry.audience
        if await outbox.count_bulk(connection, MAX_WAITING) == MAX_WAITING:
            return Page(operation.cursor, pause=REST)
        found = await audience.page(connection, operation.cursor, operation.created_at, PAGE)
        counts, members, looked_at = await asyncio.to_thread(_first_members, rule, found)
        if members:
            listeners = await self._catalogue.listeners(connection)
            if await self._running(connection, operation.campaign_key) != version:
                # Moved meanwhile: what has been found was judged by another version.
                return Page(operation.cursor)
            counts += await _let_in(connection, self._catalogue, operation, version, listeners, members)
        return Page(
            cursor=looked_at[-1].id if looked_at else operation.cursor,
            done=len(looked_at),
            counts=dict(counts),
            is_last=len(looked_at) == len(found) < PAGE,
            pause=counts[ENTERED] / rule.rate,
        )

    async def _running(self, connection: Connection, key: str) -> CampaignVersion | None:
        """The version that lets in now. Also while the campaign is paused: its messages are held."""
        campaign = await campaigns.campaign(connection, key)
        if campaign is None or campaign.state not in (RUNNING, PAUSED) or campaign.running_version is None:
            return None
        version = await self._catalogue.version(connection, key, campaign.running_version)
        return CampaignVersion(key, version.version, version.rules)


def _first_members(rule: AudienceRule, found: Sequence[Profile]) -> tuple[Counter[str], list[UUID], Sequence[Profile]]:
    """What became of the others, the first who belong to the audience, and everybody who was looked at for that.

    Not more than enter in a second, so that they do not come in heaps, nor than MAX_WORK is enough for.
    """
    matcher = Matcher({})
    counts: Counter[str] = Counter()
    members: list[UUID] = []
    for number, profile in enumerate(found, start=1):
        outcome = matcher.belongs(rule.where, profile)
        if outcome.holds:
            members.append(profile.id)
        else:
            counts[NOT_EVALUATED if outcome.error else NOT_IN_AUDIENCE] += 1
            if outcome.missing is not None:
                counts[MISSING + outcome.missing] += 1
        if len(members) == min(rule.rate, MAX_ENTERING) or matcher.work >= routing.MAX_WORK:
            return counts, members, found[:number]
    return counts, members, found


async def _let_in(
    connection: Connection,
    catalogue: Catalogue,
    operation: Operation,
    version: CampaignVersion,
    listeners: Listeners,
    members: Collection[UUID],
) -> Counter[str]:
    """Let them in by the rules that hold for events; how many entered, and how many did not for which reason."""
    parameters = convert(operation.parameters, EnrolParameters)
    people = (await write_people(connection, await ask_for_people(connection, members, {}))).people
    anonymous = await audience.anonymous_ids(connection, people)
    profile_events = [
        ProfileEvent(profile.id, _entry(operation, parameters, profile, anonymous.get(profile.id)))
        for profile in people.values()
    ]
    context = await _load_context(connection, version, listeners, people, parameters.at)
    now = connection.clock.now()
    result = await asyncio.to_thread(
        enrol, profile_events, version, listeners, context, received_at=now, new_ids=iter(uuid7, None)
    )
    await routing.record(connection, catalogue, result, profile_events, now, bulk=True)
    # Somebody may have been merged into another, who is looked at as well.
    return _count(result) + Counter({NOT_IN_AUDIENCE: len(members) - len(result.decisions)})


def _entry(operation: Operation, parameters: EnrolParameters, profile: Profile, anonymous_id: str | None) -> Event:
    """What stands for the event that let somebody in: the same each time that it is made."""
    id = uuid5(operation.id, str(profile.id))
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type=AUDIENCE,
        name=None,
        user_id=profile.user_id,
        anonymous_id=anonymous_id,
        properties={},
        context={},
        timestamp=parameters.at,
    )


async def _load_context(
    connection: Connection,
    version: CampaignVersion,
    listeners: Listeners,
    people: Mapping[UUID, Profile],
    since: datetime,
) -> RoutingContext:
    active = await journeys.lock_active(connection, people, [version.key])
    last = await journeys.last_entries(connection, people, [version.key])
    names = listeners.events_to_match([version])
    received = await events.tracked_since(connection, list(people), list(names), since)
    return RoutingContext(
        people,
        await active.get(),
        (),
        {(each.campaign_key, each.profile_id, each.entry_key): each.last_entered_at for each in await last.get()},
        [ProfileEvent(stored.profile_id, stored.event) for stored in await received.get()],
    )


def _count(result: RoutingResult) -> Counter[str]:
    return Counter(decision.reason or ENTERED for decision in result.decisions)
