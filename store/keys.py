"""The keys of the API.

Only the SHA-256 of a key's secret is stored. The secrets of user tokens are stored themselves, since verifying a token
takes the secret that has signed it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct, convert, field

from domain.access import BROWSER_SCOPES, KeyKind, KeyTrust, Scope
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
    kind: KeyKind
    origins: list[str]
    trust: KeyTrust


class StoredKey(Key, frozen=True):
    """A key with the hash of its secret, and the secrets of its user tokens."""

    secret_hash: bytes
    token_secrets: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """Show no secret, in logs."""
        return f"StoredKey(id={self.id!r})"


_COLUMNS = f"""
  id, name, source, created_by, created_at, expires_at, revoked_at, last_used_at, origins, trust,
  CASE WHEN is_browser THEN 'browser' ELSE 'server' END AS kind,
  CASE WHEN is_browser THEN '{{{",".join(BROWSER_SCOPES)}}}' ELSE scopes END AS scopes
"""


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
    kind: KeyKind,
    origins: Sequence[str],
    trust: KeyTrust,
    token_secrets: Sequence[str],
) -> Key:
    """Insert a new key."""
    cursor = await connection.execute(
        f"""
        INSERT INTO api_keys (
          id, name, scopes, source, secret_hash, expires_at, created_by, is_browser, origins, trust, token_secrets)
        VALUES (%s, %s, %s::text[], %s, %s, %s, %s, %s, %s::text[], %s, %s::text[]) RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant
        (
            id,
            name,
            [scope.value for scope in scopes],
            source,
            secret_hash,
            expires_at,
            created_by,
            kind is KeyKind.BROWSER,
            list(origins),
            trust.value,
            list(token_secrets),
        ),
    )
    return convert(await cursor.fetchone(), Key)


async def find(connection: Connection, ids: Sequence[str]) -> dict[str, StoredKey]:
    """Return the keys that exist, by id, with their hashes."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS}, secret_hash, token_secrets FROM api_keys WHERE id = ANY(%s)",  # noqa: S608 -- a constant
        (list(ids),),
    )
    return {row["id"]: convert(row, StoredKey) for row in await cursor.fetchall()}


async def find_makers(connection: Connection, actors: Collection[str]) -> dict[str, set[str]]:
    """Return the makers of each of these keys, and the makers of those.

    Revoked and expired keys count as well.
    """
    cursor = await connection.execute(
        """
        WITH RECURSIVE made AS (
          SELECT id AS actor, created_by AS maker FROM api_keys WHERE id = ANY(%s)
          UNION
          SELECT made.actor, api_keys.created_by FROM made JOIN api_keys ON api_keys.id = made.maker
        )
        SELECT actor, array_agg(maker) AS makers FROM made GROUP BY actor
        """,
        (list(actors),),
    )
    return {row["actor"]: set(row["makers"]) async for row in cursor}


async def touch(connection: Connection, id: str) -> None:
    """Record that a key was used."""
    await connection.execute("UPDATE api_keys SET last_used_at = now() WHERE id = %s", (id,))


async def revoke(connection: Connection, id: str) -> tuple[Key, bool] | None:
    """Revoke a key. Return it, and whether it was valid; None if there is none."""
    cursor = await connection.execute(
        f"UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL RETURNING {_COLUMNS}",  # noqa: S608
        (id,),
    )
    row = await cursor.fetchone()
    if row:
        return convert(row, Key), True
    found = (await find(connection, [id])).get(id)
    return (found, False) if found else None


async def add_token_secret(connection: Connection, id: str, secret: str, *, kept: int) -> Key | None:
    """Put a secret before those of a valid browser key, of which `kept` stay."""
    cursor = await connection.execute(
        f"""
        UPDATE api_keys SET token_secrets = %s || token_secrets[:%s]
        WHERE id = %s AND is_browser AND revoked_at IS NULL RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant
        ([secret], kept, id),
    )
    row = await cursor.fetchone()
    return convert(row, Key) if row else None


async def list_trusted_browsers(connection: Connection) -> list[Key]:
    """Return the valid browser keys whose calls about users need no token."""
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS} FROM api_keys
        WHERE is_browser AND trust = 'full' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ORDER BY created_at, id
        """  # noqa: S608 -- a constant
    )
    return [convert(row, Key) async for row in cursor]


async def page(connection: Connection, *, limit: int, after: tuple[datetime, str] | None) -> list[Key]:
    """Return keys, the newest first, before `after`: the last (created_at, id) seen."""
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
    """Return whether there is a valid key with all rights."""
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
