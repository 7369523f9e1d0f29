"""The computed traits of the deployment, each definition under an id of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.people.computed.definition import TraitDefinition, TraitRule, TraitType
from domain.people.computed.deployed import DeployedTraits
from store.database import Connection


class StoredTrait(Struct, frozen=True):
    """A definition in force.

    New events are counted since `active_from`. Earlier ones were counted at `ready_at`; None until then.
    """

    definition: TraitDefinition
    active_from: datetime
    ready_at: datetime | None


async def load(connection: Connection) -> list[StoredTrait]:
    """Return the definitions in force."""
    cursor = await connection.execute(
        "SELECT id, key, rule, active_from, ready_at FROM computed_traits WHERE retired_at IS NULL ORDER BY id"
    )
    return [
        StoredTrait(
            TraitDefinition(row["id"], row["key"], convert(row["rule"], TraitRule)),
            row["active_from"],
            row["ready_at"],
        )
        async for row in cursor
    ]


async def load_types(connection: Connection) -> dict[str, TraitType]:
    """Return the types of the traits in force by key, ready or not."""
    return {trait.definition.key: trait.definition.rule.type for trait in await load(connection)}


async def load_deployed(connection: Connection) -> DeployedTraits:
    """Return the definitions in force, and which of them have values."""
    stored = await load(connection)
    ready = {trait.definition.id for trait in stored if trait.ready_at is not None}
    return DeployedTraits((trait.definition for trait in stored), ready)


async def retire(connection: Connection, ids: Sequence[int]) -> None:
    """Count no more events for these definitions."""
    await connection.execute(
        "UPDATE computed_traits SET retired_at = clock_timestamp() WHERE id = ANY(%s)", (list(ids),)
    )


async def add(connection: Connection, rules: Mapping[str, TraitRule]) -> list[int]:
    """Add definitions; return those that wait for the history of known people.

    The caller holds the registry's exclusive lock: every earlier event is committed, and every later one is counted.
    """
    cursor = await connection.execute(
        """
        INSERT INTO computed_traits (key, rule, ready_at)
        SELECT key, value, CASE WHEN NOT EXISTS (SELECT FROM profiles) THEN clock_timestamp() END
        FROM jsonb_each(%s) ORDER BY key
        RETURNING id, ready_at
        """,
        (Jsonb(rules),),
    )
    return [row["id"] for row in await cursor.fetchall() if row["ready_at"] is None]


async def mark_watched(connection: Connection, ids: Sequence[int]) -> bool:
    """Record which traits campaigns watch; return whether one is watched that was not."""
    cursor = await connection.execute(
        """
        UPDATE computed_traits SET is_watched = id = ANY(%(ids)s) WHERE is_watched <> (id = ANY(%(ids)s))
        RETURNING is_watched
        """,
        {"ids": list(ids)},
    )
    return any(row["is_watched"] for row in await cursor.fetchall())


async def mark_ready(connection: Connection, ids: Sequence[int]) -> None:
    """Record that all earlier events are counted as well."""
    await connection.execute(
        "UPDATE computed_traits SET ready_at = clock_timestamp() WHERE id = ANY(%s) AND ready_at IS NULL", (list(ids),)
    )
