"""Numbers of messages by state."""

from store import daily_counts
from store.daily_counts import MessageDay, MessageFilter, MessageGrouping
from store.database import Database


class MessageCounts:
    """Reads what was counted by day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, which: MessageFilter, by: MessageGrouping) -> list[MessageDay]:
        """Count the messages of a filter, by their states now."""
        async with self._database.transaction() as connection:
            return await daily_counts.read_messages(connection, which, by)
