"""Workers that begin with what a test needs: most tests end before the rest would do anything.

A worker polls a queue for each channel, of which a test sends by one or two, and begins with maintenance and gauges.
What no test asks for begins late: in time for one that waits for it. Worker processes begin as in the product
(tests/engine/test_starts.py).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import pytest
from temporalio.worker import PollerBehaviorAutoscaling, Worker

import worker
from domain.channels.kinds import CHANNELS
from workflows import options

# How late, in seconds.
LATE = 10.0
# How often sweepers and consumers look for what no instant announces, in seconds, and after how long first; in the
# product every second, and at once.
LOOK_INTERVAL = 2.0
TASKS = {
    "run_maintenance": LATE,
    "poll_gauges": LATE,
    "run_sweeper": LOOK_INTERVAL,
    "run_consumers": LOOK_INTERVAL,
}

Task = Callable[..., Awaitable[None]]


class SendWorker:
    """The worker of a channel's queue, from when a workflow in this process sends by the channel."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None
        self._loop = asyncio.get_running_loop()
        self._is_wanted = asyncio.Event()
        self._is_over = False

    def want(self) -> None:
        """Have it begin; called by the threads of workflows."""
        with suppress(RuntimeError):  # The loop of a test that has ended.
            self._loop.call_soon_threadsafe(self._is_wanted.set)

    async def run(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_wanted.wait(), LATE)
        if not self._is_over:
            self._worker = self._make()
            await self._worker.run()

    async def shutdown(self) -> None:
        self._is_over = True
        self._is_wanted.set()
        if self._worker is not None:
            await self._worker.shutdown()


def begin_late(patch: pytest.MonkeyPatch) -> None:
    """Have the workers of this process begin so."""
    # Five pollers of each queue cost more than a test.
    patch.setattr(worker, "POLLERS", PollerBehaviorAutoscaling(initial=1))
    for task, seconds in TASKS.items():
        patch.setattr(worker, task, _late(getattr(worker, task), seconds))
    for module in ("sweeper", "consumers"):
        patch.setattr(f"runtime.{module}.LOOK_INTERVAL", LOOK_INTERVAL)
    waiting: defaultdict[str, WeakSet[SendWorker]] = defaultdict(WeakSet)
    make, name = worker._send_worker, options.send_queue

    def send_worker(client: Any, settings: Any, sends: Any, queue: str, per_second: float | None = None) -> Any:
        if queue not in {name(settings.task_queue, channel) for channel in CHANNELS}:
            return make(client, settings, sends, queue, per_second)
        made = SendWorker(lambda: make(client, settings, sends, queue, per_second))
        waiting[queue].add(made)
        return made

    def send_queue(task_queue: str, channel: str) -> str:
        queue = name(task_queue, channel)
        for one in waiting.pop(queue, WeakSet()):
            one.want()
        return queue

    patch.setattr(worker, "_send_worker", send_worker)
    # Workflows look it up in its module each time.
    patch.setattr(options, "send_queue", send_queue)


def _late(task: Task, seconds: float) -> Task:
    async def run(*arguments: Any) -> None:
        stop: asyncio.Event = arguments[-1]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
        if not stop.is_set():
            await task(*arguments)

    return run
