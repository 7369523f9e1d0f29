"""The answers that are given again when a request comes again under its Idempotency-Key."""

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from store.database import Connection


class StoredResponse(Struct, frozen=True):
    """An answer of the API as it was given."""

    status: int
    headers: dict[str, str]
    body: bytes


class KeptAnswer(StoredResponse, frozen=True):
    """An answer with the hash of the request that it was given to."""

    request_hash: bytes


async def claim(connection: Connection, actor: str, key: str, request_hash: bytes, *, wait_seconds: float) -> bool:
    """Take a key for the request that this transaction carries out; False where it has an answer already.

    Wait at most `wait_seconds` for a transaction under way that has the key; then raise
    psycopg.errors.LockNotAvailable.
    """
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(wait_seconds * 1000)}ms",))
    cursor = await connection.execute(
        """
        INSERT INTO idempotency_keys (actor, key, request_hash, status, body) VALUES (%s, %s, %s, 0, '')
        ON CONFLICT DO NOTHING
        """,
        (actor, key, request_hash),
    )
    await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
    return cursor.rowcount == 1


async def find(connection: Connection, actor: str, key: str) -> KeptAnswer | None:
    """The answer that was given under a key."""
    cursor = await connection.execute(
        "SELECT request_hash, status, headers, body FROM idempotency_keys WHERE actor = %s AND key = %s", (actor, key)
    )
    row = await cursor.fetchone()
    return convert(row, KeptAnswer) if row else None


async def keep(connection: Connection, actor: str, key: str, answer: StoredResponse) -> None:
    """Keep the answer of the request that has claimed the key."""
    await connection.execute(
        "UPDATE idempotency_keys SET status = %s, headers = %s, body = %s WHERE actor = %s AND key = %s",
        (answer.status, Jsonb(answer.headers), answer.body, actor, key),
    )


async def forget(connection: Connection) -> None:
    """Remove the answers that are too old to be asked for."""
    await connection.execute("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
