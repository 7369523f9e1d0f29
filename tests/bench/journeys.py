"""Journeys from their trigger to their end, beside bare workflows that rest and act as often."""

import time
from collections.abc import Iterator
from itertools import count

from tests.bench.deployed import Deployed, deployed
from tests.bench.measure import Measure, Result, beside, in_turns
from tests.bench.people import CART, PLAIN
from tests.bench.stack import Stack

WITH_DELAY, WITHOUT, ROUNDS = 150, 200, 4
DELAY = 2.0


async def measure(stack: Stack) -> list[Result]:
    with_delay, without = stack.count(WITH_DELAY, 4), stack.count(WITHOUT, 4)
    async with deployed(stack, [CART.replace("DELAY", "2s"), PLAIN], with_delay + without) as place:
        numbers = count()
        found = await in_turns(
            [
                _bare(place, with_delay, DELAY, numbers),
                _journeys(place, "Cart Abandoned", with_delay, DELAY),
                _bare(place, without, 0.0, numbers),
                _journeys(place, "Price Dropped", without, 0.0),
            ],
            stack.count(ROUNDS),
        )
    return [
        beside("journeys", [(figure, floor) for floor, figure, _, _ in found], f"{with_delay} at once, a delay of 2 s"),
        beside("journeys_plain", [(figure, floor) for _, _, floor, figure in found], f"{without} at once"),
    ]


def _journeys(place: Deployed, event: str, number: int, delay: float) -> Measure:
    """From the first batch of triggers until all journeys are over, but for the delay; journeys a second."""

    async def once(_: int) -> float:
        before = await place.completed_so_far(place.queue)
        began = time.perf_counter()
        await place.enter([f"user-{index}" for index in range(number)], event)
        await place.completed(place.queue, before + number)
        return number / (time.perf_counter() - began - delay)

    return once


def _bare(place: Deployed, number: int, delay: float, numbers: Iterator[int]) -> Measure:
    async def once(_: int) -> float:
        before = await place.completed_so_far(place.bare_queue)
        began = time.perf_counter()
        await place.bare.start(f"round-{next(numbers)}", number, [delay], eager=True)
        await place.completed(place.bare_queue, before + number)
        return number / (time.perf_counter() - began - delay)

    return once
