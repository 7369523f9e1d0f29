"""Workers for the queues of providers that have a pace of their own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
import structlog
from temporalio.worker import Worker

from domain.deployment_documents import PROVIDERS
from domain.sending.routes import ProviderRule
from store import documents, paced_providers
from store.database import Database

log = structlog.get_logger()

# How soon the queue of a new provider is polled.
INTERVAL: Final = 2.0
# How often the messages of providers without a pace any more are looked for.
LEFT_BEHIND_SECONDS: Final = 30.0

# The queue's channel and provider.
Queue = tuple[str, str]
MakeWorker = Callable[[Queue, float | None], Worker]


@dataclass(slots=True)
class _Running:
    per_second: float | None
    worker: Worker
    task: asyncio.Task[None]


class ProviderWorkers:
    """Polls the queue of each provider that has a pace, or had one when it was chosen.

    The limit of a queue is the server's, over all workers; the latest worker that polls says it.
    """

    def __init__(self, database: Database, make: MakeWorker) -> None:
        self._database = database
        self._make = make
        self._running: dict[Queue, _Running] = {}
        self._left_behind: frozenset[Queue] = frozenset()
        self._looked_at = float("-inf")
        self._version = -1

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the document until stopped, then finish the sends under way."""
        while not stop.is_set():
            try:
                await self._adjust(await self._find_wanted())
            except psycopg.Error as error:
                log.warning("failed to read providers", error=str(error).partition("\n")[0])
            try:
                await asyncio.wait_for(stop.wait(), INTERVAL)
            except TimeoutError:
                continue
        await asyncio.gather(*(self._end(queue) for queue in list(self._running)))

    async def _find_wanted(self) -> dict[Queue, float | None]:
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as connection:
            document = await documents.latest(connection, PROVIDERS)
            rules = [rule for rule in document.rules if isinstance(rule, ProviderRule)]
            paced = {(rule.channel, rule.name): rule.per_second for rule in rules if rule.per_second is not None}
            if document.version != self._version or now - self._looked_at > LEFT_BEHIND_SECONDS:
                self._left_behind = await paced_providers.find_left_behind(connection, paced)
                self._version, self._looked_at = document.version, now
        return {**dict.fromkeys(self._left_behind), **paced}

    async def _adjust(self, wanted: dict[Queue, float | None]) -> None:
        changed = [
            queue
            for queue, running in self._running.items()
            if queue not in wanted or wanted[queue] != running.per_second or running.task.done()
        ]
        # A queue has one worker of a process at a time.
        await asyncio.gather(*(self._end(queue) for queue in changed))
        for queue, per_second in wanted.items():
            if queue not in self._running:
                worker = self._make(queue, per_second)
                self._running[queue] = _Running(per_second, worker, asyncio.create_task(worker.run()))
                log.info("provider queue polled", channel=queue[0], provider=queue[1], per_second=per_second)

    async def _end(self, queue: Queue) -> None:
        running = self._running.pop(queue)
        await running.worker.shutdown()
        # An error of the worker is the process's.
        await running.task
