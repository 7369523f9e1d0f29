"""Work that takes long beside others that the same event loop serves."""

import asyncio

# Work as domain/journey/matching.py counts it: 2 to 8 µs each, 25 µs at most.
MAX_WORK_AT_ONCE = 1_000


class Pauses:
    """Lets others have a turn after each MAX_WORK_AT_ONCE."""

    def __init__(self) -> None:
        self._rested = 0

    async def after(self, work: int) -> None:
        """Rest, if that much work since the beginning is enough for another pause."""
        if work - self._rested >= MAX_WORK_AT_ONCE:
            self._rested = work
            await asyncio.sleep(0)
