"""The journey's state machine: (plan, state) -> the next command, and (plan, state, what happened) -> the next state.

All deciding of a journey is here, as plain data in and out. The workflow carries the commands out and reports back;
it decides nothing. `JourneyState` is everything that must survive: it continues as new at any point and can be moved
to another plan.
"""

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from domain.campaign.plan import Act, Branch, Delay, Exit, Plan, Repeat, Send, Split, Subscription, Until, WaitFor
from domain.journey.moves import arrive, ask_again, is_at_rest, leave_stopped, next_round, note, outcome_at
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
    LookedUp,
    LookUp,
    Matched,
    Perform,
    Performed,
    Resumed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.journey.state import CAPPED, COMPLETED, EXITED, SCHEDULE_ENDED, JourneyState, Match
from domain.sending.claim import POSTPONED
from domain.sending.policy import Answer, Deferred, Granted, Held, Refused


def begin(plan: Plan, at: datetime, seed: str = "") -> JourneyState:
    """The state of a journey that has just been entered. `seed` makes what is drawn by chance stable for a user."""
    begun = arrive(plan, JourneyState(step=None, since=at, looks_back_to=at, seed=seed), plan.start, at)
    return _ended_by_schedule(plan, begun, at)


def next_command(plan: Plan, state: JourneyState) -> Command:
    """What is to be done now. The same state always gives the same command."""
    if state.outcome is not None:
        return Finish(state.outcome, state.recorded)
    if state.step is None:
        return Finish(COMPLETED, state.recorded)
    node = plan.node(state.step)
    match node:
        case Delay():
            return SleepUntil(_deadline(plan, state), f"delay {node.id}")
        case Until() if state.phase == "resting":
            return SleepUntil(_deadline(plan, state), f"delay {node.id}")
        case Until():
            return LookUp(node.id, state.visits[node.id], state.ask, state.since)
        case WaitFor():
            return AwaitMatch(_deadline(plan, state))
        case Repeat() if state.phase == "resting":
            return SleepUntil(_deadline(plan, state), f"next round of {node.id}")
        case Branch() | Split() | Repeat():
            return Evaluate(node.id)
        case Act():
            return Perform(node.id, state.visits[node.id], outcome_at(plan, node.next))
        case Send():
            return _send_command(plan, state, node)
        case Exit():
            return Finish(node.outcome, state.recorded)
        case _:
            assert_never(node)


def after(plan: Plan, state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    """The state once a fact is known. One that does not concern the present step, or comes after the end, is let be."""
    if state.outcome is not None:
        return note(state, at, fact.outcome) if isinstance(fact, Settled) else state
    known = _known(plan, state, fact, at)
    if known.outcome is not None or known.phase == "granted":
        return known
    # A signal may come while the journey awaits an answer: only where it rests, it moves on at once.
    if not isinstance(fact, Matched) or is_at_rest(plan, known):
        known = leave_stopped(plan, known, at)
    return known if isinstance(fact, Matched | Resumed) else _ended_by_schedule(plan, known, at)


def _known(plan: Plan, state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    node = None if state.step is None else plan.node(state.step)
    match fact:
        case Exited(reason=reason):
            return replace(note(state, at, f"exited: {reason}"), outcome=EXITED, recorded=True)
        case Matched():
            return _matched(plan, state, fact, at)
        case Woke():
            return _woke(plan, state, at)
        case Resumed():
            return ask_again(state) if state.phase == "held" else replace(state, resumed=True)
        case Answered(answer=answer) if isinstance(node, Send) and state.phase == "ask":
            return _answered(plan, state, node, answer, at)
        case Settled() if isinstance(node, Send) and state.phase == "granted":
            return _settled(plan, state, node, fact, at)
        case Evaluated(case=case) if isinstance(node, Branch | Split | Repeat) and state.phase == "ask":
            return _evaluated(plan, state, node, case, at)
        case LookedUp(until=until) if isinstance(node, Until) and state.phase == "ask":
            return _looked_up(plan, state, node, until, at)
        case Performed(journey_ended=journey_ended) if isinstance(node, Act):
            if journey_ended:
                return replace(note(state, at, "not done: the journey was ended"), outcome=EXITED, recorded=True)
            ended = outcome_at(plan, node.next) is not None
            return arrive(plan, replace(note(state, at, "done"), recorded=ended), node.next, at)
        case Answered() | Settled() | Evaluated() | LookedUp() | Performed():
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
        case Until() | Repeat() if state.phase == "resting":
            return state.step, "waiting"
        case Send() if state.phase in ("deferred", "held"):
            return state.step, state.phase
        case _:
            return state.step, "acting"


def _send_command(plan: Plan, state: JourneyState, node: Send) -> Command:
    ends_with = outcome_at(plan, node.next)
    match state.phase:
        case "deferred":
            return SleepUntil(_deadline(plan, state), f"deferred: {state.reason}")
        case "held":
            return AwaitResume(plan.ends_at)
        case "granted" if state.message_id is not None:
            return Dispatch(state.message_id, node.channel, node.category, node.priority, ends_with)
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
        return arrive(plan, replace(note(state, at, f"event {event_id}"), heard=event_id), found.next, at)
    if state.until is not None and at < state.until:
        return state
    node = plan.node(state.step)
    match node:
        case Delay():
            return arrive(plan, note(state, at, "waited"), node.next, at)
        case Until() if state.phase == "resting":
            # The person may have moved, or the date: it is looked up again.
            return ask_again(state)
        case Repeat() if state.phase == "resting":
            return next_round(plan, state, node, at)
        case WaitFor():
            return arrive(plan, note(state, at, "timed out"), node.on_timeout, at)
        case Send() if state.phase == "deferred":
            return ask_again(state)
        case _:
            return state


def _answered(plan: Plan, state: JourneyState, node: Send, answer: Answer, at: datetime) -> JourneyState:
    match answer:
        case Granted(message_id=message_id):
            return replace(state, phase="granted", message_id=message_id, reason=None, looks_back_to=at)
        case Deferred(until=until, reason=reason):
            noted = note(state, at, f"deferred to {until:%Y-%m-%dT%H:%M:%SZ}: {reason}")
            return replace(noted, phase="deferred", until=until, reason=reason)
        case Held() if state.resumed:
            # The resumption overtook the answer.
            return ask_again(state)
        case Held(reason=reason):
            return replace(note(state, at, f"held: {reason}"), phase="held", until=None, reason=reason)
        case Refused(reason=reason, journey_ended=True):
            return replace(note(state, at, f"refused: {reason}"), outcome=EXITED, recorded=True)
        case Refused(reason="capped") if node.on_capped == "exit":
            return replace(note(state, at, "refused: capped"), outcome=CAPPED, recorded=True)
        case Refused(reason=reason):
            unsent = replace(note(state, at, f"refused: {reason}"), looks_back_to=at)
            return _leave_send(plan, unsent, node, at)
        case _:
            assert_never(answer)


def _settled(plan: Plan, state: JourneyState, node: Send, fact: Settled, at: datetime) -> JourneyState:
    noted = note(state, at, fact.outcome)
    if fact.journey_ended:
        return replace(noted, outcome=EXITED, recorded=True)
    if fact.outcome == POSTPONED:
        return ask_again(noted)
    return _leave_send(plan, noted, node, at)


def _leave_send(plan: Plan, state: JourneyState, node: Send, at: datetime) -> JourneyState:
    # The activity that settled the last message, or refused it, has recorded the end in its own transaction.
    ended = outcome_at(plan, node.next) is not None
    return arrive(plan, replace(state, recorded=ended), node.next, at)


def _evaluated(
    plan: Plan, state: JourneyState, node: Branch | Split | Repeat, case: int | None, at: datetime
) -> JourneyState:
    match node:
        case Branch():
            target = node.otherwise if case is None else node.cases[case]
            return arrive(plan, note(state, at, "otherwise" if case is None else f"case {case + 1}"), target, at)
        case Split():
            if case is None:
                raise ValueError(f"no arm was drawn at {node.id}")
            return arrive(plan, note(state, at, f"arm {node.arms[case].name}"), node.arms[case].next, at)
        case Repeat():
            return arrive(plan, state, node.body if case is None else node.next, at)
        case _:
            assert_never(node)


def _looked_up(plan: Plan, state: JourneyState, node: Until, until: datetime | None, at: datetime) -> JourneyState:
    if state.ask == 1 and (until is None or until < state.since):
        return arrive(plan, note(state, at, "no such date" if until is None else "past already"), node.past, at)
    if until is None or until <= at:
        return arrive(plan, note(state, at, "waited"), node.next, at)
    return replace(state, phase="resting", until=until)


def _ended_by_schedule(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    if plan.ends_at is None or at < plan.ends_at or state.outcome is not None or outcome_at(plan, state.step):
        return state
    return replace(note(state, at, "the schedule ended"), outcome=SCHEDULE_ENDED, recorded=False)


def _deadline(plan: Plan, state: JourneyState) -> datetime:
    """The end of the present rest; the journey's own end, if that comes before."""
    if state.until is None:
        raise ValueError(f"step {state.step} rests without a deadline")
    return state.until if plan.ends_at is None else min(state.until, plan.ends_at)
