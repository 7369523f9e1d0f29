"""In and out of repetitions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain.campaign.plan import Act, Branch, Delay, Exit, Plan, Repeat, Send, Subscription, Until, WaitFor
from domain.journey import machine
from domain.journey.moves import may_be_stopped
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitMatch,
    Dispatch,
    Evaluate,
    Evaluated,
    Fact,
    Finish,
    LookedUp,
    Matched,
    Performed,
    Resumed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.journey.state import COMPLETED
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from tests.domain.journey.machine_driver import Begin, MachineDriver
from tests.domain.strategies import NOON, plan_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GRANTED = Answered(Granted("m1"))
SENT = Settled("sent", journey_ended=False)
BOUGHT = Matched("again/0", "e1")

MAIL = Send("mail", "email", "hello", next="again")
AFTER = Delay("after", 60)


def again(body: str = "mail", **more: Any) -> Repeat:
    return Repeat("again", body, **{"every": 86_400, "until": "again/0", "next": "after", **more})


def repeating(*body: Any, **more: Any) -> Plan:
    """A repetition of these steps, with a delay after it."""
    return plan_of(again(body[0].id, **more), *body, AFTER, loops={node.id: "again" for node in body})


MAILS = repeating(MAIL)


def a_round(driver: MachineDriver) -> MachineDriver:
    return driver.tell(GRANTED, SENT)


def is_left(driver: MachineDriver) -> bool:
    return driver.command() == SleepUntil(driver.at + timedelta(minutes=1), "delay after")


# What an event may end


def test_an_event_may_end_a_repetition_and_any_that_lies_in_it(begin: Begin) -> None:
    driver = begin(repeating(MAIL, times=1))
    assert may_be_stopped(driver.plan, driver.state)
    a_round(driver)
    assert is_left(driver)
    assert not may_be_stopped(driver.plan, driver.state)


def test_no_event_ends_a_repetition_that_listens_for_none(begin: Begin) -> None:
    driver = begin(repeating(MAIL, times=2, until=None))
    assert not may_be_stopped(driver.plan, driver.state)


# Rounds


def test_every_lies_between_rounds_and_not_after_the_last(begin: Begin) -> None:
    driver = begin(repeating(MAIL, times=3))
    for visit in (1, 2, 3):
        assert driver.command() == Authorize("mail", visit, 1, driver.at, ends_with=None)
        a_round(driver)
        if visit < 3:
            assert driver.command() == SleepUntil(driver.at + DAY, "next round of again")
            assert machine.status(driver.plan, driver.state) == ("again", "waiting")
            driver.wake()
    assert is_left(driver)
    assert driver.at == NOON + 2 * DAY
    assert driver.history[-1] == ("again", "3 rounds")
    assert driver.state.loops == {}


def test_without_a_number_it_goes_on_and_the_state_stays_as_small(begin: Begin) -> None:
    driver = a_round(begin(MAILS)).wake()
    for _ in range(30):
        a_round(driver).wake()
    before = len(str(driver.state))
    for _ in range(300):
        a_round(driver).wake()
    assert driver.command() == Authorize("mail", 332, 1, driver.at, ends_with=None)
    assert abs(len(str(driver.state)) - before) < 20


def test_the_condition_is_asked_before_each_round_the_first_included(begin: Begin) -> None:
    driver = begin(repeating(MAIL, checks=True, until=None))
    assert driver.command() == Evaluate("again")
    assert machine.status(driver.plan, driver.state) == ("again", "acting")
    driver.tell(Evaluated(None))
    a_round(driver)
    assert driver.command() == SleepUntil(NOON + DAY, "next round of again")
    driver.wake()
    assert driver.command() == Evaluate("again")
    assert driver.state.visits["again"] == 2, "so that it is a question of its own"
    assert is_left(driver.tell(Evaluated(0)))
    assert driver.history[-1] == ("again", "over by its condition")


def test_a_condition_that_holds_at_once_lets_no_round_begin(begin: Begin) -> None:
    assert is_left(begin(repeating(MAIL, checks=True, until=None)).tell(Evaluated(0)))


def test_a_condition_is_not_asked_again_after_the_last_round(begin: Begin) -> None:
    driver = begin(repeating(MAIL, checks=True, times=2)).tell(Evaluated(None), GRANTED, SENT)
    assert is_left(driver.wake().tell(Evaluated(None), GRANTED, SENT))


def test_rounds_of_an_inner_repetition_are_counted_anew(begin: Begin) -> None:
    inner = Repeat("inner", "mail", every=3_600, times=2, next="again")
    plan = plan_of(
        again("inner", times=2),
        inner,
        Send("mail", "email", "hello", next="inner"),
        AFTER,
        loops={"inner": "again", "mail": "inner"},
    )
    driver = begin(plan)
    for at, rest in ((0, "inner"), (1, "again"), (25, "inner")):
        assert driver.command() == Authorize("mail", driver.state.visits["mail"], 1, NOON + at * HOUR, None)
        assert isinstance(resting := a_round(driver).command(), SleepUntil)
        assert resting.why == f"next round of {rest}"
        driver.wake()
    assert is_left(a_round(driver))
    assert driver.at == NOON + 26 * HOUR


def test_the_last_message_of_the_last_round_records_the_end(begin: Begin) -> None:
    driver = begin(repeating(MAIL, times=2, next=None))
    assert driver.command() == Authorize("mail", 1, 1, NOON, ends_with=None)
    a_round(driver).wake()
    assert driver.command() == Authorize("mail", 2, 1, NOON + DAY, ends_with=COMPLETED)
    driver.tell(GRANTED)
    assert driver.command() == Dispatch("m1", "email", "marketing", "normal", ends_with=COMPLETED)
    assert driver.tell(SENT).command() == Finish(COMPLETED, recorded=True)


def test_an_exit_within_ends_the_journey_from_there(begin: Begin) -> None:
    plan = repeating(Branch("fork", ("done",), "again"), Exit("done", "won"))
    driver = begin(plan).tell(Evaluated(None)).wake()
    assert driver.tell(Evaluated(0)).command() == Finish("won", recorded=False)


# The event that ends it


def in_a_delay(begin: Begin) -> MachineDriver:
    return begin(repeating(Delay("pause", 3_600, "again")))


def in_a_wait(begin: Begin) -> MachineDriver:
    return begin(repeating(WaitFor("seen", (Subscription("seen/0", "again"),), 3_600, "again")))


def until_a_date(begin: Begin) -> MachineDriver:
    return begin(repeating(Until("nine", "again", "again"))).tell(LookedUp(NOON + 6 * HOUR))


def deferred(begin: Begin) -> MachineDriver:
    return begin(MAILS).tell(Answered(Deferred(NOON + 6 * HOUR, "capped")))


def held(begin: Begin) -> MachineDriver:
    return begin(MAILS).tell(Answered(Held("campaign_paused")))


def between_rounds(begin: Begin) -> MachineDriver:
    return a_round(begin(MAILS))


def between_rounds_of_another_within(begin: Begin) -> MachineDriver:
    inner = Repeat("inner", "mail", every=3_600, next="again")
    mail = Send("mail", "email", "hello", next="inner")
    return a_round(begin(plan_of(again("inner"), inner, mail, AFTER, loops={"inner": "again", "mail": "inner"})))


Scenario = Callable[[Begin], MachineDriver]
RESTS: list[Scenario] = [
    in_a_delay,
    in_a_wait,
    until_a_date,
    deferred,
    held,
    between_rounds,
    between_rounds_of_another_within,
]


@pytest.mark.parametrize("scenario", RESTS, ids=lambda scenario: scenario.__name__)
def test_the_event_ends_it_at_once_where_the_journey_rests(begin: Begin, scenario: Scenario) -> None:
    driver = scenario(begin)
    resting = driver.state.step
    assert is_left(driver.tell(BOUGHT, after=HOUR / 2))
    assert driver.history[-1] == (resting, "event e1")
    assert driver.state.loops == {}


LOOK_UP = repeating(Until("nine", "again", "again"))
ACT = repeating(Act("tag", "update_profile", "again"))
FORK = repeating(Branch("fork", (), "again"))
UNDER_WAY: dict[str, tuple[Plan, list[Fact], Fact]] = {
    "refused": (MAILS, [], Answered(Refused("capped"))),
    "deferred": (MAILS, [], Answered(Deferred(NOON + DAY, "capped"))),
    "held": (MAILS, [], Answered(Held("campaign_paused"))),
    "sent": (MAILS, [GRANTED], SENT),
    "postponed": (MAILS, [GRANTED], Settled("postponed", journey_ended=False)),
    "looked up": (LOOK_UP, [], LookedUp(NOON + 6 * HOUR)),
    "done": (ACT, [], Performed(journey_ended=False)),
    "branched": (FORK, [], Evaluated(None)),
}


@pytest.mark.parametrize("name", UNDER_WAY)
def test_an_activity_under_way_is_waited_for(begin: Begin, name: str) -> None:
    plan, told, answer = UNDER_WAY[name]
    driver = begin(plan).tell(*told)
    asked = driver.command()
    # Neither the event nor a resumption nor an answer to something else moves the journey while it is waited for.
    for early in (BOUGHT, Resumed(), Woke(), Evaluated(None) if plan is MAILS else SENT):
        assert driver.tell(early).command() == asked
    if name == "held":
        return
    assert is_left(driver.tell(answer, after=HOUR))


def test_a_message_that_was_granted_meanwhile_is_handed_over(begin: Begin) -> None:
    driver = begin(MAILS).tell(BOUGHT, GRANTED)
    assert driver.command() == Dispatch("m1", "email", "marketing", "normal", ends_with=None)
    assert is_left(driver.tell(SENT))


def test_an_end_that_was_recorded_meanwhile_stays(begin: Begin) -> None:
    plan = repeating(Send("mail", "email", "hello", next="end"), Exit("end", "done"))
    for told in ([Answered(Refused("expired"))], [GRANTED, SENT]):
        assert begin(plan).tell(BOUGHT, *told).command() == Finish("done", recorded=True)


NESTED = plan_of(
    Repeat("outer", "inner", every=86_400, until="outer/0", next="after"),
    Repeat("inner", "pause", every=86_400, until="inner/0", next="between"),
    Delay("pause", 3_600, "inner"),
    Delay("between", 3_600, "outer"),
    AFTER,
    loops={"inner": "outer", "between": "outer", "pause": "inner"},
)


def test_the_repetition_that_listens_is_left_and_no_other(begin: Begin) -> None:
    driver = begin(NESTED).tell(Matched("inner/0", "e1"))
    assert driver.command() == SleepUntil(NOON + HOUR, "delay between")
    assert is_left(driver.tell(Matched("outer/0", "e2")))


def test_of_several_the_outermost_is_left(begin: Begin) -> None:
    plan = plan_of(
        *(NESTED.nodes[step] for step in ("outer", "inner", "between")),
        AFTER,
        Send("pause", "email", "hello", next="inner"),
        loops=NESTED.loops,
    )
    driver = begin(plan).tell(GRANTED, Matched("inner/0", "e1"), Matched("outer/0", "e1"), SENT)
    assert is_left(driver)


# Which events count


def test_an_event_from_before_does_not_count(begin: Begin) -> None:
    driver = begin(plan_of(Delay("first", 3_600, "again"), *MAILS.nodes.values(), loops=MAILS.loops))
    a_round(driver.tell(BOUGHT, after=HOUR / 2).wake())
    assert driver.command() == SleepUntil(NOON + HOUR + DAY, "next round of again")
    assert is_left(driver.tell(Matched("again/0", "e2")))


def test_an_event_since_the_last_message_was_granted_counts(begin: Begin) -> None:
    first = Send("first", "email", "hello", next="again")
    pause = Delay("pause", 3_600, "again")
    driver = begin(plan_of(first, again("pause"), pause, AFTER, loops={"pause": "again"}))
    assert is_left(driver.tell(GRANTED).tell(BOUGHT, after=HOUR).tell(SENT, after=HOUR))


def test_two_repetitions_whose_events_came_during_one_message_are_both_left(begin: Begin) -> None:
    second = Repeat("second", "pause", every=3_600, until="second/0", next="after")
    plan = plan_of(
        again(next="second"),
        MAIL,
        second,
        Delay("pause", 60, "second"),
        AFTER,
        loops={"mail": "again", "pause": "second"},
    )
    driver = begin(plan).tell(GRANTED).tell(BOUGHT, Matched("second/0", "e2"), after=HOUR)
    assert is_left(driver.tell(SENT, after=HOUR))


def test_an_event_ends_one_thing_only(begin: Begin) -> None:
    """One purchase is told once to each that listens for purchases, all at the same instant."""
    pause, rest = Delay("pause", 3_600, "again"), Delay("rest", 3_600, "second")
    second = Repeat("second", "rest", every=3_600, until="second/0", next="seen")
    seen = WaitFor("seen", (Subscription("seen/0", None),), 3_600, "after")
    plan = plan_of(
        again("pause", next="second"), pause, second, rest, seen, AFTER, loops={"pause": "again", "rest": "second"}
    )
    everywhere = [Matched(f"{step}/0", "e1") for step in ("again", "second", "seen")]
    driver = begin(plan).tell(*everywhere)
    assert driver.command() == SleepUntil(NOON + HOUR, "delay rest")
    assert driver.tell(Matched("second/0", "e2"), *everywhere).command() == AwaitMatch(NOON + HOUR)


def test_an_event_that_a_wait_has_heard_does_not_end_the_repetition_after_it(begin: Begin) -> None:
    wait = WaitFor("seen", (Subscription("seen/0", "again"),), 3_600, "again")
    plan = plan_of(wait, again("pause"), Delay("pause", 3_600, "again"), AFTER, loops={"pause": "again"})
    driver = begin(plan).tell(BOUGHT, Matched("seen/0", "e1"), Woke())
    assert driver.command() == SleepUntil(NOON + HOUR, "delay pause")
    assert is_left(driver.tell(Matched("again/0", "e2")))


@pytest.mark.parametrize("told", [[BOUGHT, Matched("seen/0", "e1")], [Matched("seen/0", "e1"), BOUGHT]])
def test_a_wait_within_gives_way_to_the_event_that_ends_it(begin: Begin, told: list[Fact]) -> None:
    """Both listen for the same: the repetition is over, also where the wait was told first."""
    driver = begin(
        repeating(WaitFor("seen", (Subscription("seen/0", "tag"),), 3_600, "again"), Act("tag", "set_stage"))
    )
    assert is_left(driver.tell(*told, Woke()))


def test_a_repetition_entered_again_listens_anew(begin: Begin) -> None:
    driver = begin(NESTED).tell(Matched("inner/0", "e1")).wake().wake()
    assert driver.command() == SleepUntil(driver.at + HOUR, "delay pause")
    # A relay that died after telling tells once more.
    assert driver.tell(Matched("inner/0", "e1")).command() == SleepUntil(driver.at + HOUR, "delay pause")
    assert driver.tell(Matched("inner/0", "e2")).command() == SleepUntil(driver.at + HOUR, "delay between")


def test_an_event_during_a_rest_of_the_outer_does_not_end_the_inner(begin: Begin) -> None:
    driver = begin(NESTED).tell(Matched("inner/0", "e1")).tell(Matched("inner/0", "e2"), after=HOUR / 2).wake()
    driver.tell(Matched("inner/0", "e3"), after=HOUR).wake()
    assert driver.command() == SleepUntil(driver.at + HOUR, "delay pause")


def clicked_after(*body: Any) -> Plan:
    """What follows on the repetition is a wait for a click."""
    seen = WaitFor("seen", (Subscription("seen/0", "yes"),), 3_600, "after")
    return plan_of(
        again(body[0].id, next="seen"), *body, seen, Exit("yes", "yes"), AFTER, loops={one.id: "again" for one in body}
    )


@pytest.mark.parametrize("following", [[], [Delay("pause", 3_600, "again")]], ids=["between rounds", "delay"])
def test_what_follows_hears_of_events_since_the_message_without_a_rest(begin: Begin, following: list[Any]) -> None:
    mail = Send("mail", "email", "hello", next="pause" if following else "again")
    driver = begin(clicked_after(mail, *following)).tell(GRANTED)
    driver.tell(Matched("seen/0", "e2"), BOUGHT, after=HOUR).tell(SENT, Woke(), after=HOUR)
    assert driver.command() == Finish("yes", recorded=False)


def test_what_follows_does_not_hear_of_events_from_a_rest_within(begin: Begin) -> None:
    for rest in (SENT, Answered(Deferred(NOON + DAY, "capped")), Answered(Held("campaign_paused"))):
        told = [GRANTED, SENT] if rest is SENT else [rest]
        driver = begin(clicked_after(MAIL)).tell(*told).tell(Matched("seen/0", "e2"), after=HOUR)
        driver.tell(BOUGHT, after=HOUR).tell(Woke())
        assert driver.command() == AwaitMatch(driver.at + HOUR)
