from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.campaign.plan import Branch, Delay, Exit, OnCapped, Send, Subscription, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitMatch,
    AwaitResume,
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
from domain.journey.state import COMPLETED, EXITED, HISTORY_LENGTH, SCHEDULE_ENDED
from domain.sending.claim import AttemptState
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from tests.domain.journey.machine_driver import Begin, MachineDriver
from tests.domain.strategies import NOON, plan_of

HOUR = timedelta(hours=1)
GRANTED = Answered(Granted("m1"))
DEFERRED = Answered(Deferred(NOON + 2 * HOUR, "capped"))
HELD = Answered(Held("campaign_paused"))
REFUSED = Answered(Refused("no_consent"))
CAPPED = Answered(Refused("capped"))
SENT = Settled("sent", journey_ended=False)

DELAY = Delay("pause", 3_600, "mail")
MAIL = Send("mail", "email", "hello", next="seen")
SEEN = WaitFor("seen", (Subscription("seen/0", "yes"),), 86_400, "fork")
FORK = Branch("fork", ("last", None), "no")
LAST = Send("last", "email", "bye", category="transactional")
PLAN = plan_of(DELAY, MAIL, SEEN, FORK, LAST, Exit("yes", "engaged"), Exit("no", "lost"))


def in_a_delay(driver: MachineDriver) -> MachineDriver:
    return driver


def asking(driver: MachineDriver) -> MachineDriver:
    return driver.wake()


def deferred(driver: MachineDriver) -> MachineDriver:
    return asking(driver).tell(DEFERRED)


def held(driver: MachineDriver) -> MachineDriver:
    return asking(driver).tell(HELD)


def sending(driver: MachineDriver) -> MachineDriver:
    return asking(driver).tell(GRANTED)


def waiting_for_an_event(driver: MachineDriver) -> MachineDriver:
    return sending(driver).tell(SENT)


def at_a_branch(driver: MachineDriver) -> MachineDriver:
    return waiting_for_an_event(driver).wake()


Scenario = Callable[[MachineDriver], MachineDriver]
EVERY_STATE: list[Scenario] = [in_a_delay, asking, deferred, held, sending, waiting_for_an_event, at_a_branch]


def scenarios(*named: Scenario) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scenario", named, ids=lambda scenario: scenario.__name__)


def test_the_whole_way_command_by_command(begin: Begin) -> None:
    driver = begin(PLAN)
    assert driver.command() == SleepUntil(NOON + HOUR, "delay pause")
    driver.wake()
    assert driver.command() == Authorize("mail", visit=1, attempt=1, reached_at=NOON + HOUR, ends_with=None)
    driver.tell(DEFERRED)
    assert driver.command() == SleepUntil(NOON + 2 * HOUR, "deferred mail: capped")
    driver.wake()
    assert driver.command() == Authorize("mail", visit=1, attempt=2, reached_at=NOON + HOUR, ends_with=None)
    driver.tell(HELD)
    assert driver.command() == AwaitResume()
    driver.tell(Resumed(), Woke())
    assert driver.command() == Authorize("mail", visit=1, attempt=3, reached_at=NOON + HOUR, ends_with=None)
    driver.tell(GRANTED)
    assert driver.command() == Dispatch("m1", "email", "marketing", "normal", ends_with=None)
    driver.tell(SENT)
    assert driver.command() == AwaitMatch(NOON + 26 * HOUR)
    driver.wake()
    assert driver.command() == Evaluate("fork")
    driver.tell(Evaluated(0))
    assert driver.command() == Authorize("last", visit=1, attempt=1, reached_at=NOON + 26 * HOUR, ends_with=COMPLETED)
    driver.tell(Answered(Granted("m2")))
    assert driver.command() == Dispatch("m2", "email", "transactional", "normal", ends_with=COMPLETED)
    driver.tell(SENT)
    assert driver.command() == Finish(COMPLETED, recorded=True)
    assert driver.history == [
        ("pause", "waited"),
        ("mail", "deferred to 2026-11-01T14:00:00Z: capped"),
        ("mail", "held: campaign_paused"),
        ("mail", "sent"),
        ("seen", "timed out"),
        ("fork", "case 1"),
        ("last", "sent"),
    ]


@scenarios(*EVERY_STATE)
def test_an_exit_ends_a_journey_at_once(begin: Begin, scenario: Scenario) -> None:
    driver = scenario(begin(PLAN)).tell(Exited("e1"))
    assert driver.command() == Finish(EXITED, recorded=True)
    assert driver.history[-1][1] == "exited: e1"
    assert machine.status(driver.plan, driver.state) == ("", "acting")
    over = driver.state
    for late in (Exited("e2"), Woke(), Resumed(), Matched("seen/0", "e3"), GRANTED, HELD, Evaluated(0)):
        assert driver.tell(late).state == over


def test_a_message_in_flight_settles_after_the_exit_and_is_recorded(begin: Begin) -> None:
    driver = sending(begin(PLAN)).tell(Exited("e1")).tell(Settled("sent", journey_ended=True))
    assert driver.command() == Finish(EXITED, recorded=True)
    assert driver.history[-2:] == [("mail", "exited: e1"), ("mail", "sent")]


IRRELEVANT: dict[Scenario, list[Fact]] = {
    in_a_delay: [Woke(), GRANTED, CAPPED, SENT, Evaluated(0)],
    asking: [Woke(), SENT, Settled("sent", journey_ended=True), Evaluated(0)],
    deferred: [Woke(), GRANTED, DEFERRED, HELD, REFUSED, SENT, Evaluated(0)],
    held: [Woke(), GRANTED, DEFERRED, HELD, REFUSED, SENT, Evaluated(None)],
    sending: [
        Woke(),
        GRANTED,
        DEFERRED,
        HELD,
        REFUSED,
        Answered(Refused("journey_ended", journey_ended=True)),
        Evaluated(0),
    ],
    waiting_for_an_event: [Woke(), GRANTED, REFUSED, SENT, Settled("failed", journey_ended=True), Evaluated(0)],
    at_a_branch: [Woke(), GRANTED, HELD, SENT],
}


@scenarios(*EVERY_STATE)
def test_a_fact_that_is_early_late_or_repeated_is_let_be(begin: Begin, scenario: Scenario) -> None:
    before = scenario(begin(PLAN)).state
    for fact in IRRELEVANT[scenario]:
        assert scenario(begin(PLAN)).tell(fact).state == before, fact


def test_facts_after_the_flow_has_run_out_change_nothing(begin: Begin) -> None:
    driver = begin(plan_of(Delay("pause", 60))).wake()
    assert driver.command() == Finish(COMPLETED, recorded=False)
    before = driver.state
    assert driver.tell(Woke(), GRANTED, SENT, Evaluated(None)).state == before


def test_waking_twice_does_not_skip_the_next_delay(begin: Begin) -> None:
    driver = begin(plan_of(Delay("a", 60, "b"), Delay("b", 60))).wake().tell(Woke())
    assert driver.command() == SleepUntil(NOON + timedelta(seconds=120), "delay b")


def test_a_plan_without_steps_is_over_at_once(begin: Begin) -> None:
    assert begin(plan_of()).command() == Finish(COMPLETED, recorded=False)


# Waits


def test_an_event_during_the_wait_ends_it(begin: Begin) -> None:
    driver = waiting_for_an_event(begin(PLAN)).tell(Matched("seen/0", "e1"), after=HOUR)
    found = machine.find_match(driver.plan, driver.state)
    assert found is not None
    assert found.id == "seen/0"
    assert driver.tell(Woke()).command() == Finish("engaged", recorded=False)
    assert driver.history[-1] == ("seen", "event e1")


def test_an_event_while_the_message_is_on_its_way_ends_the_wait_after_it(begin: Begin) -> None:
    driver = sending(begin(PLAN)).tell(Matched("seen/0", "e1"), after=HOUR).tell(SENT, after=HOUR)
    assert machine.find_match(driver.plan, driver.state) is not None
    assert driver.tell(Woke()).command() == Finish("engaged", recorded=False)


def test_a_branch_between_message_and_wait_does_not_shorten_the_look_back(begin: Begin) -> None:
    plan = plan_of(Send("mail", "email", "hello", next="fork"), Branch("fork", (), "seen"), SEEN, Exit("yes", "yes"))
    driver = begin(plan).tell(GRANTED).tell(Matched("seen/0", "e1"), after=HOUR).tell(SENT, Evaluated(None), after=HOUR)
    assert machine.find_match(driver.plan, driver.state) is not None


def before_the_message(driver: MachineDriver) -> MachineDriver:
    driver.tell(Matched("seen/0", "e1"), after=HOUR / 2).wake()
    return driver.tell(GRANTED, after=HOUR).tell(SENT)


def while_the_message_was_deferred(driver: MachineDriver) -> MachineDriver:
    return deferred(driver).tell(Matched("seen/0", "e1"), after=HOUR / 2).wake().tell(GRANTED, after=HOUR).tell(SENT)


def before_the_message_was_refused(driver: MachineDriver) -> MachineDriver:
    return asking(driver).tell(Matched("seen/0", "e1")).tell(REFUSED, after=HOUR)


def during_a_delay_before_the_wait(driver: MachineDriver) -> MachineDriver:
    return driver.tell(Matched("seen/0", "e1"), after=HOUR / 2).wake()


@scenarios(before_the_message, while_the_message_was_deferred, before_the_message_was_refused)
def test_a_wait_does_not_hear_what_came(begin: Begin, scenario: Scenario) -> None:
    driver = scenario(begin(PLAN))
    assert isinstance(driver.command(), AwaitMatch)
    assert machine.find_match(driver.plan, driver.state) is None
    assert isinstance(driver.wake().command(), Evaluate)


def test_a_wait_after_a_delay_hears_nothing_of_the_time_before(begin: Begin) -> None:
    driver = during_a_delay_before_the_wait(begin(plan_of(Delay("pause", 3_600, "seen"), SEEN, FORK)))
    assert machine.find_match(driver.plan, driver.state) is None


def test_an_event_reported_again_does_not_become_newer(begin: Begin) -> None:
    driver = begin(PLAN).tell(Matched("seen/0", "e1"))
    before = driver.state
    assert driver.tell(Matched("seen/0", "e1"), after=HOUR / 2).state == before
    assert waiting_for_an_event(driver).tell(Matched("seen/0", "e1")).state.matches == before.matches
    assert machine.find_match(driver.plan, driver.state) is None


def test_a_newer_event_takes_the_place_of_an_older_one(begin: Begin) -> None:
    driver = waiting_for_an_event(begin(PLAN).tell(Matched("seen/0", "e1"))).tell(Matched("seen/0", "e2"))
    assert driver.tell(Woke()).command() == Finish("engaged", recorded=False)
    assert driver.history[-1] == ("seen", "event e2")


def test_the_first_of_several_events_wins(begin: Begin) -> None:
    either = WaitFor("w", (Subscription("w/0", "a"), Subscription("w/1", "b")), 60)
    plan = plan_of(either, Exit("a", "a"), Exit("b", "b"))
    at_once = begin(plan).tell(Matched("w/1", "e1"), Matched("w/0", "e2"), Matched("w/1", "e3"))
    assert at_once.tell(Woke()).command() == Finish("b", recorded=False)
    later = begin(plan).tell(Matched("w/0", "e1"))
    later.tell(Matched("w/1", "e2"), Matched("w/0", "e3"), after=timedelta(seconds=1))
    assert later.tell(Woke()).command() == Finish("a", recorded=False)
    assert later.history == [("w", "event e1")]


def test_the_first_event_wins_also_when_both_came_before_the_wait_began(begin: Begin) -> None:
    either = WaitFor("w", (Subscription("w/0", "a"), Subscription("w/1", "b")), 60)
    plan = plan_of(Send("mail", "email", "hello", next="w"), either, Exit("a", "a"), Exit("b", "b"))
    driver = begin(plan).tell(GRANTED).tell(Matched("w/1", "e1"), after=HOUR).tell(Matched("w/0", "e2"), after=HOUR)
    assert driver.tell(SENT, Woke()).command() == Finish("b", recorded=False)


TWO_WAITS = plan_of(
    WaitFor("first", (Subscription("first/0", "second"),), 3_600, None),
    WaitFor("second", (Subscription("second/0", "twice"),), 3_600, "once"),
    Exit("twice", "twice"),
    Exit("once", "once"),
)


def test_one_event_ends_one_wait_only(begin: Begin) -> None:
    at_once = begin(TWO_WAITS).tell(Matched("first/0", "e1"), Matched("second/0", "e1"), Woke())
    assert at_once.command() == AwaitMatch(NOON + HOUR)
    assert machine.find_match(at_once.plan, at_once.state) is None
    late = begin(TWO_WAITS).tell(Matched("first/0", "e1"), Woke()).tell(Matched("second/0", "e1"), after=HOUR / 2)
    assert machine.find_match(late.plan, late.state) is None
    assert late.wake().command() == Finish("once", recorded=False)


def test_two_events_at_once_end_two_waits(begin: Begin) -> None:
    told = [Matched(f"{step}/0", event) for event in ("e1", "e2") for step in ("first", "second")]
    driver = begin(TWO_WAITS).tell(*told).tell(Woke(), Woke())
    assert driver.command() == Finish("twice", recorded=False)
    assert driver.history == [("first", "event e1"), ("second", "event e2")]


def test_an_event_that_came_with_the_timeout_counts(begin: Begin) -> None:
    driver = waiting_for_an_event(begin(PLAN))
    driver.tell(Matched("seen/0", "e1"), after=timedelta(days=2)).tell(Woke())
    assert driver.command() == Finish("engaged", recorded=False)


def test_a_match_of_another_step_does_not_end_the_wait(begin: Begin) -> None:
    driver = waiting_for_an_event(begin(PLAN)).tell(Matched("other/0", "e1"))
    assert machine.find_match(driver.plan, driver.state) is None


# The end of the schedule

ENDS_AT = NOON + 3 * HOUR
ENDING = replace(PLAN, ends_at=ENDS_AT)
RESTING: list[Scenario] = [in_a_delay, deferred, held, waiting_for_an_event]


@scenarios(*RESTING)
def test_a_rest_ends_with_the_schedule_at_the_latest(begin: Begin, scenario: Scenario) -> None:
    soon = NOON + (HOUR / 2 if scenario is in_a_delay else HOUR + HOUR / 2)
    driver = scenario(begin(replace(PLAN, ends_at=soon)))
    command = driver.command()
    assert isinstance(command, SleepUntil | AwaitMatch | AwaitResume)
    assert command.until == soon
    assert driver.tell(Woke(), after=soon - driver.at - timedelta(seconds=1)).command() == command
    assert driver.tell(Woke(), after=timedelta(seconds=1)).command() == Finish(SCHEDULE_ENDED, recorded=False)
    assert driver.history[-1][1] == "the schedule ended"


@scenarios(*RESTING)
def test_a_rest_that_is_over_before_is_as_long_as_ever(begin: Begin, scenario: Scenario) -> None:
    with_end = scenario(begin(replace(PLAN, ends_at=NOON + timedelta(days=300)))).command()
    assert with_end == scenario(begin(PLAN)).command() or with_end == AwaitResume(NOON + timedelta(days=300))


@scenarios(*RESTING)
def test_whatever_is_told_after_the_end_of_the_schedule_ends_the_journey(begin: Begin, scenario: Scenario) -> None:
    for fact in (Resumed(), Matched("seen/0", "e1"), SENT):
        driver = scenario(begin(ENDING)).tell(fact, after=timedelta(days=1))
        assert driver.command() == Finish(SCHEDULE_ENDED, recorded=False)


@scenarios(asking, sending, at_a_branch)
def test_what_was_asked_for_is_waited_for(begin: Begin, scenario: Scenario) -> None:
    driver = scenario(begin(replace(PLAN, ends_at=NOON + timedelta(days=2))))
    before = driver.command()
    assert driver.tell(Resumed(), Matched("seen/0", "e1"), after=timedelta(days=2)).command() == before


def test_a_message_that_was_granted_before_may_settle(begin: Begin) -> None:
    driver = sending(begin(ENDING)).tell(SENT, after=timedelta(days=1))
    assert driver.command() == Finish(SCHEDULE_ENDED, recorded=False)
    assert driver.history[-2:] == [("mail", "sent"), ("seen", "the schedule ended")]


def test_a_grant_that_is_heard_of_after_the_end_is_not_used(begin: Begin) -> None:
    driver = asking(begin(ENDING)).tell(GRANTED, after=timedelta(days=1))
    assert driver.command() == Finish(SCHEDULE_ENDED, recorded=False)


def test_an_outcome_that_was_reached_stays(begin: Begin) -> None:
    last = begin(plan_of(LAST, ends_at=ENDS_AT)).tell(GRANTED).tell(SENT, after=timedelta(days=1))
    assert last.command() == Finish(COMPLETED, recorded=True)
    won = plan_of(Delay("pause", 3_600, "end"), Exit("end", "won"), ends_at=NOON + HOUR)
    assert begin(won).wake().command() == Finish("won", recorded=False)


@pytest.mark.parametrize("late", [timedelta(0), HOUR])
def test_a_journey_that_begins_at_the_end_is_over(begin: Begin, late: timedelta) -> None:
    assert begin(replace(PLAN, ends_at=NOON - late)).command() == Finish(SCHEDULE_ENDED, recorded=False)


def test_an_exit_is_an_exit_also_after_the_end_of_the_schedule(begin: Begin) -> None:
    driver = in_a_delay(begin(ENDING)).tell(Exited("e1"), after=timedelta(days=1))
    assert driver.command() == Finish(EXITED, recorded=True)


# The gate


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
