"""Questions of concurrent callers, and the reads that answer them."""

import asyncio
from collections.abc import Sequence

import pytest
from psycopg.errors import DataError, UndefinedTable

from application.joint_reads import MAX_AT_A_TIME, MAX_TOGETHER, JointReads
from tests.harness import PATIENCE


class Reads:
    """Reads that wait until they may go on, and double what they are asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.began, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(list(numbers))
        self.began.set()
        await self.may_go_on.wait()
        if -1 in numbers:
            raise DataError("no such number")
        if -2 in numbers:
            raise UndefinedTable("no such table")
        return [2 * number for number in numbers]


async def test_what_comes_during_a_read_is_the_next_one() -> None:
    reads = Reads()
    joint = JointReads(reads)
    first = asyncio.create_task(joint.ask(1))
    await reads.began.wait()
    rest = [asyncio.create_task(joint.ask(number)) for number in range(2, MAX_TOGETHER + 3)]
    reads.may_go_on.set()
    assert await asyncio.gather(first, *rest) == [2 * number for number in range(1, MAX_TOGETHER + 3)]
    assert [len(asked) for asked in reads.asked] == [1, MAX_TOGETHER, 1]


async def test_few_read_at_a_time() -> None:
    reads = Reads()
    joint = JointReads(reads)
    asking: list[asyncio.Task[int]] = []
    for number in range(5):
        asking.append(asyncio.create_task(joint.ask(number)))
        # As long as it takes to begin.
        await asyncio.sleep(0.02)
    assert reads.asked == [[0], [1]]
    assert len(reads.asked) == MAX_AT_A_TIME
    reads.may_go_on.set()
    assert await asyncio.gather(*asking) == [0, 2, 4, 6, 8]
    assert reads.asked == [[0], [1], [2, 3, 4]]


async def test_no_question_fails_for_another() -> None:
    reads = Reads()
    reads.may_go_on.set()
    joint = JointReads(reads)
    answers = await asyncio.gather(*(joint.ask(number) for number in (1, -1, 3)), return_exceptions=True)
    assert (answers[0], type(answers[1]), answers[2]) == (2, DataError, 6)


async def test_a_faulty_question_among_many_is_found_by_few_reads() -> None:
    reads = Reads()
    reads.may_go_on.set()
    joint = JointReads(reads)
    numbers = [1] * (MAX_TOGETHER - 1) + [-1]
    answers = await asyncio.gather(*(joint.ask(number) for number in numbers), return_exceptions=True)
    assert (answers[:-1], type(answers[-1])) == ([2] * (MAX_TOGETHER - 1), DataError)
    assert len(reads.asked) < 20


async def test_a_faulty_statement_is_not_repeated() -> None:
    reads = Reads()
    reads.may_go_on.set()
    joint = JointReads(reads)
    answers = await asyncio.gather(*(joint.ask(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [UndefinedTable] * 3
    assert len(reads.asked) == 1


async def test_none_waits_for_reads_that_were_cancelled() -> None:
    reads = Reads()
    joint = JointReads(reads)
    before = asyncio.all_tasks()
    asking: list[asyncio.Task[int]] = []
    for number in range(5):
        asking.append(asyncio.create_task(joint.ask(number)))
        await asyncio.sleep(0.02)
    for task in asyncio.all_tasks() - before - set(asking):
        task.cancel()
    async with asyncio.timeout(PATIENCE):
        ends = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 5
    reads.may_go_on.set()
    assert await joint.ask(7) == 14


async def test_one_who_leaves_disturbs_no_one() -> None:
    reads = Reads()
    joint = JointReads(reads)
    leaving, staying = (asyncio.create_task(joint.ask(number)) for number in (1, 2))
    await reads.began.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    reads.may_go_on.set()
    assert await staying == 4


async def test_who_asks_again_at_once_is_answered() -> None:
    """Both reads have just ended, and their tasks are about to."""
    reads = Reads()
    joint = JointReads(reads)

    async def ask(*numbers: int) -> list[int]:
        return [await joint.ask(number) for number in numbers]

    asking: list[asyncio.Task[list[int]]] = []
    for numbers in ((1, 2), (3,)):
        asking.append(asyncio.create_task(ask(*numbers)))
        await reads.began.wait()
        reads.began.clear()
    assert reads.asked == [[1], [3]]
    reads.may_go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*asking) == [[2, 4], [6]]
