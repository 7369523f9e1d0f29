"""Decide the requests of a journey: the answer, the record, and the effects.

The functions touch nothing but their arguments: plan and rules of the version, facts under lock, the instant of the
request. A decision is final for the id of its request; the caller carries it out.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Final, Generic, Literal, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.delays.kind import DelayFacts
from domain.campaign.plan import Plan, Repeat, Send, Split
from domain.campaign.rules import Rules
from domain.campaign.steps.action import ActionFacts, ChangeAudience, Effect, EmitEvent, SetStage, SetTraits
from domain.channels.kinds import CHANNELS
from domain.conditions.expressions import EvaluationTime
from domain.errors import ConflictError
from domain.journey.bucketing import assign_arm
from domain.journey.position import Position, position_after_branch, position_after_delay, position_after_gate
from domain.journey.protocol import Unreadable
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest
from domain.journey.state import CAP_REASONS, CAPPED
from domain.journey.step_facts import GateFacts, StepFacts, journey_variables
from domain.people.derived_events import Cause, ValueChange, derived_event
from domain.people.device_addresses import AddressKind, DeviceAddress, list_reached
from domain.sending import policy
from domain.sending.channel_choice import ChannelChoice
from domain.sending.fallbacks import find_due
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, Refused
from domain.sending.policy import JourneyFacts, Reservation
from domain.sending.routes import SenderChoice, SenderPick, price_of
from domain.tracking.chain import count_chain
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event, Trust, stored_event

A = TypeVar("A")

NO_AUDIENCE: Final = "no_audience"
_NO_DATE_REASONS: Final = {NoneType: "no_date", Unreadable: "unreadable_date"}


GateOutcome = Literal["granted", "deferred", "held", "refused"]
# Past: there is no date, or the step was reached after it. Unreadable: the value is not a date.
DelayOutcome = Literal["past", "unreadable", "waiting", "over"]


class BranchAnswer(Struct, frozen=True):
    """The index of the case that holds, or of the arm; None for `otherwise`."""

    case: int | None


class DelayAnswer(Struct, frozen=True):
    """The end of a delay, perhaps past; None without a date, or Unreadable."""

    until: datetime | Unreadable | None


class ActionAnswer(Struct, frozen=True, omit_defaults=True):
    """The events that the action reports. With `journey_ended`, it was not done."""

    events: tuple[Event, ...]
    journey_ended: bool = False


class StepDecision(Struct, Generic[A], frozen=True, kw_only=True):
    """The decision on one request: answer, reason with data, and effects.

    Kinds and outcomes are open sets: each kind of action is one, and each arm of a split.

    `effects` and `reservation` are carried out with it. The journey ends with the outcome `ends_with`; if that is None,
    its row gets `position`, or stays. A decision that is not `is_recorded` changes nothing. `cause` is that of the
    events derived from the effects.
    """

    kind: str
    outcome: str
    answer: A
    reason: str | None = None
    data: dict[str, Any]
    effects: tuple[Effect, ...] = ()
    reservation: Reservation | None = None
    ends_with: str | None = None
    position: Position | None = None
    is_recorded: bool = True
    cause: Cause | None = None


def decide_send(
    request: AuthorizeRequest,
    plan: Plan,
    rules: Rules,
    facts: GateFacts,
    timezone: str,
    sender: SenderPick | None = None,
    choice: ChannelChoice | None = None,
) -> StepDecision[Answer]:
    """Decide whether a message may go, by a provider. `timezone` is the deployment's.

    `choice` is the channel of a step that has several; None if all were used.

    A refusal ends an active journey if the request says so, or for a cap if the step says so. Raises ConflictError for
    a step of another kind.
    """
    step = plan.node(request.step)
    if not isinstance(step, Send):
        raise ConflictError(f"step {request.step} of {facts.campaign_key} sends nothing")
    chosen = step if choice is None else choice.step
    due = find_due(step, facts.before)
    asked = policy.Request(str(request.message_id), chosen, request.reached_at, request.at, plan.ends_at, due)
    decision = decide_by_policy(asked, rules, facts, timezone, sender)
    answer, data = decision.answer, decision.data
    if isinstance(answer, Granted) and step.has_choice and choice is None:
        answer, data = Refused("unreachable"), {"detail": "every channel of the step was used"}
    elif isinstance(answer, Granted) and choice is not None:
        may_follow = step.fallback is not None and bool(choice.others)
        answer = replace(answer, channel=chosen.channel, has_fallback=may_follow)
    if choice is not None:
        data = {**choice.data(), **data}
    ends_with = _ends_with(request, step, answer)
    is_over = ends_with is not None or (isinstance(answer, Refused) and answer.journey_ended)
    position = position_after_gate(request.next_positions, request.step, answer, request.at, plan.ends_at)
    return StepDecision(
        kind="send",
        outcome=gate_outcome(answer),
        reason=None if isinstance(answer, Granted) else answer.reason,
        answer=answer,
        data=data,
        reservation=_reservation(request, asked, facts, sender) if isinstance(answer, Granted) else None,
        ends_with=ends_with,
        position=None if is_over else position,
    )


def decide_by_policy(
    asked: policy.Request, rules: Rules, facts: GateFacts, timezone: str, sender: SenderPick | None
) -> policy.GateDecision:
    """Hand the facts of a gate to the one policy of all messages."""
    return policy.decide(
        asked,
        JourneyFacts(facts.journey_state, facts.ended_by, facts.campaign_state, rules.on_resume.overdue, facts.held_at),
        facts.recipient(asked.at),
        window=rules.send_window,
        zone=facts.zone(rules.timezone, timezone),
        rules=facts.rules,
        ledger=facts.ledger,
        topics=facts.topics,
        sender=sender,
        before=facts.before,
    )


def _ends_with(request: AuthorizeRequest, step: Send, answer: Answer) -> str | None:
    if not isinstance(answer, Refused) or answer.journey_ended:
        return None
    return CAPPED if answer.reason in CAP_REASONS and step.on_capped == "exit" else request.ends_with


def find_address_kinds(channel: str, devices: Sequence[DeviceAddress], at: datetime) -> frozenset[AddressKind] | None:
    """Return the kinds of the addresses of a message; None if they are not of devices."""
    is_by_device = CHANNELS[channel].uses_devices
    return frozenset(one.kind for one in list_reached(devices, at)) if is_by_device else None


def gate_outcome(answer: Answer) -> GateOutcome:
    """Return the outcome of the gate's decision."""
    match answer:
        case Granted():
            return "granted"
        case Deferred():
            return "deferred"
        case Held():
            return "held"
        case Refused():
            return "refused"


def _reservation(
    request: AuthorizeRequest, asked: policy.Request, facts: GateFacts, sender: SenderPick | None
) -> Reservation:
    return Reservation(
        id=request.message_id,
        journey_id=request.journey_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        step=request.step,
        visit=request.visit,
        channel=asked.step.channel,
        category=asked.step.category,
        priority=asked.step.priority,
        template=asked.step.template,
        at=request.at,
        expires_at=asked.expires_at,
        provider=sender.provider if isinstance(sender, SenderChoice) else None,
        fallback_of=facts.before[0].id if facts.before else None,
        **price_of(sender),
    )


def decide_branch(
    request: BranchRequest, plan: Plan, rules: Rules, facts: StepFacts, timezone: str
) -> StepDecision[BranchAnswer]:
    """Decide which way a journey goes at a branch, a split, or a repetition."""
    node = plan.node(request.step)
    if isinstance(node, Split):
        rule = rules.splits[request.step]
        # The database does not keep the order of a mapping; the plan does.
        arm = assign_arm(rule.seed, str(facts.bucket), {arm.name: rule.arms[arm.name] for arm in node.arms})
        return _branch_decision(request, "split", arm, node.arms[arm].name)
    variables = journey_variables(plan, request.visits, facts)
    time = EvaluationTime(request.at, rules.timezone or timezone)
    entry = stored_event(facts.entry)
    chosen = rules.decide(request.step, time, profile=facts, account=facts.account, entry=entry, journey=variables)
    data: dict[str, Any] = {}
    if chosen.case is not None:
        # A journey may move to a version whose cases are others, so the decision keeps its condition.
        data["when"] = rules.branches[request.step][chosen.case]
    if chosen.errors:
        data["errors"] = {str(case + 1): error for case, error in chosen.errors.items()}
    if isinstance(node, Repeat):
        outcome = "another round" if chosen.case is None else "over"
        return _branch_decision(request, "repeat", chosen.case, outcome, data)
    outcome = "otherwise" if chosen.case is None else f"case {chosen.case + 1}"
    return _branch_decision(request, "branch", chosen.case, outcome, data)


def _branch_decision(
    request: BranchRequest, kind: str, case: int | None, outcome: str, data: dict[str, Any] | None = None
) -> StepDecision[BranchAnswer]:
    return StepDecision(
        kind=kind,
        outcome=outcome,
        answer=BranchAnswer(case),
        data=data or {},
        position=position_after_branch(request.next_positions, case),
    )


def decide_delay(
    request: DelayRequest, plan: Plan, rules: Rules, facts: StepFacts, timezone: str
) -> StepDecision[DelayAnswer]:
    """Decide the end of a delay. `timezone` is the deployment's."""
    zone = facts.zone(rules.timezone, timezone)
    delay_facts = DelayFacts(request.reached_at, request.at, facts, facts.account, stored_event(facts.entry))
    end = rules.delays[request.step].until(delay_facts, zone)
    outcome = _delay_outcome(request, end.until)
    data: dict[str, Any] = {"error": end.error}
    if isinstance(end.until, datetime):
        data = {"until": end.until.astimezone(zone), "timezone": zone.key}
    return StepDecision(
        kind="delay",
        outcome=outcome,
        reason=_NO_DATE_REASONS.get(type(end.until)),
        answer=DelayAnswer(end.until),
        data=data,
        position=position_after_delay(
            request.next_positions,
            request.step,
            end.until,
            is_past=outcome == "past",
            at=request.at,
            ends_at=plan.ends_at,
        ),
    )


def _delay_outcome(request: DelayRequest, until: datetime | Unreadable | None) -> DelayOutcome:
    if isinstance(until, Unreadable):
        return "unreadable"
    if until is None or (request.attempt == 1 and until < request.reached_at):
        return "past"
    return "over" if until <= request.at else "waiting"


def decide_action(
    request: ActionRequest, plan: Plan, rules: Rules, facts: StepFacts, now: datetime, timezone: str
) -> StepDecision[ActionAnswer]:
    """Decide what an action does. `now`, by the deployment's clock, dates its events.

    Some traits may be refused, which the caller adds by `without_refused`.
    """
    rule = rules.actions[request.step]
    if facts.journey_state != "active":
        answer = ActionAnswer((), journey_ended=True)
        return StepDecision(kind=rule.kind, outcome="refused", answer=answer, data={}, is_recorded=False)
    variables = journey_variables(plan, request.visits, facts)
    entry = stored_event(facts.entry)
    time = EvaluationTime(now, rules.timezone or timezone)
    effects = rule.effects(
        ActionFacts(
            time,
            facts,
            facts.account,
            entry,
            variables,
            facts.unverified_traits,
            facts.unverified_computed,
            facts.verified_traits,
        )
    )
    data, events = dict(effects.data), list[Event]()
    for effect in effects.effects:
        match effect:
            case SetTraits(traits=traits):
                data["traits"] = sorted({*data.get("traits", ()), *traits})
            case SetStage(stage=stage):
                data |= {"stage": stage, "before": facts.stage}
            case ChangeAudience(name=name, is_wanted=is_wanted):
                data |= {"audience": name, "is_wanted": is_wanted}
            case EmitEvent():
                event = _event(effect, request, facts, now, len(events))
                events.append(event)
                data |= {"event": event.name, "event_id": event.id}
            case _:
                assert_never(effect)
    if effects.errors:
        data["errors"] = dict(effects.errors)
    [position] = request.next_positions.positions
    return StepDecision(
        kind=rule.kind,
        outcome=effects.outcome,
        reason=effects.reason,
        answer=ActionAnswer(tuple(events)),
        data=data,
        effects=effects.effects,
        ends_with=request.ends_with,
        position=position,
        cause=_cause(request, facts, count_chain(entry) + 1, now),
    )


def without_refused(decision: StepDecision[A], refused: Mapping[str, str]) -> StepDecision[A]:
    """Remove refused traits from the data, and add the reasons."""
    traits: Collection[str] = decision.data["traits"]
    errors = {**decision.data.get("errors", {}), **refused}
    return replace(decision, data={**decision.data, "traits": sorted(set(traits) - refused.keys()), "errors": errors})


def without_stage(decision: StepDecision[A], why: str) -> StepDecision[A]:
    """Remove a stage that is not set from the data, and add the reason."""
    kept = {name: value for name, value in decision.data.items() if name not in ("stage", "before")}
    return replace(decision, data={**kept, "stage_not_set": why})


def without_audience(decision: StepDecision[A], why: str) -> StepDecision[A]:
    """Refuse a change of an audience that steps do not change any more."""
    return replace(decision, outcome="refused", reason=NO_AUDIENCE, data={**decision.data, "detail": why})


def with_derived(decision: StepDecision[A], changes: Sequence[tuple[ValueChange, Cause]]) -> StepDecision[A]:
    """Add the events of changes to those that an action reports."""
    answer = decision.answer
    if not changes or not isinstance(answer, ActionAnswer):
        return decision
    derived = (derived_event(change, cause) for change, cause in changes)
    return replace(decision, answer=replace(answer, events=(*answer.events, *derived)))


def _cause(request: ActionRequest, facts: StepFacts, chain: int, now: datetime) -> Cause:
    return Cause(
        id=request.decision_id,
        user_id=facts.user_id,
        anonymous_id=None if facts.user_id else facts.anonymous_id,
        timestamp=now,
        context=_origin(request, facts, chain),
        group_id=facts.account_id,
    )


def _origin(request: ActionRequest, facts: StepFacts, chain: int) -> dict[str, Any]:
    return {"campaign": facts.campaign_key, "journey_id": str(request.journey_id), "chain": chain}


def _event(effect: EmitEvent, request: ActionRequest, facts: StepFacts, now: datetime, number: int) -> Event:
    """Make an event whose id is the same in every attempt."""
    id = request.event_id(number)
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="track",
        name=effect.name,
        user_id=facts.user_id,
        anonymous_id=None if facts.user_id else facts.anonymous_id,
        properties=effect.properties,
        group_id=facts.account_id,
        context={OUR_CONTEXT: _origin(request, facts, effect.chain)},
        timestamp=now,
        # It may hold values of the entry, and of traits.
        trust=Trust.ANONYMOUS if effect.is_unverified else stored_event(facts.entry).trust,
    )
