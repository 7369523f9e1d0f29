"""Test a model on the last third of the history, before it is shown."""

from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from statistics import mean, median, pstdev
from typing import Final

from msgspec import Struct

from cli.insights.fitting import fit_orders, fit_spend
from domain.people.rfm.value import BuyerOrders, ValueModel, expect_orders, list_days, make_history

# The share by which each group may differ, the orders that it has at least, and the fewest groups.
MAX_DEVIATION: Final = 0.2
MIN_GROUP_ORDERS: Final = 400
MIN_GROUPS: Final = 3
GROUPS: Final = 10
# Orders at random have gaps that vary by as much as their mean. Below this share they are periodic.
MIN_VARIATION: Final = 0.35
_MIN_GAPS: Final = 3
_MIN_PERIODIC_BUYERS: Final = 30


class TestedGroup(Struct, frozen=True):
    """Buyers of similar expected orders: those expected and those that came."""

    buyers: int
    expected: float
    actual: int

    @property
    def deviation(self) -> float:
        """Return by how much the expected orders differ, as a share of the actual ones."""
        return abs(self.expected - self.actual) / self.actual if self.actual else float("inf")


class BackTest(Struct, frozen=True):
    """The groups of a test, the least active first, and why the model is not shown."""

    groups: Sequence[TestedGroup]
    refusal: str | None
    model: ValueModel | None


def backtest(buyers: Sequence[BuyerOrders], window: float) -> BackTest:
    """Fit a model to two thirds of a window, and compare it with the last third.

    The window is in days. If the model holds, the model is fitted to the whole window.
    """
    third = window / 3
    if (refusal := find_periodicity(buyers)) is not None:
        return BackTest([], refusal, None)
    earlier = [one for one in buyers if max(one.ages) >= third]
    histories = [make_history(one, third) for one in earlier]
    if sum(one.repeats > 0 for one in histories) < MIN_GROUP_ORDERS:
        said = f"not enough history: fewer than {MIN_GROUP_ORDERS} buyers have repeated in the first two thirds"
        return BackTest([], said, None)
    if not any(one.spent for one in buyers):
        return BackTest([], "no order has a value above 0", None)
    model = fit_orders(histories)
    compared = [
        (expect_orders(model, history, third), len(list_days(age for age in one.ages if age < third)))
        for one, history in zip(earlier, histories, strict=True)
    ]
    # Equals stay in the order of the draw: by what came, they would be parted into groups that differ.
    compared.sort(key=itemgetter(0))
    groups = _group(compared)
    refusal = _judge(groups)
    if refusal is not None:
        return BackTest(groups, refusal, None)
    everyone = [make_history(one) for one in buyers]
    return BackTest(groups, None, ValueModel(fit_orders(everyone), fit_spend(everyone), third))


def find_periodicity(buyers: Sequence[BuyerOrders]) -> str | None:
    """Return why orders are periodic, as those of subscriptions; None if they are not.

    Such a buyer is lost at the first missed order, which a model of orders at random does not see.
    """
    variations = []
    for one in buyers:
        days = list_days(one.ages)
        gaps = [later - earlier for earlier, later in pairwise(days)]
        if len(gaps) >= _MIN_GAPS:
            variations.append(pstdev(gaps) / mean(gaps))
    if len(variations) < _MIN_PERIODIC_BUYERS or median(variations) >= MIN_VARIATION:
        return None
    return (
        f"orders are periodic, as those of subscriptions: gaps vary by {median(variations):.0%} of their mean, and by "
        f"{MIN_VARIATION:.0%} at least where people order freely"
    )


def _group(compared: Sequence[tuple[float, int]]) -> list[TestedGroup]:
    """Part buyers into tenths; put those with few expected orders together."""
    groups: list[list[tuple[float, int]]] = [[]]
    for number in range(GROUPS):
        if sum(expected for expected, _ in groups[-1]) >= MIN_GROUP_ORDERS:
            groups.append([])
        groups[-1] += compared[len(compared) * number // GROUPS : len(compared) * (number + 1) // GROUPS]
    if len(groups) > 1 and sum(expected for expected, _ in groups[-1]) < MIN_GROUP_ORDERS:
        rest = groups.pop()
        groups[-1] += rest
    return [
        TestedGroup(len(group), sum(expected for expected, _ in group), sum(actual for _, actual in group))
        for group in groups
    ]


def _judge(groups: Sequence[TestedGroup]) -> str | None:
    if len(groups) < MIN_GROUPS:
        return (
            f"not enough history: {len(groups)} groups of {MIN_GROUP_ORDERS} orders in the last third, of {MIN_GROUPS}"
        )
    wrong = [group for group in groups if group.deviation > MAX_DEVIATION]
    if not wrong:
        return None
    worst = max(wrong, key=lambda group: group.deviation)
    return (
        f"the last third differs: {worst.expected:,.0f} orders were expected of a group of {worst.buyers:,}, and "
        f"{worst.actual:,} came. At most {MAX_DEVIATION:.0%} may differ"
    )
