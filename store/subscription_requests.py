"""Requests for subscriptions by address and client, as keyed hashes for a day."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from psycopg.types.json import Jsonb

from domain.people.topics.requests import WINDOW, Asker
from store.database import Connection

AskerKey = tuple[Asker, str]


async def count(connection: Connection, keys: Iterable[AskerKey]) -> dict[AskerKey, int]:
    """Add requests, and return their numbers in the window by key.

    The window begins with the first request. The rows are locked in order, so concurrent requests are all counted.
    """
    added = Counter(keys)
    cursor = await connection.execute(
        """
        WITH item AS (
          SELECT kind, value, number, keyed_hash('subscription ' || kind, value) AS hash
          FROM jsonb_to_recordset(%(items)s) AS item (kind text, value text, number int)
        ), counted AS (
          INSERT INTO subscription_requests AS known (hash, since, number)
          SELECT hash, %(now)s, number FROM item ORDER BY hash
          ON CONFLICT (hash) DO UPDATE
          SET since = CASE WHEN known.since > %(now)s - %(window)s THEN known.since ELSE excluded.since END,
              number = excluded.number + CASE WHEN known.since > %(now)s - %(window)s THEN known.number ELSE 0 END
          RETURNING hash, number
        )
        SELECT item.kind, item.value, counted.number FROM counted JOIN item USING (hash)
        """,
        {
            "items": Jsonb(
                [{"kind": kind, "value": value, "number": number} for (kind, value), number in added.items()]
            ),
            "now": connection.clock.now(),
            "window": WINDOW,
        },
    )
    return {(row["kind"], row["value"]): row["number"] async for row in cursor}


async def forget(connection: Connection, age: timedelta) -> None:
    """Delete the numbers of windows that are over."""
    await connection.execute("DELETE FROM subscription_requests WHERE since < now() + clock_ahead() - %s", (age,))
