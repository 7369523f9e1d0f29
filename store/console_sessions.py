"""The sessions of the web console.

Only the SHA-256 of a session's secret is stored. A session ends with the key that has opened it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct, convert

from domain.access import Actor, Scope
from store.database import Connection

# How long the list shows an ended session.
LIFETIME: Final = timedelta(days=30)

LoginMethod = Literal["key", "oidc"]


class ConsoleSession(Struct, frozen=True):
    """A session, without its secret. It has expired or is revoked as soon as its key."""

    id: str
    actor_id: str
    actor_name: str
    scopes: list[Scope]
    how: LoginMethod
    key_id: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class StoredSession(ConsoleSession, frozen=True):
    """A session with the digest of its secret."""

    digest: bytes

    def __repr__(self) -> str:
        """Show no digest, in logs."""
        return f"StoredSession(id={self.id!r})"


_COLUMNS: Final = """
  session.id, session.actor_id, session.actor_name, session.scopes, session.how, session.key_id, session.created_at,
  LEAST(session.expires_at, key.expires_at) AS expires_at, COALESCE(session.revoked_at, key.revoked_at) AS revoked_at
"""
_JOINED: Final = "console_sessions AS session LEFT JOIN api_keys AS key ON key.id = session.key_id"


async def insert(
    connection: Connection,
    *,
    id: str,
    digest: bytes,
    actor: Actor,
    scopes: Sequence[Scope],
    how: LoginMethod,
    key_id: str | None,
    lifetime: timedelta,
    most: int,
) -> ConsoleSession:
    """Insert a session. An actor has `most` at a time: the oldest ones go.

    Log-ins of one actor take turns: none would see the session of another before its end.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"console session/{actor.id}",))
    await connection.execute(
        """
        INSERT INTO console_sessions (id, digest, actor_id, actor_name, scopes, how, key_id, expires_at)
        VALUES (%s, %s, %s, %s, %s::text[], %s, %s, clock_timestamp() + %s)
        """,
        (id, digest, actor.id, actor.name, [scope.value for scope in scopes], how, key_id, lifetime),
    )
    await connection.execute(
        """
        DELETE FROM console_sessions WHERE id IN (
          SELECT id FROM console_sessions WHERE actor_id = %s
          ORDER BY created_at DESC, id DESC OFFSET %s FOR UPDATE SKIP LOCKED)
        """,
        (actor.id, most),
    )
    [session] = (await find(connection, [id])).values()
    return session


async def find(connection: Connection, ids: Sequence[str]) -> dict[str, StoredSession]:
    """Return the sessions that exist, by id, with their digests."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS}, session.digest FROM {_JOINED} WHERE session.id = ANY(%s)",  # noqa: S608 -- constants
        (list(ids),),
    )
    return {row["id"]: convert(row, StoredSession) for row in await cursor.fetchall()}


async def revoke(connection: Connection, id: str) -> bool:
    """Revoke a session; return False if there is none, or it was revoked already."""
    cursor = await connection.execute(
        "UPDATE console_sessions SET revoked_at = clock_timestamp() WHERE id = %s AND revoked_at IS NULL", (id,)
    )
    return cursor.rowcount == 1


async def page(connection: Connection, *, limit: int, after: tuple[datetime, str] | None) -> list[ConsoleSession]:
    """Return sessions, the newest first, before the (created_at, id) of `after`."""
    created_at, id = after or (None, None)
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM {_JOINED}
        WHERE %(created_at)s::timestamptz IS NULL OR (session.created_at, session.id) < (%(created_at)s, %(id)s)
        ORDER BY session.created_at DESC, session.id DESC LIMIT %(limit)s
        """,  # noqa: S608 -- constants
        {"created_at": created_at, "id": id, "limit": limit},
    )
    return [convert(row, ConsoleSession) async for row in cursor]


async def forget(connection: Connection, lifetime: timedelta) -> None:
    """Delete sessions that ended long ago."""
    await connection.execute("DELETE FROM console_sessions WHERE expires_at < now() - %s", (lifetime,))
