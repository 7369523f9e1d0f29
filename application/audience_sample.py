"""What an audience would come to: its condition, evaluated over the first profiles that are known."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from domain.campaign.rules import AudienceRule
from domain.journey.matching import Matcher
from store import audience
from store.database import Connection
from store.profiles import Profile

# Some 20 ms of work. It is to show a condition that nobody can be judged by, and no forecast.
SAMPLE = 500


class AudienceSample(Struct, frozen=True):
    """How many of the `profiles` looked at belong to an audience, do not, and could not be judged.

    `missing` are those not judged by what their data lacks, as `profile.traits.plan`.
    """

    profiles: int
    in_audience: int
    not_in_audience: int
    not_evaluated: int
    missing: dict[str, int]


async def sample_audience(connection: Connection, rule: AudienceRule) -> AudienceSample:
    """Judge the first profiles that are known by the condition of an audience."""
    found = await audience.page(connection, None, connection.clock.now(), SAMPLE)
    return await asyncio.to_thread(_judged, rule, found)


def _judged(rule: AudienceRule, profiles: Sequence[Profile]) -> AudienceSample:
    matcher = Matcher({profile.id: profile for profile in profiles})
    outcomes = [matcher.belongs(rule.where, profile.id) for profile in profiles]
    members = sum(outcome.holds for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    missing = Counter(outcome.missing for outcome in failed if outcome.missing is not None)
    return AudienceSample(
        profiles=len(profiles),
        in_audience=members,
        not_in_audience=len(profiles) - members - len(failed),
        not_evaluated=len(failed),
        missing=dict(missing.most_common()),
    )
