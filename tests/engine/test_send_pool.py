"""What becomes of an outcome while no connection is free."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from domain.sending.delivery import (
    Accepted,
)
from store.database import CONNECTION_TIMEOUT
from tests.engine.send_harness import (
    EMAIL,
    POOL,
    Held,
    SendHarness,
    each,
    send_harness,
)

__all__ = ["send_harness"]  # fixtures


@pytest.fixture(autouse=True)
def patient_pools() -> None:
    """How long a pool waits is the subject."""


@each("send_harness", [EMAIL], indirect=True)
async def test_an_outcome_is_written_although_no_connection_is_free_at_first(send_harness: SendHarness) -> None:
    """The provider accepts while the pool is exhausted for longer than a caller waits for a connection."""
    accepting = Held(Accepted("p1"))
    send_harness.provider.answers = [accepting]
    attempt = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    async with AsyncExitStack() as taken:
        for _ in range(POOL):
            await taken.enter_async_context(send_harness.database.transaction())
        accepting.release.set()
        await asyncio.sleep(CONNECTION_TIMEOUT + 0.5)
        assert not attempt.done()
    assert (await attempt).state == "sent"
