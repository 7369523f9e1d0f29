"""Replays the events of a run by the simulator, and compares its decisions with the real ones."""

from datetime import timedelta

from application.rehearsal.backtests import Backtest
from application.rehearsal.deployments import read_deployed
from application.rehearsal.simulations import BacktestOptions
from domain.rehearsal.fidelity import SETTLED_WITHIN, Fidelity
from domain.sending.routes import DEFAULT_PROVIDERS
from store.database import Database

# Longer than any run.
PERIOD = timedelta(days=1)


async def replay(url: str) -> Fidelity:
    """Return how far the simulator decides as the service did under faults."""
    async with Database(url, pool_size=2) as database:
        async with database.snapshot() as connection:
            running = await read_deployed(connection)
        # Of the last minute of a period, nothing is compared.
        until = await database.now() + SETTLED_WITHIN
        options = BacktestOptions(since=until - PERIOD, until=until)
        backtest = Backtest(database, running, running, options, "UTC", DEFAULT_PROVIDERS)
        found = await backtest.run([], lambda done, total: None)
    fidelity = found.report.head.fidelity
    assert fidelity is not None
    return fidelity
