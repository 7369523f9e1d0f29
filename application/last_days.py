"""The UTC days that counts and lists cover where a query names none."""

from datetime import date
from typing import Final

from application.snapshots import Snapshots
from store import daily_counts
from store.database import Database

_LAST: Final = "last"


class LastDays:
    """Knows the last day that has something to count; viewers share the answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots: Snapshots[str, tuple[date, date]] = Snapshots(self._read)

    async def __call__(self) -> tuple[date, date]:
        """Return today, and the last day that is counted.

        It is a later day than today where the clock of journeys runs ahead, as in the demo.
        """
        return await self._snapshots.get(_LAST)

    async def _read(self, _: str) -> tuple[date, date]:
        async with self._database.own_transaction() as connection:
            today = connection.clock.now().date()
            return today, await daily_counts.find_last_day(connection, today)
