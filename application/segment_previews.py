"""How many people would be in a segment: an estimate at once, and a full count."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import SystemRandom
from time import perf_counter
from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from application import turns
from application.catalogue import Catalogue
from application.documents import Documents
from application.people_condition import PAGE, ConditionCount, PeopleCondition
from application.references import load_names
from domain.access import Actor
from domain.errors import Problem
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.estimate import Estimate, estimate_number
from store import audience, audit, operations, people_sample, profiles
from store.database import Connection, Database
from store.operations import Operation, Page

# The time of a preview. It answers with the people looked at by then.
MAX_SECONDS: Final = 1.5
# About 0.2 s of evaluations: a page of a full count holds the registry's lock meanwhile.
MAX_COUNT_UNITS: Final = 400_000
# Reasons that a warning names.
_MAX_REASONS: Final = 5


class ExamplePerson(Struct, frozen=True):
    """A person who satisfies a condition."""

    id: UUID
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class SegmentPreview:
    """An estimate of the members of a segment, with examples.

    `not_evaluated` counts the people of the sample who lack something that the condition reads: they are not in it.
    """

    estimate: Estimate
    examples: Sequence[ExamplePerson]
    not_evaluated: int
    warnings: Sequence[str]


class CountParameters(Struct, frozen=True):
    """The condition of a full count."""

    where: str


class SegmentPreviews:
    """Previews conditions of segments."""

    def __init__(self, database: Database, catalogue: Catalogue, checks: Documents) -> None:
        self._database = database
        self._catalogue = catalogue
        self._checks = checks
        # One at a time, so that previews do not occupy the process: a key that may only read may send any condition.
        self._sampling = asyncio.Lock()

    async def preview(self, where: str, sample: int, *, by: Actor) -> SegmentPreview:
        """Estimate how many people a condition holds for, by so many drawn at random.

        Raises InvalidDocumentError for a condition that is invalid, or names what there is not.
        """
        problems = await self._check(where)
        async with self._sampling:
            return await self._sample(where, sample, problems, by)

    async def count(self, where: str, *, by: Actor) -> Operation:
        """Request a count of everyone. Raises as `preview`."""
        await self._check(where)
        async with self._database.transaction() as connection:
            found = await operations.insert_for_deployment(connection, "count", {"where": where}, requested_by=by.name)
            await audit.record(connection, by, "segments.count", str(found.id))
        return found

    async def _check(self, where: str) -> Sequence[Problem]:
        async with self._database.own_transaction() as connection:
            names = await load_names(connection)
        return await self._checks.condition(where, names)

    async def _sample(self, where: str, sample: int, problems: Sequence[Problem], by: Actor) -> SegmentPreview:
        until = perf_counter() + MAX_SECONDS
        async with self._database.own_transaction() as connection:
            deployed = await self._catalogue.load_segments(connection)
            people = await people_sample.draw(connection, SystemRandom().randrange(-(2**31), 2**31), sample)
            of = len(people) if len(people) < sample else await people_sample.estimate_count(connection)
            await audit.record_list(connection, by, "users")
        condition = await turns.call(lambda: PeopleCondition(where, deployed))
        count = ConditionCount()
        for start in range(0, len(people), PAGE):
            # No connection is held while the condition is evaluated.
            async with self._database.own_transaction() as connection:
                page = await condition.read(connection, people[start : start + PAGE])
            await turns.run(condition.evaluate(page, count, lambda: perf_counter() >= until))
            if perf_counter() >= until:
                break
        estimate = estimate_number(count.matches, count.looked_at, of)
        warnings = [
            *(f"{problem.message}. {problem.suggestion}" for problem in problems),
            *_warn(condition, deployed, count, estimate, len(people)),
        ]
        return SegmentPreview(estimate, await self._name_examples(count), count.not_evaluated, warnings)

    async def _name_examples(self, count: ConditionCount) -> list[ExamplePerson]:
        strangers = [person.id for person in count.examples if person.user_id is None]
        async with self._database.own_transaction() as connection:
            names = await audience.anonymous_ids(connection, strangers)
        return [ExamplePerson(person.id, person.user_id, names.get(person.id)) for person in count.examples]


class CountHandler:
    """Counts the people who satisfy a condition, page by page, as they are then."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def total(self, connection: Connection, operation: Operation) -> int:
        """Count the people known by now."""
        return await profiles.count(connection)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Count among the next people; fewer of them where the condition takes long."""
        parameters = convert(operation.parameters, CountParameters)
        condition = PeopleCondition(parameters.where, await self._catalogue.load_segments(connection))
        ids = await profiles.ids_after(connection, operation.cursor, PAGE)
        page, count = await condition.read(connection, ids), ConditionCount()
        await turns.run(condition.evaluate(page, count, lambda: condition.spent.units >= MAX_COUNT_UNITS))
        is_whole = count.looked_at == len(page.people)
        return Page(
            cursor=page.people[count.looked_at - 1].id if not is_whole else ids[-1] if ids else operation.cursor,
            done=count.looked_at,
            counts={"members": count.matches, "not_evaluated": count.not_evaluated},
            is_last=is_whole and len(ids) < PAGE,
        )


def _warn(
    condition: PeopleCondition, deployed: DeployedSegments, count: ConditionCount, estimate: Estimate, drawn: int
) -> Iterator[str]:
    """Warn of what makes an estimate doubtful."""
    for one in deployed.traits.building:
        if one.key in condition.condition.computed:
            yield f"`profile.computed.{one.key}` has no value yet: its earlier events are being counted"
    for key in sorted(condition.condition.segments):
        if deployed.id_of(key) not in deployed.ready:
            yield f"segment `{key}` is incomplete: its definition has not been judged over everyone"
    if count.not_evaluated:
        reasons = ", ".join(f"{reason} ({number:,})" for reason, number in count.reasons.most_common(_MAX_REASONS))
        yield f"it cannot be evaluated for {count.not_evaluated:,} of {count.looked_at:,} people: {reasons}"
    if count.looked_at < drawn:
        yield f"{count.looked_at:,} of {drawn:,} people could be looked at within {MAX_SECONDS:g} s"
    if estimate.is_rare:
        yield "too few people match for an estimate: request a full count"
