"""The life cycle of the deployment: stages put in force, and the moves of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from application.periods import find_begin
from application.references import describe_readers, find_segment_readers, find_stage_readers, load_names
from application.segment_sample import SegmentMovement, sample_movement
from application.segments import SegmentText, apply_segments
from domain.access import Actor
from domain.deployment_documents import LIFECYCLE as LIFECYCLE_DOCUMENT
from domain.errors import ConflictError, NotFoundError
from domain.people.lifecycle import StageRule
from domain.people.lifecycle_document import check_conditions
from domain.people.segments.stages import LIFECYCLE, stage_of_segment, stage_segment
from domain.people.stage_flow import StageFlow, compare_flow
from store import documents, segments, stage_flow
from store.database import Connection, Database
from store.segments import StoredSegment


async def check_stages(connection: Connection, source: str, file: str) -> None:
    """Check the conditions of a valid document by what the deployment has.

    Raises InvalidDocumentError.
    """
    others = {one.definition.key: one.definition.rule for one in await segments.load(connection) if not _is_stage(one)}
    check_conditions(source, file, await load_names(connection), others)


async def apply_stages(connection: Connection, stages: Sequence[StageRule], by: Actor) -> None:
    """Put stages in force, each as a segment.

    The caller holds the registry's exclusive lock. Everyone is judged by stages that have changed, in an operation.
    Raises ConflictError if something reads a stage that would be removed.
    """
    stored = {one.definition.key: one for one in await segments.load(connection) if _is_stage(one)}
    wanted = {stage_segment(stage.key): stage for stage in stages}
    if gone := {key: one.definition.id for key, one in stored.items() if key not in wanted}:
        await _require_unread(connection, [stage_of_segment(key) for key in gone], is_all=not wanted)
        await segments.retire(connection, list(gone.values()))
    texts = [SegmentText(key, one.name, one.when or "by: hand", one.segment_rule()) for key, one in wanted.items()]
    await apply_segments(connection, [one for one in texts if _is_new(one, stored.get(one.key))], by)


async def sample_stages(database: Database, stages: Sequence[StageRule], timezone: str) -> dict[str, SegmentMovement]:
    """Estimate how many people would be in each of these stages, by its key.

    People drawn at random are judged by them. Stages whose computed traits are being counted have no result.
    """
    async with database.own_transaction() as connection:
        stored = await segments.load(connection)
    wanted = {stage_segment(stage.key): stage.segment_rule() for stage in stages}
    if not wanted:
        return {}
    kept = [one.definition for one in stored if not _is_stage(one) or one.definition.key in wanted]
    found = await sample_movement(database, kept, wanted, timezone)
    return {stage_of_segment(key): found[key] for key in wanted if key in found}


async def _require_unread(connection: Connection, stages: Sequence[str], *, is_all: bool) -> None:
    """Raise ConflictError if a campaign or a segment reads removed stages.

    Without a life cycle, conditions compare the stated stage.
    """
    if is_all:
        keys = [stage_segment(stage) for stage in stages]
        of_segments = await find_segment_readers(connection, keys)
        readers = {stage_of_segment(key): known for key, known in of_segments.items()}
    else:
        readers = await find_stage_readers(connection, stages)
    if readers:
        raise ConflictError(
            f"{describe_readers(readers)}: keep it. To remove it, first apply versions that do not read it and end the "
            "journeys of the others, or stop the campaign; release its holds",
            read_by=to_builtins(readers),
        )


async def describe_stages(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return the people in each stage, and when everyone had been judged by it."""
    people = await segments.count_members(connection)
    return {
        stage_of_segment(one.definition.key): {"people": people.get(one.definition.id, 0), "ready_at": one.ready_at}
        for one in await segments.load(connection)
        if _is_stage(one)
    }


def _is_stage(segment: StoredSegment) -> bool:
    return segment.definition.rule.exclusive == LIFECYCLE


def _is_new(text: SegmentText, stored: StoredSegment | None) -> bool:
    return stored is None or (stored.definition.rule, stored.name) != (text.rule, text.name)


@dataclass(frozen=True, slots=True)
class LifecycleFlow:
    """The stages with the moves of a period, compared with the designed ones."""

    begin: datetime
    end: datetime
    stages: Sequence[StageRule]
    flow: StageFlow


class Lifecycle:
    """Shows how people move through the life cycle."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def flow(self, begin: datetime | None, end: datetime | None) -> LifecycleFlow:
        """Count the moves of a period, by default of the last 30 days until now.

        Raises InvalidRequestError if it ends before it begins, and NotFoundError without a life cycle.
        """
        end = end or self._database.clock.now()
        begin = find_begin(begin, end)
        async with self._database.long_read() as connection:
            stages = (await documents.latest(connection, LIFECYCLE_DOCUMENT)).rules
            if not stages:
                raise NotFoundError("there is no life cycle yet: `sojourn lifecycle apply FILE`")
            counted = await stage_flow.count_moves(connection, begin, end)
            messages = await stage_flow.count_messages(connection, begin, end)
        return LifecycleFlow(begin, end, stages, compare_flow(stages, counted, messages))
