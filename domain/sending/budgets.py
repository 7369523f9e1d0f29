"""Budgets of a day, a month, a campaign or a person: the most that messages cost."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.local_time.periods import next_period_start
from domain.sending.money import Money

BudgetScope = Literal["day", "month", "campaign", "person"]


class MoneyBudget(Struct, frozen=True):
    """The most that messages may cost in its scope."""

    scope: BudgetScope
    micros: int
    currency: str


class BudgetCharge(Struct, frozen=True):
    """A part of a budget that a message takes: of a day or a campaign, its `key`."""

    budget: str
    key: str
    micros: int


class BudgetFull(Struct, frozen=True):
    """A budget that has no room for a message; some have again at `until`."""

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
        return f"{self._part(campaign, day)} {self.budget.currency}"

    def ends_at(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the day or the month of an instant is over; None for other scopes."""
        scope = self.budget.scope
        return next_period_start(scope, at, zone) if scope in ("day", "month") else None

    def _part(self, campaign: str, day: date) -> str:
        match self.budget.scope:
            case "campaign":
                return f"campaign {campaign}"
            case "month":
                return month_key(day)
            case _:
                return day_key(day)


def day_key(day: date) -> str:
    """Return the beginning of the keys of a day's limits, in the order of the days.

    No other key begins so: campaigns may have the names of days.
    """
    return f"day {day.isoformat()}"


def month_key(day: date) -> str:
    """Return the beginning of the keys of a month, in the order of the months."""
    return f"month {day:%Y-%m}"


def list_shared(budgets: Iterable[NamedBudget]) -> list[NamedBudget]:
    """Return the budgets of many people, in the order in which they are locked."""
    return sorted((one for one in budgets if one.budget.scope != "person"), key=lambda one: one.name)


def list_personal(budgets: Iterable[NamedBudget]) -> list[NamedBudget]:
    """Return the budgets of one person."""
    return [one for one in budgets if one.budget.scope == "person"]
