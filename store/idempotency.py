"""Stored responses of requests with an Idempotency-Key."""

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from store.database import Connection


class StoredResponse(Struct, frozen=True):
    """A stored response of the API."""

    status: int
    headers: dict[str, str]
    body: bytes


class KeptAnswer(StoredResponse, frozen=True):
    """A response with the hash of its request.

    `age` is in seconds since the key was claimed. A request that calls outside commits its claim before, without an
    answer.
    """

    request_hash: bytes
    age: float

    @property
    def is_given(self) -> bool:
        """Whether there is an answer yet."""
        return self.status != 0


async def claim(connection: Connection, actor: str, key: str, request_hash: bytes, *, wait_seconds: float) -> bool:
    """Claim a key for the request of this transaction; False if it has a response.

    Waits at most `wait_seconds` for an open transaction with the key, then raises psycopg.errors.LockNotAvailable.
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
    """Return the response that was given under a key."""
    cursor = await connection.execute(
        """
        SELECT request_hash, status, headers, body, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
        FROM idempotency_keys WHERE actor = %s AND key = %s
        """,
        (actor, key),
    )
    row = await cursor.fetchone()
    return convert(row, KeptAnswer) if row else None


async def keep(connection: Connection, actor: str, key: str, answer: StoredResponse) -> None:
    """Store the response of the request that claimed the key."""
    await connection.execute(
        "UPDATE idempotency_keys SET status = %s, headers = %s, body = %s WHERE actor = %s AND key = %s",
        (answer.status, Jsonb(answer.headers), answer.body, actor, key),
    )


async def forget(connection: Connection) -> None:
    """Delete old responses."""
    await connection.execute("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
