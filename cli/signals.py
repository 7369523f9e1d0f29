"""Run until done or signalled."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import typer

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, or cancel at the first signal and wait. Raises its errors."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        running.cancel()
        # The terminal may be gone.
        with suppress(OSError):
            typer.echo("Stopping.")
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()
