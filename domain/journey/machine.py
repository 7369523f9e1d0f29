"""The journey's state machine: (plan, state) -> the next command, and (plan, state, what happened) -> the next state.

All deciding of a journey is here, as plain data in and out. The workflow carries the commands out and reports back;
it decides nothing. `JourneyState` is everything that must survive: it continues as new at any point and can be moved
to another plan.
"""

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from domain.campaign.plan import Branch, Delay, Exit, Plan, Send, Subscription, WaitFor
from domain.journey.protocol import (
    Answered,
    Authorise,
    AwaitMatch,
    AwaitResume,
    Command,
    Dispatch,
    Evaluate,
    Evaluated,
    Exited,
    Fact,
    Finish,
    Matched,
    Resumed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.journey.state import CAPPED, COMPLETED, EXITED, TRAIL_LENGTH, JourneyState, Match, Passed
from domain.sending.policy import Answer, Deferred, Granted, Held, Refused


def begin(plan: Plan, at: datetime) -> JourneyState:
    """The state of a journey that has just been entered."""
    return _arrive(plan, JourneyState(step=None, since=at, looks_back_to=at), plan.start, at)


def next_command(plan: Plan, state: JourneyState) -> Command:
    """What is to be done now. The same state always gives the same command."""
    if state.outcome is not None:
        return Finish(state.outcome, state.recorded)
    if state.step is None:
        return Finish(COMPLETED, state.recorded)
    node = plan.node(state.step)
    match node:
        case Delay():
            return SleepUntil(_deadline(state), f"delay {node.id}")
        case WaitFor():
            return AwaitMatch(_deadline(state))
        case Branch():
            return Evaluate(node.id)
        case Send():
            return _send_command(plan, state, node)
        case Exit():
            return Finish(node.outcome, state.recorded)
        case _:
            assert_never(node)


def after(plan: Plan, state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    """The state once a fact is known. One that does not concern the present step, or comes after the end, is let be."""
    if state.outcome is not None:
        return _note(state, at, fact.outcome) if isinstance(fact, Settled) else state
    node = None if state.step is None else plan.node(state.step)
    match fact:
        case Exited(reason=reason):
            return replace(_note(state, at, f"exited: {reason}"), outcome=EXITED, recorded=True)
        case Matched():
            return _matched(plan, state, fact, at)
        case Woke():
            return _woke(plan, state, at)
        case Resumed():
            return _ask_again(state) if state.phase == "held" else replace(state, resumed=True)
        case Answered(answer=answer) if isinstance(node, Send) and state.phase == "ask":
            return _answered(plan, state, node, answer, at)
        case Settled() if isinstance(node, Send) and state.phase == "granted":
            return _settled(plan, state, node, fact, at)
        case Evaluated(case=case) if isinstance(node, Branch):
            target = node.otherwise if case is None else node.cases[case]
            return _arrive(plan, _note(state, at, "otherwise" if case is None else f"case {case + 1}"), target, at)
        case Answered() | Settled() | Evaluated():
            return state
        case _:
            assert_never(fact)


def matching(plan: Plan, state: JourneyState) -> Subscription | None:
    """The subscription of the present wait that matched first since the wait looks back, if any has."""
    if state.step is None or not isinstance(node := plan.node(state.step), WaitFor):
        return None
    heard = [
        (match.at, index, subscription)
        for index, subscription in enumerate(node.subscriptions)
        if (match := state.matches.get(subscription.id)) is not None
        and match.at >= state.looks_back_to
        and match.event_id != state.heard
    ]
    return min(heard, key=lambda entry: entry[:2])[2] if heard else None


def standing(plan: Plan, state: JourneyState) -> tuple[str, str]:
    """The step and what the journey does there, for whoever looks: waiting, deferred, held or acting."""
    if state.step is None or state.outcome is not None:
        return "", "acting"
    match plan.node(state.step):
        case Delay() | WaitFor():
            return state.step, "waiting"
        case Send() if state.phase in ("deferred", "held"):
            return state.step, state.phase
        case _:
            return state.step, "acting"


def _send_command(plan: Plan, state: JourneyState, node: Send) -> Command:
    ends_with = _outcome_at(plan, node.next)
    match state.phase:
        case "deferred":
            return SleepUntil(_deadline(state), f"deferred: {state.reason}")
        case "held":
            return AwaitResume()
        case "granted" if state.message_id is not None:
            return Dispatch(state.message_id, node.channel, node.category, ends_with)
        case _:
            return Authorise(node.id, state.visits[node.id], state.ask, state.since, ends_with)


def _matched(plan: Plan, state: JourneyState, fact: Matched, at: datetime) -> JourneyState:
    before = state.matches.get(fact.subscription)
    if before is not None and before.event_id == fact.event_id:
        return state
    if state.step is not None and isinstance(node := plan.node(state.step), WaitFor):
        listens = any(subscription.id == fact.subscription for subscription in node.subscriptions)
        if listens and matching(plan, state) is not None:
            # Another came first, and has ended this wait.
            return state
    return replace(state, matches={**state.matches, fact.subscription: Match(fact.event_id, at)})


def _woke(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    if state.step is None:
        return state
    if (found := matching(plan, state)) is not None:
        event_id = state.matches[found.id].event_id
        return _arrive(plan, replace(_note(state, at, f"event {event_id}"), heard=event_id), found.next, at)
    if state.until is not None and at < state.until:
        return state
    node = plan.node(state.step)
    match node:
        case Delay():
            return _arrive(plan, _note(state, at, "waited"), node.next, at)
        case WaitFor():
            return _arrive(plan, _note(state, at, "timed out"), node.on_timeout, at)
        case Send() if state.phase == "deferred":
            return _ask_again(state)
        case _:
            return state


def _answered(plan: Plan, state: JourneyState, node: Send, answer: Answer, at: datetime) -> JourneyState:
    match answer:
        case Granted(message_id=message_id):
            return replace(state, phase="granted", message_id=message_id, reason=None, looks_back_to=at)
        case Deferred(until=until, reason=reason):
            noted = _note(state, at, f"deferred to {until:%Y-%m-%dT%H:%M:%SZ}: {reason}")
            return replace(noted, phase="deferred", until=until, reason=reason)
        case Held() if state.resumed:
            # The resumption overtook the answer.
            return _ask_again(state)
        case Held(reason=reason):
            return replace(_note(state, at, f"held: {reason}"), phase="held", until=None, reason=reason)
        case Refused(reason=reason, journey_ended=True):
            return replace(_note(state, at, f"refused: {reason}"), outcome=EXITED, recorded=True)
        case Refused(reason="capped") if node.on_capped == "exit":
            return replace(_note(state, at, "refused: capped"), outcome=CAPPED, recorded=True)
        case Refused(reason=reason):
            unsent = replace(_note(state, at, f"refused: {reason}"), looks_back_to=at)
            return _leave_send(plan, unsent, node, at)
        case _:
            assert_never(answer)


def _settled(plan: Plan, state: JourneyState, node: Send, fact: Settled, at: datetime) -> JourneyState:
    noted = _note(state, at, fact.outcome)
    if fact.journey_ended:
        return replace(noted, outcome=EXITED, recorded=True)
    return _leave_send(plan, noted, node, at)


def _leave_send(plan: Plan, state: JourneyState, node: Send, at: datetime) -> JourneyState:
    # The activity that settled the last message, or refused it, has recorded the end in its own transaction.
    ended = _outcome_at(plan, node.next) is not None
    return _arrive(plan, replace(state, recorded=ended), node.next, at)


def _arrive(plan: Plan, state: JourneyState, step: str | None, at: datetime) -> JourneyState:
    """Come to a step. What follows a message without a rest in between also hears of events since it was granted."""
    previous = plan.nodes.get(state.step) if state.step is not None else None
    visits = state.visits if step is None else {**state.visits, step: state.visits.get(step, 0) + 1}
    arrived = replace(
        state,
        step=step,
        since=at,
        looks_back_to=at if isinstance(previous, Delay | WaitFor) else state.looks_back_to,
        until=None,
        phase="ask",
        reason=None,
        ask=1,
        message_id=None,
        visits=visits,
        resumed=False,
    )
    if step is None:
        return arrived
    match plan.node(step):
        case Delay(seconds=seconds) | WaitFor(timeout=seconds):
            return replace(arrived, until=at + timedelta(seconds=seconds))
        case _:
            return arrived


def _outcome_at(plan: Plan, step: str | None) -> str | None:
    """The outcome if the journey is over on coming to this step, else None."""
    if step is None:
        return COMPLETED
    node = plan.node(step)
    return node.outcome if isinstance(node, Exit) else None


def _ask_again(state: JourneyState) -> JourneyState:
    return replace(state, phase="ask", ask=state.ask + 1, until=None, reason=None, resumed=False)


def _note(state: JourneyState, at: datetime, what: str) -> JourneyState:
    passed = Passed(at, state.step or "", what)
    return replace(state, trail=(*state.trail, passed)[-TRAIL_LENGTH:])


def _deadline(state: JourneyState) -> datetime:
    if state.until is None:
        raise ValueError(f"step {state.step} rests without a deadline")
    return state.until
