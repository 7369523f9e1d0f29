"""The audit log: who did what, written in the transaction of the action."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.access import Actor
from store.database import Connection

# Looks of an actor at a person within it are one entry.
LOOK_INTERVAL: Final = timedelta(minutes=15)
_RECENT_LOOK: Final = """
SELECT FROM audit_log
WHERE target = %(target)s AND actor = %(actor)s AND action = %(action)s AND at > clock_timestamp() - %(within)s LIMIT 1
"""


async def record(
    connection: Connection, actor: Actor, action: str, target: str, data: Mapping[str, Any] | None = None
) -> None:
    """Record an action such as `campaign.pause`, with actor and target.

    The target is a key or id; the data must not be personal.
    """
    await connection.execute(
        "INSERT INTO audit_log (actor, actor_name, action, target, data) VALUES (%s, %s, %s, %s, %s)",
        (actor.id, actor.name, action, target, Jsonb(data or {})),
    )


async def record_look(
    connection: Connection, actor: Actor, action: str, target: str, *, within: timedelta = LOOK_INTERVAL
) -> None:
    """Record what an actor repeats on a target, such as a look, once within a time.

    Concurrent first ones wait for each other, so that they leave one entry: call it after what takes long. Later ones
    find it and wait for nothing.
    """
    named = {"actor": actor.id, "actor_name": actor.name, "action": action, "target": target, "within": within}
    cursor = await connection.execute(_RECENT_LOOK, named)
    if await cursor.fetchone() is not None:
        return
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"look/{actor.id}/{action}/{target}",)
    )
    await connection.execute(
        f"""
        INSERT INTO audit_log (actor, actor_name, action, target)
        SELECT %(actor)s, %(actor_name)s, %(action)s, %(target)s WHERE NOT EXISTS ({_RECENT_LOOK})
        """,
        named,
    )


async def record_list(connection: Connection, actor: Actor, listed: str, user: str | None = None) -> None:
    """Record a look at a list of people, or at the only one that its filter names."""
    if user is None:
        await record_look(connection, actor, "user.find", listed)
    else:
        await record_look(connection, actor, "user.read", user)


class AuditEntry(Struct, frozen=True):
    """One recorded action."""

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
    """Return entries by target and actor, the newest first, below the id `after`."""
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
