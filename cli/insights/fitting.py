"""Fit the models of orders and of their value by maximum likelihood."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

# Its parts are imported on first use, in 0.3 s.
import scipy

from domain.people.rfm.value import OrderHistory, OrderModel, SpendModel

# The logarithms of parameters are searched within these bounds: beyond them, people are all alike.
_BOUND: Final = 12.0
_Vector = Any


def fit_orders(histories: Sequence[OrderHistory]) -> OrderModel:
    """Fit BG/NBD to histories. Raises ArithmeticError if no parameters are found."""
    x, last, known = _columns([(one.repeats, one.last_at, one.known_for) for one in histories])
    has_repeats = x > 0

    def loss(logs: _Vector) -> float:
        r, alpha, a, b = np.exp(logs)
        special = scipy.special
        start = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
        start += special.betaln(a, b + x) - special.betaln(a, b)
        alive = -(r + x) * np.log(alpha + known)
        lost = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last)
        return -float(np.mean(start + np.where(has_repeats, np.logaddexp(alive, lost), alive)))

    r, alpha, a, b = _search(loss, [0.0, np.log(max(float(np.mean(known)), 1.0)), 0.0, 1.0])
    return OrderModel(r, alpha, a, b)


def fit_spend(histories: Sequence[OrderHistory]) -> SpendModel:
    """Fit the Gamma-Gamma model to histories. Raises ArithmeticError."""
    x, spent = _columns([(one.valued, one.spent) for one in histories if one.valued > 0])
    mean = spent / x
    scale = float(np.mean(mean))
    mean = mean / scale

    def loss(logs: _Vector) -> float:
        p, q, gamma = np.exp(logs)
        # The mean of all people is finite from q = 1 on.
        q = q + 1
        own = -scipy.special.betaln(p * x, q) + q * np.log(gamma) + (p * x - 1) * np.log(mean) + p * x * np.log(x)
        return -float(np.mean(own - (p * x + q) * np.log(gamma + x * mean)))

    p, q, gamma = _search(loss, [1.0, 1.0, 0.0])
    return SpendModel(p, q + 1, gamma * scale)


def _search(loss: Callable[[_Vector], float], begin: Sequence[float]) -> list[float]:
    """Return the parameters with the least loss. Their logarithms are searched."""
    found = scipy.optimize.minimize(loss, np.array(begin), method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * len(begin))
    if not np.all(np.isfinite(found.x)) or not np.isfinite(found.fun):
        raise ArithmeticError(f"no parameters were found: {found.message}")
    return [float(value) for value in np.exp(found.x)]


def _columns(rows: Sequence[tuple[float, ...]]) -> list[_Vector]:
    return list(np.array(rows, dtype=float).T)
