"""Why people got nothing: refused entries and messages, counted and one by one."""

from typing import Final

from msgspec import Struct

from application.snapshots import Snapshots
from domain.access import Actor
from store import audit, non_sends
from store.database import Database
from store.non_sends import NonSend, NonSendFilter, NonSendGroup, NonSendGrouping, NonSendPosition

# So many refusals are looked through for their people in 0.2 s; of more, those of a sample.
MAX_EXACT: Final = 100_000


class NonSendCounts(Struct, frozen=True):
    """All refusals of a filter, and by value, the most frequent first.

    With `is_estimate`, the numbers of people are estimates.
    """

    total: NonSendGroup
    groups: list[NonSendGroup]
    is_estimate: bool


class NonSends:
    """Counts refusals, for all viewers at once, and lists them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots: Snapshots[tuple[NonSendFilter, NonSendGrouping], NonSendCounts] = Snapshots(self._count)

    async def count(self, which: NonSendFilter, by: NonSendGrouping) -> NonSendCounts:
        """Count the people and their refusals.

        Refusals that were deleted since count in `times` alone.
        """
        return await self._snapshots.get((which, by))

    async def list(
        self, which: NonSendFilter, *, limit: int, after: NonSendPosition | None = None, by: Actor
    ) -> list[NonSend]:
        """Return refusals, the latest first; the audit log says who has looked."""
        async with self._database.transaction() as connection:
            found = await non_sends.page(connection, which, limit=limit, after=after)
            await audit.record_list(connection, by, "non-sends")
            return found

    async def _count(self, asked: tuple[NonSendFilter, NonSendGrouping]) -> NonSendCounts:
        which, by = asked
        async with self._database.long_read() as connection:
            times = await non_sends.count_times(connection, which, by)
            is_estimate = sum(times.values()) > MAX_EXACT
            people = await non_sends.count_people(connection, which, by, is_estimate=is_estimate)
            whole = await non_sends.count_people(connection, which, is_estimate=is_estimate)
        groups = [
            NonSendGroup(value, min(number, people.get(value, 0)), number) for value, number in times.items() if number
        ]
        number = sum(group.times for group in groups)
        return NonSendCounts(
            NonSendGroup("", min(number, whole.get("", 0)), number),
            sorted(groups, key=lambda group: (-group.times, group.value)),
            is_estimate,
        )
