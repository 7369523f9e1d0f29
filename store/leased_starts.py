"""Starts of workflows that relays deliver only once their lease is over.

The process that does a journey's work itself renews the lease meanwhile, and removes the row with the last of it: the
workflow starts where that process has died.
"""

from psycopg.types.json import Jsonb

from store.database import Connection
from store.outbox import CHANNEL, OutboxMessage
from store.trace_context import KEY, traceparent


async def append(connection: Connection, message: OutboxMessage, seconds: float) -> None:
    """Append a start that is due after a lease, without waking the relays."""
    trace = traceparent()
    payload = message.payload if trace is None else {**message.payload, KEY: trace}
    await connection.execute(
        """
        INSERT INTO outbox (workflow_id, kind, payload, available_at)
        VALUES (%s, %s, %s, clock_timestamp() + clock_ahead() + make_interval(secs => %s))
        """,
        (message.workflow_id, message.kind, Jsonb(payload), seconds),
    )


async def renew(connection: Connection, workflow_id: str, seconds: float) -> None:
    """Make the lease end so many seconds from now."""
    await connection.execute(_SET, {"workflow_id": workflow_id, "seconds": seconds})


async def end(connection: Connection, workflow_id: str, seconds: float) -> None:
    """End the lease in so many seconds, and tell the relays after the commit."""
    await renew(connection, workflow_id, seconds)
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


_SET = """
UPDATE outbox SET available_at = clock_timestamp() + clock_ahead() + make_interval(secs => %(seconds)s)
WHERE workflow_id = %(workflow_id)s AND kind = 'start'
"""
