"""Run one generated person by the simulator."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec import Struct, field

from domain.campaign.plan import Message
from domain.channels.kinds import CHANNELS
from domain.journey import machine
from domain.journey.decision import Decision
from domain.journey.protocol import Fact, Settled
from domain.journey.state import JourneyState
from domain.people.derived_events import TRAIT_PREFIX
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.rehearsal.generated_people import GeneratedPerson, PlannedCall
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import EndedJourney, GoalReached, MessageSettled, Record
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.rehearsal.simulator import Simulator
from domain.rehearsal.walks import ENTRY, EXIT, GOAL, FlowWay, find_ways
from domain.sending.ledger_marks import LedgerMarks
from domain.sending.previewed_people import PreviewedPerson
from domain.tracking.event import ANY, NAMED_CALLS, Event, Trigger
from domain.tracking.reactions import is_reaction
from domain.tracking.traits import CONSENT, TOPICS

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "sojourn:generated")
# A person whose calls lead to one another, for ever, is left there.
MAX_CALLS: Final = 300


class SentMessage(Struct, frozen=True):
    """A message that went, with its person as they were then."""

    step: str
    channel: str
    at: datetime
    person: PreviewedPerson


class WalkedPath(Struct, frozen=True):
    """The ways of one journey, in order. Under way, its outcome is empty."""

    ways: tuple[FlowWay, ...]
    outcome: str


class PersonRun(Struct):
    """Everything that came of a person, and their calls."""

    person: GeneratedPerson
    user_id: str
    records: list[Record] = field(default_factory=list)
    calls: list[Event] = field(default_factory=list)
    ways: set[FlowWay] = field(default_factory=set)
    visits: dict[str, int] = field(default_factory=dict)
    paths: list[WalkedPath] = field(default_factory=list)
    sent: list[SentMessage] = field(default_factory=list)

    @property
    def has_entered(self) -> bool:
        """Whether a journey of the campaign began."""
        return FlowWay(ENTRY) in self.ways


def profile_id_of(number: int) -> UUID:
    """Return the profile of the person with a number, by which arms are drawn."""
    return uuid5(_NAMESPACE, str(number))


def run_person(
    person: GeneratedPerson, rulebook: Rulebook, campaign: RunningCampaign, first: datetime, days: int
) -> PersonRun:
    """Simulate a person for so many days."""
    return _Player(person, rulebook, campaign, first).play(days)


class _Player:
    def __init__(self, person: GeneratedPerson, rulebook: Rulebook, campaign: RunningCampaign, first: datetime) -> None:
        self._campaign = campaign
        self._topics = rulebook.segments.topics.refs()
        self._at = person.starts_at(first)
        self._run = PersonRun(person, f"person-{person.number}")
        self._walked: dict[UUID, list[FlowWay]] = {}
        self._outcomes: dict[UUID, str] = {}
        self._messages: dict[str, SimulatedMessage] = {}
        self._numbers = count()
        self._planned: list[tuple[datetime, int, PlannedCall]] = []
        self._simulator = Simulator(rulebook, self._record, follow=self._follow)
        profile_id = profile_id_of(person.number)
        self._person = SimulatedPerson(Profile(profile_id, self._run.user_id, {}, {}, {}, None, self._at), profile_id)
        self._simulator.people.add(self._person, [Identity("user", self._run.user_id)])

    def play(self, days: int) -> PersonRun:
        """Have the person do what is planned, and let the days pass."""
        run, until = self._run, self._at + timedelta(days=days)
        device = {"device": {"type": "android", "token": f"device-{run.person.number}"}}
        self._report("identify", None, _nest(run.person.traits), device if run.person.has_device else {})
        self._simulator.start(self._at)
        self._plan(None)
        while len(run.calls) < MAX_CALLS:
            ends = [one for one in (self._simulator.next_at, self._planned[0][0] if self._planned else None) if one]
            if not ends or (at := min(ends)) > until:
                break
            self._at = at
            self._simulator.pass_time(at)
            if self._planned and self._planned[0][0] <= at:
                self._call(heappop(self._planned)[2])
        run.paths = [WalkedPath(tuple(ways), self._outcomes.get(id, "")) for id, ways in self._walked.items()]
        return run

    def _plan(self, after: str | None) -> None:
        for call in self._run.person.calls:
            if call.after == after:
                heappush(self._planned, (self._at + timedelta(seconds=call.seconds), next(self._numbers), call))

    def _call(self, call: PlannedCall) -> None:
        trigger, values = call.trigger, _nest(call.values)
        match trigger.kind:
            case "changed":
                name = (trigger.name or "").removeprefix(TRAIT_PREFIX)
                self._report("identify", None, {name: call.values.get(name, str(self._at.date()))})
            case "consent":
                self._report("identify", None, {CONSENT: self._consent(trigger, call)})
            case "opened" if trigger.name == "app":
                self._report("track", "Application Opened", values)
            case "opened":
                self._report("page", "Home", values)
            case "identify" | "group":
                self._report(trigger.kind, None, values)
            case kind if kind in NAMED_CALLS:
                self._react(trigger, call.after, values)
            case _:
                # Segments, stages and places follow from other calls.
                return

    def _consent(self, trigger: Trigger, call: PlannedCall) -> dict[str, Any]:
        """Give a consent, or take it back: to a topic if the rules read one."""
        channel = (trigger.name or "").rpartition(".")[2].replace("*", "email")
        is_given = bool(len(self._run.calls) % 2)
        topics = [one.topic for one in self._topics if one.channel == channel]
        if "topic" not in call.values or not topics:
            return {channel: is_given}
        return {TOPICS: {topics[self._run.person.number % len(topics)]: {channel: is_given}}}

    def _react(self, trigger: Trigger, step: str | None, values: dict[str, Any]) -> None:
        """Report an event; one about a message has the properties of its reports."""
        kinds = {name: kind for one in CHANNELS.values() for kind, name in one.list_events()}
        message = self._messages.get(step or "") or next(reversed(self._messages.values()), None)
        if trigger.name in kinds and message is not None:
            granted = message.granted
            values |= {
                "message_id": str(granted.id),
                "channel": granted.channel,
                "campaign": granted.campaign_key,
                "step": granted.step,
                "template": granted.template,
            }
            if not is_reaction(trigger.name or ""):
                self._mark(message, kinds[trigger.name])
        name = None if trigger.name == "*" else trigger.name
        self._report(trigger.kind, name or "Anything", values)

    def _mark(self, message: SimulatedMessage, kind: str) -> None:
        """Note a report on the message itself, as the providers' reports do."""
        at = self._at
        message.mark(
            LedgerMarks(
                id=message.id,
                delivered_at=at if kind == "delivered" else None,
                opened_at=at if kind in ("opened", "clicked") else None,
                clicked_at=at if kind == "clicked" else None,
                replied_at=at if kind == "replied" else None,
            )
        )

    def _report(self, type: Any, name: str | None, values: Mapping[str, Any], context: Mapping[str, Any] = {}) -> None:
        id = uuid5(_NAMESPACE, f"event {len(self._run.calls)}")
        event = Event(
            id=id,
            message_id=str(id),
            type=type,
            name=name,
            user_id=self._run.user_id,
            anonymous_id=None,
            properties=dict(values),
            context=dict(context),
            timestamp=self._at,
        )
        self._run.calls.append(event)
        self._simulator.take(event, self._at)

    def _follow(self, journey: SimulatedJourney, before: JourneyState, fact: Fact, at: datetime) -> None:
        if journey.record.campaign_key != self._campaign.key:
            return
        run, after = self._run, journey.state
        for way in find_ways(journey.campaign.plan, before, fact, after):
            self._walked[journey.record.id].append(way)
            run.ways.add(way)
        for step, number in after.visits.items():
            if number > before.visits.get(step, 0):
                self._arrive(step)
        if isinstance(fact, Settled) and before.step is not None:
            self._plan(before.step)

    def _begin(self, journey_id: UUID, at: datetime) -> None:
        """Note the entry of a journey, which is at its first step."""
        self._walked[journey_id] = []
        self._run.ways.add(FlowWay(ENTRY))
        for step in machine.begin(self._campaign.plan, at).visits:
            self._arrive(step)

    def _arrive(self, step: str) -> None:
        self._run.visits[step] = self._run.visits.get(step, 0) + 1
        if not isinstance(self._campaign.plan.nodes[step], Message):
            self._plan(step)

    def _record(self, record: Record) -> None:
        run, key = self._run, self._campaign.key
        match record:
            case Decision(campaign_key=campaign) if campaign == key:
                run.records.append(record)
                if record.kind == "entry" and record.journey_id is not None:
                    self._begin(record.journey_id, record.at)
                elif record.kind == "exit" and record.journey_id is not None and record.reason != "goal":
                    way = FlowWay(EXIT, self._find_exit(str(record.data.get("event"))))
                    run.ways.add(way)
                    self._walked[record.journey_id].append(way)
            case EndedJourney(journey=journey, ending=ending) if journey.campaign_key == key:
                run.records.append(record)
                self._outcomes[journey.id] = ending.outcome
            case GoalReached(journey=journey, event=event) if journey.campaign_key == key:
                run.records.append(record)
                run.ways.add(FlowWay(GOAL, event.trigger.label))
            case MessageSettled(message=message, at=at) if message.granted.campaign_key == key:
                run.records.append(record)
                self._messages[message.granted.step] = message
                self._keep(message, at)
            case _:
                return

    def _find_exit(self, event: str) -> str:
        """Return the label of the exit that an event took: its own, or that of any event."""
        triggers = [rule.trigger for rule in self._campaign.rules.exits]
        labels = [one.label for one in triggers]
        return event if event in labels else next((one.label for one in triggers if one.name == ANY), event)

    def _keep(self, message: SimulatedMessage, at: datetime) -> None:
        profile, granted = self._person.profile, message.granted
        journey = self._person.active.get(granted.journey_id)
        shown = PreviewedPerson(
            user_id=profile.user_id,
            traits=profile.traits,
            context=profile.context,
            computed=profile.computed,
            stage=profile.stage,
            learned=profile.learned,
            entry=None if journey is None else journey.entry,
            is_real=True,
        )
        self._run.sent.append(SentMessage(granted.step, granted.channel, at, shown))


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted paths as objects, without those that are missing."""
    nested: dict[str, Any] = {}
    for path, value in values.items():
        if value is None:
            continue
        *parents, last = path.split(".")
        holder = nested
        for name in parents:
            inner = holder.get(name)
            holder = holder.setdefault(name, {}) if isinstance(inner, dict) or inner is None else {}
        holder[last] = value
    return nested
