"""The fidelity of a simulation: its decisions beside the real ones.

Campaigns that run are simulated once more: providers answer as they did, and people react to the messages as they did.
So every decision should be the same, and each difference has a cause: most are things that a simulation leaves out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid5

from msgspec import Struct, field
from msgspec.structs import replace

from domain.journey.decision import Decision
from domain.rehearsal.history import PersonHistory
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.records import EndedJourney, ProviderOutcome, Record
from domain.tracking.event import AUDIENCE, Event

DifferenceCause = Literal[
    "other_version",
    "by_hand",
    "held",
    "provider_outcome",
    "merged_person",
    "history_cut",
    "late",
    "same_instant",
    "follows",
    "unknown",
]
CAUSES: Final[Mapping[DifferenceCause, str]] = {
    "other_version": "another version ran",
    "by_hand": "changed by hand",
    "held": "held or paused",
    "provider_outcome": "provider outcomes",
    "merged_person": "merged people",
    "history_cut": "history is cut off",
    "late": "decided late",
    "same_instant": "order within a second",
    "follows": "follow from another difference",
    "unknown": "unknown",
}
# The engine takes its time for what is due at the end of the period, and within an instant its order is open.
SETTLED_WITHIN: Final = timedelta(minutes=1)
AT_ONCE: Final = timedelta(seconds=1)
MAX_EXAMPLES: Final = 20
_BY_HAND: Final = frozenset({"manual", "campaign_stopped"})
_HELD: Final = frozenset({"on_hold", "campaign_paused", "paused", "provider_paused", "campaign_not_running"})

# The campaign, and the event by which a journey began or did not.
JourneyName = tuple[str, str]


class PastDecision(Struct, frozen=True):
    """A recorded decision with the entry of its journey, and the version of that."""

    profile_id: UUID
    campaign: str
    journey_id: UUID | None
    entry: str
    entry_type: str | None
    version: int | None
    kind: str
    step: str | None
    outcome: str
    reason: str | None
    at: datetime

    @property
    def said(self) -> str:
        """The decision in short."""
        return " ".join(filter(None, (self.kind, self.step, self.outcome, self.reason)))


class FidelityDifference(Struct, frozen=True):
    """A journey that was decided otherwise, with the person, and from where on."""

    user_id: str | None
    campaign: str
    at: datetime
    cause: DifferenceCause
    real: str
    simulated: str


class Fidelity(Struct):
    """How many real decisions the simulation repeats, and the causes of the others.

    `people` were compared. `examples` are the first differences.
    """

    people: int = 0
    decisions: int = 0
    equal: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    examples: list[FidelityDifference] = field(default_factory=list)

    def add(self, other: "Fidelity") -> None:
        """Add the comparison of other people."""
        self.people += other.people
        self.decisions += other.decisions
        self.equal += other.equal
        self.causes.update(other.causes)
        self.examples = [*self.examples, *other.examples][:MAX_EXAMPLES]


class Reality:
    """The real decisions, with the outcomes of messages and the reactions."""

    def __init__(self, histories: Iterable[PersonHistory], decisions: Sequence[PastDecision]) -> None:
        self.histories = list(histories)
        self._real = name_journeys(decisions)
        names = {one.journey_id: name for name, group in self._real.items() for one in group}
        self._messages: dict[tuple[JourneyName, str, int], SimulatedMessage] = {}
        self._places: dict[str, tuple[JourneyName, str, int]] = {}
        for history in self.histories:
            for one in history.messages:
                granted = one.granted
                if (name := names.get(granted.journey_id)) is not None:
                    place = (name, granted.step, granted.visit)
                    self._messages[place] = one
                    self._places[str(granted.id)] = place
        self._names: dict[UUID, JourneyName] = {}
        self._journeys: dict[JourneyName, UUID] = {}
        self._ended: dict[JourneyName, datetime] = {}
        self._audiences: Counter[tuple[str, UUID]] = Counter()
        self._simulated: list[PastDecision] = []
        self._begun: dict[UUID, tuple[str, str | None]] = {}

    def record(self, record: Record) -> None:
        """Keep a simulated decision."""
        if isinstance(record, EndedJourney) and (name := self._names.get(record.journey.id)) is not None:
            self._ended[name] = record.ending.ended_at
        if not isinstance(record, Decision):
            return
        id = record.journey_id
        if record.kind == "entry" and id is not None:
            entry, type = str(record.event_id), AUDIENCE if record.data.get("by") == AUDIENCE else None
            self._begun[id] = (entry, type)
            name = _name(record.campaign_key, record.profile_id, entry, type, self._audiences)
            self._names[id], self._journeys[name] = name, id
        entry, type = (str(record.event_id), None) if id is None else self._begun[id]
        self._simulated.append(
            PastDecision(
                record.profile_id,
                record.campaign_key,
                id,
                entry,
                type,
                None,
                record.kind,
                record.step,
                record.outcome,
                record.reason,
                record.at,
            )
        )

    def settle(self, message: SimulatedMessage) -> ProviderOutcome:
        """Return what became of the real message; it went if there is none."""
        granted = message.granted
        name = self._names.get(granted.journey_id)
        real = None if name is None else self._messages.get((name, granted.step, granted.visit))
        if real is None or real.state not in ("failed", "unknown"):
            return ProviderOutcome()
        return ProviderOutcome("failed" if real.state == "failed" else "unknown", real.reason)

    def rename(self, event: Event) -> Event | None:
        """Return a reaction as one to the simulated message in the place of the real one."""
        place = self._places.get(str(event.properties.get("message_id")))
        if place is None or (id := self._journeys.get(place[0])) is None:
            return None
        _, step, visit = place
        return replace(event, properties={**event.properties, "message_id": str(uuid5(id, f"{step}/{visit}"))})

    def compare(self, until: datetime, versions: Mapping[str, int], first_kept: datetime | None) -> Fidelity:
        """Compare the decisions by journey; `versions` are those that were simulated."""
        found, last = Fidelity(people=len(self.histories)), until - SETTLED_WITHIN
        simulated = name_journeys(self._simulated)
        people = {history.profile.id: history for history in self.histories}
        differing: dict[UUID, list[tuple[datetime, JourneyName]]] = defaultdict(list)
        late: dict[UUID, datetime] = {}
        for name in sorted({*self._real, *simulated}):
            real, other = ([one for one in group.get(name, ()) if one.at <= last] for group in (self._real, simulated))
            found.decisions += len(real)
            same = _count_same(real, other)
            found.equal += same
            if (due_at := self._find_late(name, real, other, same)) is not None:
                late[real[0].profile_id] = min(due_at, late.get(real[0].profile_id, due_at))
            if same < max(len(real), len(other)):
                at = min(one.at for one in (*real[same:], *other[same:]))
                differing[(real or other)[0].profile_id].append((at, name))
        for id, journeys in differing.items():
            cause: DifferenceCause | None = None
            for at, name in sorted(journeys):
                real, other = (
                    [one for one in group.get(name, ()) if one.at <= last] for group in (self._real, simulated)
                )
                is_late = id in late and late[id] <= at
                own = self._explain(people.get(id), name, real, other, at, versions, first_kept, is_late=is_late)
                cause = "follows" if own == "unknown" and cause is not None else own
                same = _count_same(real, other)
                found.causes[cause] += max(len(real), len(other)) - same
                if len(found.examples) < MAX_EXAMPLES:
                    user = people[id].profile.user_id if id in people else None
                    found.examples.append(
                        FidelityDifference(user, name[0], at, cause, _say(real[same:]), _say(other[same:]))
                    )
        return found

    def _find_late(
        self, name: JourneyName, real: Sequence[PastDecision], simulated: Sequence[PastDecision], same: int
    ) -> datetime | None:
        """Return when the first thing was due that really came later; None without any.

        An event that found a journey under way which had ended by then tells that the engine took its time.
        """
        for mine, theirs in zip(real[: same + 1], simulated, strict=False):
            if (mine.kind, mine.step) == (theirs.kind, theirs.step) and mine.at - theirs.at >= AT_ONCE:
                return theirs.at
        if same == len(real):
            return None
        if real[same].reason == "already_in":
            return real[same].at
        ended_at = self._ended.get(name)
        return ended_at if ended_at is not None and same == len(simulated) and ended_at < real[same].at else None

    def _explain(
        self,
        person: PersonHistory | None,
        name: JourneyName,
        real: Sequence[PastDecision],
        simulated: Sequence[PastDecision],
        at: datetime,
        versions: Mapping[str, int],
        first_kept: datetime | None,
        *,
        is_late: bool,
    ) -> DifferenceCause:
        if any(one.version is not None and one.version != versions.get(name[0]) for one in real):
            return "other_version"
        if any(one.reason in _BY_HAND or one.kind in ("skip", "migrate", "request") for one in real):
            return "by_hand"
        if any(one.reason in _HELD or one.outcome == "held" for one in real):
            return "held"
        if any(place[0] == name and one.state not in ("sent", "reserved") for place, one in self._messages.items()):
            return "provider_outcome"
        if person is None or person.merges:
            return "merged_person"
        if first_kept is not None and person.profile.created_at < first_kept:
            return "history_cut"
        if is_late:
            return "late"
        others = [one for group in self._real.values() for one in group if one.profile_id == person.profile.id]
        near = {
            (one.campaign, one.entry)
            for one in others
            if abs(one.at - at) < AT_ONCE and (one.kind == "send" or (one.kind == "entry" and one.campaign == name[0]))
        }
        # Neither the entry nor a reaction to the message that was decided about is another one.
        same = _count_same(real, simulated)
        own = (name, real[same].step if same < len(real) else None)
        has_event = any(
            abs(one.received_at - at) < AT_ONCE
            and str(one.event.id) != name[1]
            and self._places.get(str(one.event.properties.get("message_id")), (None, None))[:2] != own
            for one in person.events
        )
        return "same_instant" if has_event or len(near) > 1 else "unknown"


def name_journeys(decisions: Iterable[PastDecision]) -> dict[JourneyName, list[PastDecision]]:
    """Group decisions by the entries of their journeys, each in order of time.

    The entry of an audience is named by its number.
    """
    audiences: Counter[tuple[str, UUID]] = Counter()
    names: dict[UUID, JourneyName] = {}
    grouped: dict[JourneyName, list[PastDecision]] = defaultdict(list)
    for one in sorted(decisions, key=lambda one: one.at):
        id = one.journey_id
        if id is None:
            name = (one.campaign, one.entry)
        else:
            if id not in names:
                names[id] = _name(one.campaign, one.profile_id, one.entry, one.entry_type, audiences)
            name = names[id]
        grouped[name].append(one)
    return grouped


def _name(
    campaign: str, profile_id: UUID, entry: str, type: str | None, audiences: Counter[tuple[str, UUID]]
) -> JourneyName:
    if type != AUDIENCE:
        return campaign, entry
    audiences[campaign, profile_id] += 1
    return campaign, f"audience {profile_id} {audiences[campaign, profile_id]}"


def _count_same(one: Sequence[PastDecision], other: Sequence[PastDecision]) -> int:
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine.said != theirs.said:
            return place
    return min(len(one), len(other))


def _say(decisions: Sequence[PastDecision]) -> str:
    return decisions[0].said if decisions else "nothing"
