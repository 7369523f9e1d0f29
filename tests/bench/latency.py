"""How soon a message is with the provider, and how late a delay fires, at ten arrivals a second."""

import asyncio
from pathlib import Path

from tests.bench.deployed import Deployed, deployed
from tests.bench.measure import Result, percentile, single
from tests.bench.people import CART, PLAIN
from tests.bench.stack import Stack

PACE = 10
BLOCKS, ARRIVALS = 6, 100
REST, RESTING = 30.0, 200


async def measure(stack: Stack) -> list[Result]:
    blocks, arrivals, resting = stack.count(BLOCKS), stack.count(ARRIVALS, 5), stack.count(RESTING, 5)
    rest = REST if stack.effort == 1 else 1.0
    campaigns = [CART.replace("DELAY", f"{rest:.0f}s"), PLAIN]
    async with deployed(stack, campaigns, blocks * arrivals + resting) as place:
        floors: list[float] = []
        figures: list[float] = []
        for block in range(-1, blocks):
            floor = await place.bare.start(f"block-{block}", arrivals // 2, [0.0], pace=PACE, eager=True)
            users = [f"user-{max(block, 0) * arrivals + number}" for number in range(arrivals)]
            figure = await _handed_over(place, stack.handed_over, users, "Price Dropped")
            # The first one only warms up.
            if block >= 0:
                floors += [(acted - asked) / 1e6 for asked, acted in zip(floor.asked, floor.acted, strict=True)]
                figures += figure
        users = [f"user-{blocks * arrivals + number}" for number in range(resting)]
        late, bare = await asyncio.gather(
            _handed_over(place, stack.handed_over, users, "Cart Abandoned"),
            place.bare.start("resting", resting, [rest], pace=PACE, eager=True),
        )
    lateness = [each - rest * 1e3 for each in late]
    bare_lateness = [(acted - asked) / 1e6 - rest * 1e3 for asked, acted in zip(bare.asked, bare.acted, strict=True)]
    note = f"{PACE} a second, {len(figures)} of them"
    return [
        single("latency_p50", percentile(figures, 50), percentile(floors, 50), note),
        single("latency_p99", percentile(figures, 99), percentile(floors, 99), note),
        single(
            "late_p99",
            percentile(lateness, 99),
            percentile(bare_lateness, 99),
            f"{PACE} a second, {resting} of them, from the acknowledgement to the hand-over",
        ),
    ]


async def _handed_over(place: Deployed, notes: Path, users: list[str], event: str) -> list[float]:
    """From the acknowledgement of each trigger to the hand-over to the provider, in milliseconds."""
    loop = asyncio.get_running_loop()
    skipped = _size(notes)
    began = loop.time()
    acknowledged: dict[str, int] = {}
    wanted = set(users)
    for number, user in enumerate(users):
        await asyncio.sleep(began + number / PACE - loop.time())
        acknowledged[user] = await place.enter_one(user, event)
    while True:
        handed = _read(notes, skipped, wanted)
        if len(handed) == len(users):
            return [(handed[user] - acknowledged[user]) / 1e6 for user in users]
        await asyncio.sleep(0.2)


def _size(notes: Path) -> int:
    return notes.stat().st_size if notes.exists() else 0


def _read(notes: Path, skipped: int, wanted: set[str]) -> dict[str, int]:
    """When each of these users was handed over, as far as they were."""
    text = notes.read_bytes()[skipped:].decode() if notes.exists() else ""
    found = dict(line.split() for line in text.splitlines())
    return {user: int(at) for user, at in found.items() if user in wanted}
