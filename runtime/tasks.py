"""The end of a task that runs until it is cancelled."""

import asyncio
from typing import Any

# A cancelled task ends within this many seconds, or has missed its cancellation.
CANCEL_TIMEOUT = 1.0


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended; the caller reads its exception.

    One cancellation is not enough: `asyncio.wait_for` of Python 3.11, with which psycopg waits, loses one that
    coincides with the result (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_TIMEOUT)
