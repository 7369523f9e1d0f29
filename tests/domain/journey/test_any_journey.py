"""Any campaign, any facts in any order: what holds of every journey."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings

from domain.campaign.compile import compile_plan
from domain.campaign.plan import Plan
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitMatch,
    AwaitResume,
    Dispatch,
    Evaluated,
    Exited,
    Fact,
    Finish,
    LookedUp,
    MembersAnswered,
    MembersSettled,
    Perform,
    Performed,
    Settled,
    SleepUntil,
)
from domain.journey.state import EXITED, HISTORY_LENGTH, JourneyState
from domain.sending.claim import POSTPONED
from domain.sending.gate_answers import Granted, MembersPage, Refused
from tests.domain.journey.interpreter import Interpreter
from tests.domain.journey.machine_driver import carried_over
from tests.domain.strategies import NOON, Tape, campaign, event, fitting, noise, tapes
from tests.proofs import rounds

SEED = "random/u1"
MAX_FACTS = 120


def walks(tape: Tape, plan: Plan) -> Iterator[tuple[JourneyState, Fact, datetime, JourneyState]]:
    """A journey, told what fits and what does not: each time the state, the fact, the instant and the next state."""
    state, at = machine.begin(plan, NOON, SEED), NOON
    late = tape.below(4)
    for _ in range(MAX_FACTS):
        if isinstance(machine.next_command(plan, state), Finish):
            if not late:
                return
            late -= 1
        match tape.below(8):
            case 0 | 1:
                at += timedelta(seconds=tape.choose([0, 0, 1, 600]))
                fact: Fact = noise(tape, plan, state.step, at)
            case 2:
                fact = event(tape, plan)
            case _:
                fact, at = fitting(tape, plan, state, at)
        before, state = state, machine.after(plan, state, fact, at)
        yield before, fact, at, state


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(200, 6000))
@given(tape=tapes())
def test_the_machine_does_what_the_document_says(tape: Tape) -> None:
    """Against a second reading of the language, which walks the nested document and knows no plan."""
    written = campaign(tape)
    plan = compile_plan(written)
    interpreter = Interpreter(written, NOON, SEED)
    assert machine.next_command(plan, machine.begin(plan, NOON, SEED)) == interpreter.command
    for _, fact, at, state in walks(tape, plan):
        interpreter.tell(fact, at)
        assert machine.next_command(plan, state) == interpreter.command


@settings(derandomize=True, max_examples=90)
@given(tape=tapes())
def test_a_journey_may_continue_as_new_at_any_point(tape: Tape) -> None:
    plan = compile_plan(campaign(tape))
    carried_plan = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    carried = carried_over(machine.begin(carried_plan, NOON, SEED))
    for before, fact, at, state in walks(tape, plan):
        assert carried == before
        assert machine.next_command(carried_plan, carried) == machine.next_command(plan, before)
        carried = carried_over(machine.after(carried_plan, carried, fact, at))
        assert carried == state


@settings(derandomize=True, max_examples=150)
@given(tape=tapes())
def test_no_journey_asks_or_sends_twice_or_after_its_end(tape: Tape) -> None:
    plan = compile_plan(campaign(tape))
    asked: set[tuple[str, int, int]] = set()
    sent: set[tuple[str | None, int]] = set()
    is_exited = False
    for before, fact, _, state in walks(tape, plan):
        command, following = machine.next_command(plan, before), machine.next_command(plan, state)
        here = (before.step, before.visits.get(before.step or "", 0))
        match command, fact:
            case Authorize(step=step, visit=visit, attempt=ask), Answered():
                assert (step, visit) == here
                assert (*here, ask) not in asked
                asked.add((step, visit, ask))
            case Dispatch(), Settled(outcome=outcome, journey_ended=ended) if outcome != POSTPONED or ended:
                assert here not in sent
                sent.add(here)
        if isinstance(command, Finish) and not isinstance(fact, Exited):
            assert following == command
        is_exited = is_exited or (isinstance(fact, Exited) and before.outcome is None)
        if is_exited:
            assert following == Finish(EXITED, recorded=True)


@settings(derandomize=True, max_examples=90)
@given(tape=tapes())
def test_an_end_that_an_activity_has_recorded_is_the_end(tape: Tape) -> None:
    plan = compile_plan(campaign(tape))
    for before, fact, _, state in walks(tape, plan):
        following = machine.next_command(plan, state)
        match machine.next_command(plan, before), fact:
            case Dispatch(ends_with=ends_with), Settled(outcome=outcome, journey_ended=False) if outcome != POSTPONED:
                assert (following == Finish(ends_with or "", recorded=True)) is (ends_with is not None)
            case Perform(ends_with=ends_with), Performed(journey_ended=False):
                assert (following == Finish(ends_with or "", recorded=True)) is (ends_with is not None)
            case Authorize(ends_with=ends_with), Answered(answer=Refused(reason="expired")):
                assert (following == Finish(ends_with or "", recorded=True)) is (ends_with is not None)


@settings(derandomize=True, max_examples=90)
@given(tape=tapes())
def test_a_journey_that_gets_answers_ends_or_rests_and_stays_small(tape: Tape) -> None:
    """Between two rests it comes to each step at most once, however it repeats."""
    plan = compile_plan(campaign(tape))
    state, at = machine.begin(plan, NOON, SEED), NOON
    since_rest: Counter[tuple[str | None, str]] = Counter()
    for _ in range(MAX_FACTS):
        command = machine.next_command(plan, state)
        if isinstance(command, Finish):
            break
        if isinstance(command, SleepUntil | AwaitMatch):
            assert command.until > at or plan.ends_at == at
            since_rest.clear()
        since_rest[state.step, state.phase] += 1
        assert since_rest[state.step, state.phase] == 1
        fact, at = fitting(tape, plan, state, at)
        match fact:
            case Answered():
                fact = Answered(Granted("m"))
            case Settled():
                fact = Settled("sent", journey_ended=False)
            case MembersAnswered():
                fact = MembersAnswered(MembersPage(("m",)))
            case MembersSettled():
                fact = MembersSettled(("sent",), journey_ended=False)
        state = machine.after(plan, state, fact, at)
    assert len(state.history) <= HISTORY_LENGTH
    assert set(state.visits) <= set(plan.nodes)
    assert set(state.loops) <= set(plan.loops.values())


@settings(derandomize=True, max_examples=90)
@given(tape=tapes())
def test_nothing_but_the_end_is_commanded_once_the_schedule_has_ended(tape: Tape) -> None:
    """A question under way is still waited for."""
    ends_at = NOON + timedelta(minutes=tape.choose([0, 1, 59, 60, 200]))
    plan = msgspec.structs.replace(compile_plan(campaign(tape)), ends_at=ends_at)
    for before, fact, at, state in walks(tape, plan):
        command, following = machine.next_command(plan, before), machine.next_command(plan, state)
        match command:
            case SleepUntil(until=until) | AwaitMatch(until=until):
                assert until <= ends_at
            case AwaitResume(until=until):
                assert until is not None
                assert until <= ends_at
        if at >= ends_at:
            rested = isinstance(command, SleepUntil | AwaitMatch | AwaitResume)
            answered = isinstance(fact, Answered | Settled | Evaluated | LookedUp | Performed) and following != command
            assert isinstance(following, Finish) or not (rested or answered)
            assert isinstance(following, Finish) or following == command
