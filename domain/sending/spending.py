"""The charge of a message to budgets."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.plan import Message
from domain.local_time.periods import period_start
from domain.sending.budgets import BudgetFull, NamedBudget
from domain.sending.caps import CapRule, find_budgets
from domain.sending.routes import SenderChoice


class Spending(Struct, frozen=True):
    """A step of a campaign, at an instant in the deployment's zone."""

    step: Message
    campaign: str
    rules: Sequence[CapRule]
    at: datetime
    zone: ZoneInfo

    @property
    def day(self) -> date:
        return period_start("day", self.at, self.zone).astimezone(self.zone).date()

    def budgets_for(self, sender: SenderChoice) -> list[NamedBudget]:
        """Return the budgets that a message by this provider takes from."""
        return [] if sender.cost is None else find_budgets(self.rules, self.step, sender.cost.currency)

    def full(self, one: NamedBudget, sender: SenderChoice) -> BudgetFull:
        """Return the answer about a budget without room for a message by this provider."""
        if sender.cost is None:
            raise ValueError("a message without a cost takes from no budget")
        return BudgetFull(one.name, one.budget, sender.cost, sender.provider, one.ends_at(self.at, self.zone))
