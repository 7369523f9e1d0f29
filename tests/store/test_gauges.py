"""What there is of what must not pile up, at a cost that does not grow."""

import pytest

from store import gauges, outbox
from store.database import Database
from store.outbox import OutboxMessage
from tests.engine.campaigns import CART
from tests.harness import Harness


async def test_the_outbox_by_priority(database_url: str) -> None:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        found = await gauges.read_gauges(connection)
        assert found == gauges.Gauges({"triggered": 0, "bulk": 0}, {"triggered": 0.0, "bulk": 0.0}, 0, 0, 0, 0, 0)
        await outbox.append(
            connection, [OutboxMessage("cart/u1/1", "exit", {}), OutboxMessage("cart/u2/2", "exit", {})]
        )
        await outbox.append(connection, [OutboxMessage("cart/u3/3", "exit", {})], bulk=True)
        await connection.execute("UPDATE outbox SET created_at = created_at - interval '1 hour' WHERE priority = 1")
        found = await gauges.read_gauges(connection)
    assert found.waiting == {"triggered": 2, "bulk": 1}
    assert found.oldest["triggered"] < 60
    assert 3_600 <= found.oldest["bulk"] < 3_660


async def test_beyond_a_bound_journeys_are_estimated(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    await harness.run_campaign(CART)
    for user in ("u1", "u2", "u3"):
        await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    async with harness.database.transaction() as connection:
        assert (await gauges.read_gauges(connection)).active_journeys == 3
        monkeypatch.setattr(gauges, "MAX_JOURNEYS", 2)
        assert (await gauges.read_gauges(connection)).active_journeys == 2
        await connection.execute("ANALYZE journeys")
        assert (await gauges.read_gauges(connection)).active_journeys == 3
