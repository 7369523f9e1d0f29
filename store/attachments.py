"""Files that mails attach, stored once by their hash."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, convert

from store.database import Connection

# How long a file is kept that no version has: it is stored before its campaign is published.
GRACE: Final = timedelta(days=7)


class StoredAttachment(Struct, frozen=True):
    """A stored file, without its data."""

    sha256: str
    size: int
    stored_at: datetime


async def put(connection: Connection, sha256: str, data: bytes) -> StoredAttachment:
    """Store a file, or renew the time of one that is stored."""
    cursor = await connection.execute(
        """
        INSERT INTO attachment_files (sha256, data) VALUES (%s, %s)
        ON CONFLICT (sha256) DO UPDATE SET stored_at = now()
        RETURNING sha256, octet_length(data) AS size, stored_at
        """,
        (sha256, data),
    )
    return convert(await cursor.fetchone(), StoredAttachment)


async def find(connection: Connection, sha256: str) -> StoredAttachment | None:
    """Return a stored file."""
    cursor = await connection.execute(
        "SELECT sha256, octet_length(data) AS size, stored_at FROM attachment_files WHERE sha256 = %s", (sha256,)
    )
    row = await cursor.fetchone()
    return None if row is None else convert(row, StoredAttachment)


async def load(connection: Connection, hashes: Collection[str]) -> dict[str, bytes]:
    """Return the data of stored files by their hashes."""
    cursor = await connection.execute(
        "SELECT sha256, data FROM attachment_files WHERE sha256 = ANY(%s)", (list(hashes),)
    )
    return {row["sha256"]: row["data"] async for row in cursor}


async def renew(connection: Connection, hashes: Collection[str]) -> dict[str, int]:
    """Renew the time of files that a version is about to have; return their sizes.

    A clearing that waits for this transaction finds them too young.
    """
    cursor = await connection.execute(
        """
        UPDATE attachment_files SET stored_at = now() WHERE sha256 = ANY(%s)
        RETURNING sha256, octet_length(data) AS size
        """,
        (sorted(hashes),),
    )
    return {row["sha256"]: row["size"] async for row in cursor}


async def assign(connection: Connection, key: str, version: int, hashes: Collection[str]) -> None:
    """Note which files a version has."""
    await connection.execute(
        "INSERT INTO version_attachments (sha256, campaign_key, version) SELECT unnest(%s::text[]), %s, %s",
        (sorted(set(hashes)), key, version),
    )


async def forget(connection: Connection) -> None:
    """Delete files that no version has had for a while."""
    await connection.execute(
        """
        DELETE FROM attachment_files AS files WHERE stored_at < now() - %s
          AND NOT EXISTS (SELECT FROM version_attachments AS had WHERE had.sha256 = files.sha256)
        """,
        (GRACE,),
    )
