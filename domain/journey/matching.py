"""Match events to journeys: by the rule's condition, else by the entry key."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from domain.campaign.rules import EventRule, GoalRule, Rules
from domain.conditions.cel_costs import UNITS_OF_AN_EVALUATION, Spent
from domain.conditions.expressions import (
    ConditionOutcome,
    EvaluationTime,
    ExpressionScope,
    KeyOutcome,
    Prepared,
    compile_condition,
    compile_key,
)
from domain.journey.active import ByKey
from domain.journey.records import Journey
from domain.people.account_view import NO_ACCOUNT, AccountKey, AccountView, account_of
from domain.tracking.event import AUDIENCE, Event, Trust

# Fields that differ between any two events: no later event has a key made of these.
_NEVER_FOUND_AGAIN = frozenset({"event.message_id", "event.type", "event.name", "event.timestamp"})


class Person(Protocol):
    """The part of a profile that conditions read."""

    @property
    def user_id(self) -> str | None: ...
    @property
    def traits(self) -> Mapping[str, Any]: ...


class ProfileEvent(Struct, frozen=True):
    """An event and its profile. `cause_id` is the cause of a derived event, else None.

    It is an echo if its account has heard of the same by the event of another member: it concerns no journey of the
    account.
    """

    profile_id: UUID
    event: Event
    cause_id: UUID | None = None
    is_echo: bool = False

    @property
    def may_concern_account(self) -> bool:
        """Whether it may start, move or end journeys of its account.

        A call that anyone may have made concerns its anonymous person alone, even if they are a member.
        """
        return not self.is_echo and self.event.trust is Trust.VERIFIED

    @property
    def reported_id(self) -> UUID:
        """The id of the event, or of its cause: a batch is not split between the two."""
        return self.event.id if self.cause_id is None else self.cause_id


class JourneyEntry(Struct, frozen=True):
    """The entry of a journey: the rules of its version, its entry event, and its key."""

    rules: Rules
    entry: Event
    key: str


NO_PEOPLE: Mapping[UUID, Person] = {}
NO_ACCOUNTS: Mapping[AccountKey, AccountView] = {}


class Matcher:
    """Evaluates the expressions of a batch, as of the instant `at`.

    An event of a fast clock is later than its arrival, and is evaluated as of its own time. `as_of` is the person as an
    event found them, by the event's id; other events find them as in `people`. So each key, and each condition that
    does not read the journey's entry, is evaluated once per event, and each input is prepared once. `evaluations`
    counts them. `accounts` are those that the events concern.
    """

    def __init__(
        self,
        people: Mapping[UUID, Person],
        at: datetime,
        as_of: Mapping[UUID, Person] = NO_PEOPLE,
        accounts: Mapping[AccountKey, AccountView] = NO_ACCOUNTS,
    ) -> None:
        self._people = people
        self._accounts = accounts
        self._at = at
        self._as_of = as_of
        self.evaluations = 0
        self._outcomes: dict[tuple[str, ExpressionScope, UUID, str | None], ConditionOutcome] = {}
        self._keys: dict[tuple[str, UUID, str | None], KeyOutcome] = {}
        # By identity, which is unique while the objects are kept here.
        self._prepared: dict[int, tuple[object, Prepared]] = {}
        self._spent = Spent()

    @property
    def work(self) -> int:
        """The evaluations, each costly one counted as several."""
        return self.evaluations + int(self._spent.units / UNITS_OF_AN_EVALUATION)

    def condition(
        self,
        where: str | None,
        place: ExpressionScope,
        profile_event: ProfileEvent,
        entry: Event | None,
        timezone: str | None,
    ) -> ConditionOutcome:
        """Evaluate a condition. None always holds."""
        if where is None:
            return ConditionOutcome(True)
        if looks_at_the_entry(where, place):
            return self._evaluate(where, place, profile_event, entry, timezone)
        asked = (where, place, profile_event.event.id, timezone)
        if (known := self._outcomes.get(asked)) is None:
            known = self._outcomes[asked] = self._evaluate(where, place, profile_event, None, timezone)
        return known

    def _evaluate(
        self,
        where: str,
        place: ExpressionScope,
        profile_event: ProfileEvent,
        entry: Event | None,
        timezone: str | None,
    ) -> ConditionOutcome:
        self.evaluations += 1
        return compile_condition(where, place).evaluate(
            self._time_of(profile_event.event, timezone),
            self._spent,
            event=self._prepare(profile_event.event),
            profile=self._prepare(self._person(profile_event)),
            account=self._prepare(self._account(profile_event.profile_id, account_of(profile_event.event))),
            entry=None if entry is None else self._prepare(entry),
        )

    def belongs(
        self, where: str, person: Person, timezone: str | None, account: AccountView = NO_ACCOUNT
    ) -> ConditionOutcome:
        """Evaluate whether a person, with their latest account, belongs to an audience."""
        self.evaluations += 1
        return compile_condition(where, ExpressionScope.AUDIENCE_WHERE).evaluate(
            EvaluationTime(self._at, timezone),
            self._spent,
            profile=self._prepare(person),
            account=self._prepare(account),
        )

    def key(self, expression: str, profile_event: ProfileEvent, timezone: str | None) -> KeyOutcome:
        """Evaluate the entry key of an event."""
        place = (expression, profile_event.event.id, timezone)
        if (known := self._keys.get(place)) is None:
            self.evaluations += 1
            known = compile_key(expression).evaluate(
                self._time_of(profile_event.event, timezone),
                self._spent,
                event=self._prepare(profile_event.event),
                profile=self._prepare(self._person(profile_event)),
            )
            self._keys[place] = known
        return known

    def _time_of(self, event: Event, timezone: str | None) -> EvaluationTime:
        return EvaluationTime(max(self._at, event.timestamp), timezone)

    def _person(self, profile_event: ProfileEvent) -> Person:
        """Return the person as the event found them."""
        return self._as_of.get(profile_event.reported_id) or self._people[profile_event.profile_id]

    def _account(self, profile_id: UUID, named: str | None) -> AccountView:
        return self._accounts.get((profile_id, named), NO_ACCOUNT)

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
        """Iterate over the journeys of one version that the rules may concern.

        `concerns` decides. There are none if no rule can hold. If all rules compare the entry key, journeys are found
        by that key.
        """
        may_hold = [
            rule
            for rule in moving
            if rule.where is None
            or looks_at_the_entry(rule.where, place)
            or self.condition(rule.where, place, profile_event, None, rules.timezone).holds
        ]
        if not may_hold:
            return
        expression = rules.entry.key
        if expression is not None and all(rule.where is None for rule in may_hold) and _is_stable(expression):
            key = self.key(expression, profile_event, rules.timezone).value
            if key is not None:
                # Journeys of an audience have no key, and every event concerns them.
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
        """Whether an event matches a rule of a journey.

        A rule without a condition matches events with the journey's key, or without a key. A journey of an audience
        has no key: every event matches.
        """
        if not rule.trigger.covers(profile_event.event.trigger):
            return False
        if rule.where is not None:
            timezone = journey_entry.rules.timezone
            return self.condition(rule.where, place, profile_event, journey_entry.entry, timezone).holds
        expression = journey_entry.rules.entry.key
        if expression is None or not _is_found_again(expression) or journey_entry.entry.type == AUDIENCE:
            return True
        return self.key(expression, profile_event, journey_entry.rules.timezone).value in (
            None,
            self._key_of(journey_entry, expression, profile_event),
        )

    def _key_of(self, journey_entry: JourneyEntry, expression: str, profile_event: ProfileEvent) -> str | None:
        """Return the journey's key; one that depends on the profile, by the present one.

        The key of an account's journey stays that of the member who started it.
        """
        if journey_entry.rules.entry.account or not _looks_at_the_profile(expression):
            return journey_entry.key
        began = ProfileEvent(profile_event.profile_id, journey_entry.entry)
        return self.key(expression, began, journey_entry.rules.timezone).value


@lru_cache(maxsize=4_096)
def looks_at_the_entry(where: str, place: ExpressionScope) -> bool:
    """Whether a condition depends on the entry event of the journey."""
    return any(variable.startswith("entry.") for variable in compile_condition(where, place).variables)


def _is_stable(key: str) -> bool:
    """Whether a journey's key never changes, and another event can have the same."""
    return _is_found_again(key) and not _looks_at_the_profile(key)


def _looks_at_the_profile(key: str) -> bool:
    return any(variable.startswith("profile.") for variable in compile_key(key).variables)


@lru_cache(maxsize=1_024)
def _is_found_again(key: str) -> bool:
    """Whether another event can have the key: it reads the event, but no unique field."""
    looked_at = {variable for variable in compile_key(key).variables if variable.startswith("event.")}
    return bool(looked_at) and not looked_at & _NEVER_FOUND_AGAIN
