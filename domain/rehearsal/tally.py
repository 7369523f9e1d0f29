"""Counts of what a simulation has decided, which add up over shards of people."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.journey.decision import Decision
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import EndedJourney, GoalReached, MessageSettled, Record

NOTHING_ASKED = "no campaign let them in"


class Tally(Struct):
    """The counts of one shard, by campaign and what names them.

    `merged` people were merged by an operator in the period. `entered` and `goals` are by campaign, `not_entered` and
    `ends` also by reason or outcome, `messages` by campaign, step, channel, state and day, `non_sends` by campaign,
    step, reason and rule, `deferrals` likewise. `takers` are the campaigns that took the room of a cap, by rule.
    `numbers` has how many people got so many messages, and `none` those who got none, by the last reason.
    """

    people: int = 0
    merged: int = 0
    entered: Counter[str] = field(default_factory=Counter)
    not_entered: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    non_sends: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    deferrals: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    takers: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    goals: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int] = field(default_factory=Counter)
    none: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        """The messages of all people."""
        return sum(number * people for number, people in self.numbers.items())

    @property
    def most_messages(self) -> int:
        """The messages of the person who gets most."""
        return max(self.numbers, default=0)

    def add(self, other: "Tally") -> None:
        """Add the counts of another shard."""
        self.people += other.people
        self.merged += other.merged
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))


_COUNTERS = tuple(name for name in Tally.__struct_fields__ if name not in ("people", "merged"))


def count_by_rule(counts: Counter[tuple[str, str, str, str]]) -> Counter[str]:
    """Return how many refusals or deferrals each rule of the caps has caused."""
    found: Counter[str] = Counter()
    for (_, _, _, rule), number in counts.items():
        if rule:
            found[rule] += number
    return found


class TallyTaker:
    """Counts the records of a simulation. Days are those of the deployment's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.tally = Tally()
        self._reasons: dict[UUID, str] = {}

    def record(self, record: Record) -> None:
        """Count one record."""
        tally = self.tally
        match record:
            case Decision(kind="entry", outcome="entered"):
                tally.entered[record.campaign_key] += 1
            case Decision(kind="entry"):
                tally.not_entered[record.campaign_key, record.reason or ""] += 1
                self._note(record)
            case Decision(kind="send", outcome="refused" | "deferred" | "held"):
                self._count_refusal(record)
            case MessageSettled(message=message, at=at):
                granted = message.granted
                place = (granted.campaign_key, granted.step, granted.channel, message.state, self._day(at))
                tally.messages[place] += 1
            case EndedJourney(journey=journey, ending=ending):
                tally.ends[journey.campaign_key, ending.outcome] += 1
            case GoalReached(journey=journey):
                tally.goals[journey.campaign_key] += 1
            case _:
                return

    def finish(self, people: Iterable[SimulatedPerson], given: Collection[UUID]) -> Tally:
        """Return the counts, with the messages of each person; `given` are real ones."""
        for person in people:
            got = sum(one.state == "sent" and one.id not in given for one in person.messages)
            self.tally.people += 1
            self.tally.numbers[got] += 1
            if not got:
                self.tally.none[self._reasons.get(person.id, NOTHING_ASKED)] += 1
        return self.tally

    def _count_refusal(self, decision: Decision) -> None:
        rule = str(decision.data.get("rule", ""))
        place = (decision.campaign_key, decision.step or "", decision.reason or "", rule)
        if decision.outcome != "refused":
            self.tally.deferrals[place] += 1
            return
        self.tally.non_sends[place] += 1
        for campaign, number in decision.data.get("taken", {}).items():
            self.tally.takers[rule, campaign] += number
        self._note(decision)

    def _note(self, decision: Decision) -> None:
        self._reasons[decision.profile_id] = decision.reason or decision.outcome

    def _day(self, at: datetime) -> str:
        return at.astimezone(self._zone).date().isoformat()
