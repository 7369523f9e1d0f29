"""Journeys end with the schedule of their campaign, and settle before."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.campaign.plan import Delay, Exit
from domain.journey.protocol import (
    AwaitMatch,
    AwaitResume,
    Exited,
    Finish,
    Matched,
    Resumed,
    SleepUntil,
    Woke,
)
from domain.journey.state import COMPLETED, EXITED, SCHEDULE_ENDED
from tests.domain.journey.machine_driver import Begin
from tests.domain.journey.machine_steps import (
    GRANTED,
    HOUR,
    LAST,
    PLAN,
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
