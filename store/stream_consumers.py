"""How far each consumer of the stream is."""

from domain.stream import BEGINNING, StreamPosition
from store.database import Connection

# The class of the advisory locks of consumers.
CONSUMER_LOCK = 0x53_54_52_4D


async def lock_consumer(connection: Connection, name: str) -> StreamPosition | None:
    """Lock a consumer for this transaction; return its position.

    None if another transaction has the lock. An advisory lock, as a row lock would give each idle look a transaction
    id.
    """
    cursor = await connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s)) AS is_mine", (CONSUMER_LOCK, name)
    )
    locked = await cursor.fetchone()
    if locked is None or not locked["is_mine"]:
        return None
    cursor = await connection.execute("SELECT xid, kind, id FROM stream_consumers WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return BEGINNING if row is None else StreamPosition(**row)


async def wait_for_consumer(connection: Connection, name: str) -> None:
    """Keep a consumer from its next page until the end of this transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (CONSUMER_LOCK, name))


async def move_consumer(connection: Connection, name: str, position: StreamPosition) -> None:
    """Record the position of a locked consumer."""
    await connection.execute(
        """
        INSERT INTO stream_consumers (name, xid, kind, id) VALUES (%s, %s, %s, %s)
        ON CONFLICT (name) DO UPDATE
        SET xid = EXCLUDED.xid, kind = EXCLUDED.kind, id = EXCLUDED.id, updated_at = clock_timestamp()
        """,
        (name, position.xid, position.kind, position.id),
    )
