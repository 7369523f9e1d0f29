"""A task that runs until it is cancelled ends, also where a cancellation is lost."""

import asyncio

import pytest

from runtime.tasks import cancel_and_wait


async def deaf(times: int) -> None:
    """Loses so many cancellations, as `wait_for` of Python 3.11 may lose one."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_it_ends_however_many_cancellations_are_lost(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tasks.CANCEL_TIMEOUT", 0.01)
    task = asyncio.create_task(deaf(lost))
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.cancelled()


async def test_one_that_failed_before_is_left_alone() -> None:
    async def fails() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)
