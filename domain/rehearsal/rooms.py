"""The room of warm-ups and budgets in a simulation: what simulated messages take."""

from collections import Counter
from math import ceil
from typing import assert_never

from domain.journey.sender_decisions import (
    TAKEN,
    Charge,
    LeavePlace,
    NoPlace,
    Room,
    SenderDecision,
    Taken,
    TakePlace,
)
from domain.journey.step_decisions import StepDecision
from domain.rehearsal.messages import COUNTED_STATES
from domain.rehearsal.people import SimulatedPerson
from domain.sending.budgets import BudgetCharge, BudgetFull, day_key, list_personal, list_shared
from domain.sending.caps import is_exempt
from domain.sending.gate_answers import Answer
from domain.sending.routes import SenderChoice
from domain.sending.spending import Spending


class Rooms:
    """The places taken of each day of a warm-up, and the money of each budget.

    A shard of people has its `share` of the room, so that the order of shards decides nothing.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._taken: Counter[tuple[str, str]] = Counter()

    def drive(self, deciding: SenderDecision, spending: Spending, person: SimulatedPerson) -> StepDecision[Answer]:
        """Take the room that a decision asks for, and return the decision."""
        place: tuple[str, str] | None = None
        try:
            asked = next(deciding)
            while True:
                room: Room
                match asked:
                    case TakePlace(provider=provider, limit=limit):
                        place = (f"warm-up:{provider}", day_key(limit.day))
                        room = self._take(place, 1, limit.messages)
                    case LeavePlace():
                        if place is not None:
                            self._taken[place] -= 1
                        room = TAKEN
                    case Charge(sender=sender):
                        room = self._charge(spending, sender, person)
                    case _:
                        assert_never(asked)
                asked = deciding.send(room)
        except StopIteration as done:
            decision: StepDecision[Answer] = done.value
            return decision

    def give_back(self, charges: tuple[BudgetCharge, ...]) -> None:
        """Give back what a message took that did not go."""
        for one in charges:
            self._taken[one.budget, one.key] -= one.micros

    def _take(self, place: tuple[str, str], number: int, most: int) -> Room:
        if self._taken[place] + number > ceil(most * self._share):
            return NoPlace()
        self._taken[place] += number
        return TAKEN

    def _charge(self, spending: Spending, sender: SenderChoice, person: SimulatedPerson) -> Taken | BudgetFull:
        concerned = spending.budgets_for(sender)
        cost = 0 if sender.cost is None else sender.cost.micros
        for one in list_personal(concerned):
            if _spent(person, one.budget.currency, one.channels) + cost > one.budget.micros:
                return spending.full(one, sender)
        taken: list[BudgetCharge] = []
        for one in list_shared(concerned):
            wanted = BudgetCharge(one.name, one.key(spending.campaign, spending.day), cost)
            if isinstance(self._take((wanted.budget, wanted.key), cost, one.budget.micros), NoPlace):
                self.give_back(tuple(taken))
                return spending.full(one, sender)
            taken.append(wanted)
        return Taken(tuple(taken))


def _spent(person: SimulatedPerson, currency: str, channels: tuple[str, ...]) -> int:
    """Return what the messages of a person have cost in a budget."""
    return sum(
        one.granted.cost or 0
        for one in person.messages
        if one.state in COUNTED_STATES
        and one.granted.currency == currency
        and (not channels or one.granted.channel in channels)
        and not is_exempt(one.granted.category, one.granted.priority)
    )
