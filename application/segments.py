"""Segments of the deployment: put in force, and judged over all people."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from application import turns
from application.catalogue import Catalogue, load_segments
from application.derived_events import report_caused
from application.segment_judge import open_judge, write_judged
from domain.access import Actor
from domain.long_work import TooMuchWork
from domain.people.segments.definition import SegmentRule
from store import campaigns, computed_traits, operations, profiles, segments
from store.database import Connection
from store.operations import Operation, Page

# People of one transaction. Their events wait meanwhile.
PAGE: Final = 200
# The cursor after the last person.
_EVERYONE: Final = UUID(int=2**128 - 1)


class JudgeParameters(Struct, frozen=True):
    """The segments by which everyone is judged, and the registry's revision."""

    segments: list[int]
    revision: int


class SegmentText(Struct, frozen=True):
    """A checked segment as its author wrote it."""

    key: str
    name: str
    source: str
    rule: SegmentRule


async def apply_segments(connection: Connection, texts: Sequence[SegmentText], by: Actor) -> None:
    """Put definitions in force; the caller holds the registry's exclusive lock.

    Everyone is judged by those with another rule, in an operation.
    """
    rules = {one.definition.key: one.definition.rule for one in await segments.load(connection)}
    left: set[str] = set()
    for text in texts:
        before = rules.get(text.key)
        if before == text.rule:
            await segments.rename(connection, text.key, text.name, text.source, by.name)
            continue
        await segments.put(connection, text.key, text.name, text.source, text.rule, by.name)
        if before is not None and before.exclusive is not None and before.exclusive != text.rule.exclusive:
            left.add(before.exclusive)
    if left:
        await segments.renew_groups(connection, left)
    await request_judgement(connection, by.name)


async def resume_judgement(connection: Connection, by: Actor) -> None:
    """Request a pass for segments whose own was cancelled.

    The caller holds the registry's exclusive lock.
    """
    deployed = await load_segments(connection, await computed_traits.load_deployed(connection), None)
    judged = await find_judged(connection)
    if any(one.id not in judged for one in deployed.building):
        await request_judgement(connection, by.name)


async def find_judged(connection: Connection) -> dict[int, Operation]:
    """Return the open passes by the segments that they make ready, the latest of each."""
    revisions = {one.definition.id: one.definition.revision for one in await segments.load(connection)}
    return {
        id: operation
        for operation in await operations.list_open(connection, "judge")
        if (parameters := convert(operation.parameters, JudgeParameters))
        for id in parameters.segments
        if id in revisions and revisions[id] <= parameters.revision
    }


async def request_judgement(connection: Connection, requested_by: str) -> None:
    """Request a pass over all people by the segments that have not judged everyone.

    Those whose computed traits are being counted wait for these. The caller holds the registry's exclusive lock.
    """
    # Not that of a catalogue: this transaction has changed the definitions, and may be rolled back.
    deployed = await load_segments(connection, await computed_traits.load_deployed(connection), None)
    if deployed.building:
        parameters = {"segments": [one.id for one in deployed.building], "revision": deployed.revision}
        await operations.insert_for_deployment(connection, "judge", parameters, requested_by=requested_by)


class JudgeHandler:
    """Judges everyone by new definitions, page by page.

    An event of a person who was not reached yet judges them before it is counted. A repeated page changes nothing.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def total(self, connection: Connection, operation: Operation) -> int:
        """Count the people known by now."""
        return await profiles.count(connection)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Judge the next people."""
        if operation.cursor == _EVERYONE:
            parameters = convert(operation.parameters, JudgeParameters)
            await campaigns.lock_registry_exclusive(connection)
            await segments.mark_ready(connection, parameters.revision, parameters.segments)
            return Page(_EVERYONE, is_last=True)
        revision = await campaigns.lock_registry_shared(connection)
        ids = await profiles.ids_after(connection, operation.cursor, PAGE)
        judged: Sequence[UUID] = ids
        while True:
            try:
                async with connection.transaction():
                    judged, joined, left = await _judge_page(connection, self._catalogue, revision, judged)
                break
            except TooMuchWork:
                if len(judged) == 1:
                    raise
                judged = judged[: len(judged) // 2]
        is_end = len(ids) < PAGE and len(judged) == len(ids)
        return Page(_EVERYONE if is_end else judged[-1], done=len(judged), counts={"joined": joined, "left": left})


async def _judge_page(
    connection: Connection, catalogue: Catalogue, revision: int, ids: Sequence[UUID]
) -> tuple[Sequence[UUID], int, int]:
    """Judge people by newer definitions, the first of them or all.

    Return these, and how many joined and left segments.
    """
    listeners = await catalogue.listeners_at(connection, revision)
    traits = await catalogue.computed_at(connection, revision)
    deployed = await catalogue.segments_at(connection, revision)
    people = await (await profiles.lock(connection, ids)).get()
    judge = await open_judge(connection, traits, deployed, listeners.watched_traits, people, connection.clock.now())
    done = await turns.run(judge.catch_up(people))
    await write_judged(connection, judge, marks_judged=False)
    await report_caused(connection, catalogue, judge.changes)
    judged = ids if len(done) == len(people) else ids[: ids.index(done[-1]) + 1]
    return judged, *judge.count_changes()
