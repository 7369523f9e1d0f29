"""Long work shares the event loop by turns: one work a round of it, whatever is ready."""

import asyncio
from itertools import count

import pytest

from application import turns
from application.turns import Turns
from domain.long_work import LongWork


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is two pieces long: the clock moves by half of it whenever it is looked at."""
    clock = count()
    monkeypatch.setattr(turns, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(turns, "TURN_SECONDS", 2)


def work(name: str, pieces: int, notes: list[str]) -> LongWork[str]:
    for _ in range(pieces):
        notes.append(name)
        yield
    return name


async def test_each_work_has_its_turn_and_its_own_end() -> None:
    shared, notes = Turns(), list[str]()
    ends = await asyncio.gather(*(shared.run(work(name, pieces, notes)) for name, pieces in (("a", 3), ("b", 5))))
    assert ends == ["a", "b"]
    assert "".join(notes) == "aabbabbb"


async def test_in_a_round_of_the_loop_only_one_of_them_has_a_turn() -> None:
    """Twenty that are ready at once would otherwise stop it for twenty turns."""
    shared, notes = Turns(), list[str]()
    longest = 0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = len(notes)
            await asyncio.sleep(0)
            longest = max(longest, len(notes) - before)

    watching = asyncio.create_task(watch())
    await asyncio.gather(
        *(shared.run(work("long", 10, notes)) for _ in range(20)),
        *(shared.call(lambda: notes.append("short")) for _ in range(20)),
    )
    watching.cancel()
    assert (notes.count("long"), notes.count("short")) == (200, 20)
    assert longest <= 2


async def test_what_one_fails_of_is_told_to_it_alone() -> None:
    def failing() -> LongWork[None]:
        yield
        raise ValueError

    shared = Turns()
    failed, ended = await asyncio.gather(shared.run(failing()), shared.run(work("a", 3, [])), return_exceptions=True)
    assert isinstance(failed, ValueError)
    assert ended == "a"


async def test_a_work_that_is_cancelled_leaves_the_turns_to_others() -> None:
    shared = Turns()
    endless = asyncio.create_task(shared.run(work("endless", 1_000_000, [])))
    other = asyncio.create_task(shared.run(work("a", 30, [])))
    await asyncio.sleep(0)
    endless.cancel()
    assert await other == "a"
    assert endless.cancelled()
