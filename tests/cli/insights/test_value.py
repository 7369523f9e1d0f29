"""A model of value finds the parameters of simulated buyers, and is refused where it would mislead."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from math import inf
from random import Random

import pytest
import scipy

from application.rfm import Rfm
from cli.insights.backtest import MAX_DEVIATION, backtest
from cli.insights.fitting import fit_orders, fit_spend
from cli.main import run
from domain.access import SOJOURN
from domain.errors import ConflictError
from domain.people.rfm import value
from domain.people.rfm.value import (
    BuyerOrders,
    OrderHistory,
    OrderModel,
    SpendModel,
    ValueModel,
    expect_orders,
    expect_spend,
    expect_value,
    find_p_alive,
    make_history,
)
from tests.cli.conftest import Output
from tests.cli.insights.simulated import simulate, subscribe
from tests.engine.rfm_harness import rfm_harness

SEED = 3
WINDOW = 365.0
ORDERS = OrderModel(0.6, 20.0, 0.8, 2.5)
SPEND = SpendModel(6.0, 4.0, 15.0)


@pytest.fixture(scope="module")
def buyers() -> list[BuyerOrders]:
    return simulate(Random(SEED), 12_000, ORDERS, SPEND, WINDOW)


def test_the_parameters_of_simulated_buyers_are_found(buyers: list[BuyerOrders]) -> None:
    histories = [make_history(one) for one in buyers]
    orders, spend = fit_orders(histories), fit_spend(histories)
    # Days in place of instants, and orders of a day as one, shift them by some percent.
    assert orders.r == pytest.approx(ORDERS.r, rel=0.12)
    assert orders.alpha == pytest.approx(ORDERS.alpha, rel=0.2)
    assert orders.a / (orders.a + orders.b) == pytest.approx(ORDERS.a / (ORDERS.a + ORDERS.b), rel=0.1)
    assert spend.p == pytest.approx(SPEND.p, rel=0.15)
    assert spend.q == pytest.approx(SPEND.q, rel=0.1)
    mean = SPEND.p * SPEND.gamma / (SPEND.q - 1)
    assert spend.p * spend.gamma / (spend.q - 1) == pytest.approx(mean, rel=0.05)


def test_a_model_that_predicts_the_last_third_is_kept(buyers: list[BuyerOrders]) -> None:
    tested = backtest(buyers, WINDOW)
    assert tested.refusal is None
    assert tested.model is not None
    assert tested.model.days == pytest.approx(WINDOW / 3)
    assert len(tested.groups) >= 6
    assert max(group.deviation for group in tested.groups) <= MAX_DEVIATION
    expected = [group.expected / group.buyers for group in tested.groups]
    assert expected == sorted(expected)


def test_subscriptions_are_refused() -> None:
    tested = backtest(subscribe(Random(SEED), 3_000, WINDOW), WINDOW)
    assert tested.model is None
    assert "periodic, as those of subscriptions" in (tested.refusal or "")


@pytest.mark.parametrize(
    ("people", "lull", "refusal"), [(300, 1.0, "not enough history"), (12_000, 0.5, "the last third differs")]
)
def test_a_model_that_does_not_hold_is_refused(people: int, lull: float, refusal: str) -> None:
    tested = backtest(simulate(Random(SEED), people, ORDERS, SPEND, WINDOW, lull=lull), WINDOW)
    assert tested.model is None
    assert (tested.refusal or "").startswith(refusal)


def test_equal_buyers_are_grouped_whatever_they_have_ordered_since() -> None:
    """All came on two days, so that most have the same history."""
    buyers = simulate(Random(SEED), 12_000, ORDERS, SPEND, WINDOW, arrivals=(364.5, 250.5))
    tested = backtest(buyers, WINDOW)
    assert tested.refusal is None
    assert max(group.deviation for group in tested.groups) <= MAX_DEVIATION


def test_no_buyers_are_not_enough() -> None:
    assert (backtest([], WINDOW).refusal or "").startswith("not enough history")


@pytest.mark.parametrize("z", [0.0, 0.2, 0.7, 0.98])
@pytest.mark.parametrize("parameters", [(3.2, 5.3, 6.1), (1.4, -0.2, 2.3), (-0.4, 0.9, 1.7)])
def test_the_series_is_that_of_scipy(parameters: tuple[float, float, float], z: float) -> None:
    assert value._hypergeometric(*parameters, z) == pytest.approx(scipy.special.hyp2f1(*parameters, z), rel=1e-8)


def test_expected_orders_are_those_of_the_published_formula() -> None:
    for model in (ORDERS, OrderModel(0.24, 31.0, 1.79, 2.4), OrderModel(2.0, 0.01, 0.3, 0.9)):
        for x, last, known in ((0, 0.0, 0.0), (0, 0.0, 300.0), (3, 50.0, 90.0), (12, 340.0, 350.0)):
            r, alpha, a, b = model.r, model.alpha, model.a, model.b
            for days in (1.0, 30.0, 366.0):
                series = scipy.special.hyp2f1(r + x, b + x, a + b + x - 1, days / (alpha + known + days))
                left = 1 - ((alpha + known) / (alpha + known + days)) ** (r + x) * series
                odds = a / (b + x - 1) * ((alpha + known) / (alpha + last)) ** (r + x) if x else 0.0
                expected = (a + b + x - 1) / (a - 1) * left / (1 + odds)
                found = expect_orders(model, OrderHistory(x, last, known, 1, 1.0), days)
                assert found == pytest.approx(expected, rel=1e-6), (model, x, days)


def test_orders_of_one_price_are_worth_that_price() -> None:
    priced = [
        BuyerOrders(one.ages, [(age, 10.0) for age in one.ages])
        for one in simulate(Random(SEED), 2_000, ORDERS, SPEND, WINDOW)
    ]
    histories = [make_history(one) for one in priced]
    model = fit_spend(histories)
    assert [expect_spend(model, one) for one in histories[:20]] == pytest.approx([10.0] * 20, rel=0.01)


def test_orders_without_a_value_are_refused() -> None:
    free = [BuyerOrders(one.ages, []) for one in simulate(Random(SEED), 5_000, ORDERS, SPEND, WINDOW)]
    assert backtest(free, WINDOW).refusal == "no order has a value above 0"


def test_a_person_is_worth_what_their_history_says() -> None:
    regular = OrderHistory(10, 300.0, 310.0, 11, 550.0)
    silent = OrderHistory(10, 100.0, 310.0, 11, 550.0)
    once = OrderHistory(0, 0.0, 310.0, 1, 50.0)
    assert find_p_alive(ORDERS, once) == 1
    assert 1 > find_p_alive(ORDERS, regular) > 0.85
    assert find_p_alive(ORDERS, silent) < 0.1
    orders = [expect_orders(ORDERS, history, 100) for history in (regular, once, silent)]
    assert orders == sorted(orders, reverse=True)
    assert expect_orders(ORDERS, regular, 0) == pytest.approx(0)
    # At a = 1 the formula has no value of its own.
    at_one = [expect_orders(OrderModel(0.6, 20.0, a, 2.5), regular, 100) for a in (0.999, 1.0, 1.001)]
    assert at_one == sorted(at_one, reverse=True)
    mean = SPEND.p * SPEND.gamma / (SPEND.q - 1)
    assert mean < expect_spend(SPEND, OrderHistory(0, 0.0, 1.0, 1, 90.0)) < 90
    assert expect_spend(SPEND, OrderHistory(0, 0.0, 1.0, 0, 0.0)) == pytest.approx(mean)


def test_a_model_beyond_all_people_expects_nothing_of_them() -> None:
    """Whatever parameters are kept, a person is shown: with possible numbers, or with none."""
    draw = Random(SEED)
    found = []
    for _ in range(400):
        r, alpha, a, b, p, q, gamma = (10 ** draw.uniform(-6, 12) for _ in range(7))
        model = ValueModel(OrderModel(r, alpha, a, b), SpendModel(p, 1 + q, gamma), 120.0)
        repeats, known = draw.choice((0, 1, 20, 400)), draw.uniform(0, 365)
        history = OrderHistory(repeats, known / 2 if repeats else 0.0, known, repeats + 1, 100.0)
        expected = expect_value(model, history)
        found.append(expected is not None)
        if expected is not None:
            assert 0 <= expected.p_alive <= 1
            assert 0 <= expected.orders <= 120 * (r + repeats) / (alpha + known) * 1.000001
            assert 0 <= expected.clv < inf
    assert 0.1 < sum(found) / len(found) < 0.9


@pytest.mark.takes_long
async def test_a_kept_model_is_shown_with_a_user(database_url: str, deployment: str, capsys: Output) -> None:
    now = datetime.now(UTC)
    simulated = simulate(Random(SEED), 4_500, ORDERS, SPEND, WINDOW - 1)
    async with rfm_harness(database_url) as harness:
        await harness.apply_rfm()
        await harness.order(
            {
                f"u{number}": [(now - timedelta(days=age), round(amount, 2)) for age, amount in one.spent]
                for number, one in enumerate(simulated)
            }
        )
        assert await asyncio.to_thread(run, ["rfm", "value", "--json", "--keep", "--sample", "50000"]) == 0
        tested = json.loads(capsys.readouterr().out)
        assert (tested["buyers"], tested["refusal"]) == (4_500, None)
        assert tested["model"]["orders"]["r"] == pytest.approx(ORDERS.r, rel=0.2)
        await asyncio.to_thread(run, ["rfm", "recompute"])
        await harness.operate()
        assert await asyncio.to_thread(run, ["rfm", "value"]) == 0
        assert capsys.readouterr().out.endswith("Not kept: --keep shows it to users\n")
        number, buyer = max(enumerate(simulated), key=lambda item: len(item[1].ages))
        position = await harness.position(f"u{number}")
        assert position is not None
        assert position.expected is not None
        history = make_history(buyer)
        model = OrderModel(**tested["model"]["orders"])
        assert position.expected.p_alive == pytest.approx(find_p_alive(model, history), abs=0.05)
        assert position.expected.days == pytest.approx(WINDOW / 3)
        assert await asyncio.to_thread(run, ["users", "show", f"u{number}"]) == 0
        assert "days" in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("rfm"))
        # Another rule makes the model void.
        await harness.apply_rfm("rfm: {event: Sold, value: event.properties.value}\n")
        assert await harness.count("rfm_models") == 0
        fitted = ValueModel(model, SpendModel(**tested["model"]["spend"]), tested["model"]["days"])
        for as_of in (datetime.fromisoformat(tested["as_of"]), now + timedelta(days=1)):
            with pytest.raises(ConflictError, match="draw orders, and fit a model anew"):
                await Rfm(harness.database).keep_model(as_of, fitted, SOJOURN)
