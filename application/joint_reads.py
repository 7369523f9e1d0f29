"""Reads of concurrent callers that are made together, by one statement."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from time import monotonic
from typing import Final, Generic, TypeVar, cast

import psycopg

from domain.errors import SojournError

# The questions of one statement.
MAX_TOGETHER: Final = 200
# Statements at a time: events need the other connections, and one that is late does not hold up all.
MAX_AT_A_TIME: Final = 2
# The least time between two of them, in seconds. Questions gather meanwhile; the first after a rest goes at once.
INTERVAL: Final = 0.01
# Failures for whatever is asked: the database is away, or refuses the statement.
_OF_ALL: Final = (psycopg.OperationalError, psycopg.ProgrammingError, SojournError)

Q = TypeVar("Q")
A = TypeVar("A")


class JointReads(Generic[Q, A]):
    """Answers the questions of concurrent callers together.

    `read` returns the answers in the order of its questions. Where it fails for one of them, each half is asked alone,
    and so on, so that none fails for another's sake. A faulty statement fails for all.
    """

    def __init__(self, read: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._read = read
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begins_at = float("-inf")

    async def ask(self, question: Q) -> A:
        """Return the answer to a question. Raises as `read` does."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if len(self._tasks) < MAX_AT_A_TIME:
            # It belongs to no request: the client of one may leave, and others wait for the same statement.
            self._tasks.add(asyncio.create_task(self._answer_all(), context=Context()))
        return await answer

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                pause = self._begins_at - monotonic()
                self._begins_at = max(self._begins_at, monotonic()) + INTERVAL
                if pause > 0:
                    await asyncio.sleep(pause)
                asked = self._take()
                try:
                    await self._answer(asked)
                finally:
                    # Those that are left if this task is cancelled.
                    _cancel(asked)
        finally:
            # A callback of the task would come later: a question before it would stay without an answer.
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if not self._tasks:
                # It was cancelled, or none waits.
                _cancel(self._waiting)
                self._waiting.clear()

    def _take(self) -> list[tuple[Q, asyncio.Future[A]]]:
        taken: list[tuple[Q, asyncio.Future[A]]] = []
        while self._waiting and len(taken) < MAX_TOGETHER:
            question, answer = self._waiting.popleft()
            # Its client may have left.
            if not answer.done():
                taken.append((question, answer))
        return taken

    async def _answer(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        if not asked:
            return
        try:
            answers = await self._read([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 -- each caller raises it
            if len(asked) > 1 and not isinstance(error, _OF_ALL):
                middle = len(asked) // 2
                await self._answer(asked[:middle])
                await self._answer(asked[middle:])
                return
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), found in zip(asked, answers, strict=True):
            if not answer.done():
                answer.set_result(found)


def _cancel(asked: Iterable[tuple[Q, asyncio.Future[A]]]) -> None:
    for _, answer in asked:
        answer.cancel()
