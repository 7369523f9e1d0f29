"""A wait ends with the first event that it hears, or by its timeout."""

from datetime import timedelta

from domain.campaign.plan import Branch, Delay, Exit, Send, Subscription, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    AwaitMatch,
    Evaluate,
    Evaluated,
    Finish,
    Matched,
    Woke,
)
from tests.domain.journey.machine_driver import Begin, MachineDriver
from tests.domain.journey.machine_steps import (
    FORK,
    GRANTED,
    HOUR,
    PLAN,
    REFUSED,
    SEEN,
    SENT,
    Scenario,
    asking,
    deferred,
    scenarios,
    sending,
    waiting_for_an_event,
)
from tests.domain.strategies import NOON, plan_of


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
