"""A sample of an audience: its condition, evaluated over the first known profiles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from application import turns
from application.accounts import read_latest_accounts
from application.catalogue import load_segments
from application.routing import MAX_WORK
from domain.campaign.rules import AudienceRule
from domain.conditions.expressions import ConditionOutcome
from domain.journey.matching import Matcher
from domain.long_work import LongWork
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.profile import Profile
from domain.people.profile_updates import with_computed
from store import audience, computed_traits
from store.database import Database

# Enough to detect a condition that cannot be evaluated, but not a forecast. A profile may have 256 kB of traits, so
# they are read in pages.
SAMPLE, PAGE = 500, 50


class AudienceSample(Struct, frozen=True):
    """How many of the `profiles` belong to an audience, do not, or failed to evaluate.

    `missing` counts the failures by the missing data, as `profile.traits.plan`.
    """

    profiles: int
    in_audience: int
    not_in_audience: int
    not_evaluated: int
    missing: dict[str, int]


async def sample_audience(database: Database, rule: AudienceRule, timezone: str | None) -> AudienceSample:
    """Evaluate an audience's condition over the first known profiles, within MAX_WORK.

    `timezone` is the campaign's. No connection is held meanwhile, and other tasks have turns: a key that may only read
    may send any condition.
    """
    matcher: Matcher | None = None
    outcomes: list[ConditionOutcome] = []
    last = None
    while True:
        async with database.own_transaction() as connection:
            now = connection.clock.now()
            matcher = matcher or Matcher({}, now)
            traits = await computed_traits.load_deployed(connection)
            segments = await load_segments(connection, traits, timezone)
            found = [with_computed(one, segments, now) for one in await audience.page(connection, last, now, PAGE)]
            accounts = await read_latest_accounts(connection, rule.where, found)
        outcomes += await turns.run(_judge(matcher, rule.where, found, accounts, timezone))
        if len(found) < PAGE or len(outcomes) >= SAMPLE or matcher.work >= MAX_WORK:
            return _count(outcomes)
        last = found[-1].id


def _judge(
    matcher: Matcher,
    where: str,
    profiles: Sequence[Profile],
    accounts: Mapping[UUID, AccountView],
    timezone: str | None,
) -> LongWork[list[ConditionOutcome]]:
    outcomes: list[ConditionOutcome] = []
    for profile in profiles:
        if matcher.work >= MAX_WORK:
            break
        outcomes.append(matcher.belongs(where, profile, timezone, accounts.get(profile.id, NO_ACCOUNT)))
        yield
    return outcomes


def _count(outcomes: list[ConditionOutcome]) -> AudienceSample:
    members = sum(outcome.holds for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    missing = Counter(outcome.missing for outcome in failed if outcome.missing is not None)
    return AudienceSample(
        profiles=len(outcomes),
        in_audience=members,
        not_in_audience=len(outcomes) - members - len(failed),
        not_evaluated=len(failed),
        missing=dict(missing.most_common()),
    )
