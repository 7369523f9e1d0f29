"""Bulk entry: known people who belong to the audience of a campaign enter."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert
from uuid_utils.compat import uuid7

from application import routing
from application.accounts import read_accounts, read_latest_accounts
from application.approval_gate import ApprovalGate
from application.catalogue import Catalogue, load_segments
from application.computed_states import read_computed
from application.statements import ask_for_people, write_people
from domain.campaign.life import PAUSED, RUNNING
from domain.campaign.rules import AudienceRule
from domain.conditions.expressions import EvaluationTime, ExpressionScope, compile_condition
from domain.journey.listeners import CampaignVersion, Listeners
from domain.journey.matching import Matcher, ProfileEvent
from domain.journey.routing import enrol
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.people.account_view import NO_ACCOUNT, AccountView, may_read_account
from domain.people.profile import Profile
from domain.people.profile_updates import with_computed
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.references import find_required
from domain.tracking.event import AUDIENCE, SOJOURN_SOURCE, Event
from store import audience, campaigns, computed_traits, events, journeys, operations, outbox
from store.database import Connection
from store.operations import Operation, Page

# Profiles examined in one transaction, and entries in it: their events wait until its end.
PAGE, MAX_ENTERING = 500, 200
# Backpressure: stop while this many bulk outbox rows are pending; check again after this time.
MAX_WAITING = 2_000
REST = 0.5

ENTERED, NOT_IN_AUDIENCE, NOT_EVALUATED = "entered", "not_in_audience", "not_evaluated"
# Prefix of counts by missing data: `missing:profile.traits.plan`.
MISSING = "missing:"
CAMPAIGN_NOT_OPEN = "campaign_not_open"


class EnrolParameters(Struct, frozen=True):
    """The parameters. `at` is the instant of the run; later events are newer than it."""

    at: datetime


class EnrolHandler:
    """Enters the audience of the running version. `done` counts the examined profiles.

    All counts together equal it, apart from those of missing data, which detail the failures. It holds before it lets
    in more people than were approved, for an audience may grow while it enters.
    """

    def __init__(self, catalogue: Catalogue, gate: ApprovalGate) -> None:
        self._catalogue = catalogue
        self._gate = gate

    async def total(self, connection: Connection, operation: Operation) -> int:
        """Count the people known by now, or the members of the required segment.

        People who become known later are excluded.
        """
        version = await self._find_open_version(connection, operation.campaign)
        rule = None if version is None else version.rules.entry.audience
        segment = None if rule is None else find_required(rule.where)
        return await audience.count(connection, operation.created_at, segment)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Examine the next profiles, and enter those who belong to the audience.

        Slow work is done before the campaigns are locked and events of these people wait.
        """
        version = await self._find_open_version(connection, operation.campaign)
        if version is None or version.rules.entry.audience is None:
            return Page(operation.cursor, counts={CAMPAIGN_NOT_OPEN: 1}, is_last=True)
        rule = version.rules.entry.audience
        time = EvaluationTime(convert(operation.parameters, EnrolParameters).at, version.rules.timezone)
        if await outbox.count_bulk(connection, MAX_WAITING) == MAX_WAITING:
            return Page(operation.cursor, pause=REST)
        traits, now = await computed_traits.load_deployed(connection), connection.clock.now()
        segments = await load_segments(connection, traits, version.rules.timezone)
        if await _are_being_judged(connection, segments, rule.where):
            return Page(operation.cursor, pause=REST)
        page = await audience.page(connection, operation.cursor, operation.created_at, PAGE, find_required(rule.where))
        found = [with_computed(profile, segments, now) for profile in page]
        accounts = await read_latest_accounts(connection, rule.where, found)
        most = await self._gate.most_entering(connection, operation.campaign, version.version)
        left = None if most is None else max(most - operation.counts.get(ENTERED, 0), 0)
        looked_at = await asyncio.to_thread(_find_first_members, rule, found, accounts, time, left)
        counts = looked_at.counts
        if looked_at.members:
            listeners = await self._catalogue.listeners(connection)
            if await self._find_open_version(connection, operation.campaign) != version:
                # The campaign has changed: these results were computed for another version.
                return Page(operation.cursor)
            counts += await _let_in(connection, self._catalogue, operation, version, listeners, looked_at.members)
        done = looked_at.number
        return Page(
            cursor=found[done - 1].id if done else operation.cursor,
            done=done,
            counts=dict(counts),
            is_last=done == len(found) < PAGE,
            is_held=looked_at.is_another_left,
            pause=counts[ENTERED] / rule.rate,
        )

    async def _find_open_version(self, connection: Connection, key: str) -> CampaignVersion | None:
        """Return the version that users enter, even if the campaign is paused."""
        campaign = await campaigns.campaign(connection, key)
        if campaign is None or campaign.state not in (RUNNING, PAUSED) or campaign.running_version is None:
            return None
        version = await self._catalogue.version(connection, key, campaign.running_version)
        return CampaignVersion(key, version.version, version.rules)


async def _are_being_judged(connection: Connection, segments: DeployedSegments, where: str) -> bool:
    """Return whether people are being judged by a segment that a condition asks for.

    Members would be missing. It does not wait for an operation that was cancelled.
    """
    if segments.is_complete_for(compile_condition(where, ExpressionScope.AUDIENCE_WHERE)):
        return False
    return await operations.is_open(connection, "judge") or await operations.is_open(connection, "backfill")


@dataclass(frozen=True, slots=True)
class FirstMembers:
    """The first members of some people, with counts of the others.

    So many as `number` were examined. `is_another_left` means that the next one is a member, and none may enter.
    """

    members: list[UUID]
    counts: Counter[str]
    number: int
    is_another_left: bool = False


def _find_first_members(
    rule: AudienceRule,
    found: Sequence[Profile],
    accounts: Mapping[UUID, AccountView],
    time: EvaluationTime,
    left: int | None,
) -> FirstMembers:
    """Find the first members, `left` at most.

    At most as many as enter in a second, to spread them evenly, and as MAX_WORK permits.
    """
    most = min(rule.rate, MAX_ENTERING) if left is None else min(rule.rate, MAX_ENTERING, left)
    matcher = Matcher({}, time.at)
    counts: Counter[str] = Counter()
    members: list[UUID] = []
    for number, profile in enumerate(found):
        outcome = matcher.belongs(rule.where, profile, time.timezone, accounts.get(profile.id, NO_ACCOUNT))
        if outcome.holds:
            if most == 0:
                return FirstMembers(members, counts, number, is_another_left=True)
            members.append(profile.id)
        else:
            counts[NOT_EVALUATED if outcome.error else NOT_IN_AUDIENCE] += 1
            if outcome.missing is not None:
                counts[MISSING + outcome.missing] += 1
        if len(members) == most > 0 or matcher.work >= routing.MAX_WORK:
            return FirstMembers(members, counts, number + 1)
    return FirstMembers(members, counts, len(found))


async def _let_in(
    connection: Connection,
    catalogue: Catalogue,
    operation: Operation,
    version: CampaignVersion,
    listeners: Listeners,
    members: Collection[UUID],
) -> Counter[str]:
    """Enter members by the rules of events; return the number, and refusals by reason."""
    parameters = convert(operation.parameters, EnrolParameters)
    locked = (await write_people(connection, await ask_for_people(connection, members, {}))).people
    # One who was erased meanwhile is no longer known since then.
    people = {id: person for id, person in locked.items() if person.created_at < operation.created_at}
    segments = await catalogue.load_segments(connection)
    people = await read_computed(connection, segments, people, connection.clock.now())
    anonymous = await audience.anonymous_ids(connection, people)
    profile_events = [
        ProfileEvent(profile.id, _entry(operation, parameters, profile, anonymous.get(profile.id)))
        for profile in people.values()
    ]
    context = await _load_context(connection, version, listeners, people, profile_events, parameters.at)
    now = connection.clock.now()
    result = await asyncio.to_thread(
        enrol, profile_events, version, listeners, context, received_at=now, new_ids=iter(uuid7, None)
    )
    await routing.record(connection, catalogue, result, profile_events, now, bulk=True)
    # A person may have been merged into another, who is examined as well.
    return _count(result) + Counter({NOT_IN_AUDIENCE: len(members) - len(result.decisions)})


def _entry(operation: Operation, parameters: EnrolParameters, profile: Profile, anonymous_id: str | None) -> Event:
    """Build the pseudo-event of an entry, deterministically."""
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
    profile_events: Sequence[ProfileEvent],
    since: datetime,
) -> RoutingContext:
    active = await journeys.lock_active(connection, people, [version.key])
    last = await journeys.last_entries(connection, people, [version.key])
    triggers = listeners.triggers_to_match([version])
    pending = await events.happened_since(connection, list(people), triggers, since)
    received = [ProfileEvent(stored.profile_id, stored.event) for stored in await pending.get()]
    audience = version.rules.entry.audience
    reads_accounts = listeners.may_look_at_accounts or (audience is not None and may_read_account(audience.where))
    return RoutingContext(
        people,
        await active.get(),
        (),
        {(each.campaign_key, each.owner, each.entry_key): each.last_entered_at for each in await last.get()},
        received,
        accounts=await read_accounts(connection, [*profile_events, *received]) if reads_accounts else {},
    )


def _count(result: RoutingResult) -> Counter[str]:
    return Counter(decision.reason or ENTERED for decision in result.decisions)
