"""Backtests by the API, over people whose history a test has ingested."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from application.catalogue import Catalogue
from application.ingest import Ingest
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from runtime.backtests import MODULE, BacktestRunner, run_backtests
from store.database import Database
from tests.engine.backtesting import CART, DAY, does, knows
from tests.harness import MAIL, looks
from tests.patience import PATIENCE

DOCUMENT: dict[str, Any] = {"file": "cart.yaml", "source": CART, "templates": {"note.liquid": MAIL}}
CAPS: dict[str, Any] = {"file": "caps.yaml", "source": "rules:\n  - {name: daily, limit: 1, per: 1d}\n"}
BODY: dict[str, Any] = {"documents": [DOCUMENT], "last": "14d"}


async def know_people(database_url: str, *users: str) -> None:
    """Let users leave a cart twice within a day, some days ago."""
    at = datetime.now(UTC) - 10 * DAY
    async with Database(database_url, pool_size=4) as database:
        ingest = Ingest(database, Catalogue())
        await knows(ingest, *users, at=at)
        for user in users:
            for hours in (1, 4):
                await does(ingest, user, "Cart Abandoned", at + timedelta(hours=hours), value=80)


@asynccontextmanager
async def running(database_url: str, **options: Any) -> AsyncIterator[None]:
    """The part of a worker that runs backtests."""
    stop = asyncio.Event()
    async with Database(database_url, pool_size=2) as database:
        runner = BacktestRunner(database, "UTC", DEVELOPMENT_PROVIDERS, **options)
        task = asyncio.create_task(run_backtests(database, runner, stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def request(client: httpx.AsyncClient, **body: Any) -> str:
    answer = await client.post("/v1/backtests", json={**BODY, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def get(client: httpx.AsyncClient, id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/backtests/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until(client: httpx.AsyncClient, id: str, *states: str) -> dict[str, Any]:
    async for _ in looks(PATIENCE):
        found = await get(client, id)
        if found["state"] in states:
            return found
    raise AssertionError(found)


async def run_one(client: httpx.AsyncClient, database_url: str, **body: Any) -> dict[str, Any]:
    """Request a backtest, and run it to its end."""
    id = await request(client, **body)
    async with running(database_url):
        return await until(client, id, "done", "failed")


def find_processes(parent: int) -> list[int]:
    """The processes of backtests that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        state, own_parent = status.rpartition(")")[2].split()[:2]
        if int(own_parent) == parent and MODULE in command and state != "Z":
            found.append(int(folder.name))
    return found


async def until_started(parent: int) -> int:
    """The process of the backtest that runs."""
    async for _ in looks(PATIENCE):
        if found := find_processes(parent):
            return found[0]
    raise AssertionError("no backtest was started")


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def read_of(process: int, file: str) -> str:
    """What the kernel tells of a process."""
    return Path(f"/proc/{process}/{file}").read_text()
