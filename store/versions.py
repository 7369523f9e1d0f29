"""Published versions of a campaign, as their author wrote them."""

from datetime import datetime

from msgspec import Struct

from store.database import Connection


class VersionHead(Struct, frozen=True):
    """A published version, without its texts."""

    version: int
    name: str
    stage: str | None
    file: str
    published_at: datetime


class PublishedSource(VersionHead, frozen=True):
    """A published version with its document and templates."""

    source: str
    templates: dict[str, str]


async def page(connection: Connection, key: str, *, limit: int, after: int | None) -> list[VersionHead]:
    """Return the versions of a campaign, the newest first, below `after`."""
    cursor = await connection.execute(
        """
        SELECT version, name, stage, file, published_at FROM campaign_versions
        WHERE campaign_key = %(key)s AND (%(after)s::integer IS NULL OR version < %(after)s)
        ORDER BY version DESC LIMIT %(limit)s
        """,
        {"key": key, "after": after, "limit": limit},
    )
    return [VersionHead(**row) async for row in cursor]


async def find(connection: Connection, key: str, number: int) -> PublishedSource | None:
    """Return one version."""
    cursor = await connection.execute(
        """
        SELECT version, name, stage, file, published_at, source, templates FROM campaign_versions
        WHERE campaign_key = %s AND version = %s
        """,
        (key, number),
    )
    row = await cursor.fetchone()
    return PublishedSource(**row) if row else None
