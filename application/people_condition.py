"""A condition over people: read page by page, and evaluated in turns."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.conditions.cel_areas import AREAS
from domain.conditions.cel_costs import Spent
from domain.conditions.cel_roots import SEGMENTS, STAGE_VARIABLE, SUBSCRIPTIONS
from domain.conditions.expressions import Condition, ConditionOutcome, ExpressionScope, compile_condition
from domain.long_work import LongWork
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.profile import Profile
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.inputs import CONSENT, LEARNED
from domain.people.segments.judged_person import SegmentFacts
from store import accounts, activity, people_sample
from store.database import Connection
from store.people_sample import ReadParts

MAX_EXAMPLES: Final = 10
# People of one statement. A profile may have 256 kB of traits.
PAGE: Final = 200
_CONSENT: Final = frozenset((*CONSENT, SUBSCRIPTIONS))
# Areas are those of the location, and what silence means depends on the country.
_VALUES: Final = frozenset({"profile.traits", "profile.timezone", "profile.locale", "profile.consent", AREAS})
_MEMBERSHIPS: Final = frozenset({SEGMENTS, STAGE_VARIABLE})


@dataclass(slots=True)
class ConditionCount:
    """How many people satisfy a condition, and how many it cannot be evaluated for.

    `reasons` counts these by what is missing, as `there is no profile.traits.plan`, or by another error. `examples` are
    the first who satisfy it.
    """

    looked_at: int = 0
    matches: int = 0
    not_evaluated: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Profile] = field(default_factory=list)

    def add(self, person: Profile, outcome: ConditionOutcome) -> None:
        """Count a person."""
        self.looked_at += 1
        if outcome.holds:
            self.matches += 1
            if len(self.examples) < MAX_EXAMPLES:
                self.examples.append(person)
        elif outcome.error is not None:
            self.not_evaluated += 1
            self.reasons[outcome.error] += 1


@dataclass(frozen=True, slots=True)
class ConditionPage:
    """People with what a condition reads of them, as of an instant."""

    people: Sequence[Profile]
    facts: Mapping[UUID, SegmentFacts]
    at: datetime


class PeopleCondition:
    """A valid condition of a segment over the people of a deployment.

    `spent` is an upper bound of the work so far.
    """

    def __init__(self, where: str, deployed: DeployedSegments) -> None:
        self.condition: Condition = compile_condition(where, ExpressionScope.SEGMENT_WHERE)
        self.spent = Spent()
        self._deployed = deployed
        read = self.condition.variables
        self._reads_account = any(variable.startswith("account.") for variable in read)
        self._reads_devices = "profile.devices" in read
        self._parts = ReadParts(
            values=self.condition.checked.reads_time or not read.isdisjoint(_VALUES),
            consent=not read.isdisjoint(_CONSENT),
            learned=not read.isdisjoint(LEARNED),
            state=bool(self.condition.computed) or not read.isdisjoint(_MEMBERSHIPS),
        )

    async def read(self, connection: Connection, ids: Collection[UUID]) -> ConditionPage:
        """Read people by id, without locks."""
        people = await people_sample.read(connection, ids, self._parts)
        latest: Mapping[tuple[UUID, str | None], AccountView] = {}
        if self._reads_account:
            latest = await accounts.views(connection, [(id, None) for id in ids])
        devices = await activity.read_devices(connection, ids) if self._reads_devices else {}
        facts = {id: SegmentFacts(latest.get((id, None), NO_ACCOUNT), devices.get(id, ())) for id in ids}
        return ConditionPage(people, facts, connection.clock.now())

    def evaluate(self, page: ConditionPage, count: ConditionCount, is_over: Callable[[], bool]) -> LongWork[None]:
        """Count the people who satisfy it, one person at least, until it is over."""
        for person in page.people:
            facts = page.facts[person.id]
            count.add(person, self._deployed.evaluate(self.condition, person, facts, page.at, self.spent))
            if is_over():
                break
            yield
