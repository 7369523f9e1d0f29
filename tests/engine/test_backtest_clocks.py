"""Clocks of clients that run ahead, in a backtest and in the engine: both decide alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

from application.rehearsal.backtests import Backtest
from application.rehearsal.deployments import read_deployed
from application.rehearsal.simulations import BacktestOptions
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from domain.tracking.arrival import MAX_AHEAD
from tests.engine.backtesting import CART, of
from tests.harness import Harness

# As far ahead as an event may lie, and farther.
AHEAD, TOO_FAR = MAX_AHEAD - timedelta(minutes=5), timedelta(hours=3)


async def test_clocks_that_are_ahead_are_judged_as_the_engine_judges_them(harness: Harness) -> None:
    """The events come in the order of their arrival, and are judged by their own time."""
    begun = await harness.database.now()
    await harness.run_campaign(CART.replace("delay: 1h", "delay: 2s"))

    async def does(user: str, name: str, ahead: timedelta, *, tells: bool = False) -> None:
        now = datetime.now(UTC) + ahead
        call: dict[str, Any] = {"type": "track", "userId": user, "event": name, "properties": {"value": 80}}
        sent = {"sentAt": now.isoformat()} if tells else {}
        answer = await harness.post("batch", {"batch": [{**call, "timestamp": now.isoformat()}], **sent})
        assert answer.status_code == 200, answer.text

    for user in ("ada", "bob", "eve", "zoe"):
        await harness.identify(user, email=f"{user}@example.com", first_name="Ada")
    await does("ada", "Cart Abandoned", AHEAD)
    await does("ada", "Order Completed", timedelta())
    await does("bob", "Cart Abandoned", timedelta())
    await does("bob", "Order Completed", AHEAD)
    await does("eve", "Cart Abandoned", TOO_FAR, tells=True)
    await does("zoe", "Cart Abandoned", TOO_FAR)
    await harness.until("SELECT 1 FROM journeys WHERE state <> 'active' HAVING count(*) = 4")
    real = await harness.query(
        "SELECT user_id, state, (entry ->> 'timestamp')::timestamptz - entered_at > '1 minute' AS is_ahead"
        " FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY user_id"
    )
    assert [(row["user_id"], row["state"], row["is_ahead"]) for row in real] == [
        ("ada", "exited", True),
        ("bob", "exited", False),
        ("eve", "completed", False),
        ("zoe", "completed", False),
    ]
    async with harness.database.snapshot() as connection:
        deployed = await read_deployed(connection)
    options = BacktestOptions(since=begun, until=await harness.database.now() + timedelta(minutes=1))
    backtest = Backtest(harness.database, deployed, deployed, options, "UTC", DEVELOPMENT_PROVIDERS)
    found = await backtest.run([], lambda *_: None)
    report, fidelity = of(found), found.report.head.fidelity
    assert (report.entered, report.sent, report.ends) == (4, 2, {"exited": 2, "completed": 2})
    # The order of ada was before her entry, by its clock: it is no goal.
    assert report.goals == len(await harness.query("SELECT 1 FROM conversions")) == 1
    assert fidelity is not None
    assert (fidelity.decisions, fidelity.equal, fidelity.causes) == (8, 8, {})
