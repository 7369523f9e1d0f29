"""What hands do to a journey: they skip what it waits for, and pause and resume its campaign."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from domain.campaign.plan import Delay, Node, Plan, Repeat, Send, Subscription, Until, WaitFor
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    AwaitResume,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    Resumed,
    Skipped,
    SleepUntil,
    Woke,
)
from domain.journey.state import COMPLETED, SCHEDULE_ENDED
from domain.sending.gate_answers import Deferred, Held
from tests.domain.journey.machine_driver import Begin, MachineDriver
from tests.domain.strategies import NOON, plan_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MAIL = Send("mail", "email", "hello")
HELD = Answered(Held("campaign_paused"))


def asks(driver: MachineDriver) -> bool:
    return driver.command() == Authorize("mail", visit=1, attempt=1, reached_at=driver.at, ends_with=COMPLETED)


def before_the_mail(node: Node) -> Plan:
    return plan_of(node, MAIL)


DELAY = Delay("rest", 3_600, "mail")
UNTIL = Until("rest", "mail")
WAIT = WaitFor("rest", (Subscription("rest/0"),), 3_600, "mail")


@pytest.mark.parametrize("node", [DELAY, WAIT])
def test_a_rest_is_over_at_once(begin: Begin, node: Node) -> None:
    driver = begin(before_the_mail(node)).tell(Skipped("rest"), after=MINUTE)
    assert asks(driver)
    assert driver.history == [("rest", "wait skipped")]
    assert asks(driver.tell(Skipped("rest")))


def test_a_delay_until_a_date_is_over_without_another_look_up(begin: Begin) -> None:
    driver = begin(before_the_mail(UNTIL)).tell(Skipped("rest"))
    assert isinstance(driver.command(), LookUp)
    assert asks(driver.tell(LookedUp(NOON + HOUR)).tell(Skipped("rest"), after=MINUTE))


def test_the_next_round_begins_at_once(begin: Begin) -> None:
    plan = plan_of(Repeat("again", "mail", every=3_600), replace(MAIL, next="again"), loops={"mail": "again"})
    for checks in (False, True):
        rounds = replace(plan, nodes={**plan.nodes, "again": replace(plan.nodes["again"], checks=checks)})
        resting = replace(machine.begin(rounds, NOON), step="again", phase="resting", until=NOON + HOUR)
        skipped = machine.after(rounds, resting, Skipped("again"), NOON + MINUTE)
        woken = machine.after(rounds, resting, Woke(), NOON + HOUR)
        assert (skipped.step, skipped.phase) == (woken.step, woken.phase)
        assert skipped.step == ("again" if checks else "mail")


@pytest.mark.parametrize("node", [DELAY, WAIT, MAIL])
def test_another_step_is_let_be(begin: Begin, node: Node) -> None:
    driver = begin(before_the_mail(node))
    before = driver.state
    assert driver.tell(Skipped("elsewhere"), after=MINUTE).state == before


@pytest.mark.parametrize("answer", [HELD, Answered(Deferred(NOON + HOUR, "capped"))])
def test_a_message_waits_for_the_gate_alone(begin: Begin, answer: Answered) -> None:
    driver = begin(plan_of(MAIL)).tell(answer)
    before = driver.state
    assert driver.tell(Skipped("mail"), after=MINUTE).state == before


def test_a_wait_that_has_heard_goes_on_with_the_event(begin: Begin) -> None:
    driver = begin(before_the_mail(WAIT)).tell(Matched("rest/0", "e1"), Skipped("rest"), Woke())
    assert driver.command() == Finish(COMPLETED, recorded=False)
    assert driver.history == [("rest", "event e1")]


def test_what_follows_hears_nothing_of_the_time_before(begin: Begin) -> None:
    driver = begin(plan_of(Delay("pause", 3_600, "rest"), WAIT, MAIL))
    driver.tell(Matched("rest/0", "e1"), after=MINUTE).tell(Skipped("pause"), after=MINUTE)
    assert machine.find_match(driver.plan, driver.state) is None


def test_a_skip_after_the_end_of_the_schedule_leads_nowhere(begin: Begin) -> None:
    driver = begin(plan_of(DELAY, MAIL, ends_at=NOON + MINUTE)).tell(Skipped("rest"), after=MINUTE)
    assert driver.command() == Finish(SCHEDULE_ENDED, recorded=False)


@pytest.mark.parametrize(("retimes", "reached_at"), [(False, NOON), (True, NOON + HOUR)])
def test_a_held_message_is_on_time_by_when_it_was_reached_or_by_the_resumption(
    begin: Begin, *, retimes: bool, reached_at: datetime
) -> None:
    plan = replace(plan_of(MAIL), retimes=retimes)
    told_in_time = begin(plan).tell(HELD).tell(Resumed(), after=HOUR)
    overtaken = begin(plan).tell(Resumed(), HELD, after=HOUR)
    for driver in (told_in_time, overtaken):
        assert driver.command() == Authorize("mail", visit=1, attempt=2, reached_at=reached_at, ends_with=COMPLETED)


def test_only_what_was_held_is_retimed(begin: Begin) -> None:
    deferred = Answered(Deferred(NOON + HOUR, "capped"))
    driver = begin(replace(plan_of(MAIL), retimes=True)).tell(deferred).tell(Resumed(), after=MINUTE)
    assert isinstance(driver.command(), SleepUntil)
    assert driver.wake().command() == Authorize("mail", visit=1, attempt=2, reached_at=NOON, ends_with=COMPLETED)
    assert driver.tell(HELD).command() == AwaitResume()
