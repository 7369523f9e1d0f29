"""Answers to the commands of simulated journeys, by the deciders of the engine."""

from datetime import datetime
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from domain.campaign.plan import Fork, Message
from domain.campaign.steps.action import ChangeAudience, EmitEvent, SetStage, SetTraits
from domain.journey.effects import list_statements, source_of_step, with_caused
from domain.journey.position import NextPositions
from domain.journey.protocol import Authorize, Evaluate, LookUp, Perform
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest
from domain.journey.sender_decisions import (
    decide_by_sender,
    find_senders,
)
from domain.journey.step_decisions import (
    ActionAnswer,
    DelayAnswer,
    StepDecision,
    decide_action,
    decide_branch,
    decide_delay,
    decide_send,
    without_refused,
)
from domain.journey.step_facts import StepFacts
from domain.journey.step_records import record_step
from domain.long_work import finish
from domain.people.derived_events import CausedChange, ValueChange
from domain.people.profile_updates import fold_statements, list_changes
from domain.people.segments.inputs import inputs_of_changes
from domain.rehearsal.facts import gate_facts, step_facts
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.messages import SimulatedMessage, count_engagement
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import Recorder
from domain.rehearsal.rooms import Rooms
from domain.rehearsal.routing import EventIntake
from domain.rehearsal.rulebook import Rulebook
from domain.sending.channel_choice import ChannelChoice, ChannelHistory, choose_channel, list_used
from domain.sending.gate_answers import Answer
from domain.sending.ledger_marks import LedgerMarks
from domain.sending.spending import Spending

# A simulated journey has no row, so its positions are never read: there are as many as a request has answers.
_ONE: Final = NextPositions(0, (None,))
_THREE: Final = NextPositions(0, (None, None, None))


class StepAnswers:
    """Decides and records the requests of journeys."""

    def __init__(self, rulebook: Rulebook, ingest: EventIntake, rooms: Rooms, record: Recorder) -> None:
        self._rulebook = rulebook
        self._ingest = ingest
        self._rooms = rooms
        self._record = record

    def authorize(self, person: SimulatedPerson, journey: SimulatedJourney, command: Authorize, at: datetime) -> Answer:
        """Ask the gate; a grant puts the message into the person's ledger."""
        rulebook, plan, rules = self._rulebook, journey.campaign.plan, journey.campaign.rules
        request = AuthorizeRequest(
            journey.record.id,
            command.step,
            command.visit,
            command.attempt,
            command.reached_at,
            at,
            command.ends_with,
            _ONE,
        )
        node = plan.node(command.step)
        if not isinstance(node, Message):
            raise TypeError(f"{command.step} sends nothing")
        facts = gate_facts(rulebook, person, journey, node, request.message_id)
        choice = self._choose(person, journey, node, request)
        step = node if choice is None else choice.step
        zone = ZoneInfo(rulebook.timezone)
        senders = find_senders(rulebook.providers, step, at, facts, zone, rules.max_parts)
        deciding = decide_by_sender(
            senders,
            step.category,
            facts.broken,
            lambda sender: decide_send(request, plan, rules, facts, rulebook.timezone, sender, choice),
        )
        spending = Spending(step, facts.campaign_key, facts.rules, at, zone)
        decision = self._rooms.drive(deciding, spending, person)
        if decision.reservation is not None:
            campaign = (journey.campaign.key, journey.campaign.version)
            known = person.find_message(decision.reservation.id)
            message = SimulatedMessage(decision.reservation, campaign, "reserved", LedgerMarks(id=request.message_id))
            if known is not None:
                # It was postponed, and is granted anew.
                person.messages.remove(known)
            person.messages.append(message)
        self._record(record_step(request, facts, decision))
        return decision.answer

    def evaluate(
        self, person: SimulatedPerson, journey: SimulatedJourney, command: Evaluate, at: datetime
    ) -> int | None:
        """Decide a branch, a split or a repetition."""
        plan, node = journey.campaign.plan, journey.campaign.plan.node(command.step)
        if not isinstance(node, Fork):
            raise TypeError(f"{command.step} is not a fork")
        positions = NextPositions(0, (None,) * (1 + len(node.ways())))
        request = BranchRequest(journey.record.id, command.step, at, journey.state.visits, positions)
        facts = step_facts(self._rulebook, person, journey, at)
        decision = decide_branch(request, plan, journey.campaign.rules, facts, self._rulebook.timezone)
        if command.step in journey.campaign.rules.splits:
            journey.arms[command.step] = decision.outcome
        self._record(record_step(request, facts, decision))
        return decision.answer.case

    def look_up(self, person: SimulatedPerson, journey: SimulatedJourney, command: LookUp, at: datetime) -> DelayAnswer:
        """Decide the end of a delay."""
        request = DelayRequest(
            journey.record.id, command.step, command.visit, command.attempt, command.reached_at, at, _THREE
        )
        facts = step_facts(self._rulebook, person, journey, at)
        campaign = journey.campaign
        decision = decide_delay(request, campaign.plan, campaign.rules, facts, self._rulebook.timezone)
        self._record(record_step(request, facts, decision))
        return decision.answer

    def perform(
        self, person: SimulatedPerson, journey: SimulatedJourney, command: Perform, at: datetime
    ) -> ActionAnswer:
        """Perform an action on the person; the answer has the events to take in."""
        campaign = journey.campaign
        request = ActionRequest(
            journey.record.id, command.step, command.visit, at, command.ends_with, journey.state.visits, _ONE
        )
        facts = step_facts(self._rulebook, person, journey, at, with_stamps=True)
        decision = decide_action(request, campaign.plan, campaign.rules, facts, at, self._rulebook.timezone)
        if decision.effects:
            decision = self._carry_out(person, request, facts, decision)
        if decision.is_recorded:
            self._record(record_step(request, facts, decision))
        return decision.answer

    def _carry_out(
        self, person: SimulatedPerson, request: ActionRequest, facts: StepFacts, decision: StepDecision[ActionAnswer]
    ) -> StepDecision[ActionAnswer]:
        """Change the person, as `application.effects` does in the database."""
        rulebook, segments = self._rulebook, self._rulebook.segments
        if all(isinstance(effect, EmitEvent) for effect in decision.effects):
            return decision
        source, changes = source_of_step(request, facts, request.at), list[ValueChange]()
        for effect in decision.effects:
            match effect:
                case SetTraits() | SetStage():
                    before = person.profile
                    said = {person.id: list_statements(effect, source)}
                    updates = finish(fold_statements({person.id: person}, said, segments.places))
                    update = updates[person.id]
                    person.update(update.state)
                    if refused := {one.statement.name: one.reason for one in update.refusals}:
                        decision = without_refused(decision, refused)
                    made = list_changes({person.id: before}, updates, segments.places, segments.topics)
                    changes += [change for _, change in made]
                case ChangeAudience() | EmitEvent():
                    continue
                case _:
                    assert_never(effect)
        judged: list[CausedChange] = []
        if changes and decision.cause is not None:
            affected = segments.find_affected(inputs_of_changes(changes))
            if affected:
                judge = self._ingest.judge(person, request.at)
                finish(judge.follow(person.id, affected, decision.cause, source))
                person.row = judge.changed_rows().get(person.id, person.row)
                judged = judge.changes
        return with_caused(decision, (), changes, judged, segments, rulebook.listeners)

    def _choose(
        self, person: SimulatedPerson, journey: SimulatedJourney, node: Message, request: AuthorizeRequest
    ) -> ChannelChoice | None:
        if not node.has_choice:
            return None
        rulebook = self._rulebook
        facts = gate_facts(rulebook, person, journey, node, request.message_id)
        engagement = count_engagement(person.messages, node.channels, request.at) if node.is_preferred else {}
        used = list_used(journey.failed.get(request.message_id, ()), facts.before)
        recipient = facts.recipient(request.at)
        return choose_channel(node, ChannelHistory(used, engagement), recipient, facts.topics, rulebook.providers)
