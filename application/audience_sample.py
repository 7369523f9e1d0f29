"""What an audience would come to: its condition, evaluated over the first profiles that are known."""

from collections import Counter

from msgspec import Struct

from application.pauses import Pauses
from application.routing import MAX_WORK
from domain.campaign.rules import AudienceRule
from domain.conditions.expressions import Outcome
from domain.journey.matching import Matcher
from store import audience
from store.database import Database

# Enough to show that a condition cannot be evaluated; not a forecast. A profile may have 256 kB of traits, so they are
# read in pages.
SAMPLE, PAGE = 500, 50


class AudienceSample(Struct, frozen=True):
    """How many of the `profiles` looked at belong to an audience, do not, and could not be judged.

    `missing` are those not judged by what their data lacks, as `profile.traits.plan`.
    """

    profiles: int
    in_audience: int
    not_in_audience: int
    not_evaluated: int
    missing: dict[str, int]


async def sample_audience(database: Database, rule: AudienceRule) -> AudienceSample:
    """Judge the first profiles that are known by the condition of an audience, as many as MAX_WORK is enough for.

    No connection is held meanwhile, and others have a turn: a key that may only read may send any condition.
    """
    matcher = Matcher({})
    pauses = Pauses()
    outcomes: list[Outcome] = []
    last = None
    while True:
        async with database.own_transaction() as connection:
            found = await audience.page(connection, last, connection.clock.now(), PAGE)
        for profile in found:
            outcomes.append(matcher.belongs(rule.where, profile))
            if matcher.work >= MAX_WORK:
                return _counted(outcomes)
            await pauses.after(matcher.work)
        if len(found) < PAGE or len(outcomes) >= SAMPLE:
            return _counted(outcomes)
        last = found[-1].id


def _counted(outcomes: list[Outcome]) -> AudienceSample:
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
