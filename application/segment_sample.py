"""A sample of the people who would join and leave by planned segments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from application import turns
from application.segment_facts import read_segment_facts
from domain.conditions.cel_costs import Spent
from domain.long_work import LongWork
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.deployed import NO_FACTS, DeployedSegments, Judgement, SegmentFacts
from store import audience, computed_traits
from store.database import Database
from store.profiles import Profile

# Enough to see that a condition holds for everybody or for none. A profile may have 256 kB of traits, so they are read
# in pages.
SAMPLE: Final = 500
PAGE: Final = 50
# About a second of evaluations.
MAX_SAMPLE_UNITS: Final = 2_000_000


class SegmentMovement(Struct, frozen=True):
    """The numbers of people looked at, of members among them, and of who moves."""

    people: int
    members: int
    joins: int
    leaves: int


async def sample_movement(
    database: Database, stored: Sequence[SegmentDefinition], rules: Mapping[str, SegmentRule], timezone: str
) -> dict[str, SegmentMovement]:
    """Judge the first known people by planned rules; return who moves, by key.

    `stored` are the definitions in force. Segments whose computed traits are being counted have no result. No
    connection is held meanwhile, and other tasks have turns: a key that may only read may send any condition.
    """
    judgements: list[Judgement] = []
    spent = Spent()
    last = None
    while True:
        async with database.own_transaction() as connection:
            now = connection.clock.now()
            planned = _plan(stored, rules, now)
            traits = await computed_traits.load_deployed(connection)
            deployed = DeployedSegments(planned.values(), [one.id for one in planned.values()], traits, timezone)
            found = await audience.page(connection, last, now, PAGE)
            facts = await read_segment_facts(connection, deployed, [one.id for one in found])
        judged = {key: planned[key].id for key in rules if planned[key].id in deployed.all}
        candidates = frozenset(each for id in judged.values() for each in deployed.with_dependents(id))
        judgements += await turns.run(_judge(deployed, found, facts, candidates, now, spent))
        if len(found) < PAGE or len(judgements) >= SAMPLE or spent.units >= MAX_SAMPLE_UNITS:
            return {key: _count(key, id, judgements) for key, id in judged.items()}
        last = found[-1].id


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
) -> LongWork[list[Judgement]]:
    judgements: list[Judgement] = []
    for person in people:
        if spent.units >= MAX_SAMPLE_UNITS:
            break
        known = facts.get(person.id, NO_FACTS)
        judgements.append(deployed.judge(person, known, person.counted, person.memberships, at, candidates, spent))
        yield
    return judgements


def _count(key: str, id: int, judgements: Sequence[Judgement]) -> SegmentMovement:
    changes = [change for one in judgements for change in one.changes if change.key == key]
    joins = sum(change.has_joined for change in changes)
    members = sum(str(id) in one.members for one in judgements)
    return SegmentMovement(len(judgements), members, joins, len(changes) - joins)
