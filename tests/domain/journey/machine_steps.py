"""The flow of the tests of the machine, and where a journey may be in it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.campaign.plan import Branch, Delay, Exit, Send, Subscription, WaitFor
from domain.journey.protocol import (
    Answered,
    Settled,
)
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from tests.domain.journey.machine_driver import MachineDriver
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
