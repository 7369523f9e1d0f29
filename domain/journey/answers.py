"""States after the answers of the gate, a send, a fork, a look-up and an action."""

from collections import Counter
from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from domain.campaign.plan import Act, Fork, Plan, Send, SendMembers, Until
from domain.journey.moves import arrive, ask_again, ask_resumed, listen_from, note, outcome_of
from domain.journey.protocol import MembersSettled, Performed, Settled, Unreadable
from domain.journey.state import CAP_REASONS, CAPPED, EXITED, JourneyState, MembersRound
from domain.sending.claim import POSTPONED, may_have_arrived
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, MembersAnswer, MembersPage, Refused
from domain.sending.policy import ON_HOLD
from domain.sending.send_hours import SEND_WINDOW


def after_answer(plan: Plan, state: JourneyState, node: Send, answer: Answer, at: datetime) -> JourneyState:
    """Return the state after an answer of the gate."""
    match answer:
        case Granted():
            granted = replace(
                state,
                phase="granted",
                message_id=answer.message_id,
                reason=None,
                paced_by=answer.paced_by,
                channel=answer.channel,
                has_fallback=answer.has_fallback,
            )
            # A user may react before the message has settled.
            return listen_from(granted, at)
        case Deferred(until=until, reason=reason):
            noted = note(state, at, f"deferred to {until:%Y-%m-%dT%H:%M:%SZ}: {reason}")
            return replace(noted, phase="deferred", until=until, reason=reason)
        case Held():
            return _hold(plan, state, answer, at)
        case Refused(reason=reason, journey_ended=True):
            return replace(note(state, at, f"refused: {reason}"), outcome=EXITED, recorded=True)
        case Refused(reason=reason) if reason in CAP_REASONS and node.on_capped == "exit":
            return replace(note(state, at, f"refused: {reason}"), outcome=CAPPED, recorded=True)
        case Refused(reason=reason):
            unsent = listen_from(note(state, at, f"refused: {reason}"), at)
            return _leave_recorded(plan, unsent, node, at)
        case _:
            assert_never(answer)


def after_send(plan: Plan, state: JourneyState, node: Send, fact: Settled, at: datetime) -> JourneyState:
    """Return the state after the settlement of a message."""
    noted = note(state, at, fact.outcome)
    if fact.journey_ended:
        return replace(noted, outcome=EXITED, recorded=True)
    if fact.outcome == POSTPONED:
        return ask_again(noted, at)
    if state.has_fallback and node.fallback is not None:
        # An end is not recorded with the message: it depends on the outcome.
        return arrive(plan, noted, node.fallback.wait if may_have_arrived(fact.outcome) else node.next, at)
    return _leave_recorded(plan, noted, node, at)


def after_members_answer(
    plan: Plan, state: JourneyState, node: SendMembers, answer: MembersAnswer, at: datetime
) -> JourneyState:
    """Return the state after the gate's answer about a page of members."""
    match answer:
        case MembersPage(message_ids=message_ids, after=after, until=until, is_held=is_held, paced_by=paced_by):
            round = state.members or MembersRound()
            known = replace(
                round,
                after=after,
                is_last=after is None,
                message_ids=message_ids,
                until=min((end for end in (round.until, until) if end is not None), default=None),
                is_held=round.is_held or is_held,
                paced_by=paced_by,
            )
            paged = replace(state, members=known, reason=None)
            if message_ids:
                # A member may react before the messages have settled.
                return listen_from(replace(paged, phase="granted"), at)
            if state.members is None and known.is_last and known.until is None:
                paged = note(paged, at, "sent to no member")
            return _next_page(plan, paged, node, known, at)
        case Held():
            return _hold(plan, state, answer, at)
        case Refused(reason=reason, journey_ended=True):
            return replace(note(state, at, f"refused: {reason}"), outcome=EXITED, recorded=True)
        case Refused(reason=reason):
            return arrive(plan, listen_from(note(state, at, f"refused: {reason}"), at), node.next, at)
        case _:
            assert_never(answer)


def after_members_sent(
    plan: Plan, state: JourneyState, node: SendMembers, fact: MembersSettled, at: datetime
) -> JourneyState:
    """Return the state after the settlement of a page of messages."""
    noted = note(state, at, count_outcomes(fact))
    if fact.journey_ended:
        return replace(noted, outcome=EXITED, recorded=True)
    round = state.members or MembersRound()
    known = replace(round, message_ids=(), is_postponed=round.is_postponed or POSTPONED in fact.outcomes)
    return _next_page(plan, replace(noted, members=known), node, known, at)


def count_outcomes(fact: MembersSettled) -> str:
    """Say how many messages of a page have which outcome: `98 sent, 2 failed`."""
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(Counter(fact.outcomes).items()))


def _next_page(plan: Plan, state: JourneyState, node: SendMembers, round: MembersRound, at: datetime) -> JourneyState:
    """Go on to the next page, else to the next round, else to the next step.

    A release that overtook the answers may concern members of any page so far, so the next round follows at once.
    """
    if state.resumed and round.is_held:
        round = replace(round, is_held=False, is_postponed=True)
        state = replace(state, members=round)
    if not round.is_last:
        return replace(state, phase="deciding", resumed=False)
    if round.is_postponed:
        return replace(ask_again(state, at), members=None)
    if round.until is not None and round.is_held:
        return replace(_hold(plan, state, Held(ON_HOLD, round.until), at), members=None)
    if round.until is not None:
        noted = note(state, at, f"deferred to {round.until:%Y-%m-%dT%H:%M:%SZ}: {SEND_WINDOW}")
        return replace(noted, phase="deferred", until=round.until, reason=SEND_WINDOW, members=None)
    return arrive(plan, state, node.next, at)


def after_evaluation(plan: Plan, state: JourneyState, node: Fork, case: int | None, at: datetime) -> JourneyState:
    """Return the state after the decision at a fork."""
    way = node.default_way() if case is None else node.ways()[case]
    if way is None:
        raise ValueError(f"no way was chosen at {node.id}")
    return arrive(plan, state if way.label is None else note(state, at, way.label), way.next, at)


def after_look_up(
    plan: Plan, state: JourneyState, node: Until, until: datetime | Unreadable | None, at: datetime
) -> JourneyState:
    """Return the state after the look-up of a delay's end."""
    if until is None:
        return arrive(plan, note(state, at, "no such date"), node.past, at)
    if isinstance(until, Unreadable):
        return arrive(plan, note(state, at, "unreadable date"), node.unreadable, at)
    if state.attempt == 1 and until < state.since:
        return arrive(plan, note(state, at, "past already"), node.past, at)
    if until <= at:
        return arrive(plan, note(state, at, "waited"), node.next, at)
    return replace(state, phase="resting", until=until)


def after_action(plan: Plan, state: JourneyState, node: Act, fact: Performed, at: datetime) -> JourneyState:
    """Return the state after an action, which was not done if the journey had ended."""
    if fact.journey_ended:
        return replace(note(state, at, "not done: the journey was ended"), outcome=EXITED, recorded=True)
    return _leave_recorded(plan, note(state, at, "done"), node, at)


def _hold(plan: Plan, state: JourneyState, answer: Held, at: datetime) -> JourneyState:
    """Wait for a resumption or a release, unless it has overtaken the answer."""
    held = replace(state, phase="held", until=answer.until, reason=answer.reason)
    if state.resumed:
        return ask_resumed(plan, held, at)
    until = "" if answer.until is None else f" until {answer.until:%Y-%m-%dT%H:%M:%SZ}"
    return note(held, at, f"held{until}: {answer.reason}")


def _leave_recorded(plan: Plan, state: JourneyState, node: Send | Act, at: datetime) -> JourneyState:
    """Go on from a step whose activity has also recorded an end of the journey."""
    arrived = arrive(plan, state, node.next, at)
    return replace(arrived, recorded=outcome_of(plan, arrived) is not None)
