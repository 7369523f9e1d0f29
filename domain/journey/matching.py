"""Whether an event concerns a journey: by the rule's own condition, else by the key of the campaign's entry."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.conditions.cel_costs import Spent
from domain.conditions.expressions import (
    ConditionOutcome,
    ExpressionScope,
    KeyOutcome,
    Prepared,
    compile_condition,
    compile_key,
)
from domain.journey.active import ByKey
from domain.journey.records import Journey
from domain.tracking.event import AUDIENCE, Event

# Of work in an expression, that count as one more evaluation: at most 25 us.
UNITS_OF_AN_EVALUATION = 50
# What every event has of its own. A key made of these is never found again in a later event.
_NEVER_FOUND_AGAIN = frozenset({"event.message_id", "event.type", "event.name", "event.timestamp"})


class Person(Protocol):
    """What conditions see of a profile."""

    @property
    def user_id(self) -> str | None: ...
    @property
    def traits(self) -> Mapping[str, Any]: ...


class ProfileEvent(Struct, frozen=True):
    """An event and the profile it is about."""

    profile_id: UUID
    event: Event


class JourneyEntry(Struct, frozen=True):
    """What a journey began with: the rules of its version, the event that let the person in, and its key."""

    rules: Rules
    entry: Event
    key: str


class Matcher:
    """Evaluates the expressions of a batch.

    Within it people stay as they are, so a key is worked out once an event, and so is a condition that does not look at
    the entry of a journey; and what an expression looks at is made fit for it once. `evaluations` counts.
    """

    def __init__(self, people: Mapping[UUID, Person]) -> None:
        self._people = people
        self.evaluations = 0
        self._outcomes: dict[tuple[str, ExpressionScope, UUID], ConditionOutcome] = {}
        self._keys: dict[tuple[str, UUID], KeyOutcome] = {}
        # By identity, which is theirs alone as long as they are kept here.
        self._prepared: dict[int, tuple[object, Prepared]] = {}
        self._spent = Spent()

    @property
    def work(self) -> int:
        """The evaluations, where one that may take as long as many counts as so many."""
        return self.evaluations + int(self._spent.units / UNITS_OF_AN_EVALUATION)

    def condition(
        self, where: str | None, place: ExpressionScope, profile_event: ProfileEvent, entry: Event | None
    ) -> ConditionOutcome:
        """What a condition comes to; where there is none, it holds."""
        if where is None:
            return ConditionOutcome(True)
        if looks_at_the_entry(where, place):
            return self._evaluate(where, place, profile_event, entry)
        asked = (where, place, profile_event.event.id)
        if (known := self._outcomes.get(asked)) is None:
            known = self._outcomes[asked] = self._evaluate(where, place, profile_event, None)
        return known

    def _evaluate(
        self, where: str, place: ExpressionScope, profile_event: ProfileEvent, entry: Event | None
    ) -> ConditionOutcome:
        self.evaluations += 1
        return compile_condition(where, place).evaluate(
            self._spent,
            event=self._prepare(profile_event.event),
            profile=self._prepare(self._people[profile_event.profile_id]),
            entry=None if entry is None else self._prepare(entry),
        )

    def belongs(self, where: str, person: Person) -> ConditionOutcome:
        """Whether a person is of an audience."""
        self.evaluations += 1
        return compile_condition(where, ExpressionScope.AUDIENCE_WHERE).evaluate(
            self._spent, profile=self._prepare(person)
        )

    def key(self, expression: str, profile_event: ProfileEvent) -> KeyOutcome:
        """The key that an entry's expression finds in an event."""
        place = (expression, profile_event.event.id)
        if (known := self._keys.get(place)) is None:
            self.evaluations += 1
            known = compile_key(expression).evaluate(
                self._spent,
                event=self._prepare(profile_event.event),
                profile=self._prepare(self._people[profile_event.profile_id]),
            )
            self._keys[place] = known
        return known

    def _prepare(self, root: object) -> Prepared:
        if (known := self._prepared.get(id(root))) is None:
            known = self._prepared[id(root)] = (root, Prepared(root))
        return known[1]

    def candidates(
        self,
        profile_event: ProfileEvent,
        rules: Rules,
        moving: Sequence[EventRule | GoalRule],
        place: ExpressionScope,
        journeys: ByKey,
    ) -> Iterator[Journey]:
        """The journeys of one version that rules for this event's name may concern; `concerns` decides.

        Where no rule can hold, there are none. Where all go by the key of the entry, they are found by it.
        """
        may_hold = [
            rule
            for rule in moving
            if rule.where is None
            or looks_at_the_entry(rule.where, place)
            or self.condition(rule.where, place, profile_event, None).holds
        ]
        if not may_hold:
            return
        expression = rules.entry.key
        if expression is not None and all(rule.where is None for rule in may_hold) and _is_stable(expression):
            key = self.key(expression, profile_event).value
            if key is not None:
                # Those who entered as the audience have no key, and all of them are meant.
                for entry_key in ("", key):
                    yield from tuple(journeys.get(entry_key, ()))
                return
        for found in tuple(journeys.values()):
            yield from tuple(found)

    def concerns(
        self,
        profile_event: ProfileEvent,
        rule: EventRule | GoalRule,
        place: ExpressionScope,
        journey_entry: JourneyEntry,
    ) -> bool:
        """Whether the event is the one that a rule of a journey means.

        A rule without a condition of its own means the events that have the key of the journey, or none. Who entered
        as the audience has no key: all of them are meant.
        """
        if rule.event != profile_event.event.name:
            return False
        if rule.where is not None:
            return self.condition(rule.where, place, profile_event, journey_entry.entry).holds
        expression = journey_entry.rules.entry.key
        if expression is None or not _is_found_again(expression) or journey_entry.entry.type == AUDIENCE:
            return True
        return self.key(expression, profile_event).value in (
            None,
            self._key_of(journey_entry, expression, profile_event),
        )

    def _key_of(self, journey_entry: JourneyEntry, expression: str, profile_event: ProfileEvent) -> str | None:
        """The journey's key, as it would be by the profile of now where it depends on that: the event's is, too."""
        if not _looks_at_the_profile(expression):
            return journey_entry.key
        return self.key(expression, ProfileEvent(profile_event.profile_id, journey_entry.entry)).value


@lru_cache(maxsize=4_096)
def looks_at_the_entry(where: str, place: ExpressionScope) -> bool:
    """Whether a condition depends on the event that let a journey's person in."""
    return any(variable.startswith("entry.") for variable in compile_condition(where, place).variables)


def _is_stable(key: str) -> bool:
    """Whether a journey's key is what it was at its entry, and what another event's can be compared with."""
    return _is_found_again(key) and not _looks_at_the_profile(key)


def _looks_at_the_profile(key: str) -> bool:
    return any(variable.startswith("profile.") for variable in compile_key(key).variables)


@lru_cache(maxsize=1_024)
def _is_found_again(key: str) -> bool:
    """Whether another event can have the same key: it says something of the event, and nothing that only one has."""
    looked_at = {variable for variable in compile_key(key).variables if variable.startswith("event.")}
    return bool(looked_at) and not looked_at & _NEVER_FOUND_AGAIN
