"""The keys of the API. Of a secret only its SHA-256 is here."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, convert

from domain.access import Scope
from store.database import Connection


class Key(Struct, frozen=True):
    """A key, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    source: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class StoredKey(Key, frozen=True):
    """A key with the hash that its secret is compared with."""

    secret_hash: bytes


_COLUMNS = "id, name, scopes, source, created_by, created_at, expires_at, revoked_at, last_used_at"


async def insert(
    connection: Connection,
    *,
    id: str,
    name: str,
    scopes: Sequence[Scope],
    source: str,
    secret_hash: bytes,
    expires_at: datetime | None,
    created_by: str,
) -> Key:
    """Keep a new key."""
    cursor = await connection.execute(
        f"""
        INSERT INTO api_keys (id, name, scopes, source, secret_hash, expires_at, created_by)
        VALUES (%s, %s, %s::text[], %s, %s, %s, %s) RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant
        (id, name, [scope.value for scope in scopes], source, secret_hash, expires_at, created_by),
    )
    return convert(await cursor.fetchone(), Key)


async def find(connection: Connection, ids: Sequence[str]) -> dict[str, StoredKey]:
    """Those of the keys that there are, by their ids, with their hashes."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS}, secret_hash FROM api_keys WHERE id = ANY(%s)",  # noqa: S608 -- a constant
        (list(ids),),
    )
    return {row["id"]: convert(row, StoredKey) for row in await cursor.fetchall()}


async def touch(connection: Connection, id: str) -> None:
    """Note that a key was used."""
    await connection.execute("UPDATE api_keys SET last_used_at = now() WHERE id = %s", (id,))


async def revoke(connection: Connection, id: str) -> tuple[Key, bool] | None:
    """Let a key open nothing any more. The key, and whether it did until now; None where there is no such key."""
    cursor = await connection.execute(
        f"UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL RETURNING {_COLUMNS}",  # noqa: S608
        (id,),
    )
    row = await cursor.fetchone()
    if row:
        return convert(row, Key), True
    found = (await find(connection, [id])).get(id)
    return (found, False) if found else None


async def page(connection: Connection, *, limit: int, after: tuple[datetime, str] | None) -> list[Key]:
    """Keys, the newest first: those made before `after`, which is the (created_at, id) of the last one seen."""
    created_at, id = after or (None, None)
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM api_keys
        WHERE %(created_at)s::timestamptz IS NULL OR (created_at, id) < (%(created_at)s, %(id)s)
        ORDER BY created_at DESC, id DESC LIMIT %(limit)s
        """,  # noqa: S608 -- a constant
        {"created_at": created_at, "id": id, "limit": limit},
    )
    return [convert(row, Key) async for row in cursor]


async def has_admin(connection: Connection) -> bool:
    """Whether any key opens everything now."""
    cursor = await connection.execute(
        """
        SELECT EXISTS (
          SELECT 1 FROM api_keys
          WHERE 'admin' = ANY(scopes) AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > now())) AS has_admin
        """
    )
    row = await cursor.fetchone()
    return bool(row and row["has_admin"])
