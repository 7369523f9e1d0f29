"""How many people a version of a campaign may reach, by a sample drawn at random."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from time import perf_counter
from typing import Final, Literal
from uuid import UUID

from application import turns
from application.accounts import read_latest_accounts
from application.catalogue import load_segments
from domain.campaign.approvals import Reach
from domain.campaign.rules import EntryRule, Rules
from domain.journey.filters import JourneyFilter
from domain.journey.matching import Matcher
from domain.long_work import LongWork
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.profile import Profile
from domain.people.profile_updates import with_computed
from domain.people.segments.estimate import Estimate, estimate_number
from store import campaigns, computed_traits, journey_versions, people_sample, selections
from store.campaigns import Version
from store.database import Connection, Database
from store.people_sample import WHOLE

# People drawn at random, the time for them, and how many are read at once: a profile may have 256 kB of traits.
SAMPLE: Final = 20_000
MAX_SECONDS: Final = 1.5
PAGE: Final = 500
# People do again what a campaign begins with. Partitions bound what is read.
REPORTED_WITHIN: Final = timedelta(days=30)

# The journeys that go on by a change: of other versions, which migrate, or those that a pause holds.
MovedJourneys = Literal["others", "held"]
# The people that a change lets in: all by the version's entry, or its audience alone.
EntryScope = Literal["all", "audience"]
_HELD: Final = JourneyFilter(status="held")


@dataclass(frozen=True, slots=True)
class ReachQuestion:
    """A version of a campaign, and the people who are to be counted.

    `version` None is the latest one, or the one that users enter for journeys that are held and an audience.
    """

    campaign: str
    version: int | None = None
    moving: MovedJourneys | None = None
    entering: EntryScope = "all"


class ReachEstimator:
    """Estimates how many people versions may reach. `timezone` is the deployment's."""

    def __init__(self, database: Database, timezone: str) -> None:
        self._database = database
        self._timezone = timezone
        # One at a time, so that estimates do not occupy the process.
        self._sampling = asyncio.Lock()

    async def estimate(self, question: ReachQuestion) -> Reach | None:
        """Return how many people a stored version may reach; None if there is none."""
        async with self._database.own_transaction() as connection:
            version = await _find_version(connection, question)
        if version is None:
            return None
        return await self.estimate_rules(question, version.version, version.rules)

    async def estimate_rules(self, question: ReachQuestion, version: int, rules: Rules) -> Reach:
        """Return how many people rules may reach as this version.

        The upper bound of an estimate counts. No connection is held while people are judged.
        """
        entry = EntryRule(audience=rules.entry.audience) if question.entering == "audience" else rules.entry
        async with self._sampling:
            entering = await self._sample(entry, rules.timezone or self._timezone)
        async with self._database.own_transaction() as connection:
            moving = await _count_moving(connection, question, version)
        return Reach(version, entering.high, moving)

    async def _sample(self, entry: EntryRule, timezone: str) -> Estimate:
        until = perf_counter() + MAX_SECONDS
        async with self._database.own_transaction() as connection:
            drawn = await people_sample.draw(connection, SystemRandom().randrange(-(2**31), 2**31), SAMPLE)
            of = len(drawn) if len(drawn) < SAMPLE else await people_sample.estimate_count(connection)
        matches = looked_at = 0
        for start in range(0, len(drawn), PAGE):
            page = drawn[start : start + PAGE]
            matches += await self._count(page, entry, timezone)
            looked_at += len(page)
            if perf_counter() >= until:
                break
        return estimate_number(matches, looked_at, of)

    async def _count(self, ids: Sequence[UUID], entry: EntryRule, timezone: str) -> int:
        """Count those who may enter, of a page."""
        audience, reporters = entry.audience, set[UUID]()
        async with self._database.own_transaction() as connection:
            now = connection.clock.now()
            if entry.trigger is not None:
                reporters = await people_sample.find_reporters(connection, ids, entry.trigger, now - REPORTED_WITHIN)
            if audience is None:
                return len(reporters)
            traits = await computed_traits.load_deployed(connection)
            segments = await load_segments(connection, traits, timezone)
            others = await people_sample.read(connection, [id for id in ids if id not in reporters], WHOLE)
            people = [with_computed(person, segments, now) for person in others]
            accounts = await read_latest_accounts(connection, audience.where, people)
        members = await turns.run(_find_members(Matcher({}, now), audience.where, people, accounts, timezone))
        return len(reporters) + len(members)


def _find_members(
    matcher: Matcher, where: str, people: Collection[Profile], accounts: dict[UUID, AccountView], timezone: str
) -> LongWork[list[UUID]]:
    members: list[UUID] = []
    for person in people:
        if matcher.belongs(where, person, timezone, accounts.get(person.id, NO_ACCOUNT)).holds:
            members.append(person.id)
        yield
    return members


async def _find_version(connection: Connection, question: ReachQuestion) -> Version | None:
    if question.version is not None:
        return await campaigns.version(connection, question.campaign, question.version)
    if question.moving != "held" and question.entering == "all":
        return await campaigns.latest_version(connection, question.campaign)
    campaign = await campaigns.campaign(connection, question.campaign)
    if campaign is None or campaign.running_version is None:
        return None
    return await campaigns.version(connection, question.campaign, campaign.running_version)


async def _count_moving(connection: Connection, question: ReachQuestion, version: int) -> int:
    match question.moving:
        case "others":
            groups = await journey_versions.in_flight(connection, question.campaign, version)
            return sum(group.journeys for group in groups)
        case "held":
            return await selections.count(connection, question.campaign, _HELD)
        case None:
            return 0
