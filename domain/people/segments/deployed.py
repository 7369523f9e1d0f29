"""The segments of a deployment: who belongs, and when that may change by time."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from domain.conditions.cel_costs import Spent
from domain.conditions.cel_roots import DEVICES, STAGE_VARIABLE
from domain.conditions.expressions import (
    Condition,
    ConditionOutcome,
    EvaluationTime,
    Prepared,
)
from domain.epoch import to_microseconds
from domain.people.computed.changes import JUST_BEFORE
from domain.people.computed.deployed import NO_TRAITS, DeployedTraits
from domain.people.computed.traits import ComputedState
from domain.people.derived_events import STAGE, ValueChange
from domain.people.places.deployed import NO_PLACES, DeployedPlaces
from domain.people.segments.definition import MembershipChange, Memberships, SegmentDefinition
from domain.people.segments.explanation import ExplainedPart, FlippedPart, Roots, explain_condition, find_flipped
from domain.people.segments.inputs import ACCOUNT, CREATED
from domain.people.segments.judged_person import (
    NO_FACTS,
    SOME_DAY,
    JudgedMember,
    JudgedPerson,
    SegmentFacts,
    SegmentPerson,
    Stranger,
)
from domain.people.segments.stages import LIFECYCLE, stage_of_segment
from domain.people.segments.units import SegmentUnit, UnitPart, find_earliest, group_definitions, order_units
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics

NO_SEGMENTS_YET: Final[Memberships] = {}
_SEGMENTS_FIELD: Final = "segments"
_STAGE_FIELD: Final = "stage"


class Judgement(Struct, frozen=True):
    """The segments of a person, what has changed, and when time may change it.

    `next_at` is that of the segments that were judged.
    """

    members: Memberships
    changes: Sequence[MembershipChange]
    next_at: datetime | None


class DeployedSegments:
    """The definitions in force, in an order in which each follows those that it reads.

    A segment is judged once its computed traits have values. Everyone was judged by the definitions that are `ready`;
    `building` are those that a pass over all people has not reached everywhere. `timezone` is the deployment's, for
    people without one.
    """

    def __init__(
        self,
        definitions: Iterable[SegmentDefinition] = (),
        ready: Collection[int] = (),
        traits: DeployedTraits = NO_TRAITS,
        timezone: str | None = None,
        places: DeployedPlaces = NO_PLACES,
        topics: DeployedTopics = NO_TOPICS,
    ) -> None:
        known = sorted(definitions, key=lambda one: one.id)
        self.definitions = {one.id: one for one in known}
        self.ready = frozenset(ready)
        self.traits = traits
        self.places = places
        self.topics = topics
        self._timezone = timezone
        self._ids = {one.key: one.id for one in known}
        timed_traits = frozenset(one.key for one in traits.definitions if one.rule.changes_by_time)
        # The stages of the life cycle by segment, in their order; empty before one is applied.
        self.stages = {
            one.id: stage_of_segment(one.key)
            for one in sorted(known, key=lambda one: one.rule.position)
            if one.rule.exclusive == LIFECYCLE
        }
        self._units = order_units(
            [
                SegmentUnit([UnitPart(one, self._ids, self.stages) for one in group], timed_traits)
                for group in group_definitions(known)
            ]
        )
        self._unit_of = {part.definition.id: unit for unit in self._units for part in unit.parts}
        waiting = {unit for unit in self._units if not unit.computed <= traits.ready.types.keys()}
        for unit in self._units:
            if any(self._unit_of[id] in waiting for id in unit.reads):
                waiting.add(unit)
        self._judged = tuple(unit for unit in self._units if unit not in waiting)
        self.building = tuple(
            part.definition for unit in self._judged for part in unit.parts if part.definition.id not in ready
        )
        self._newer: dict[int, Sequence[tuple[SegmentDefinition, frozenset[int]]]] = {}
        self._newest_from: dict[int, datetime | None] = {}
        self.revision = max((one.revision for one in known), default=0)
        self._readers: dict[str, set[SegmentUnit]] = {}
        for unit in self._judged:
            for name in (*unit.inputs, *((CREATED,) if self._takes_strangers(unit) else ())):
                self._readers.setdefault(name, set()).add(unit)
        self._dependents: dict[SegmentUnit, set[SegmentUnit]] = {unit: {unit} for unit in self._judged}
        for unit in reversed(self._judged):
            for id in unit.reads:
                self._dependents[self._unit_of[id]] |= self._dependents[unit]

    def __bool__(self) -> bool:
        return bool(self._judged)

    def has_judged(self, revision: int, created_at: datetime) -> bool:
        """Whether a person, judged last at a revision, needs no look by newer definitions."""
        if revision not in self._newest_from:
            newer = (one.active_from for one in self.building if one.revision > revision)
            self._newest_from[revision] = max(newer, default=None)
        newest = self._newest_from[revision]
        return newest is None or newest <= created_at

    def _takes_strangers(self, unit: SegmentUnit) -> bool:
        """Whether a person without any known value may be in a segment, now or later."""
        stranger = self._view(Stranger(), NO_FACTS, {}, NO_SEGMENTS_YET, SOME_DAY)
        holding, next_at = unit.evaluate(self._roots(stranger, NO_FACTS, SOME_DAY))
        return bool(holding) or next_at is not None

    @cached_property
    def all(self) -> frozenset[int]:
        """The ids of the segments that are judged."""
        return _ids_of(self._judged)

    @cached_property
    def timed(self) -> frozenset[int]:
        """The ids of the segments that time alone may change."""
        return self._close(unit for unit in self._judged if unit.is_timed)

    @cached_property
    def reads_accounts(self) -> bool:
        """Whether any condition reads the account."""
        return ACCOUNT in self._readers

    @cached_property
    def reads_devices(self) -> bool:
        """Whether any condition reads the devices."""
        return DEVICES in self._readers

    def find_affected(self, inputs: Iterable[str]) -> frozenset[int]:
        """Return the segments that changed parts of a profile may change."""
        readers = self._readers
        units = {unit for name in inputs for unit in readers.get(name, ())}
        return self._close(units) if units else frozenset()

    def _close(self, units: Iterable[SegmentUnit]) -> frozenset[int]:
        return _ids_of({dependent for unit in units for dependent in self._dependents[unit]})

    def with_dependents(self, id: int) -> frozenset[int]:
        """Return a segment with those that read it; none if it is not judged yet."""
        unit = self._unit_of[id]
        return self._close([unit]) if unit in self._dependents else frozenset()

    def list_newer(self, revision: int) -> Sequence[tuple[SegmentDefinition, frozenset[int]]]:
        """Return newer definitions in order, each with the segments to judge for it.

        A segment that several of them affect is judged for the last: by then, all that it reads is settled.
        """
        found = self._newer.get(revision)
        if found is None:
            later: frozenset[int] = frozenset()
            planned: list[tuple[SegmentDefinition, frozenset[int]]] = []
            for one in reversed(self.building):
                if one.revision > revision:
                    affected = self.with_dependents(one.id)
                    planned.append((one, affected - later))
                    later |= affected
            found = self._newer[revision] = planned[::-1]
        return found

    def is_complete_for(self, condition: Condition) -> bool:
        """Whether everyone was judged by the segments that a condition asks for."""
        asked = {self._ids[key] for key in condition.segments if key in self._ids}
        if STAGE_VARIABLE in condition.variables:
            asked.update(self.stages)
        return asked <= self.ready

    def id_of(self, key: str) -> int | None:
        """Return the id of a segment; None if there is none."""
        return self._ids.get(key)

    def keys_of(self, members: Memberships) -> list[str]:
        """Return the keys of a person's segments, ordered."""
        return sorted(known.key for id in members if (known := self.definitions.get(int(id))) is not None)

    def stage_of(self, members: Memberships) -> str | UnsetType | None:
        """Return the judged stage of a person, None before they are judged.

        Without a life cycle it is unset: their stage is the stated one.
        """
        if not self.stages:
            return UNSET
        held = [stage for id, stage in self.stages.items() if str(id) in members]
        return held[-1] if held else None

    def reports(self, change: ValueChange) -> bool:
        """Whether rules hear of a stated value: not of a stage once stages are judged."""
        return not (self.stages and change.trigger == STAGE)

    def drop_retired(self, members: Memberships) -> Memberships:
        """Return the memberships without those of retired segments."""
        kept = {id: since for id, since in members.items() if int(id) in self.definitions}
        return members if len(kept) == len(members) else kept

    def judge(
        self,
        person: SegmentPerson,
        facts: SegmentFacts,
        state: ComputedState,
        members: Memberships,
        at: datetime,
        candidates: Collection[int],
        spent: Spent | None = None,
    ) -> Judgement:
        """Judge a person by some of the segments, as of an instant.

        A segment that reads one whose membership changes must be among the candidates, as `find_affected` returns them.
        """
        now = dict(members)
        changes: list[MembershipChange] = []
        next_at: datetime | None = None
        # Each condition sees the segments that it names, so that others which a person is in cost it nothing.
        judged = self._view(person, facts, state, NO_SEGMENTS_YET, at)
        roots = self._roots(judged, facts, at, spent)
        units = [unit for unit in self._judged if not unit.ids.isdisjoint(candidates)]
        for unit in units:
            if unit.named:
                named = [self.definitions[id].key for id in unit.named if str(id) in now]
                judged.follow(sorted(named), self.stage_of(now))
                roots.profile.forget(_SEGMENTS_FIELD)
                roots.profile.forget(_STAGE_FIELD)
            holding, unit_next_at = unit.evaluate(roots)
            next_at = find_earliest(next_at, unit_next_at)
            if unit.timed_traits:
                next_at = find_earliest(next_at, self.traits.ready.next_change(state, at, unit.timed_traits))
            changed = unit.list_changes(holding, now, at)
            for one in changed:
                if one.has_joined:
                    now[str(one.segment_id)] = to_microseconds(at)
                else:
                    del now[str(one.segment_id)]
            changes += changed
        return Judgement(now if changes else members, changes, next_at)

    def evaluate(
        self, condition: Condition, person: JudgedMember, facts: SegmentFacts, at: datetime, spent: Spent
    ) -> ConditionOutcome:
        """Evaluate the condition of a segment that is not in force, as of an instant."""
        roots = self._roots(self._view(person, facts, person.counted, person.memberships, at), facts, at, spent)
        return condition.evaluate(roots.time, roots.spent, profile=roots.profile, account=roots.account)

    def explain(
        self,
        id: int,
        person: SegmentPerson,
        facts: SegmentFacts,
        state: ComputedState,
        members: Memberships,
        at: datetime,
    ) -> ExplainedPart:
        """Evaluate each part of a segment's condition for a person, as of an instant."""
        roots = self._roots(self._view(person, facts, state, members, at), facts, at)
        where = self.definitions[id].rule.where
        return explain_condition(where, roots, partial(self.traits.ready.next_change, state, at))

    def find_rival(self, id: int, members: Memberships) -> str | None:
        """Return the key of the segment of its group that a person is in instead."""
        rivals = self._unit_of[id].ids - {id}
        return next((self.definitions[int(one)].key for one in members if int(one) in rivals), None)

    def find_flipped(
        self,
        changes: Iterable[MembershipChange],
        at: datetime,
        person: SegmentPerson,
        facts: SegmentFacts,
        state: ComputedState,
        before: Memberships,
        after: Memberships,
    ) -> Iterator[list[FlippedPart]]:
        """Iterate over the parts by which time has made each of the changes of an instant.

        Those of an exclusive group count together. The memberships are those before and after the instant.
        """
        earlier = at - JUST_BEFORE
        old = self._roots(self._view(person, facts, state, before, earlier), facts, earlier)
        new = self._roots(self._view(person, facts, state, after, at), facts, at)
        for change in changes:
            conditions = [part.definition.rule.where for part in self._unit_of[change.segment_id].parts]
            found = [
                flipped
                for where in conditions
                for flipped in find_flipped(explain_condition(where, old), explain_condition(where, new))
            ]
            yield list(dict.fromkeys(found))

    def _view(
        self, person: SegmentPerson, facts: SegmentFacts, state: ComputedState, members: Memberships, at: datetime
    ) -> JudgedPerson:
        computed, stage = self.traits.view(state, at), self.stage_of(members)
        return JudgedPerson(person, computed, self.keys_of(members), self.places, self.topics, facts.devices, stage)

    def _roots(self, person: JudgedPerson, facts: SegmentFacts, at: datetime, spent: Spent | None = None) -> Roots:
        return Roots(Prepared(person), Prepared(facts.account), EvaluationTime(at, self._timezone), spent)


def _ids_of(units: Iterable[SegmentUnit]) -> frozenset[int]:
    return frozenset(id for unit in units for id in unit.ids)


NO_SEGMENTS: Final = DeployedSegments()
