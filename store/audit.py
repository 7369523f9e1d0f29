"""The audit log: who did what, written in the transaction of what was done."""

from collections.abc import Mapping
from typing import Any

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
