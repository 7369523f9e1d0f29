"""Budgets: the most that messages may cost, in a day, a campaign or for a person."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal

from msgspec import Struct

from domain.sending.money import Money

BudgetScope = Literal["day", "campaign", "person"]


class MoneyBudget(Struct, frozen=True):
    """The most that messages may cost, on a day, in a campaign, or for a person."""

    scope: BudgetScope
    micros: int
    currency: str


class BudgetCharge(Struct, frozen=True):
    """A part of a budget that a message takes: of one day, or one campaign, its `key`."""

    budget: str
    key: str
    micros: int


class BudgetFull(Struct, frozen=True):
    """A budget that has no room for a message; a day's has again at `until`."""

    rule: str
    budget: MoneyBudget
    cost: Money
    provider: str
    until: datetime | None = None

    def data(self) -> dict[str, Any]:
        """Return what a decision keeps of it."""
        limit = Money(self.budget.micros, self.budget.currency)
        return {
            "rule": self.rule,
            "scope": self.budget.scope,
            "budget": str(limit),
            "cost": str(self.cost),
            "provider": self.provider,
        }


class NamedBudget(Struct, frozen=True):
    """A budget that concerns a message, with the name of its rule and its channels."""

    name: str
    budget: MoneyBudget
    channels: tuple[str, ...] = ()

    def key(self, campaign: str, day: date) -> str:
        """Return the key of the part of the budget that a message takes from.

        In another currency it is another part.
        """
        part = f"campaign {campaign}" if self.budget.scope == "campaign" else day_key(day)
        return f"{part} {self.budget.currency}"


def day_key(day: date) -> str:
    """Return the beginning of the keys of a day's limits, in the order of the days.

    No other key begins so: campaigns may have the names of days.
    """
    return f"day {day.isoformat()}"


def list_shared(budgets: Iterable[NamedBudget]) -> list[NamedBudget]:
    """Return the budgets of many people, in the order in which they are locked."""
    return sorted((one for one in budgets if one.budget.scope != "person"), key=lambda one: one.name)


def list_personal(budgets: Iterable[NamedBudget]) -> list[NamedBudget]:
    """Return the budgets of one person."""
    return [one for one in budgets if one.budget.scope == "person"]
