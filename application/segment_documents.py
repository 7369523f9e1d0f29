"""Use cases of segments: list, show, plan, apply and delete definitions."""

import asyncio
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import to_builtins

from application.catalogue import load_segments
from application.computed_traits import find_counted
from application.data_plan import find_unknown_traits
from application.documents import Documents
from application.references import describe_readers, find_segment_readers, load_names
from application.segment_sample import SegmentMovement, sample_movement
from application.segments import SegmentText, apply_segments, find_judged, resume_judgement
from domain.access import Actor
from domain.conditions.cel_times import KNOWN_FOR
from domain.deployed_names import DeployedNames
from domain.deployment_documents import RuleReader
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError, PlanOutdatedError, Problem
from domain.people.segment_document import CheckedSegment, SegmentSource
from domain.people.segments.definition import OnChange, SegmentRule
from domain.people.segments.keys import is_authored
from domain.people.segments.references import order_by_references
from domain.revisions import UNCONDITIONAL, Precondition
from store import audit, campaigns, computed_traits, segments
from store.database import Connection, Database
from store.segments import StoredSegment

# A segment is ready once everyone was judged by it. Before, a pass goes over people, or its computed traits are waited
# for, whose earlier events are being counted. It is cancelled once nothing does either.
SegmentState = Literal["ready", "building", "waiting", "cancelled"]


@dataclass(frozen=True, slots=True)
class PassProgress:
    """The people that a pass has judged so far; `total` is None before it begins."""

    operation: UUID
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment in force, and the number of its members."""

    key: str
    name: str
    version: int
    where: str
    on_change: OnChange
    state: SegmentState
    progress: PassProgress | None
    members: int
    source: str
    applied_by: str
    active_from: datetime


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """A segment that documents add, change, remove or leave as it is.

    `before` and `after` are as authors write it. `read_by` are the campaigns, segments and holds that name it now.
    `people` is a sample of who moves; None if the condition stays, or its computed traits are being counted.
    """

    kind: Literal["added", "changed", "removed", "unchanged"]
    key: str
    version: int | None
    next_version: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    read_by: Sequence[RuleReader]
    people: SegmentMovement | None


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """The effects of documents. Each segment follows those that it reads.

    `hash` is of the documents, and of every segment in force.
    """

    segments: list[SegmentChange]
    warnings: list[Problem]
    hash: str


@dataclass(frozen=True, slots=True)
class AppliedSegments:
    """The segments of documents as they are in force, in the order of their plan."""

    segments: list[SegmentView]
    plan: SegmentPlan


@dataclass(frozen=True, slots=True)
class _Deployment:
    """The names and segments by which documents are checked.

    They must be the same when the documents are put in force."""

    names: DeployedNames
    stored: Sequence[StoredSegment]

    @property
    def rules(self) -> dict[str, SegmentRule]:
        return {one.definition.key: one.definition.rule for one in self.stored}


class SegmentDocuments:
    """Reads, plans, applies and deletes segments. `timezone` is the deployment's."""

    def __init__(self, database: Database, checks: Documents, timezone: str) -> None:
        self._database = database
        self._checks = checks
        self._timezone = timezone
        self._sampling = asyncio.Lock()

    async def list_all(self, *, after: str | None = None, limit: int | None = None) -> list[SegmentView]:
        """Return every segment by key, or the first ones after a key."""
        async with self._database.transaction() as connection:
            views = sorted(await _list_views(connection), key=lambda view: view.key)
        return [view for view in views if after is None or view.key > after][:limit]

    async def get(self, key: str) -> SegmentView:
        """Return a segment. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            return await _get_view(connection, key)

    async def plan(self, sources: Sequence[SegmentSource], removed: Sequence[str] = ()) -> SegmentPlan:
        """Plan documents and removals without changes.

        Raises InvalidDocumentError with the problems of all documents, and NotFoundError for a removed segment that
        does not exist.
        """
        deployment, checked = await self._check(sources)
        return await self._plan(deployment, checked, removed)

    async def apply(
        self, sources: Sequence[SegmentSource], *, planned: str | None = None, by: Actor
    ) -> AppliedSegments:
        """Put documents in force together, or none of them.

        Everyone is judged by those with another condition, in an operation. `planned` is the hash of their plan. Raises
        InvalidDocumentError with the problems of all, PlanOutdatedError, and ConflictError if definitions change
        meanwhile.
        """
        deployment, checked = await self._check(sources)
        _require_planned(planned, deployment, checked)
        return await self._apply(deployment, checked, UNCONDITIONAL, by, planned)

    async def put(self, key: str, source: SegmentSource, *, if_match: Precondition, by: Actor) -> AppliedSegments:
        """Put the document of a segment in force. Its key must be that of the document."""
        deployment, checked = await self._check([source])
        [one] = checked
        if one.key != key:
            said = f"the document is that of segment {one.key}, and this was asked of {key}"
            raise InvalidDocumentError([one.source.problem(("key",), said, f"Write `key: {key}`, or ask of the other")])
        return await self._apply(deployment, checked, if_match, by)

    async def delete(self, key: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> None:
        """End a segment and forget its members; no trigger says that they left.

        Raises NotFoundError, and ConflictError if a campaign or another segment reads it.
        """
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            stored = await _get_stored(connection, key)
            if_match.require(stored.version)
            if not is_authored(key):
                raise ConflictError(f"`{key}` belongs to another document: apply that one without it", segment=key)
            if readers := await find_segment_readers(connection, [key]):
                raise ConflictError(
                    f"{describe_readers(readers)}: first apply versions that do not read it, and end the journeys of "
                    "the others, or stop the campaign; release its holds",
                    segment=key,
                    read_by=to_builtins(readers[key]),
                )
            await segments.retire(connection, [stored.definition.id])
            await audit.record(connection, by, "segment.delete", key, {"version": stored.version})

    async def _check(self, sources: Sequence[SegmentSource]) -> tuple[_Deployment, list[CheckedSegment]]:
        async with self._database.own_transaction() as connection:
            deployment = await _load(connection)
        checked = await self._checks.segments(sources, deployment.names, deployment.rules)
        order = order_by_references({one.key: one.rule for one in checked})
        return deployment, sorted(checked, key=lambda one: order.index(one.key))

    async def _plan(
        self, deployment: _Deployment, checked: Sequence[CheckedSegment], removed: Sequence[str] = ()
    ) -> SegmentPlan:
        stored = {one.definition.key: one for one in deployment.stored}
        for key in removed:
            if key not in stored:
                raise _unknown(key)
        judged = {one.key: one.rule for one in checked if deployment.rules.get(one.key) != one.rule}
        async with self._sampling:
            definitions = [one.definition for one in deployment.stored]
            moving = await sample_movement(self._database, definitions, judged, self._timezone) if judged else {}
        async with self._database.own_transaction() as connection:
            readers = await find_segment_readers(connection, [*removed, *(one.key for one in checked)])
            warnings = [warning for one in checked for warning in one.warnings]
            warnings += await find_unknown_traits(connection, checked)
        changes = [_compare(stored.get(one.key), one) for one in checked]
        changes += [_compare(stored[key], None) for key in removed]
        return SegmentPlan(
            [replace(one, read_by=readers.get(one.key, ()), people=moving.get(one.key)) for one in changes],
            [*warnings, *(warning for one in checked for warning in _warn_of_extremes(one, moving))],
            _hash(deployment, checked, removed),
        )

    async def _apply(
        self,
        deployment: _Deployment,
        checked: Sequence[CheckedSegment],
        if_match: Precondition,
        by: Actor,
        planned: str | None = None,
    ) -> AppliedSegments:
        plan = await self._plan(deployment, checked)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            now = await _load(connection)
            # Another may have applied a name, which no rule reads, while people were sampled.
            _require_planned(planned, now, checked)
            before = {one.definition.key: one for one in now.stored}
            for one in checked:
                if_match.require(before[one.key].version if one.key in before else None)
            if (now.names, now.rules) != (deployment.names, deployment.rules):
                raise ConflictError("segments or computed traits have changed meanwhile: apply again")
            changed = [one for one in checked if one.key not in before or one.text != before[one.key].source]
            texts = [SegmentText(one.key, one.name, one.text, one.rule) for one in changed]
            if texts:
                await apply_segments(connection, texts, by)
            else:
                await resume_judgement(connection, by)
            views = {view.key: view for view in await _list_views(connection)}
            for text in texts:
                await audit.record(connection, by, "segment.apply", text.key, {"version": views[text.key].version})
            return AppliedSegments([views[one.key] for one in checked], plan)


async def _load(connection: Connection) -> _Deployment:
    return _Deployment(await load_names(connection), await segments.load(connection))


async def _get_stored(connection: Connection, key: str) -> StoredSegment:
    for one in await segments.load(connection):
        if one.definition.key == key:
            return one
    raise _unknown(key)


async def _get_view(connection: Connection, key: str) -> SegmentView:
    for view in await _list_views(connection):
        if view.key == key:
            return view
    raise _unknown(key)


async def _list_views(connection: Connection) -> list[SegmentView]:
    stored = await segments.load(connection)
    members = await segments.count_members(connection)
    deployed = await load_segments(connection, await computed_traits.load_deployed(connection), None)
    building = {one.id for one in deployed.building}
    passes, is_counting = await find_judged(connection), bool(await find_counted(connection))
    return [
        SegmentView(
            key=one.definition.key,
            name=one.name,
            version=one.version,
            where=one.definition.rule.where,
            on_change=one.definition.rule.on_change,
            state=_find_state(one, building, passes, is_counting=is_counting),
            progress=PassProgress(found.id, found.done, found.total)
            if one.ready_at is None and (found := passes.get(one.definition.id)) is not None
            else None,
            members=members.get(one.definition.id, 0),
            source=one.source,
            applied_by=one.applied_by,
            active_from=one.definition.active_from,
        )
        for one in stored
    ]


def _find_state(
    segment: StoredSegment, building: Collection[int], passes: Container[int], *, is_counting: bool
) -> SegmentState:
    if segment.ready_at is not None:
        return "ready"
    if segment.definition.id in building:
        return "building" if segment.definition.id in passes else "cancelled"
    return "waiting" if is_counting else "cancelled"


def _unknown(key: str) -> NotFoundError:
    return NotFoundError(f"there is no segment {key}; apply it first", segment=key)


def _hash(deployment: _Deployment, checked: Sequence[CheckedSegment], removed: Sequence[str] = ()) -> str:
    texts = {one.key: one.text for one in checked}
    versions = {one.definition.key: one.version for one in deployment.stored}
    wanted = msgspec.json.encode([texts, sorted(removed), versions], order="sorted")
    return f"segments-{sha256(wanted).hexdigest()[:32]}"


def _require_planned(planned: str | None, deployment: _Deployment, checked: Sequence[CheckedSegment]) -> None:
    """Raise PlanOutdatedError if documents or segments in force are not as planned."""
    if planned not in (None, now := _hash(deployment, checked)):
        raise PlanOutdatedError(
            "the documents, or the segments in force, are not as they were planned: plan again, and look at the "
            "changes",
            planned=planned,
            plan=now,
        )


def _compare(stored: StoredSegment | None, checked: CheckedSegment | None) -> SegmentChange:
    is_same = stored is not None and checked is not None and stored.source == checked.text
    version = None if stored is None else stored.version
    return SegmentChange(
        kind="added" if stored is None else "removed" if checked is None else "unchanged" if is_same else "changed",
        key=checked.key if checked is not None else stored.definition.key if stored is not None else "",
        version=version,
        next_version=None if checked is None else (version or 0) + (not is_same),
        before=None if stored is None else _to_document(stored.name, stored.definition.rule),
        after=None if checked is None else _to_document(checked.name, checked.rule),
        read_by=(),
        people=None,
    )


def _to_document(name: str, rule: SegmentRule) -> dict[str, Any]:
    return {"name": name, "where": rule.where, "on_change": rule.on_change}


def _warn_of_extremes(checked: CheckedSegment, moving: Mapping[str, SegmentMovement]) -> list[Problem]:
    """Warn about a segment without members, or of everybody."""
    found = moving.get(checked.key)
    if found is None or not found.members.sampled or 0 < found.members.matches < found.members.sampled:
        return []
    said = "none is in it" if found.members.matches == 0 else "each is in it"
    remedy = "Look at the condition again, or at a person: `sojourn users show`"
    if found.members.matches == 0 and KNOWN_FOR in checked.rule.where:
        remedy += ". `known_for` counts from the first call of a person, also of one whose history was imported"
    return [
        checked.source.problem(
            ("where",),
            f"of the {found.members.sampled:,} people looked at, {said}",
            remedy,
        )
    ]
