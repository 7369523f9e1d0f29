"""The audit log: who did what, written in the transaction of what was done."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.access import Actor
from store.database import Connection


async def record(
    connection: Connection, actor: Actor, action: str, target: str, data: Mapping[str, Any] | None = None
) -> None:
    """Keep who did what to what. An action is named `campaign.pause`, its target by key or id; data is not personal."""
    await connection.execute(
        "INSERT INTO audit_log (actor, actor_name, action, target, data) VALUES (%s, %s, %s, %s, %s)",
        (actor.id, actor.name, action, target, Jsonb(data or {})),
    )


class AuditEntry(Struct, frozen=True):
    """One thing that was done."""

    id: int
    at: datetime
    actor: str
    actor_name: str
    action: str
    target: str
    data: dict[str, Any]


async def page(
    connection: Connection, *, limit: int, after: int | None, target: str | None, actor: str | None
) -> list[AuditEntry]:
    """Entries of a target and an actor, where given; the newest first, below the id `after`."""
    cursor = await connection.execute(
        """
        SELECT id, at, actor, actor_name, action, target, data FROM audit_log
        WHERE (%(after)s::bigint IS NULL OR id < %(after)s)
          AND (%(target)s::text IS NULL OR target = %(target)s)
          AND (%(actor)s::text IS NULL OR actor = %(actor)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"after": after, "target": target, "actor": actor, "limit": limit},
    )
    return [AuditEntry(**row) async for row in cursor]
