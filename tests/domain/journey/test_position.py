"""What a journey's row says: it is right whenever the journey rests, though no action is spent on most of it."""

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from domain.campaign.compile import compile_plan
from domain.campaign.plan import Arm, Branch, Delay, Exit, Plan, Repeat, Send, Split, Subscription, Until, WaitFor
from domain.journey import machine, position
from domain.journey.moves import is_at_rest, rests_until
from domain.journey.position import NextPositions, Position, StoredPosition
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    Command,
    Dispatch,
    Evaluate,
    Evaluated,
    Exited,
    Fact,
    LookedUp,
    LookUp,
    Matched,
    MembersAnswered,
    Perform,
    Performed,
    Settled,
    Skipped,
    Woke,
)
from domain.journey.state import JourneyState
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from tests.domain.journey.test_any_journey import SEED, walks
from tests.domain.strategies import NOON, Tape, campaign, plan_of, tapes
from tests.proofs import rounds

HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)
ANSWERS: list[tuple[type[Command], type[Fact]]] = [
    (Authorize, Answered),
    (AuthorizeMembers, MembersAnswered),
    (Dispatch, Settled),
    (Evaluate, Evaluated),
    (LookUp, LookedUp),
    (Perform, Performed),
]


class Row:
    """A journey's row, written as the activities and the workflow write it, and what the workflow takes it to say.

    `records` is how often the workflow had to tell it; `late` how long ago what it says was foreseen.
    """

    def __init__(self, plan: Plan, begun: JourneyState) -> None:
        self.plan = plan
        self.stored = position.stored_at_start(plan, begun)
        self.records = 0
        self._write(position.position(plan, begun, NOON), NOON, AT_ONCE)
        self._ask(begun, NOON)

    def tell(self, fact: Fact, at: datetime, state: JourneyState) -> None:
        """A fact has brought the journey into this state."""
        is_answer = any(isinstance(self._command, one) and isinstance(fact, other) for one, other in ANSWERS)
        if is_answer:
            self._write(self._way(fact), self._asked_at, at - self._asked_at)
            self.stored = position.after_answer(self.plan, self._asked, fact, self._asked_at, self.stored)
        if rests(self.plan, state) and (stored := position.after_rest(self.plan, state, self.stored)) != self.stored:
            self.stored = stored
            self.records += 1
            self._write(position.position(self.plan, state, at), at, AT_ONCE)
        if is_answer or machine.next_command(self.plan, state) != self._command:
            self._ask(state, at)

    def _write(self, says: Position | None, at: datetime, late: timedelta) -> None:
        if says is not None:
            self.says, self.late = says, late
            self.wakes_at = None if says.rest is None else at + timedelta(seconds=says.rest)

    def _ask(self, state: JourneyState, at: datetime) -> None:
        self._asked, self._asked_at, self._command = state, at, machine.next_command(self.plan, state)
        if any(isinstance(self._command, command) for command, _ in ANSWERS):
            foreseen = position.next_positions(self.plan, state, self._command, at, self.stored.move + 1)
            self._next_positions = msgspec.json.decode(msgspec.json.encode(foreseen), type=NextPositions)

    def _way(self, fact: Fact) -> Position | None:
        """What the activity writes that gives this answer; nothing where it ends the journey."""
        next_positions, at, ends_at = self._next_positions, self._asked_at, self.plan.ends_at
        match self._command, fact:
            case Authorize(), Answered(answer=Refused()) if machine.after(self.plan, self._asked, fact, at).recorded:
                return None
            case Authorize(step=step), Answered(answer=answer):
                return position.position_after_gate(next_positions, step, answer, at, ends_at)
            case AuthorizeMembers(), MembersAnswered(answer=Refused(journey_ended=True)):
                return None
            case AuthorizeMembers(step=step), MembersAnswered(answer=members_answer):
                return position.position_after_gate(next_positions, step, members_answer, at, ends_at)
            case (Dispatch(), Settled(journey_ended=True) | Settled(outcome="postponed")) | (_, Performed(True)):
                return None
            case Evaluate(), Evaluated(case=case):
                return position.position_after_branch(next_positions, case)
            case LookUp(step=step, attempt=ask, reached_at=reached_at), LookedUp(until=until):
                is_past = until is None or (isinstance(until, datetime) and ask == 1 and until < reached_at)
                return position.position_after_delay(
                    next_positions, step, until, is_past=is_past, at=at, ends_at=ends_at
                )
            case Dispatch(), Settled(outcome=outcome):
                return position.position_after_send(next_positions, outcome)
            case _:
                [way] = next_positions.positions
                return way


def rests(plan: Plan, state: JourneyState) -> bool:
    """Whether the journey stays here until a signal or an instant."""
    return state.outcome is None and is_at_rest(plan, state) and machine.find_match(plan, state) is None


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(150, 4500))
@given(tape=tapes())
def test_the_row_of_any_journey_is_right_whenever_it_rests(tape: Tape) -> None:
    """Whatever comes in between: what has been foreseen, and what the workflow tells, is where the journey is."""
    plan = compile_plan(campaign(tape))
    row = Row(plan, machine.begin(plan, NOON, SEED))
    for _, fact, at, state in walks(tape, plan):
        row.tell(fact, at, state)
        if rests(plan, state):
            assert (row.says.step, row.says.status) == machine.status(plan, state)
            assert (row.stored.step, row.stored.status) == machine.status(plan, state)
            if (end := rests_until(plan, state)) is None or row.wakes_at is None:
                assert end == row.wakes_at
            else:
                assert AT_ONCE <= end - row.wakes_at <= row.late


REMINDER = Send("mail", "email", "hello", next="seen")
SEEN = WaitFor("seen", (Subscription("seen/0", "rest"),), 7_200, "rest")
REST = Delay("rest", 3_600, "fork")
FORK = Branch("fork", ("mail", "end"), "look")
LOOK = Until("look", "arm", "rest", "rest")
SPLIT = Split("arm", (Arm("a", "end"), Arm("b", "rest")))
PLAN = plan_of(REMINDER, SEEN, REST, FORK, LOOK, SPLIT, Exit("end", "lost"))
RESTING = Position("rest", "waiting", 3_600)


def reached(*facts: Fact, plan: Plan = PLAN) -> JourneyState:
    state, at = machine.begin(plan, NOON), NOON
    for fact in facts:
        at = max(at, state.until or at)
        state = machine.after(plan, state, fact, at)
    return state


SENT = (Answered(Granted("m1")), Settled("sent", journey_ended=False))


def foreseen(*facts: Fact, plan: Plan = PLAN) -> NextPositions:
    """What is foreseen an hour past the instants of these facts."""
    state = reached(*facts, plan=plan)
    return position.next_positions(plan, state, machine.next_command(plan, state), state.since + HOUR, 7)


def test_what_is_foreseen_of_every_question() -> None:
    listening, sending = Position("seen", "waiting", 7_200), Position("mail", "acting")
    assert foreseen() == NextPositions(7, (listening,))
    assert foreseen(SENT[0]) == NextPositions(7, (listening,))
    at_fork = (*SENT, Woke(), Woke())
    assert foreseen(*at_fork) == NextPositions(7, (Position("look", "waiting"), sending, None))
    assert foreseen(*at_fork, Evaluated(None)) == NextPositions(7, (RESTING, Position("arm", "acting"), RESTING))
    assert foreseen(*at_fork, Evaluated(None), LookedUp(NOON + 3 * HOUR)) == NextPositions(7, (None, None, RESTING))


def test_next_positions_are_small() -> None:
    assert msgspec.json.encode(foreseen()) == (
        b'{"move":7,"positions":[{"step":"seen","status":"waiting","rest":7200.0}]}'
    )


ENDS_AT = NOON + 2 * HOUR


@pytest.mark.parametrize(
    ("answer", "way"),
    [
        (Granted("m1"), Position("mail", "acting")),
        (Deferred(NOON + HOUR, "capped"), Position("mail", "deferred", 3_600)),
        (Deferred(NOON + 9 * HOUR, "capped"), Position("mail", "deferred", 7_200)),
        (Held("campaign_paused"), Position("mail", "held", 7_200)),
        (Refused("expired"), RESTING),
    ],
)
def test_where_an_answer_of_the_gate_leads(answer: Granted | Deferred | Held | Refused, way: Position) -> None:
    assert position.position_after_gate(NextPositions(1, (RESTING,)), "mail", answer, NOON, ENDS_AT) == way


def test_without_an_end_of_the_schedule_nobody_knows_until_when_a_message_is_held() -> None:
    way = position.position_after_gate(NextPositions(1, (None,)), "mail", Held("campaign_paused"), NOON, None)
    assert way == Position("mail", "held")


def test_a_rest_that_the_schedule_cuts_short_ends_with_it() -> None:
    plan = plan_of(REST, FORK, REMINDER, ends_at=NOON + HOUR / 2)
    assert position.position(plan, machine.begin(plan, NOON), NOON) == Position("rest", "waiting", 1_800)


def test_a_journey_that_is_over_is_nowhere() -> None:
    assert position.position(PLAN, reached(Exited("e1")), NOON) is None
    assert position.position(PLAN, reached(*SENT, Woke(), Woke(), Evaluated(1)), NOON) is None


ONE_MESSAGE = plan_of(Delay("pause", 60, "last"), Send("last", "email", "hello"))
RESTS = plan_of(REST, Branch("fork", ("seen",), "pause"), Delay("pause", 60, "seen"), SEEN)
ROUNDS = plan_of(Repeat("again", "pause", every=3_600), Delay("pause", 60, "again"), loops={"pause": "again"})
GATED = (Woke(), Answered(Deferred(NOON + HOUR, "capped")), Woke(), Answered(Held("campaign_paused")))


@pytest.mark.parametrize(
    ("plan", "facts", "records"),
    [
        (ONE_MESSAGE, (Woke(), *SENT), 0),
        (ONE_MESSAGE, GATED, 0),
        (PLAN, SENT, 0),
        # A wait that has heard or timed out, and rests on.
        (PLAN, (*SENT, Woke()), 1),
        (PLAN, (*SENT, Matched("seen/0", "e1"), Woke()), 1),
        (RESTS, (Woke(), Evaluated(None)), 0),
        (RESTS, (Woke(), Evaluated(None), Skipped("pause")), 1),
        # The first round rests where it was entered; then there are two rests a round.
        (ROUNDS, (), 0),
        (ROUNDS, (Woke(), Woke(), Woke()), 3),
    ],
)
def test_only_what_no_activity_knows_of_is_told(plan: Plan, facts: tuple[Fact, ...], records: int) -> None:
    state, at = machine.begin(plan, NOON), NOON
    row = Row(plan, state)
    for fact in facts:
        at = max(at, state.until or at)
        state = machine.after(plan, state, fact, at)
        row.tell(fact, at, state)
    assert row.records == records


def test_a_rest_at_the_same_step_another_time_is_another_rest() -> None:
    """The event that the round waits for comes just as the round begins, so that nothing lies between two rests."""
    plan = plan_of(
        Repeat("again", "heard", every=3_600),
        WaitFor("heard", (Subscription("heard/0", "again"),), 60, "again"),
        loops={"heard": "again"},
    )
    state = machine.begin(plan, NOON)
    row = Row(plan, state)
    stored: list[tuple[Fact, int]] = [(Woke(), 1), (Matched("heard/0", "e1"), 2), (Woke(), 2), (Woke(), 2)]
    for fact, hours in stored:
        state = machine.after(plan, state, fact, NOON + hours * HOUR)
        row.tell(fact, NOON + hours * HOUR, state)
    assert (row.says, row.wakes_at) == (Position("again", "waiting", 3_600), NOON + 3 * HOUR)


def test_a_resumption_while_the_gate_is_asked_is_nothing_that_the_gate_knows_of() -> None:
    asked = replace(machine.begin(PLAN, NOON), resumed=True)
    stored = position.stored_at_start(PLAN, asked)
    assert position.after_answer(PLAN, asked, GATED[3], NOON, stored) == StoredPosition("mail", "held", 1, 1)
