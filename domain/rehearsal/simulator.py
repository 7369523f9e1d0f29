"""The simulator: events and journeys of people in memory, on one clock.

Nothing here decides: it calls the deciders of the engine in the engine's order. It begins nothing by chance: ids are
made of what they are about, and a tie goes to what was due first.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple, assert_never
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec.structs import replace

from domain.campaign.plan import Message
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    AwaitMatch,
    AwaitResume,
    Dispatch,
    DispatchMembers,
    Evaluate,
    Evaluated,
    Exited,
    Fact,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    Perform,
    Performed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.journey.routing_records import list_decisions, list_told_matches
from domain.long_work import finish
from domain.people.activity import is_activity
from domain.people.derived_events import cause_of
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.people.profile_state import Source, Statement
from domain.people.statements import event_source, surroundings_of
from domain.rehearsal.activity import ActivityRules
from domain.rehearsal.audiences import SimulatedRun, find_run, make_entry, select_members
from domain.rehearsal.facts import gate_facts
from domain.rehearsal.journeys import FollowJourney, SimulatedJourney, begin_journey
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.people import People, SimulatedPerson
from domain.rehearsal.records import (
    EndedJourney,
    GoalReached,
    MessageSettled,
    ProviderOutcome,
    Recorder,
    make_ending,
)
from domain.rehearsal.rooms import Rooms
from domain.rehearsal.routing import EventIntake, Refusals, Routed
from domain.rehearsal.rulebook import Rulebook
from domain.rehearsal.steps import StepAnswers
from domain.sending.channel_choice import ChannelHistory, choose_channel, list_used
from domain.sending.claim import POSTPONED, AttemptState
from domain.tracking.event import Event

# Decides the fate of a message at its provider.
SettleMessage = Callable[[SimulatedMessage], ProviderOutcome]
_SENT: Final = ProviderOutcome()
_MOMENT: Final = timedelta(microseconds=1)


class AudienceEntry(NamedTuple):
    """A member of an audience who is about to enter."""

    person: SimulatedPerson
    run: SimulatedRun


class SessionEnd(NamedTuple):
    """A person whose session may be over."""

    person: SimulatedPerson


# A rest of a journey, a look at a person, the end of a session, a run of an audience, and an entry of a member.
DueItem = SimulatedJourney | SimulatedPerson | SessionEnd | SimulatedRun | AudienceEntry
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "sojourn:rehearsal")


def accept_all(_: SimulatedMessage) -> ProviderOutcome:
    """Send every message."""
    return _SENT


class Simulator:
    """Simulates one shard of people, a `share` of all; ids are made by its `name`.

    `record` gets the results as they come, and `follow` each fact of each journey.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        record: Recorder,
        settle: SettleMessage = accept_all,
        share: float = 1.0,
        name: str = "",
        follow: FollowJourney | None = None,
    ) -> None:
        self._rulebook = rulebook
        self._record = record
        self._settle = settle
        numbers, namespace = count(), uuid5(_NAMESPACE, name)
        self.people = People(lambda: uuid5(namespace, str(next(numbers))))
        self._follow_journey = follow
        self._intake = EventIntake(rulebook, self.people)
        self._share = share
        self._rooms = Rooms(share)
        self._activity = ActivityRules(rulebook)
        self._steps = StepAnswers(rulebook, self._intake, self._rooms, record)
        self._number = count()
        # The rests of journeys, by the number of their alarm, and the next looks at people.
        self._due: list[tuple[datetime, int, DueItem, int]] = []
        self._ready: deque[SimulatedJourney] = deque()

    @property
    def next_at(self) -> datetime | None:
        """The instant at which something is due next; None if nothing is."""
        return self._due[0][0] if self._due else None

    def start(self, at: datetime, running: Collection[str] = ()) -> None:
        """Start the campaigns, whose audiences enter from now on.

        The audiences of those `running` have entered before, unless they do again.
        """
        for campaign in self._rulebook.campaigns.values():
            self._plan_run(find_run(campaign, at, is_first=campaign.key not in running))

    def view(self, person: SimulatedPerson, at: datetime) -> Profile:
        """Return a person as templates and conditions see them."""
        return self._intake.view(person, at)

    def introduce(self, person: SimulatedPerson, identities: Iterable[Identity], at: datetime) -> None:
        """Add a person as they are known at an instant; time changes them from now on."""
        self.people.add(person, identities)
        self._intake.judge_silently(person, at)
        self._watch(person)
        if (end := self._activity.find_end(person.activity)) is not None:
            heappush(self._due, (end, next(self._number), SessionEnd(person), 0))

    def change(
        self, person: SimulatedPerson, statements: Sequence[Statement], refused: Refusals, source: Source, at: datetime
    ) -> None:
        """Change a person as a source does that reports no event."""
        if (routed := self._intake.change(person, statements, refused, source, at)) is not None:
            self._apply(routed, at)
        self._watch(person)
        self._walk_ready(at)

    def run(self, events: Iterable[tuple[datetime, Event]], until: datetime) -> None:
        """Take events at their arrivals, in order, and let time pass until an instant."""
        for received_at, event in events:
            self.pass_time(received_at)
            self.take(event, received_at)
        self.pass_time(until)

    def take(self, event: Event, received_at: datetime) -> None:
        """Take an event in; the journeys that it concerns go on."""
        self._take(event, received_at)
        self._walk_ready(received_at)

    def pass_time(self, until: datetime) -> None:
        """Do everything that is due until an instant, in its order."""
        while self._due and self._due[0][0] <= until:
            at, _, what, alarm = heappop(self._due)
            match what:
                case SimulatedJourney() if what.alarm == alarm and what.stored == "active":
                    what.tell(Woke(), at)
                    self._ready.append(what)
                case SimulatedPerson():
                    self._look_at(what, at)
                case SessionEnd(person=person):
                    self._end_session(person, at)
                case SimulatedRun():
                    self._begin_run(what)
                case AudienceEntry():
                    self._enrol(what, at)
                case _:
                    continue
            self._walk_ready(at)

    def _plan_run(self, run: SimulatedRun | None) -> None:
        if run is not None:
            heappush(self._due, (run.at, next(self._number), run, 0))

    def _begin_run(self, run: SimulatedRun) -> None:
        """Have the members of an audience enter, and plan its next run."""
        people = sorted(self.people, key=lambda person: person.id)
        viewed = ((person, self._intake.view(person, run.at)) for person in people)
        for person, at in select_members(run, viewed, self._share):
            heappush(self._due, (at, next(self._number), AudienceEntry(person, run), 0))
        self._plan_run(find_run(run.campaign, run.at + _MOMENT, is_first=False))

    def _enrol(self, entry: AudienceEntry, at: datetime) -> None:
        person, run = entry
        if self.people.get(person.id) is person:
            self._apply(self._intake.enrol(person, make_entry(run, person), run.campaign, at), at)

    def _take(self, event: Event, at: datetime) -> None:
        routed = self._intake.take(event, at)
        for journey in self._intake.doubled:
            self._leave(journey, "merged", at)
        self._intake.doubled.clear()
        if routed is not None:
            self._apply(routed, at)
            self._watch(routed.person)
        elif (person := self.people.find_of(event)) is not None:
            self._learn(person, event, at)
        if self._activity.is_followed and (known := self.people.find_of(event)) is not None:
            self._follow(known, event, at)

    def _learn(self, person: SimulatedPerson, event: Event, at: datetime) -> None:
        """Learn the time zone and language in calls that no rule hears."""
        source = event_source(event)
        if is_activity(event) and (statements := surroundings_of(event, source, at)):
            self.change(person, statements, {}, source, at)
        else:
            self._watch(person)

    def _follow(self, person: SimulatedPerson, event: Event, at: datetime) -> None:
        """Follow the activity of a person, after the event was taken in as by the engine."""
        before = person.activity.seen
        reports = list(self._activity.observe(person.activity, person.named, event))
        after = person.activity.seen
        is_news = before is None or (after is not None and not after.is_stored_as(before))
        if is_news:
            person.profile = replace(person.profile, learned=person.activity.row())
        if (end := self._activity.find_end(person.activity)) is not None:
            heappush(self._due, (end, next(self._number), SessionEnd(person), 0))
        if is_news and self._activity.affected:
            judge = self._intake.judge(person, at)
            cause = cause_of(event)
            finish(judge.follow(person.id, self._activity.affected, cause, event_source(event)))
            person.row = judge.changed_rows().get(person.id, person.row)
            if (routed := self._intake.report(person, judge.changes, at)) is not None:
                self._apply(routed, at)
            self._watch(person)
        for report in reports:
            self._take(report, at)

    def _end_session(self, person: SimulatedPerson, at: datetime) -> None:
        if self.people.get(person.id) is not person:
            return
        if (report := self._activity.end(person.activity, person.named, at)) is not None:
            self._take(report, at)

    def _look_at(self, person: SimulatedPerson, at: datetime) -> None:
        """Judge a person by what time has changed."""
        if self.people.get(person.id) is not person or person.row.next_at is None or person.row.next_at > at:
            return
        judge = self._intake.judge(person, at)
        finish(judge.pass_once([person.id]))
        person.row = judge.changed_rows().get(person.id, person.row)
        if (routed := self._intake.report(person, judge.changes, at)) is not None:
            self._apply(routed, at)
        self._watch(person)

    def _watch(self, person: SimulatedPerson) -> None:
        """Look at a person when time may change them next."""
        next_at = person.row.next_at
        if next_at is not None and next_at != person.watched_at:
            heappush(self._due, (next_at, next(self._number), person, 0))
        person.watched_at = next_at

    def _apply(self, routed: Routed, at: datetime) -> None:
        """Record a routing result, and tell the journeys."""
        person, result = routed.person, routed.result
        for id in result.exits.keys() & person.under_way.keys():
            del result.exits[id], person.under_way[id]
        for decision in list_decisions(result, routed.profile_events, at):
            self._record(decision)
        for id, exit in result.exits.items():
            if (known := person.active.get(id)) is not None:
                known.ended_by = exit.ending.ended_by
                known.tell(Exited(str(exit.event.id)), at)
                self._end(person, known)
            self._record(EndedJourney(exit.journey, exit.ending))
        for record in result.entered:
            campaign = self._rulebook.campaigns[record.campaign_key, record.campaign_version]
            journey = begin_journey(record, campaign, self._follow_journey)
            person.last_entries[record.campaign_key, record.entry_key] = record.entered_at
            if record.id in result.exits:
                journey.stored = "exited"
                person.past.append(journey)
            else:
                person.active[record.id] = journey
                self._ready.append(journey)
        for reached in result.conversions:
            self._convert(person, reached.journey.id, GoalReached(reached.journey, reached.event))
        for match in list_told_matches(result):
            heard = person.active.get(match.journey.id)
            if heard is not None:
                heard.tell(Matched(match.subscription, str(match.event_id)), at)
                self._ready.append(heard)

    def _convert(self, person: SimulatedPerson, journey_id: UUID, goal: GoalReached) -> None:
        journey = person.active.get(journey_id) or next(
            (one for one in person.past if one.record.id == journey_id), None
        )
        if journey is None or journey.has_converted:
            return
        journey.has_converted = True
        self._record(goal)

    def _walk_ready(self, at: datetime) -> None:
        while self._ready:
            self._walk(self._ready.popleft(), at)

    def _walk(self, journey: SimulatedJourney, at: datetime) -> None:
        """Carry out the commands of a journey until it rests or is over."""
        person = self.people.get(journey.record.profile_id)
        while person is not None and journey.stored == "active":
            command = machine.next_command(journey.campaign.plan, journey.state)
            fact: Fact
            match command:
                case Finish(outcome=outcome):
                    self._record(EndedJourney(journey.record, make_ending(journey.record.id, outcome, at)))
                    journey.stored = "completed"
                    self._end(person, journey)
                    return
                case SleepUntil(until=until):
                    if not self._rests(journey, until, at):
                        return
                    fact = Woke()
                case AwaitMatch(until=until):
                    found = machine.find_match(journey.campaign.plan, journey.state)
                    if found is None and not self._rests(journey, until, at):
                        return
                    fact = Woke()
                case AwaitResume(until=until):
                    if until is None or not self._rests(journey, until, at):
                        return
                    fact = Woke()
                case Authorize():
                    fact = Answered(self._steps.authorize(person, journey, command, at))
                case Dispatch(message_id=message_id):
                    fact = Settled(self._send(person, journey, UUID(message_id), at), journey_ended=False)
                case Evaluate():
                    fact = Evaluated(self._steps.evaluate(person, journey, command, at))
                case LookUp():
                    fact = LookedUp(self._steps.look_up(person, journey, command, at).until)
                case Perform():
                    answer = self._steps.perform(person, journey, command, at)
                    for event in answer.events:
                        self._take(event, at)
                    fact = Performed(answer.journey_ended)
                case AuthorizeMembers() | DispatchMembers():
                    raise TypeError(f"messages to members of accounts are not simulated: {journey.campaign.key}")
                case _:
                    assert_never(command)
            journey.tell(fact, at)

    def _rests(self, journey: SimulatedJourney, until: datetime, at: datetime) -> bool:
        """Return whether a rest is over; else wake the journey at its end."""
        if until <= at:
            return True
        journey.alarm += 1
        heappush(self._due, (until, next(self._number), journey, journey.alarm))
        return False

    def _send(self, person: SimulatedPerson, journey: SimulatedJourney, message_id: UUID, at: datetime) -> AttemptState:
        """Hand a message over at its grant, since which no fact of its claim has changed."""
        message = person.find_message(message_id)
        if message is None:
            raise LookupError(f"message {message_id} was not granted")
        outcome = self._settle(message)
        message.state, message.reason = outcome.state, outcome.reason
        if outcome.state == "failed":
            self._rooms.give_back(message.granted.charges or ())
            if self._passes_on(person, journey, message, at):
                message.state = "cancelled"
                return POSTPONED
        self._record(MessageSettled(message, at))
        return message.state

    def _passes_on(
        self, person: SimulatedPerson, journey: SimulatedJourney, message: SimulatedMessage, at: datetime
    ) -> bool:
        """Whether another channel of the step reaches the person."""
        node = journey.campaign.plan.node(message.granted.step)
        if not isinstance(node, Message) or not node.has_choice:
            return False
        failed = journey.failed.setdefault(message.id, set())
        failed.add(message.granted.channel)
        facts = gate_facts(self._rulebook, person, journey, node, message.id)
        history = ChannelHistory(list_used(failed, facts.before))
        choice = choose_channel(node, history, facts.recipient(at), facts.topics, self._rulebook.providers)
        return choice is not None and choice.reaches

    def _leave(self, journey: SimulatedJourney, outcome: str, at: datetime) -> None:
        """End a journey from outside."""
        journey.tell(Exited(outcome), at)
        journey.stored = "exited"
        ending = replace(make_ending(journey.record.id, outcome, at), state="exited")
        self._record(EndedJourney(journey.record, ending))

    def _end(self, person: SimulatedPerson, journey: SimulatedJourney) -> None:
        """Keep a journey that is over for its goal alone."""
        if journey.stored == "active":
            journey.stored = "exited"
        person.active.pop(journey.record.id, None)
        if journey.may_reach_goal(journey.record.entry.timestamp):
            person.past.append(journey)
