"""A deployment with a campaign that runs, and the bare worker beside it on the same server."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from temporalio.client import Client

from tests.bench.http import Connection
from tests.bench.people import abandoned, batches, run_campaign, settle_in
from tests.bench.stack import Bare, Process, Stack

# How long something is waited for that comes, in seconds.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """`queue` and `bare_queue` are the task queues of the journeys and of the bare workflows."""

    client: Client
    api: Process
    worker: Process
    bare: Bare
    http: Connection
    database_url: str
    queue: str
    bare_queue: str

    async def enter(self, users: Sequence[str], event: str) -> None:
        """Have these users enter the campaign that listens for an event, all at once."""
        for body in batches([abandoned(user, event) for user in users]):
            await self.http.post("/v1/batch", body)

    async def enter_one(self, user: str, event: str) -> int:
        """Have one user enter; when that was acknowledged, in nanoseconds."""
        await self.http.post("/v1/track", msgspec.json.encode(abandoned(user, event)))
        return time.time_ns()

    async def completed(self, queue: str, count: int) -> None:
        """Wait until so many workflows of a task queue have completed since it was made."""
        deadline = time.monotonic() + PATIENCE
        query = f"TaskQueue = '{queue}' AND ExecutionStatus = 'Completed'"
        while (found := (await self.client.count_workflows(query)).count) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {count} workflows of {queue} have completed")
            await asyncio.sleep(0.05)

    async def completed_so_far(self, queue: str) -> int:
        return (await self.client.count_workflows(f"TaskQueue = '{queue}' AND ExecutionStatus = 'Completed'")).count


@asynccontextmanager
async def deployed(stack: Stack, campaigns: Sequence[str], people: int) -> AsyncIterator[Deployed]:
    """API and worker of a fresh database, with people user-0, user-1 … and these campaigns running."""
    database_url = await stack.database()
    await settle_in(database_url, people)
    settings = stack.settings(database_url)
    bare = settings.model_copy(update={"task_queue": f"bare-{uuid4().hex}"})
    async with (
        stack.api(settings) as api,
        stack.run(settings, "worker") as worker,
        stack.bare(bare) as bare_process,
    ):
        for source in campaigns:
            await run_campaign(api, source)
        http = await Connection.open(api.url)
        yield Deployed(
            stack.client, api, worker, bare_process, http, database_url, settings.task_queue, bare.task_queue
        )
        await http.close()
