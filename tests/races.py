"""Races that either may win, and those whose order is given."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg

from store.campaigns import REGISTRY_LOCK
from tests.harness import PATIENCE, looks

T = TypeVar("T")


class Lead:
    """How long each of two racers waits before it begins, in seconds, so that either may win on any machine.

    The winner waits longer the next time, by twice as much each time in a row.
    """

    def __init__(self) -> None:
        self._seconds, self._step = 0.0, 0.002

    @property
    def of_first(self) -> float:
        """How long the first waits."""
        return max(0.0, -self._seconds)

    @property
    def of_second(self) -> float:
        """How long the second waits."""
        return max(0.0, self._seconds)

    def adapt(self, *, second_won: bool) -> None:
        """Let the winner wait longer the next time."""
        went_on = (self._step > 0) is second_won
        self._step = 2 * self._step if went_on else (0.002 if second_won else -0.002)
        self._seconds += self._step


async def race_at_registry(url: str, *racers: Coroutine[Any, Any, T], is_in_order: bool = False) -> list[T]:
    """Let racers meet at the registry's lock, which is held until all of them wait for it, perhaps in their order."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with await psycopg.AsyncConnection.connect(url) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
        tasks = []
        for each in racers:
            tasks.append(asyncio.create_task(each))
            if not is_in_order and len(tasks) < len(racers):
                continue
            async for is_last in looks(PATIENCE):
                [(number,)] = await (await holder.execute(waiting)).fetchall()
                if number == len(tasks):
                    break
                assert not is_last, f"{number} of {len(tasks)} wait"
    return list(await asyncio.gather(*tasks))
