"""A journey in the hands of a test."""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from domain.campaign.plan import Plan
from domain.journey import machine
from domain.journey.protocol import Command, Fact, Woke
from domain.journey.state import JourneyState
from tests.domain.strategies import NOON

Begin = Callable[..., "MachineDriver"]


def kept(state: JourneyState) -> JourneyState:
    return state


def carried_over(state: JourneyState) -> JourneyState:
    """As a journey that continues as new has it."""
    return msgspec.json.decode(msgspec.json.encode(state), type=JourneyState)


class MachineDriver:
    """A journey that is told facts, with a clock that it is told to turn."""

    def __init__(self, plan: Plan, carry: Callable[[JourneyState], JourneyState] = kept, seed: str = "c/u1") -> None:
        self.plan = plan if carry is kept else msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
        self.at = NOON
        self._carry = carry
        self.state = carry(machine.begin(self.plan, NOON, seed))

    def command(self) -> Command:
        return machine.next_command(self.plan, self.state)

    @property
    def history(self) -> list[tuple[str, str]]:
        return [(passed.step, passed.what) for passed in self.state.history]

    def tell(self, *told: Fact, after: timedelta = timedelta(0)) -> "MachineDriver":
        self.at += after
        for fact in told:
            self.state = self._carry(machine.after(self.plan, self.state, fact, self.at))
        return self

    def wake(self) -> "MachineDriver":
        """Let the present rest run out."""
        assert self.state.until is not None
        return self.tell(Woke(), after=self.state.until - self.at)
