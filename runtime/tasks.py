"""The end of a task that runs until it is cancelled."""

import asyncio
from typing import Any

# What a cancelled task still does, it has done within this many seconds, or it has not heard.
CANCEL_TIMEOUT = 1.0


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, in whatever way; its exception, if any, is the caller's to look at.

    One cancellation is not enough: `asyncio.wait_for` of Python 3.11, with which psycopg waits, loses one that comes
    together with what was waited for (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_TIMEOUT)
