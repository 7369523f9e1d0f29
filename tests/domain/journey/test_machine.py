from datetime import timedelta

from domain.campaign.plan import Delay
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
from domain.journey.state import COMPLETED, EXITED
from domain.sending.gate_answers import Granted, Refused
from tests.domain.journey.machine_driver import Begin
from tests.domain.journey.machine_steps import (
    CAPPED,
    DEFERRED,
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
