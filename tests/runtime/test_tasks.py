"""A task that runs until it is cancelled ends, also where a cancellation is lost."""

import ast
import asyncio
from collections.abc import Iterator

import pytest

from runtime.tasks import cancel_and_wait
from tests.prose import ROOT, product_files


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


def kept_tasks(tree: ast.Module) -> Iterator[tuple[int, bool]]:
    """The lines of tasks that an object keeps, and whether each has a context of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any("self." in ast.unparse(target) for target in node.targets):
            call = node.value
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "asyncio.create_task":
                yield node.lineno, any(one.arg == "context" for one in call.keywords)


def test_a_task_that_outlives_the_request_that_began_it_has_the_context_of_none() -> None:
    """Else it logs and traces for ever under the id of the first one."""
    found = [
        f"{place}:{line}"
        for file in product_files()
        for place in [str(file.relative_to(ROOT))]
        if place.startswith(("api/", "application/", "channels/"))
        for line, has_context in kept_tasks(ast.parse(file.read_text()))
        if not has_context
    ]
    assert found == []


def test_such_a_task_without_a_context_is_found() -> None:
    source = "self._work = asyncio.create_task(f(){})\nself._all[url] = asyncio.create_task(f())"
    assert [known for _, known in kept_tasks(ast.parse(source.format("")))] == [False, False]
    assert [known for _, known in kept_tasks(ast.parse(source.format(", context=Context()")))] == [True, False]
