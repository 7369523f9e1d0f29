"""An event loop whose clock stands still while something runs, and jumps to the next timer when all waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """For what waits for timers alone. It begins at 0, and `time` is exact."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def run_virtually(work: Coroutine[Any, Any, object]) -> float:
    """Run something in a loop of its own; return how many seconds it took."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)
        return runner.get_loop().time()
