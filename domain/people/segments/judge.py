"""Judge locked people by segments and watched traits, outside of ingest.

It touches nothing but its arguments: the caller has locked the people, and writes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from domain.conditions.cel_costs import UNITS_OF_AN_EVALUATION, Spent
from domain.long_work import LongWork, TooMuchWork
from domain.people.computed.changes import JUST_BEFORE, list_changes
from domain.people.computed.counter import MAX_WORK, WORK_OF_A_CHANGE
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.due import find_next_look
from domain.people.computed.state_row import EMPTY, StateRow
from domain.people.derived_events import Cause, CausedChange
from domain.people.profile import Profile
from domain.people.profile_state import Source
from domain.people.segments.causes import definition_cause, list_value_changes, source_cause, time_cause
from domain.people.segments.definition import MembershipChange, RecordedChange, SegmentDefinition
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.judged_person import NO_FACTS, SegmentFacts

# A merge judges two people, and its undo: they are not judged apart.
EXEMPT_PEOPLE: Final = 2


@dataclass(slots=True)
class SegmentJudge:
    """Locked people while they are judged. `changes` are those that rules may hear of.

    Each method changes the rows; the caller stores the changed ones, with the members and the causes.
    """

    traits: DeployedTraits
    deployed: DeployedSegments
    watched: Collection[str]
    now: datetime
    people: Mapping[UUID, Profile]
    rows: Mapping[UUID, StateRow]
    facts: Mapping[UUID, SegmentFacts]
    names: Mapping[UUID, str]
    changes: list[CausedChange] = field(default_factory=list)
    _rows_now: dict[UUID, StateRow] = field(init=False)
    _changed: set[UUID] = field(default_factory=set)
    _recorded: list[RecordedChange] = field(default_factory=list)
    _judged: set[UUID] = field(default_factory=set)
    _work: int = 0
    _spent: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        self._rows_now = dict(self.rows)

    def is_due(self, profile_id: UUID) -> bool:
        """Whether time or a newer definition may have changed a person."""
        row = self._row(profile_id)
        return (row.next_at is not None and row.next_at <= self.now) or self._is_unjudged(profile_id, row)

    def pass_once(self, profile_ids: Iterable[UUID]) -> LongWork[None]:
        """Judge people as of the next instant that is due of each.

        People beyond the work of the transaction stay due.
        """
        for id in profile_ids:
            if not self._has_room():
                return
            yield from self.pass_time(id)

    def catch_up(self, profile_ids: Iterable[UUID]) -> LongWork[list[UUID]]:
        """Judge people until they are not due.

        Return those within the work of the transaction, one at least.
        """
        done: list[UUID] = []
        for id in profile_ids:
            if not self._has_room():
                break
            while self.is_due(id):
                yield from self.pass_time(id)
            done.append(id)
        return done

    def pass_time(self, profile_id: UUID) -> LongWork[None]:
        """Judge a person as of the next instant that is due, and by newer definitions.

        The instants are taken one by one, so that each change has its own, however late this is. Newer definitions
        judge nothing before they were put in force.
        """
        row = self._row(profile_id)
        due_at = row.not_before(row.next_at) if row.next_at is not None and row.next_at <= self.now else None
        timed, defined_at = self.deployed.timed, None
        if self._is_unjudged(profile_id, row):
            newer = self.deployed.list_newer(row.judged)
            began_at = max(one.active_from for one, _ in newer)
            if due_at is None or due_at >= began_at:
                yield from self.follow_definitions(profile_id, due_at or self.now)
            else:
                timed, defined_at = timed.difference(*(affected for _, affected in newer)), began_at
        if due_at is None:
            return
        person = self.people[profile_id]
        cause = Cause(uuid5(person.id, due_at.isoformat()), person.user_id, self.names.get(profile_id), due_at)
        before = self.traits.read(row.state, due_at - JUST_BEFORE, self.watched)
        after = self.traits.read(row.state, due_at, self.watched)
        source = Source("event", str(cause.id), due_at)
        self.changes += [(profile_id, change, cause) for change in list_changes(before, after, source, self.traits)]
        yield from self._judge(profile_id, timed, due_at, cause, None, is_due=True)
        if defined_at is not None:
            row = self._row(profile_id)
            self._put(profile_id, replace(row, next_at=min(row.next_at or defined_at, defined_at)))

    def follow_definitions(self, profile_id: UUID, at: datetime) -> LongWork[None]:
        """Judge a person by definitions that are newer than their last judgement.

        Silent ones in a row are judged at once; each one with triggers has a cause of its own. A group is judged once,
        however many of its definitions are new.
        """
        row = self._row(profile_id)
        at = row.not_before(at)
        newer = self.deployed.list_newer(row.judged)
        definitions = {one.key: one for one, _ in newer}
        for heard, run in groupby(newer, lambda one: one[0] if one[0].rule.on_change == "trigger" else None):
            if not (judged_for := {id: one for one, affected in run for id in affected}):
                continue
            cause = None if heard is None else self._own_cause(profile_id, f"{heard.key} {heard.revision}", at)
            explain = partial(_find_definition_cause, definitions, judged_for)
            yield from self._judge(profile_id, judged_for, at, cause, explain)
        self._put(profile_id, replace(self._row(profile_id), judged=self.deployed.revision))

    def follow(
        self, profile_id: UUID, candidates: Collection[int], cause: Cause | None, source: Source
    ) -> LongWork[None]:
        """Judge a person after a change by a source.

        Without a cause, no rule hears of it. Raises TooMuchWork beyond one transaction, except for a few people.
        """
        if not self._has_room(EXEMPT_PEOPLE):
            raise TooMuchWork(profile_id)
        while self.is_due(profile_id):
            yield from self.pass_time(profile_id)
        at, said = self._row(profile_id).not_before(self.now), source_cause(source)
        yield from self._judge(profile_id, candidates, at, cause, lambda _: said)

    def count_changes(self) -> tuple[int, int]:
        """Return how many have joined and left a segment."""
        joined = sum(one.change.has_joined for one in self._recorded)
        return joined, len(self._recorded) - joined

    def changed_rows(self, *, marks_judged: bool = True) -> dict[UUID, StateRow]:
        """Return the rows that are to be stored.

        A pass over all people does not mark unchanged ones: judging them again changes nothing.
        """
        changed = {id: self._row(id) for id in self._changed}
        if marks_judged:
            return changed
        before = {id: self.rows.get(id, EMPTY) for id in changed}
        return {id: row for id, row in changed.items() if replace(row, judged=before[id].judged) != before[id]}

    @property
    def recorded(self) -> Sequence[RecordedChange]:
        """Who joins and leaves, with the causes."""
        return self._recorded

    def _judge(
        self,
        profile_id: UUID,
        candidates: Collection[int],
        at: datetime,
        cause: Cause | None,
        find_cause: Callable[[MembershipChange], Mapping[str, Any]] | None,
        *,
        is_due: bool = False,
    ) -> LongWork[None]:
        """Judge a person, and record changes with their causes; without one, it is time."""
        row, person = self._row(profile_id), self.people[profile_id]
        facts = self.facts.get(profile_id, NO_FACTS)
        judgement = self.deployed.judge(person, facts, row.state, row.segments, at, candidates, self._spent)
        self._judged.add(profile_id)
        self._work += len(candidates) + WORK_OF_A_CHANGE * len(judgement.changes)
        yield
        if find_cause is not None:
            self._recorded += [RecordedChange(profile_id, one, find_cause(one)) for one in judgement.changes]
        else:
            flips = self.deployed.find_flipped(
                judgement.changes, at, person, facts, row.state, row.segments, judgement.members
            )
            for change, flipped in zip(judgement.changes, flips, strict=True):
                self._recorded.append(RecordedChange(profile_id, change, time_cause(at, flipped)))
                yield
        if cause is not None:
            source = Source("event", str(cause.id), at)
            changes = list_value_changes(judgement.changes, source)
            self.changes += [(profile_id, change, cause) for change in changes]
        known = None if is_due else row.next_at
        next_at = find_next_look(self.traits, row.state, known, self.watched, at, judgement.next_at)
        judged = replace(row, segments=self.deployed.drop_retired(judgement.members), next_at=next_at)
        if judged != row:
            self._put(profile_id, replace(judged, judged_at=at))

    def _has_room(self, exempt: int = 1) -> bool:
        """Whether the transaction has room for one more person."""
        return len(self._judged) < exempt or self._work + self._spent.units / UNITS_OF_AN_EVALUATION < MAX_WORK

    def _is_unjudged(self, profile_id: UUID, row: StateRow) -> bool:
        return not self.deployed.has_judged(row.judged, self.people[profile_id].created_at)

    def _own_cause(self, profile_id: UUID, name: str, at: datetime) -> Cause:
        return Cause(uuid5(profile_id, name), self.people[profile_id].user_id, self.names.get(profile_id), at)

    def _row(self, profile_id: UUID) -> StateRow:
        return self._rows_now.get(profile_id, EMPTY)

    def _put(self, profile_id: UUID, row: StateRow) -> None:
        if row != self._row(profile_id):
            self._rows_now[profile_id] = row
            self._changed.add(profile_id)


def _find_definition_cause(
    newer: Mapping[str, SegmentDefinition], judged_for: Mapping[int, SegmentDefinition], change: MembershipChange
) -> dict[str, Any]:
    """Return the new definition that moved a person, as a cause.

    It is the segment's own, else that of a segment that it reads. In a group both sides of a move have one cause: that
    of the segment which is joined, else of that which is left.
    """
    sides = (change.key, change.other) if change.has_joined else (change.other, change.key)
    own = next((newer[key] for key in sides if key is not None and key in newer), None)
    return definition_cause(own or judged_for[change.segment_id])
