"""Buyers who order by the models, and by others."""

from collections.abc import Sequence
from random import Random

from domain.people.rfm.value import BuyerOrders, OrderModel, SpendModel


def simulate(
    draw: Random,
    people: int,
    orders: OrderModel,
    spend: SpendModel,
    window: float,
    *,
    lull: float = 1.0,
    arrivals: Sequence[float] = (),
) -> list[BuyerOrders]:
    """Draw buyers who come at any time of a window, and order by the models.

    With a `lull` their rates are so many times as high in the last third. With `arrivals` they come at one of these.
    """
    buyers = []
    for _ in range(people):
        rate = draw.gammavariate(orders.r, 1 / orders.alpha)
        loss = draw.betavariate(orders.a, orders.b)
        nu = draw.gammavariate(spend.q, 1 / spend.gamma)
        age = draw.choice(arrivals) if arrivals else draw.uniform(0, window)
        ages = [age]
        while True:
            age -= draw.expovariate(rate) if rate > 1e-9 else window
            if age <= 0:
                break
            if age >= window / 3 or draw.random() < lull:
                ages.append(age)
            if draw.random() < loss:
                break
        buyers.append(BuyerOrders(ages, [(age, draw.gammavariate(spend.p, 1 / nu)) for age in ages]))
    return buyers


def subscribe(draw: Random, people: int, window: float) -> list[BuyerOrders]:
    """Draw subscribers who pay each 30 days, a day earlier or later, until they cancel."""
    buyers = []
    for _ in range(people):
        age, ages = draw.uniform(0, window), []
        while age > 0:
            ages.append(age)
            age -= 30 + draw.choice((-1, 0, 1))
            if draw.random() < 0.05:
                break
        buyers.append(BuyerOrders(ages, [(age, 9.9) for age in ages]))
    return buyers
