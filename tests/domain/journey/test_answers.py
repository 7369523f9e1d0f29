"""What comes of a fork, a look-up, an action and a message whose window has closed."""

from datetime import timedelta
from typing import Any

import pytest

from domain.campaign.plan import Act, Arm, Delay, Exit, Send, Split, Subscription, Until, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitMatch,
    Dispatch,
    Evaluate,
    Evaluated,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    Perform,
    Performed,
    Settled,
    SleepUntil,
    Unreadable,
    Woke,
)
from domain.journey.state import COMPLETED, EXITED
from domain.sending.gate_answers import Deferred, Granted, Refused
from tests.domain.journey.machine_driver import Begin
from tests.domain.strategies import NOON, plan_of

HOUR = timedelta(hours=1)
DONE = Performed(journey_ended=False)

# Forks

ARMS = plan_of(Split("half", (Arm("a", "pause"), Arm("b"))), Delay("pause", 60))


def test_a_split_goes_the_way_of_its_arm(begin: Begin) -> None:
    driver = begin(ARMS)
    assert driver.command() == Evaluate("half")
    driver.tell(Evaluated(0))
    assert driver.command() == SleepUntil(NOON + timedelta(minutes=1), "delay pause")
    assert driver.history == [("half", "arm a")]
    assert begin(ARMS).tell(Evaluated(1)).command() == Finish(COMPLETED, recorded=False)


def test_a_split_has_no_other_way(begin: Begin) -> None:
    with pytest.raises(ValueError, match="no way was chosen at half"):
        begin(ARMS).tell(Evaluated(None))


# Delays until a time or a date

MORNING = plan_of(Until("nine", "mail", "missed"), Send("mail", "email", "hello"), Exit("missed", "missed"))
MISSED = Finish("missed", recorded=False)


def test_a_moment_is_looked_up_and_rested_for(begin: Begin) -> None:
    driver = begin(MORNING)
    assert driver.command() == LookUp("nine", visit=1, attempt=1, reached_at=NOON)
    assert machine.status(driver.plan, driver.state) == ("nine", "waiting")
    driver.tell(LookedUp(NOON + 6 * HOUR))
    assert driver.command() == SleepUntil(NOON + 6 * HOUR, "delay nine")
    assert machine.status(driver.plan, driver.state) == ("nine", "waiting")


def test_on_waking_it_is_looked_up_again_and_the_journey_goes_on_where_nothing_moved(begin: Begin) -> None:
    driver = begin(MORNING).tell(LookedUp(NOON + 6 * HOUR)).wake()
    assert driver.command() == LookUp("nine", visit=1, attempt=2, reached_at=NOON)
    driver.tell(LookedUp(NOON + 6 * HOUR))
    assert driver.command() == Authorize("mail", 1, 1, NOON + 6 * HOUR, COMPLETED)
    assert driver.history == [("nine", "waited")]


def test_a_moment_that_has_moved_is_rested_for_as_often_as_it_moves(begin: Begin) -> None:
    driver = begin(MORNING).tell(LookedUp(NOON + HOUR))
    for ask in (2, 3, 4):
        assert driver.wake().command() == LookUp("nine", visit=1, attempt=ask, reached_at=NOON)
        driver.tell(LookedUp(driver.at + HOUR))
        assert driver.command() == SleepUntil(NOON + ask * HOUR, "delay nine")


def test_a_moment_that_moved_before_its_beginning_is_over_and_not_past(begin: Begin) -> None:
    driver = begin(MORNING).tell(LookedUp(NOON + HOUR)).wake().tell(LookedUp(NOON - HOUR))
    assert isinstance(driver.command(), Authorize)


@pytest.mark.parametrize(
    ("until", "after", "is_past"),
    [
        (NOON - timedelta(microseconds=1), timedelta(0), True),
        (NOON, timedelta(0), False),
        # It came while it was being looked up.
        (NOON + HOUR, HOUR, False),
        (NOON + HOUR, 2 * HOUR, False),
    ],
)
def test_past_is_what_lies_before_the_step_was_reached(begin: Begin, until: Any, after: Any, is_past: bool) -> None:
    driver = begin(MORNING).tell(LookedUp(until), after=after)
    assert driver.command() == MISSED if is_past else isinstance(driver.command(), Authorize)
    assert driver.history == [("nine", "past already" if is_past else "waited")]


def test_a_date_that_cannot_be_read_has_a_way_of_its_own(begin: Begin) -> None:
    own = plan_of(Until("nine", "mail", "mail", None), Send("mail", "email", "hello"))
    assert begin(own).tell(LookedUp(Unreadable())).command() == Finish("completed", recorded=False)
    on_waking = begin(own).tell(LookedUp(NOON + HOUR)).wake().tell(LookedUp(Unreadable()))
    assert on_waking.command() == Finish("completed", recorded=False)
    assert on_waking.history == [("nine", "unreadable date")]


def test_a_date_that_is_missing_or_taken_away_is_as_if_past(begin: Begin) -> None:
    assert begin(MORNING).tell(LookedUp(None)).command() == MISSED
    taken_away = begin(MORNING).tell(LookedUp(NOON + HOUR)).wake().tell(LookedUp(None))
    assert taken_away.command() == MISSED
    assert taken_away.history == [("nine", "no such date")]


def test_waking_early_does_not_end_the_rest(begin: Begin) -> None:
    driver = begin(MORNING).tell(LookedUp(NOON + HOUR)).tell(Woke(), after=HOUR / 2)
    assert driver.command() == SleepUntil(NOON + HOUR, "delay nine")


def test_a_wait_after_it_hears_nothing_of_the_time_before(begin: Begin) -> None:
    seen = WaitFor("seen", (Subscription("seen/0", "yes"),), 3_600)
    mail = Send("mail", "email", "hello", next="nine")
    plan = plan_of(mail, Until("nine", "seen", "seen"), seen, Exit("yes", "yes"))
    driver = (
        begin(plan).tell(Answered(Granted("m1"))).tell(Matched("seen/0", "e1"), Settled("sent", journey_ended=False))
    )
    driver.tell(LookedUp(NOON + HOUR)).tell(Matched("seen/0", "e2"), after=HOUR / 2).wake().tell(LookedUp(NOON + HOUR))
    assert driver.command() == AwaitMatch(NOON + 2 * HOUR)
    assert machine.find_match(driver.plan, driver.state) is None


def test_a_wait_after_one_that_did_not_rest_hears_of_events_since_the_message(begin: Begin) -> None:
    seen = WaitFor("seen", (Subscription("seen/0", "yes"),), 3_600)
    mail = Send("mail", "email", "hello", next="nine")
    plan = plan_of(mail, Until("nine", "seen", "seen"), seen, Exit("yes", "yes"))
    driver = (
        begin(plan).tell(Answered(Granted("m1"))).tell(Matched("seen/0", "e1"), Settled("sent", journey_ended=False))
    )
    assert driver.tell(LookedUp(None), Woke()).command() == Finish("yes", recorded=False)


def test_a_random_delay_is_the_same_for_a_user_each_time_and_differs_between_users(begin: Begin) -> None:
    plan = plan_of(Delay("pause", 3_600, "more", spread=7_200), Delay("more", 3_600, spread=7_200))

    def rest(seed: str) -> timedelta:
        until = begin(plan, seed).state.until
        assert until is not None
        return until - NOON

    rests = {seed: rest(seed) for seed in (f"c/u{number}" for number in range(50))}
    assert {seed: rest(seed) for seed in rests} == rests
    assert len(set(rests.values())) > 40
    assert all(HOUR <= one <= 3 * HOUR for one in rests.values())
    first, second = begin(plan, "c/u1"), begin(plan, "c/u1").wake()
    assert first.state.until is not None
    assert second.state.until is not None
    assert first.state.until - NOON != second.state.until - second.at, "each step draws for itself"


# Actions

TAG = Act("tag", "update_profile")


@pytest.mark.parametrize(
    ("following", "outcome"), [([], COMPLETED), ([Exit("end", "done")], "done"), ([Delay("end", 60)], None)]
)
def test_an_action_is_done_and_records_the_end_where_it_is_the_last(
    begin: Begin, following: list[Any], outcome: str | None
) -> None:
    driver = begin(plan_of(Act("tag", "update_profile", "end" if following else None), *following))
    assert driver.command() == Perform("tag", visit=1, ends_with=outcome)
    driver.tell(DONE)
    assert driver.history == [("tag", "done")]
    assert driver.state.recorded is (outcome is not None)
    assert isinstance(driver.command(), SleepUntil) if outcome is None else driver.command() == Finish(outcome, True)


def test_an_action_that_came_too_late_ends_the_journey(begin: Begin) -> None:
    driver = begin(plan_of(TAG)).tell(Performed(journey_ended=True))
    assert driver.command() == Finish(EXITED, recorded=True)
    assert driver.history == [("tag", "not done: the journey was ended")]


# A window that closed between grant and claim

MAIL = plan_of(Send("mail", "email", "hello", next="seen"), WaitFor("seen", (Subscription("seen/0", "seen"),), 3_600))
POSTPONED = Settled("postponed", journey_ended=False)


def test_a_postponed_message_is_asked_for_again(begin: Begin) -> None:
    driver = begin(MAIL).tell(Answered(Granted("m1"))).tell(POSTPONED, after=HOUR)
    assert driver.command() == Authorize("mail", visit=1, attempt=2, reached_at=NOON, ends_with=None)
    assert driver.history == [("mail", "postponed")]
    driver.tell(Answered(Deferred(NOON + 20 * HOUR, "send_window"))).wake()
    driver.tell(Answered(Granted("m1")))
    assert driver.command() == Dispatch("m1", "email", "marketing", "normal", None)


def test_a_message_postponed_and_then_refused_is_heard_of_no_more(begin: Begin) -> None:
    driver = begin(MAIL).tell(Answered(Granted("m1")), Matched("seen/0", "e1")).tell(POSTPONED, after=HOUR)
    driver.tell(Answered(Refused("expired")))
    assert machine.find_match(driver.plan, driver.state) is None


def test_the_end_is_not_recorded_by_a_message_that_is_postponed(begin: Begin) -> None:
    driver = begin(plan_of(Send("mail", "email", "hello"))).tell(Answered(Granted("m1")), POSTPONED)
    assert isinstance(driver.command(), Authorize)
    assert not driver.state.recorded
    assert begin(plan_of(Send("mail", "email", "hello"))).tell(
        Answered(Granted("m1")), Settled("postponed", journey_ended=True)
    ).command() == Finish(EXITED, recorded=True)
