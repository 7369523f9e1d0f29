"""Temporal comes back from an old backup: what began and ended since is put right, and nothing is sent twice."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.embedded.temporal import EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES
from tests.engine.campaigns import CART
from tests.harness import PATIENCE, Harness, open_harness
from tests.runtime.test_reconciliation import eventually, found, indexed, reconciled, status
from tests.servers import TemporalServer

QUEUE = "restored"


@pytest.fixture
async def server(data_folder: Path) -> AsyncIterator[EmbeddedTemporal]:
    """One of its own, to be stopped and put back."""
    started = await EmbeddedTemporal.start(data_folder / "restored", ui=False, search_attributes=SEARCH_ATTRIBUTES)
    yield started
    await started.stop()


async def enter(harness: Harness, *users: str) -> None:
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Cart Abandoned", {"value": 200, "cart_id": "c1"})
    for user in users:
        await harness.rests(await harness.journey(user), "cool-off")


@pytest.mark.takes_long
async def test_temporal_restored_from_an_old_backup(
    database_url: str, server: EmbeddedTemporal, data_folder: Path
) -> None:
    folder, backup = data_folder / "restored", data_folder / "backup"
    async with open_harness(database_url, TemporalServer(server.address), task_queue=QUEUE) as harness:
        await harness.run_campaign(CART)
        await enter(harness, "stays", "buys", "is-sent")
    await server.stop()
    shutil.copytree(folder, backup)
    await server.restart()

    async with open_harness(database_url, TemporalServer(server.address), task_queue=QUEUE) as harness:
        await enter(harness, "comes", "comes-and-is-sent", "comes-and-buys")
        for user in ("is-sent", "comes-and-is-sent"):
            handle = await harness.journey(user)
            await harness.skip(handle, minutes=30)
            assert await asyncio.wait_for(handle.result(), 20) == "completed"
        for user in ("buys", "comes-and-buys"):
            await harness.track(user, "Order Completed", {"cart_id": "c1"})
            await asyncio.wait_for((await harness.journey(user)).result(), 20)
        assert len(await harness.inbox.wait_for(2, timeout=PATIENCE)) == 2
    await server.stop()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    await server.restart()

    async with open_harness(database_url, TemporalServer(server.address), task_queue=QUEUE) as harness:
        handles = {
            user: await harness.journey(user) for user in ("stays", "buys", "is-sent", "comes", "comes-and-is-sent")
        }
        await indexed(harness, "cart", 3)
        assert await status(handles["comes"]) == "MISSING"
        assert found(await reconciled(harness)) == {
            "row_without_workflow": (1, 1),
            "workflow_outlived_row": (2, 2),
            # Each harness ends its campaigns' workflows when it is closed.
            "campaign_asleep": (1, 1),
        }
        for user in ("buys", "is-sent"):
            assert await asyncio.wait_for(handles[user].result(), 20) == "exited"
        await eventually(lambda: status(handles["comes"]), "RUNNING")
        assert await status(handles["comes-and-is-sent"]) == "MISSING"
        await indexed(harness, "cart", 2)
        report = await reconciled(harness)
        assert found(report) == {}
        assert (report.campaigns["cart"].rows, report.campaigns["cart"].workflows) == (2, 2)
        for user in ("stays", "comes"):
            await harness.skip(handles[user], minutes=30)
            assert await asyncio.wait_for(handles[user].result(), 20) == "completed"
        assert len(await harness.inbox.wait_for(2, timeout=PATIENCE)) == 2
        sent = await harness.query(
            """
            SELECT user_id, count(*) AS sent, sum(attempts) AS attempts FROM messages
            JOIN profiles ON profiles.id = profile_id WHERE state = 'sent' GROUP BY user_id ORDER BY user_id
            """
        )
        assert [(row["user_id"], row["sent"], row["attempts"]) for row in sent] == [
            ("comes", 1, 1),
            ("comes-and-is-sent", 1, 1),
            ("is-sent", 1, 1),
            ("stays", 1, 1),
        ]
