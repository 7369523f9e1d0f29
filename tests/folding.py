"""Counts that are folded: sums read no rows beside the totals."""

import asyncio

from application.count_sweeper import CountSweeper
from store import daily_counts
from store.database import Database

LATER = f"recorded_xid > {daily_counts._POSITION}"
UNFOLDED = f"""
SELECT (SELECT count(*) FROM journey_move_changes) + (SELECT count(*) FROM decisions WHERE {LATER})
     + (SELECT count(*) FROM conversions WHERE {LATER}) + (SELECT count(*) FROM message_changes WHERE {LATER}) AS number
"""  # noqa: S608 -- constants of the store


async def fold_all(database: Database) -> None:
    sweeper = CountSweeper(database)
    async with asyncio.timeout(60):
        while True:
            await sweeper.sweep()
            async with database.transaction() as connection:
                cursor = await connection.execute(UNFOLDED)
                [row] = await cursor.fetchall()
            if row["number"] == 0:
                return
            # The horizon waits for transactions of other databases.
            await asyncio.sleep(0.01)
