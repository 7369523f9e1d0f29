"""Work in a process of its own, which dies by `kill -9` at a chosen point of it.

The process ends as one that a machine takes away: it ends no transaction, and closes no connection.
"""

import asyncio
import importlib
import os
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple

from tests.forks import Fork, fork_with_log

Work = Callable[..., Coroutine[Any, Any, None]]


class Death(NamedTuple):
    """The end of a process: before the `call`th call of a function of a module, or once that has returned."""

    module: str
    function: str
    call: int = 1
    is_after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before'}-{self.function}-{self.call}"


async def die_at(death: Death, log: Path, work: Work, *arguments: Any) -> None:
    """Do a piece of work, a function of a module, in a process that does not outlive it."""
    process = start(log, work, *arguments, death=death)
    status = await process.wait()
    assert status == -SIGKILL, await asyncio.to_thread(log.read_text)


def start(log: Path, work: Work, *arguments: Any, death: Death | None = None) -> Fork:
    """Begin a piece of work, a function of a module, in a process."""
    return fork_with_log(log, variables=os.environ, launch=partial(_run, death, work, arguments))


def _run(death: Death | None, work: Work, arguments: tuple[Any, ...]) -> None:
    if death is not None:
        _prepare(death)
    asyncio.run(work(*arguments))


def _prepare(death: Death) -> None:
    module = importlib.import_module(death.module)
    function = getattr(module, death.function)
    calls = 0

    @wraps(function)
    async def die(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        number = calls
        if number == death.call and not death.is_after:
            os.kill(os.getpid(), SIGKILL)
        result = await function(*given, **named)
        if number == death.call:
            os.kill(os.getpid(), SIGKILL)
        return result

    setattr(module, death.function, die)
