"""The state machine of a journey: the next command, and the state after a fact.

All decisions of a journey are here, as plain data in and out. The workflow carries the commands out and reports back;
it decides nothing. `JourneyState` is everything that must survive: it continues as new at any point and can be moved
to another plan.
"""

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from domain.campaign.plan import (
    Act,
    Delay,
    Exit,
    Fork,
    Message,
    Plan,
    Repeat,
    Send,
    SendMembers,
    Subscription,
    Until,
    WaitFor,
)
from domain.journey import answers
from domain.journey.moves import (
    arrive,
    ask_again,
    ask_resumed,
    end_by_schedule,
    is_at_rest,
    leave_stopped,
    listen_from,
    next_round,
    note,
    outcome_after,
    rests_until,
)
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    AwaitMatch,
    AwaitResume,
    Command,
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
    MembersAnswered,
    MembersSettled,
    Perform,
    Performed,
    Resumed,
    Settled,
    Skipped,
    SleepUntil,
    Woke,
)
from domain.journey.state import COMPLETED, EXITED, JourneyState, JourneyStatus, Match, MembersRound


def begin(plan: Plan, at: datetime, seed: str = "") -> JourneyState:
    """Return the state of a new journey. `seed` makes its draws stable for a user."""
    begun = arrive(plan, JourneyState(step=None, since=at, match_since=at, seed=seed), plan.start, at)
    return end_by_schedule(plan, begun, at)


def next_command(plan: Plan, state: JourneyState) -> Command:
    """Return the next command. The same state always gives the same command."""
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
            return LookUp(node.id, state.visits[node.id], state.attempt, state.since)
        case WaitFor():
            return AwaitMatch(_deadline(plan, state))
        case Repeat() if state.phase == "resting":
            return SleepUntil(_deadline(plan, state), f"next round of {node.id}")
        case Fork():
            return Evaluate(node.id)
        case Act():
            return Perform(node.id, state.visits[node.id], outcome_after(plan, state, node.next))
        case Send():
            return _send_command(plan, state, node)
        case SendMembers():
            return _members_command(plan, state, node)
        case Exit():
            return Finish(node.outcome, state.recorded)
        case _:
            assert_never(node)


def after(plan: Plan, state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    """Return the state after a fact. One of another step changes nothing."""
    if state.outcome is not None:
        return _note_settled(state, fact, at)
    known = _with_fact(plan, state, fact, at)
    if _is_under_way(plan, state, known):
        return known
    left = leave_stopped(plan, known, at, rested=is_at_rest(plan, state))
    return end_by_schedule(plan, left, at)


def find_match(plan: Plan, state: JourneyState) -> Subscription | None:
    """Return the subscription of the present wait that matched first, if any has."""
    if state.step is None or not isinstance(node := plan.node(state.step), WaitFor):
        return None
    heard = [
        (match.at, index, subscription)
        for index, subscription in enumerate(node.subscriptions)
        if (match := state.matches.get(subscription.id)) is not None
        and match.at >= state.match_since
        and match.event_id != state.consumed_event
    ]
    return min(heard, key=lambda entry: entry[:2])[2] if heard else None


def status(plan: Plan, state: JourneyState) -> tuple[str, JourneyStatus]:
    """Return the step and the journey's status there, for rows and search attributes.

    A delay counts as waiting even while its end is looked up, so that the start of the journey can show it.
    """
    if state.step is None or state.outcome is not None:
        return "", "acting"
    match plan.node(state.step):
        case Message() if state.phase in ("deferred", "held"):
            return state.step, state.phase
        case Until():
            return state.step, "waiting"
        case _:
            return state.step, "waiting" if is_at_rest(plan, state) else "acting"


def _note_settled(state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    """Note the outcome of messages that were in flight when the journey ended."""
    match fact:
        case Settled(outcome=outcome):
            return note(state, at, outcome)
        case MembersSettled():
            return note(state, at, answers.count_outcomes(fact))
        case _:
            return state


def _is_under_way(plan: Plan, before: JourneyState, known: JourneyState) -> bool:
    """Whether a request is still unanswered, so that the journey stays where it is."""
    return not is_at_rest(plan, known) and next_command(plan, known) == next_command(plan, before)


def _with_fact(plan: Plan, state: JourneyState, fact: Fact, at: datetime) -> JourneyState:
    """Return the state with the fact, before repetitions and schedules are considered."""
    node = None if state.step is None else plan.node(state.step)
    match fact:
        case Exited(reason=reason):
            return replace(note(state, at, f"exited: {reason}"), outcome=EXITED, recorded=True)
        case Matched():
            return _after_match(plan, state, fact, at)
        case Woke():
            return _after_wake(plan, state, at)
        case Resumed():
            return ask_resumed(plan, state, at) if state.phase == "held" else replace(state, resumed=True)
        case Skipped(step=step):
            return _after_skip(plan, state, at) if step == state.step else state
        case Answered(answer=answer) if isinstance(node, Send) and state.phase == "deciding":
            return answers.after_answer(plan, state, node, answer, at)
        case Settled() if isinstance(node, Send) and state.phase == "granted":
            return answers.after_send(plan, state, node, fact, at)
        case MembersAnswered(answer=answer) if isinstance(node, SendMembers) and state.phase == "deciding":
            return answers.after_members_answer(plan, state, node, answer, at)
        case MembersSettled() if isinstance(node, SendMembers) and state.phase == "granted":
            return answers.after_members_sent(plan, state, node, fact, at)
        case Evaluated(case=case) if isinstance(node, Fork) and state.phase == "deciding":
            return answers.after_evaluation(plan, state, node, case, at)
        case LookedUp(until=until) if isinstance(node, Until) and state.phase == "deciding":
            return answers.after_look_up(plan, state, node, until, at)
        case Performed() if isinstance(node, Act):
            return answers.after_action(plan, state, node, fact, at)
        case Answered() | Settled() | MembersAnswered() | MembersSettled() | Evaluated() | LookedUp() | Performed():
            return state
        case _:
            assert_never(fact)


def _send_command(plan: Plan, state: JourneyState, node: Send) -> Command:
    ends_with = outcome_after(plan, state, node.next)
    match state.phase:
        case "deferred":
            return SleepUntil(_deadline(plan, state), f"deferred {node.id}: {state.reason}")
        case "held":
            return AwaitResume(rests_until(plan, state))
        case "granted" if state.message_id is not None:
            channel = state.channel or node.channel
            # With a fallback, the outcome decides whether the journey goes on.
            ends_with = None if state.has_fallback else ends_with
            return Dispatch(state.message_id, channel, node.category, node.priority, ends_with, state.paced_by)
        case _:
            return Authorize(node.id, state.visits[node.id], state.attempt, state.since, ends_with)


def _members_command(plan: Plan, state: JourneyState, node: SendMembers) -> Command:
    round = state.members or MembersRound()
    match state.phase:
        case "deferred":
            return SleepUntil(_deadline(plan, state), f"deferred {node.id}: {state.reason}")
        case "held":
            return AwaitResume(rests_until(plan, state))
        case "granted":
            return DispatchMembers(round.message_ids, node.channel, node.category, node.priority, round.paced_by)
        case _:
            return AuthorizeMembers(node.id, state.visits[node.id], state.attempt, state.since, round.after)


def _after_match(plan: Plan, state: JourneyState, fact: Matched, at: datetime) -> JourneyState:
    before = state.matches.get(fact.subscription)
    if before is not None and before.event_id == fact.event_id:
        return state
    if state.step is not None and isinstance(node := plan.node(state.step), WaitFor):
        listens = any(subscription.id == fact.subscription for subscription in node.subscriptions)
        if listens and find_match(plan, state) is not None:
            # Another event came first, and has ended this wait.
            return state
    return replace(state, matches={**state.matches, fact.subscription: Match(fact.event_id, at)})


def _after_wake(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    if state.step is None:
        return state
    rested = listen_from(state, at)
    if (found := find_match(plan, state)) is not None:
        event_id = state.matches[found.id].event_id
        return arrive(plan, replace(note(rested, at, f"event {event_id}"), consumed_event=event_id), found.next, at)
    if state.until is not None and at < state.until:
        return state
    node = plan.node(state.step)
    match node:
        case Delay():
            return arrive(plan, note(rested, at, "waited"), node.next, at)
        case Until() if state.phase == "resting":
            # The person's zone or the date may have changed, so the end is looked up again.
            return ask_again(state, at)
        case Repeat() if state.phase == "resting":
            return next_round(plan, rested, node, at)
        case WaitFor():
            return arrive(plan, note(rested, at, "timed out"), node.on_timeout, at)
        case Message() if state.phase in ("deferred", "held") and state.until is not None:
            return ask_again(state, at)
        case _:
            return state


def _after_skip(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    """Go on from a rest as if it were over, or timed out. A message cannot be skipped."""
    if state.step is None or not is_at_rest(plan, state) or find_match(plan, state) is not None:
        return state
    rested = listen_from(note(state, at, "wait skipped"), at)
    match node := plan.node(state.step):
        case Delay() | Until():
            return arrive(plan, rested, node.next, at)
        case WaitFor():
            return arrive(plan, rested, node.on_timeout, at)
        case Repeat():
            return next_round(plan, rested, node, at)
        case _:
            return state


def _deadline(plan: Plan, state: JourneyState) -> datetime:
    if (end := rests_until(plan, state)) is None:
        raise ValueError(f"step {state.step} rests without a deadline")
    return end
