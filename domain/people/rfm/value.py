"""The orders and the value that a fitted model expects of a person.

Orders follow BG/NBD: while alive, a buyer orders at random at a rate of their own, and may be lost after any order
(Fader, Hardie and Lee, "Counting Your Customers the Easy Way", 2005). The value of an order follows the Gamma-Gamma
model (Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013). Times are in days.
"""

from collections.abc import Iterable, Mapping
from math import exp, log
from typing import Any, Final

from msgspec import Struct

_DAY: Final = 86_400_000_000
# A term of a series that is so small changes nothing; there are this many at most.
_NEGLIGIBLE: Final = 1e-12
_MAX_TERMS: Final = 20_000
_TOLERANCE: Final = 1e-6
# The logarithm of a number that a float still holds.
_MAX_LOGARITHM: Final = 700.0


class OrderModel(Struct, frozen=True):
    """Rates of ordering vary by `r` and `alpha`, chances of being lost by `a` and `b`."""

    r: float
    alpha: float
    a: float
    b: float


class SpendModel(Struct, frozen=True):
    """The values of a person's orders vary by `p`, and their means by `q` and `gamma`."""

    p: float
    q: float
    gamma: float


class ValueModel(Struct, frozen=True):
    """A fitted model, and the days ahead for which it has been tested."""

    orders: OrderModel
    spend: SpendModel
    days: float


class OrderHistory(Struct, frozen=True):
    """The orders of a person since their first one.

    `repeats` are the later ones, the last of them `last_at` days after the first. The first was `known_for` days ago.
    `valued` of the orders have a value, `spent` in all.
    """

    repeats: int
    last_at: float
    known_for: float
    valued: int
    spent: float


class ExpectedValue(Struct, frozen=True):
    """The orders that are expected of a person in some days, and their value.

    `p_alive` is the probability that the person still orders at all.
    """

    p_alive: float
    orders: float
    clv: float
    days: float


class BuyerOrders(Struct, frozen=True):
    """The orders of one buyer: their ages in days, and each value with its age."""

    ages: list[float]
    spent: list[tuple[float, float]]


def make_history(orders: BuyerOrders, until: float = 0.0) -> OrderHistory:
    """Return the history of a buyer's orders until so many days ago.

    There is one order at least. Orders of the same day are one: buyers take several at once.
    """
    days = list_days(age - until for age in orders.ages if age >= until)
    values = [value for age, value in orders.spent if age >= until]
    latest, first = days[0], days[-1]
    return OrderHistory(len(days) - 1, float(first - latest), float(first), len(values), sum(values))


def list_days(ages: Iterable[float]) -> list[int]:
    """Return the different days of orders, the latest first."""
    return sorted({int(age) for age in ages})


def read_orders(state: Mapping[str, Any], orders: int, spent: int, window: int, at: int) -> BuyerOrders:
    """Return the orders of a person, by the states of their traits.

    `orders` and `spent` are the traits' ids. The window is in seconds, and the instant in microseconds.
    """
    begin = at - window * 1_000_000
    (counted, _), (valued, _) = (state.get(str(id)) or ([], []) for id in (orders, spent))
    ages = [_find_age(when, at) for when, _ in counted if when > begin]
    values = [(_find_age(when, at), float(value)) for when, value in valued if when > begin]
    return BuyerOrders(ages, [(age, value) for age, value in values if value > 0])


def _find_age(when: int, at: int) -> float:
    """Return the days since an instant; 0 since one that is ahead, by a fast clock."""
    return max(0, at - when) / _DAY


def expect_value(model: ValueModel, history: OrderHistory) -> ExpectedValue | None:
    """Return what is expected of a person in the days for which a model was tested.

    None where the model has parameters for which the series loses its precision.
    """
    orders = expect_orders(model.orders, history, model.days)
    # A person who is never lost orders at their own rate.
    most = model.days * (model.orders.r + history.repeats) / (model.orders.alpha + history.known_for)
    if not 0 <= orders <= most * (1 + _TOLERANCE):
        return None
    clv = orders * expect_spend(model.spend, history)
    return ExpectedValue(find_p_alive(model.orders, history), orders, clv, model.days)


def find_p_alive(model: OrderModel, history: OrderHistory) -> float:
    """Return the probability that a person still orders."""
    return 1 / (1 + _odds_of_loss(model, history))


def expect_orders(model: OrderModel, history: OrderHistory, days: float) -> float:
    """Return the number of orders expected in the next days."""
    x, known = history.repeats, model.alpha + history.known_for
    # The formula has no value at 1, and is the same on both sides.
    a = model.a if abs(model.a - 1) > 1e-6 else 1 + 1e-6
    total = a + model.b + x - 1
    # By Euler's transformation, whose terms become smaller also where the days ahead are many more than those known.
    series = _hypergeometric(total - model.r - x, a - 1, total, days / (known + days))
    share: float = (known / (known + days)) ** (a - 1)
    return total / (a - 1) * (1 - share * series) / (1 + _odds_of_loss(model, history))


def expect_spend(model: SpendModel, history: OrderHistory) -> float:
    """Return the value expected of an order.

    It is between a person's own mean and that of all people.
    """
    return model.p * (model.gamma + history.spent) / (model.p * history.valued + model.q - 1)


def _odds_of_loss(model: OrderModel, history: OrderHistory) -> float:
    """Return how much more likely a person is lost than alive; 0 before a repeat."""
    x = history.repeats
    if x == 0:
        return 0.0
    silence = (model.alpha + history.known_for) / (model.alpha + history.last_at)
    return exp(min(log(model.a / (model.b + x - 1)) + (model.r + x) * log(silence), _MAX_LOGARITHM))


def _hypergeometric(a: float, b: float, c: float, z: float) -> float:
    """Return Gauss's hypergeometric function for z from 0 to less than 1."""
    term = total = 1.0
    for number in range(_MAX_TERMS):
        term *= (a + number) * (b + number) / (c + number) / (number + 1) * z
        total += term
        if abs(term) < _NEGLIGIBLE * abs(total):
            break
    return total
