"""Two versions over the same events, compared person by person.

Each person falls under one kind of change, and each message of either version too, so the counts add up over shards.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, field

from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import Record, find_person
from domain.rehearsal.tally import Tally

ComparedChange = Literal["first", "more", "other", "other_time", "fewer", "none_any_more", "same"]
MessageChange = Literal["kept", "moved", "added", "removed"]
PERSON_CHANGES: Final[Mapping[ComparedChange, str]] = {
    "first": "get a message for the first time",
    "more": "get more",
    "other": "get as many, but others",
    "other_time": "get the same at another time",
    "fewer": "get fewer",
    "none_any_more": "get none any more",
    "same": "get the same, or none both times",
}
# People of each kind of change whose traces are kept.
MAX_EXAMPLES: Final = 3


class ComparedMessage(NamedTuple):
    """A message that went: the place that it has in either version, and its instant."""

    campaign: str
    step: str
    channel: str
    at: datetime

    @property
    def place(self) -> tuple[str, str, str]:
        """The campaign, the step and the channel."""
        return self.campaign, self.step, self.channel


class ComparedPerson(Struct, frozen=True):
    """A person who gets something else, with all that came of both versions."""

    id: UUID
    user_id: str | None
    change: ComparedChange
    before: Sequence[Record]
    after: Sequence[Record]

    @property
    def rank(self) -> tuple[bool, str]:
        """Their place among the examples, which depends on no shard."""
        return self.user_id is None, self.user_id or str(self.id)


class Comparison(Struct):
    """The changes from one version to another. `before` has the counts of the first."""

    before: Tally = field(default_factory=Tally)
    people: Counter[ComparedChange] = field(default_factory=Counter)
    messages: Counter[MessageChange] = field(default_factory=Counter)
    examples: list[ComparedPerson] = field(default_factory=list)

    def add(self, other: "Comparison") -> None:
        """Add the comparison of other people."""
        self.before.add(other.before)
        self.people.update(other.people)
        self.messages.update(other.messages)
        self.examples = _select_examples([*self.examples, *other.examples])


class SimulatedVersion(Struct, frozen=True):
    """The results of one version for a shard: its counts, its people and all records."""

    tally: Tally
    people: Mapping[UUID, SimulatedPerson]
    records: Sequence[Record]
    given: Collection[UUID]

    def list_sent(self, id: UUID) -> list[ComparedMessage]:
        """Return the messages of a person that went, except those that were given."""
        person = self.people.get(id)
        return sorted(
            ComparedMessage(one.granted.campaign_key, one.granted.step, one.granted.channel, one.granted.at)
            for one in (person.messages if person is not None else ())
            if one.state == "sent" and one.id not in self.given
        )


def compare_versions(
    before: SimulatedVersion, after: SimulatedVersion, earlier_ids: Mapping[UUID, Iterable[UUID]]
) -> Comparison:
    """Compare the results of two versions for the same people.

    `earlier_ids` are those of profiles that were merged into a person, under which some records are.
    """
    found = Comparison(before=before.tally)
    changes: list[tuple[UUID, ComparedChange]] = []
    for id in sorted({*before.people, *after.people}):
        first, second = before.list_sent(id), after.list_sent(id)
        messages = compare_messages(first, second)
        found.messages.update(messages)
        change = judge_person(messages, len(first), len(second))
        found.people[change] += 1
        if change != "same":
            changes.append((id, change))
    candidates = []
    for id, change in changes:
        person = after.people.get(id) or before.people[id]
        candidates.append(ComparedPerson(id, person.profile.user_id, change, (), ()))
    chosen = _select_examples(candidates)
    names = {earlier: one.id for one in chosen for earlier in (one.id, *earlier_ids.get(one.id, ()))}
    first_records, second_records = (_group_records(version.records, names) for version in (before, after))
    found.examples = [
        ComparedPerson(one.id, one.user_id, one.change, first_records[one.id], second_records[one.id]) for one in chosen
    ]
    return found


def compare_messages(before: Iterable[ComparedMessage], after: Iterable[ComparedMessage]) -> Counter[MessageChange]:
    """Count messages of one person by what became of them.

    Those at the same instant are `kept`; others of the same campaign, step and channel have `moved`.
    """
    first, second = Counter(before), Counter(after)
    left = Counter(one.place for one in (first - second).elements())
    right = Counter(one.place for one in (second - first).elements())
    counts: Counter[MessageChange] = Counter()
    counts["kept"] = (first & second).total()
    counts["moved"] = (left & right).total()
    counts["removed"] = (left - right).total()
    counts["added"] = (right - left).total()
    return +counts


def judge_person(messages: Mapping[MessageChange, int], before: int, after: int) -> ComparedChange:
    """Return the kind of change of a person with so many messages before and after."""
    if before != after:
        if not after:
            return "none_any_more"
        if not before:
            return "first"
        return "more" if after > before else "fewer"
    if messages.get("added"):
        return "other"
    return "other_time" if messages.get("moved") else "same"


def _select_examples(people: Iterable[ComparedPerson]) -> list[ComparedPerson]:
    by_change: dict[ComparedChange, list[ComparedPerson]] = defaultdict(list)
    for one in people:
        by_change[one.change].append(one)
    return [
        one for change in PERSON_CHANGES for one in sorted(by_change[change], key=lambda one: one.rank)[:MAX_EXAMPLES]
    ]


def _group_records(records: Iterable[Record], names: Mapping[UUID, UUID]) -> Mapping[UUID, list[Record]]:
    """Group the records of some people by their ids."""
    grouped: dict[UUID, list[Record]] = {id: [] for id in names.values()}
    for record in records:
        if (id := names.get(find_person(record))) is not None:
            grouped[id].append(record)
    return grouped
