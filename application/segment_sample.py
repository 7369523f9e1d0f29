"""A sample of the people who would join and leave by planned segments."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import SystemRandom
from time import perf_counter
from typing import Final
from uuid import UUID

from msgspec import Struct

from application import turns
from application.people_condition import PAGE
from application.segment_facts import read_segment_facts
from domain.conditions.cel_costs import Spent
from domain.long_work import LongWork
from domain.people.profile import Profile
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.deployed import DeployedSegments, Judgement
from domain.people.segments.estimate import Estimate, estimate_number
from domain.people.segments.judged_person import NO_FACTS, SegmentFacts
from store import computed_traits, people_sample
from store.database import Database
from store.people_sample import WHOLE

# The people of a preview, and its time. A plan evaluates more conditions, and answers with those looked at by then.
SAMPLE: Final = 20_000
MAX_SECONDS: Final = 1.5


class SegmentMovement(Struct, frozen=True):
    """How many people would be members, and how many would join and leave."""

    members: Estimate
    joins: Estimate
    leaves: Estimate


async def sample_movement(
    database: Database, stored: Sequence[SegmentDefinition], rules: Mapping[str, SegmentRule], timezone: str
) -> dict[str, SegmentMovement]:
    """Judge people drawn at random by planned rules; return who moves, by key.

    `stored` are the definitions in force. Segments whose computed traits are being counted have no result. No
    connection is held meanwhile, and other tasks have turns: a key that may only read may send any condition.
    """
    until = perf_counter() + MAX_SECONDS
    async with database.own_transaction() as connection:
        drawn = await people_sample.draw(connection, SystemRandom().randrange(-(2**31), 2**31), SAMPLE)
        of = len(drawn) if len(drawn) < SAMPLE else await people_sample.estimate_count(connection)
    judgements: list[Judgement] = []
    spent = Spent()
    judged: dict[str, int] = {}
    for start in range(0, max(1, len(drawn)), PAGE):
        async with database.own_transaction() as connection:
            now = connection.clock.now()
            planned = _plan(stored, rules, now)
            traits = await computed_traits.load_deployed(connection)
            deployed = DeployedSegments(planned.values(), [one.id for one in planned.values()], traits, timezone)
            found = await people_sample.read(connection, drawn[start : start + PAGE], WHOLE)
            facts = await read_segment_facts(connection, deployed, [one.id for one in found])
        judged = {key: planned[key].id for key in rules if planned[key].id in deployed.all}
        candidates = frozenset(each for id in judged.values() for each in deployed.with_dependents(id))
        judgements += await turns.run(_judge(deployed, found, facts, candidates, now, spent, until))
        if perf_counter() >= until:
            break
    changes = Counter((change.key, change.has_joined) for one in judgements for change in one.changes)
    members = Counter(id for one in judgements for id in one.members)
    return {
        key: SegmentMovement(
            *(
                estimate_number(number, len(judgements), of)
                for number in (members[str(id)], changes[key, True], changes[key, False])
            )
        )
        for key, id in judged.items()
    }


def _plan(
    stored: Sequence[SegmentDefinition], rules: Mapping[str, SegmentRule], at: datetime
) -> dict[str, SegmentDefinition]:
    """Return the definitions as they would be; new ones have negative ids."""
    known = {one.key: one for one in stored}
    return known | {
        key: SegmentDefinition(known[key].id if key in known else -number, key, 0, rule, 0, at)
        for number, (key, rule) in enumerate(rules.items(), 1)
    }


def _judge(
    deployed: DeployedSegments,
    people: Sequence[Profile],
    facts: Mapping[UUID, SegmentFacts],
    candidates: frozenset[int],
    at: datetime,
    spent: Spent,
    until: float,
) -> LongWork[list[Judgement]]:
    judgements: list[Judgement] = []
    for person in people:
        if judgements and perf_counter() >= until:
            break
        known = facts.get(person.id, NO_FACTS)
        judgements.append(deployed.judge(person, known, person.counted, person.memberships, at, candidates, spent))
        yield
    return judgements
