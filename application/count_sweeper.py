"""Adds up the moves of journeys, and folds decisions, messages and goals by day."""

from dataclasses import dataclass

from application.trait_sweeper import SweepResult
from store import daily_counts, journey_moves
from store.database import Database


@dataclass(slots=True)
class CountSweeper:
    """Adds up the rows that every sum reads beside the totals."""

    database: Database
    name: str = "counts"

    async def sweep(self) -> SweepResult:
        """Add up one page of each, in a transaction of its own."""
        async with self.database.transaction() as connection:
            moves = await journey_moves.add_up(connection)
        async with self.database.transaction() as connection:
            rows = await daily_counts.fold(connection)
        is_full = moves == journey_moves.PAGE or (rows or 0) >= daily_counts.PAGE
        return SweepResult(moves + (rows or 0), 0.0, 0.0 if is_full else None)
