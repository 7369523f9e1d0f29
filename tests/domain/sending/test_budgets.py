"""The days and months of budgets are those of the deployment's zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.sending.budgets import BudgetScope, MoneyBudget, NamedBudget

BERLIN = ZoneInfo("Europe/Berlin")
# The last evening of the year, in Berlin.
AT = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=BERLIN)


def budget(scope: BudgetScope) -> NamedBudget:
    return NamedBudget("spend", MoneyBudget(scope, 1_000_000, "EUR"))


@pytest.mark.parametrize(
    ("scope", "key", "ends_at"),
    [
        ("day", "day 2026-12-31 EUR", NEW_YEAR),
        ("month", "month 2026-12 EUR", NEW_YEAR),
        ("campaign", "campaign promo EUR", None),
    ],
)
def test_a_part_of_a_budget_has_a_key_and_an_end(scope: BudgetScope, key: str, ends_at: datetime | None) -> None:
    assert budget(scope).key("promo", date(2026, 12, 31)) == key
    assert budget(scope).ends_at(AT, BERLIN) == ends_at


def test_a_month_begins_anew_on_its_first_day() -> None:
    assert budget("month").key("promo", date(2027, 1, 1)) == "month 2027-01 EUR"
    assert budget("month").ends_at(NEW_YEAR, BERLIN) == datetime(2027, 2, 1, tzinfo=BERLIN)
