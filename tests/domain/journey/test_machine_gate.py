"""A journey follows the answers of the gate, and shows where it stands."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaign.plan import Branch, Delay, Exit, OnCapped, Send, Subscription, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitMatch,
    AwaitResume,
    Dispatch,
    Evaluated,
    Fact,
    Finish,
    Matched,
    Resumed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.journey.state import COMPLETED, EXITED, HISTORY_LENGTH
from domain.sending.claim import AttemptState
from domain.sending.gate_answers import Refused
from tests.domain.journey.machine_driver import Begin, MachineDriver
from tests.domain.journey.machine_steps import (
    CAPPED,
    EVERY_STATE,
    GRANTED,
    HELD,
    HOUR,
    PLAN,
    REFUSED,
    SENT,
    Scenario,
    asking,
    at_a_branch,
    deferred,
    held,
    in_a_delay,
    scenarios,
    sending,
    waiting_for_an_event,
)
from tests.domain.strategies import NOON, plan_of


@pytest.mark.parametrize("on_capped", ["skip", "wait"])
def test_a_capped_message_is_left_out_and_the_flow_goes_on(begin: Begin, on_capped: OnCapped) -> None:
    plan = plan_of(Send("mail", "email", "hello", on_capped=on_capped, next="pause"), Delay("pause", 60))
    driver = begin(plan).tell(CAPPED)
    assert driver.command() == SleepUntil(NOON + timedelta(minutes=1), "delay pause")
    assert driver.history == [("mail", "refused: capped")]


def test_a_capped_message_ends_the_journey_where_the_step_says_exit(begin: Begin) -> None:
    plan = plan_of(Send("mail", "email", "hello", on_capped="exit", next="pause"), Delay("pause", 60))
    assert begin(plan).tell(CAPPED).command() == Finish("capped", recorded=True)
    assert isinstance(begin(plan).tell(Answered(Refused("expired"))).command(), SleepUntil)


def test_a_refusal_that_tells_of_the_end_ends_the_journey(begin: Begin) -> None:
    driver = asking(begin(PLAN)).tell(Answered(Refused("journey_ended", journey_ended=True)))
    assert driver.command() == Finish(EXITED, recorded=True)


def test_a_settlement_that_tells_of_the_end_ends_the_journey(begin: Begin) -> None:
    driver = sending(begin(PLAN)).tell(Settled("cancelled", journey_ended=True))
    assert driver.command() == Finish(EXITED, recorded=True)
    assert driver.history[-1] == ("mail", "cancelled")


@pytest.mark.parametrize("outcome", ["sent", "failed", "cancelled", "unknown"])
def test_the_flow_goes_on_whatever_became_of_the_message(begin: Begin, outcome: AttemptState) -> None:
    driver = sending(begin(PLAN)).tell(Settled(outcome, journey_ended=False))
    assert isinstance(driver.command(), AwaitMatch)
    assert driver.state.message_id is None
    assert driver.history[-1] == ("mail", outcome)


def test_a_resumption_that_overtakes_the_answer_is_not_lost(begin: Begin) -> None:
    driver = asking(begin(PLAN)).tell(Resumed()).tell(HELD)
    assert driver.command() == Authorize("mail", visit=1, attempt=2, reached_at=NOON + HOUR, ends_with=None)
    assert driver.tell(HELD).command() == AwaitResume()


def test_a_resumption_before_the_question_does_not_cost_another_one(begin: Begin) -> None:
    driver = held(begin(PLAN).tell(Resumed()))
    assert driver.command() == AwaitResume()
    deferred_first = deferred(begin(PLAN)).tell(Resumed()).wake().tell(HELD)
    assert deferred_first.command() == AwaitResume()


def test_a_resumption_that_is_told_twice_asks_once(begin: Begin) -> None:
    driver = held(begin(PLAN)).tell(Resumed(), Resumed())
    assert driver.command() == Authorize("mail", visit=1, attempt=2, reached_at=NOON + HOUR, ends_with=None)


@pytest.mark.parametrize(
    ("following", "outcome"),
    [([], COMPLETED), ([Exit("end", "done")], "done"), ([Delay("end", 60)], None), ([Branch("end", ())], None)],
    ids=["nothing", "exit", "delay", "branch"],
)
@pytest.mark.parametrize("answer", [REFUSED, GRANTED], ids=["refused", "granted"])
def test_the_end_is_announced_with_the_last_message_and_then_known(
    begin: Begin, following: list[Any], outcome: str | None, answer: Answered
) -> None:
    plan = plan_of(Send("mail", "email", "hello", next="end" if following else None), *following)
    driver = begin(plan)
    assert driver.command() == Authorize("mail", visit=1, attempt=1, reached_at=NOON, ends_with=outcome)
    driver.tell(answer)
    if answer is GRANTED:
        assert driver.command() == Dispatch("m1", "email", "marketing", "normal", outcome)
        driver.tell(SENT)
    assert driver.state.recorded is (outcome is not None)
    if outcome is not None:
        assert driver.command() == Finish(outcome, recorded=True)


def test_what_was_recorded_of_one_message_says_nothing_of_the_next(begin: Begin) -> None:
    driver = waiting_for_an_event(begin(PLAN)).tell(Matched("seen/0", "e1"), Woke())
    assert driver.command() == Finish("engaged", recorded=False)


@pytest.mark.parametrize(("case", "step"), [(0, "last"), (1, None), (None, "no")])
def test_a_branch_goes_where_it_is_told(begin: Begin, case: int | None, step: str | None) -> None:
    driver = at_a_branch(begin(PLAN)).tell(Evaluated(case))
    assert driver.state.step == step
    assert driver.history[-1] == ("fork", "otherwise" if case is None else f"case {case + 1}")


STANDINGS: dict[Scenario, tuple[str, str]] = {
    in_a_delay: ("pause", "waiting"),
    asking: ("mail", "acting"),
    deferred: ("mail", "deferred"),
    held: ("mail", "held"),
    sending: ("mail", "acting"),
    waiting_for_an_event: ("seen", "waiting"),
    at_a_branch: ("fork", "acting"),
}


@scenarios(*EVERY_STATE)
def test_an_engineer_sees_where_the_journey_stands(begin: Begin, scenario: Scenario) -> None:
    driver = scenario(begin(PLAN))
    assert machine.status(driver.plan, driver.state) == STANDINGS[scenario]


def test_the_trail_is_bounded_and_keeps_the_newest(begin: Begin) -> None:
    count = HISTORY_LENGTH + 5
    driver = begin(plan_of(*(Delay(f"d{i}", 1, f"d{i + 1}" if i + 1 < count else None) for i in range(count))))
    for _ in range(count):
        driver.wake()
    assert [step for step, _ in driver.history] == [f"d{i}" for i in range(5, count)]


@settings(derandomize=True, max_examples=60)
@given(
    events=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1))),
    granted=st.integers(1, 10),
    settled=st.integers(0, 5),
    is_delayed=st.booleans(),
)
def test_a_wait_ends_with_the_first_event_since_the_message(
    events: list[tuple[int, int]], granted: int, settled: int, is_delayed: bool
) -> None:
    """Against the whole list of events: the machine keeps only one a subscription."""
    opens = granted + settled
    either = WaitFor("w", (Subscription("w/0", "a"), Subscription("w/1", "b")), 8)
    mail = Send("mail", "email", "hello", next="hop" if is_delayed else "w")
    driver = MachineDriver(plan_of(mail, Delay("hop", 2, "w"), either, Exit("a", "a"), Exit("b", "b")))
    by_second: dict[int, list[Fact]] = {}
    for number, (second, subscription) in enumerate(events):
        by_second.setdefault(second, []).append(Matched(f"w/{subscription}", f"e{number}"))
    for second in range(30):
        driver.at = NOON + timedelta(seconds=second)
        driver.tell(*by_second.get(second, []))
        for expected, fact in ((granted, GRANTED), (opens, SENT)):
            if second == expected:
                driver.tell(fact)
        driver.tell(Woke())
        if isinstance(driver.command(), Finish):
            break
    starts = opens + 2 if is_delayed else granted
    begins = max(starts, opens)
    heard = sorted((second, number) for number, (second, _) in enumerate(events) if starts <= second <= begins + 8)
    within = {events[number][1] for second, number in heard if second <= begins}
    if not heard:
        assert driver.command() == Finish(COMPLETED, recorded=False)
    elif len(within) == 2:
        # Both kinds came before the wait began: of each only the last is known.
        assert driver.command() in (Finish("a", recorded=False), Finish("b", recorded=False))
    else:
        assert driver.command() == Finish("ab"[events[heard[0][1]][1]], recorded=False)
