"""The process that starts bare workflows and runs them, as a worker's relay starts journeys: told by lines of JSON."""

import asyncio
import sys
import time
from dataclasses import replace
from datetime import timedelta

from msgspec import Struct
from msgspec.json import decode, encode
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from runtime.relay import CONCURRENT_CALLS
from runtime.temporal import CALL_TIMEOUT, connect, workflow_runner
from settings import Settings
from tests.bench.bare_workflows import BareWorkflow, send
from tests.bench.stack import Started
from worker import POLLERS
from workflows.options import send_queue


class Order(Struct):
    """Workflows to be started: so many a second, or as fast as the relay would where the pace is 0."""

    prefix: str
    count: int
    rests: list[float]
    pace: float = 0
    eager: bool = False


class Bare:
    """Notes when each workflow was asked for and came to its first activity."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client, self._task_queue = client, task_queue
        self._acted: dict[int, asyncio.Future[int]] = {}
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)

    @activity.defn
    async def authorize(self, number: int) -> int:
        if (acted := self._acted.get(number)) is not None and not acted.done():
            acted.set_result(time.time_ns())
        return number

    async def carry_out(self, order: Order) -> Started:
        loop = asyncio.get_running_loop()
        self._acted = {number: loop.create_future() for number in range(order.count)}
        began = loop.time()
        starts = []
        for number in range(order.count):
            if order.pace:
                await asyncio.sleep(began + number / order.pace - loop.time())
            starts.append(asyncio.create_task(self._start(number, order)))
        asked = await asyncio.gather(*starts)
        return Started(asked, await asyncio.gather(*self._acted.values()))

    async def _start(self, number: int, order: Order) -> int:
        async with self._calls:
            asked = time.time_ns()
            await self._client.start_workflow(
                BareWorkflow.run,
                args=[number, order.rests],
                id=f"{order.prefix}/{number}",
                task_queue=self._task_queue,
                request_eager_start=order.eager,
                rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
            )
        return asked


async def serve(settings: Settings) -> None:
    """Until the end of the orders. Its workers are those of `worker.py`, by their options and their queues."""
    client = await connect(settings.temporal_address, settings.temporal_namespace)
    bare = Bare(client, settings.task_queue)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    runner = workflow_runner()
    main = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[BareWorkflow],
        activities=[bare.authorize, send],
        # As little of it is imported anew for each workflow as of a journey.
        workflow_runner=replace(runner, restrictions=runner.restrictions.with_passthrough_modules("tests")),
        workflow_task_poller_behavior=POLLERS,
        activity_task_poller_behavior=POLLERS,
    )
    sends = Worker(
        client,
        task_queue=send_queue(settings.task_queue, "webhook"),
        activities=[send],
        activity_task_poller_behavior=POLLERS,
    )
    async with main, sends:
        _reply(Started())
        while line := await orders.readline():
            _reply(await bare.carry_out(decode(line, type=Order)))


def _reply(started: Started) -> None:
    sys.stdout.buffer.write(encode(started) + b"\n")
    sys.stdout.buffer.flush()
