"""Follow the segments of people through the events of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.conditions.cel_costs import Spent
from domain.people.computed.traits import ComputedState
from domain.people.segments.definition import MembershipChange, Memberships
from domain.people.segments.deployed import NO_SEGMENTS_YET, DeployedSegments
from domain.people.segments.judged_person import NO_FACTS, SegmentFacts, SegmentPerson
from domain.tracking.event import Event


@dataclass(slots=True)
class SegmentTracker:
    """The memberships of people while their events change them.

    `known` are those before the batch, and `affected` the segments that each event may change, by its id. `judged` are
    the people so far, and `next_at` is when time alone may change one of the judged segments.
    """

    segments: DeployedSegments
    known: Mapping[UUID, Memberships]
    facts: Mapping[UUID, SegmentFacts]
    affected: Mapping[UUID, frozenset[int]]
    changes: list[tuple[UUID, MembershipChange, Event]] = field(default_factory=list)
    judged: set[UUID] = field(default_factory=set)
    next_at: dict[UUID, datetime] = field(default_factory=dict)
    _members: dict[UUID, Memberships] = field(default_factory=dict)

    def members(self, profile_id: UUID) -> Memberships:
        """Return the memberships of a person as of the events so far."""
        known = self._members.get(profile_id)
        return self.known.get(profile_id, NO_SEGMENTS_YET) if known is None else known

    def has_changed(self, profile_id: UUID) -> bool:
        """Whether the memberships of a person are others than before the batch."""
        return profile_id in self._members

    def follow(
        self, profile_id: UUID, person: SegmentPerson, state: ComputedState, event: Event, at: datetime, spent: Spent
    ) -> int:
        """Judge a person by the segments that an event may have changed, as of an instant.

        Return the number of those that they join or leave.
        """
        facts = self.facts.get(profile_id, NO_FACTS)
        before = self.members(profile_id)
        judgement = self.segments.judge(person, facts, state, before, at, self.affected[event.id], spent)
        self.judged.add(profile_id)
        if judgement.changes:
            self._members[profile_id] = self.segments.drop_retired(judgement.members)
            self.changes += [(profile_id, change, event) for change in judgement.changes]
        if judgement.next_at is not None:
            known = self.next_at.get(profile_id)
            self.next_at[profile_id] = judgement.next_at if known is None else min(known, judgement.next_at)
        return len(judgement.changes)
